//! Latencies of block I/O: each operation stands once in the histogram of its kind, with the time that the total has.

use super::block_io::{MIB, PATIENCE, here, wait_for_done};
use crate::harness::{Home, eventually};

/// Reads and writes that the container makes one by one.
const SMALL: u64 = 500;

#[test]
fn each_operation_is_once_in_its_histogram_and_sums_are_the_total_times() {
    let Some((docker, disk)) = here() else { return };
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let container = docker.run(
        &[],
        &format!(
            "dd if=/dev/zero of=/small bs=4k count={SMALL} oflag=direct; \
             dd if=/small of=/dev/null bs=4k iflag=direct; \
             dd if=/dev/zero of=/large bs=1M count=16 oflag=direct; \
             dd if=/dev/zero of=/synced bs=1M count=16 conv=fsync; touch /done; sleep 1000"
        ),
    );
    wait_for_done(&docker, &container);
    // Counters and histograms are read one after the other: what is done meanwhile is in one and not in the other.
    let entry = eventually(PATIENCE, "the container is at rest", || {
        let [before, after] = [agent.next_batch(), agent.next_batch()]
            .map(|batch| batch.container(&container.id).cloned());
        let (before, after) = before.zip(after).ok_or("not listed")?;
        let io = |field| [&before, &after].map(|entry| entry.io(&disk.name, field));
        let (reads, writes) = (io("read_bytes"), io("write_bytes"));
        let rests = reads[0] == reads[1] && writes[0] == writes[1];
        let is_done = writes[1] >= Some(32 * MIB);
        (rests && is_done)
            .then_some(after)
            .ok_or(format!("{reads:?} {writes:?}"))
    });
    let [reads, writes] = entry.latencies(&disk.name);
    assert!(
        reads > 0 && writes > SMALL / 2,
        "reads={reads} writes={writes}"
    );
    // The same by name on /metrics, cumulative there.
    let metrics = agent.metrics();
    for (kind, operations) in [("read", reads), ("write", writes)] {
        for which in ["", "_device"] {
            let name = format!("cgflux_container_io_{kind}{which}_latency_seconds");
            let value = |ending: &str, label: &str| {
                let mut lines = metrics.lines().filter(|line| {
                    line.starts_with(&format!("{name}{ending}{{"))
                        && line.contains(&container.id)
                        && line.contains(&format!("device=\"{}\"", disk.name))
                        && line.contains(label)
                });
                let line = lines
                    .next()
                    .unwrap_or_else(|| panic!("no {name}{ending} {label}"));
                let value = line.rsplit(' ').next().expect("a value");
                value.parse::<f64>().unwrap()
            };
            let (count, all) = (value("_count", ""), value("_bucket", "le=\"+Inf\""));
            println!("{name}: count={count} +Inf={all} sum={}", value("_sum", ""));
            assert_eq!((count, all), (operations as f64, operations as f64));
            let total_ns = entry.io(&disk.name, &format!("{kind}{which}_ns")).unwrap();
            let apart = (value("_sum", "") - total_ns as f64 / 1e9).abs();
            assert!(apart < 1e-8, "{apart}");
        }
    }
}
