//! Without the kernel programs, cgroup files give the same CPU time.

use std::time::Duration;

use crate::harness::{Docker, Home, cgroup, pause};

#[test]
fn cgroup_files_give_the_same_cpu_time_as_the_kernel_programs_and_are_named_as_the_source() {
    let Some(docker) = Docker::here() else { return };
    let homes = [Home::new(), Home::new()];
    let kernel = homes[0].start(&["--source", "kernel"]);
    let files = homes[1].start(&["--source", "files"]);
    let busy = docker.run(&["--cpus", "0.25"], "while :; do :; done");
    let forking = docker.run(&[], "while :; do (true); done");
    pause(Duration::from_secs(2));
    for container in [&busy, &forking] {
        let path = container.cgroup_path();
        let before_us = cgroup::usage_us(&path).unwrap();
        let batches = [&kernel, &files].map(|agent| agent.next_batch());
        let after_us = cgroup::usage_us(&path).unwrap();
        let ours_ns = batches.map(|it| it.container(&container.id).unwrap().usage_ns());
        let facts = format!("kernel={before_us}us ours={ours_ns:?}ns kernel={after_us}us");
        println!("{facts}");
        for ours_ns in ours_ns {
            assert!(before_us * 1_000 <= ours_ns + 1_000, "{facts}");
            assert!(ours_ns <= after_us * 1_000 + 1_000, "{facts}");
        }
    }
    let metrics = files.metrics();
    let mut sources = metrics
        .lines()
        .filter(|it| it.starts_with("cgflux_metric_source{"));
    let usage =
        |it: &str| it.contains("metric=\"usage_ns\"") && it.contains("source=\"cgroup_file\"");
    assert!(sources.any(usage), "{metrics}");
    // What files cannot give is absent, not zero.
    let batch = files.batch();
    let entry = batch.container(&busy.id).unwrap();
    assert_eq!(entry.total("runq_wait_ns"), None, "{entry:?}");
}
