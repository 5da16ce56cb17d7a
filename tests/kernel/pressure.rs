//! A container's pressure is what its cgroup's own files say, also where the unified hierarchy has no controllers.

use std::{fs, time::Duration};

use crate::harness::{Docker, Home, cgroup, pause, skip};

/// Field, file, line.
const TOTALS: [(&str, &str, &str); 7] = [
    ("cpu_some_ns", "cpu.pressure", "some"),
    ("cpu_full_ns", "cpu.pressure", "full"),
    ("memory_some_ns", "memory.pressure", "some"),
    ("memory_full_ns", "memory.pressure", "full"),
    ("io_some_ns", "io.pressure", "some"),
    ("io_full_ns", "io.pressure", "full"),
    ("irq_full_ns", "irq.pressure", "full"),
];

#[test]
fn time_stalled_lies_between_two_readings_of_the_files() {
    let Some(docker) = Docker::here() else { return };
    let home = Home::with("[collect]\nfile_interval = \"1s\"\n");
    let agent = home.start::<&str>(&[]);
    // Two that want one CPU, and writes that wait for the disk.
    let script = "(while :; do :; done) & (while :; do :; done) & \
                  while :; do dd if=/dev/zero of=/file bs=1M count=20 conv=fsync; done";
    let container = docker.run(&["--cpuset-cpus", "0"], script);
    let folder = cgroup::folder(&container.cgroup_path());
    if !folder.join("cpu.pressure").exists() {
        return skip("this kernel tells no pressure (CONFIG_PSI, psi=1)").unwrap_or_default();
    }
    let total_us = |file: &str, line: &str| -> Option<u64> {
        let text = fs::read_to_string(folder.join(file)).ok()?;
        let line = text.lines().find(|it| it.starts_with(line))?;
        line.split_once("total=")?.1.parse().ok()
    };
    pause(Duration::from_secs(2));
    let mut grew = 0;
    for _ in 0..3 {
        let before = TOTALS.map(|(_, file, line)| total_us(file, line));
        let batch = agent.next_batch();
        let entry = batch
            .container(&container.id)
            .expect("the container is listed");
        for ((field, file, line), before) in TOTALS.into_iter().zip(before) {
            let (ours_ns, after) = (entry.value("psi", field), total_us(file, line));
            let facts =
                format!("{field}: kernel={before:?}us ours={ours_ns:?}ns kernel={after:?}us");
            println!("{facts}");
            let ours_us = ours_ns.map(|ns| ns / 1_000);
            assert!(before <= ours_us && ours_us <= after, "{facts}");
        }
        grew = entry.value("psi", "cpu_some_ns").unwrap_or_default();
    }
    assert!(grew > 1_000_000_000, "cpu_some_ns={grew}");
}
