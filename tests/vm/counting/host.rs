//! The host as a whole: every metric of it is there, but for those of what this kernel does not account.

use std::{collections::BTreeSet, fs};

use cgflux::metrics::catalog;

use crate::{
    disk::{self, DiskStats, diskstats},
    harness::eventually,
    lab::{PATIENCE, lab},
    machine::machine,
};

#[test]
fn every_metric_of_the_host_is_published_but_for_what_this_kernel_lacks() {
    let lab = lab();
    lab.agent.next_batch();
    let metrics = lab.agent.metrics();
    let is_published = |name: &str| {
        metrics.lines().any(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with([' ', '{']))
        })
    };
    let absent: BTreeSet<(&str, &str)> = catalog::host()
        .filter(|metric| !metric.prometheus.is_empty() && !is_published(metric.prometheus))
        .map(|metric| (metric.measurement, metric.field))
        .collect();
    println!("absent: {absent:?}");
    let lacking: BTreeSet<(&str, &str)> = catalog::host()
        .map(|metric| (metric.measurement, metric.field))
        .filter(|(measurement, _)| *measurement == "host_psi")
        .filter(|(_, field)| !is_accounted(field))
        .collect();
    assert_eq!(absent, lacking);
}

#[test]
fn the_disk_and_the_kills_are_those_of_the_kernels_tables() {
    let lab = lab();
    lab.rests();
    eventually(PATIENCE, "both say the same", || {
        let kernel = || (diskstats(), oom_kills());
        let before = kernel();
        let batch = lab.agent.next_batch();
        let of_disk = |field| batch.machine_with("disk", field, ("device", disk::NAME));
        let ours = (|| {
            let disk = DiskStats {
                reads: of_disk("reads")?,
                read_bytes: of_disk("read_bytes")?,
                writes: of_disk("writes")?,
                write_bytes: of_disk("write_bytes")?,
            };
            Some((disk, batch.machine("mem", "oom_kills")?))
        })();
        let facts = format!("kernel: {before:?}, ours: {ours:?}");
        let is_same = ours == Some(before) && kernel() == before;
        is_same.then(|| println!("{facts}")).ok_or(facts)
    });
}

/// Whether the kernel accounts this pressure: the time of interrupts where it has a file for it.
fn is_accounted(field: &str) -> bool {
    let resource = field.split('_').next().unwrap_or_default();
    machine().has_pressure() && fs::exists(format!("/proc/pressure/{resource}")).unwrap()
}

fn oom_kills() -> u64 {
    let stat = fs::read_to_string("/proc/vmstat").unwrap();
    let count = stat.lines().find_map(|line| line.strip_prefix("oom_kill "));
    count.expect("a count").parse().unwrap()
}
