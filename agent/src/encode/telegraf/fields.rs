//! The fields of each measurement, from a container's samples.

use crate::{
    container::Container,
    encode::{line::Line, readings::Readings},
    metrics::catalog,
};

/// Fields of its points.
pub(in crate::encode) const FIELDS: [&str; 33] = [
    "cache",
    "container_id",
    "exitcode",
    "fail_count",
    "io_service_bytes_recursive_read",
    "io_service_bytes_recursive_total",
    "io_service_bytes_recursive_write",
    "io_serviced_recursive_read",
    "io_serviced_recursive_total",
    "io_serviced_recursive_write",
    "limit",
    "max_usage",
    "memory_total",
    "n_containers_running",
    "n_cpus",
    "oomkilled",
    "pgfault",
    "pgmajfault",
    "pid",
    "rss",
    "rx_bytes",
    "rx_packets",
    "throttling_periods",
    "throttling_throttled_periods",
    "throttling_throttled_time",
    "tx_bytes",
    "tx_packets",
    "usage",
    "usage_in_kernelmode",
    "usage_in_usermode",
    "usage_percent",
    "usage_system",
    "usage_total",
];

/// What Docker reckons as the system's CPU time: the first seven columns of `/proc/stat` (github.com/moby/moby,
/// `daemon/stats_unix.go`, `getSystemCPUUsage`).
pub(super) fn system_cpu(host: Readings<'_>) -> Option<u64> {
    host.sum_of(&[
        &catalog::HOST_CPU_USER,
        &catalog::HOST_CPU_NICE,
        &catalog::HOST_CPU_SYSTEM,
        &catalog::HOST_CPU_IDLE,
        &catalog::HOST_CPU_IOWAIT,
        &catalog::HOST_CPU_IRQ,
        &catalog::HOST_CPU_SOFTIRQ,
    ])
}

/// Whose the others are: the full id, where there is one.
pub(super) fn identity(line: &mut Line<'_>, container: &Container) {
    if let Some(id) = &container.id {
        line.string("container_id", id);
    }
}

/// What is known of its main process; of one that ran before the agent did, nothing until it ends.
pub(super) fn status(line: &mut Line<'_>, container: &Container, is_running: bool) {
    if is_running {
        line.known("pid", container.pid.map(u64::from));
        return;
    }
    if let Some(code) = container.exit.code {
        line.signed("exitcode", code);
    }
    if let Some(oom) = container.exit.oom {
        line.boolean("oomkilled", oom);
    }
}

/// Memory. Docker tells the host's as the limit of what has none, or a higher one; and of the limit's failures on cgroup
/// v2 those that nothing could be done about (github.com/moby/moby, `daemon/stats_unix.go`).
pub(super) fn memory(line: &mut Line<'_>, readings: Readings<'_>, host_bytes: Option<u64>) {
    let used_bytes = readings.integer(&catalog::WORKING_SET);
    let own_limit_bytes = readings.integer(&catalog::MEMORY_LIMIT);
    let limit_bytes = own_limit_bytes.into_iter().chain(host_bytes).min();
    let failures = readings.integer(&catalog::OOM_EVENTS);
    line.known("cache", readings.integer(&catalog::FILE));
    line.known(
        "fail_count",
        failures.or_else(|| readings.integer(&catalog::LIMIT_EVENTS)),
    );
    line.known("max_usage", readings.integer(&catalog::MEMORY_PEAK));
    line.known("pgfault", readings.integer(&catalog::PAGE_FAULTS));
    line.known("pgmajfault", readings.integer(&catalog::MAJOR_FAULTS));
    line.known("rss", readings.integer(&catalog::ANON));
    if let Some(used_bytes) = used_bytes {
        line.integer("usage", used_bytes);
        line.known("limit", limit_bytes);
        if let Some(limit_bytes) = limit_bytes {
            // Of a limit of zero it is not finite, and left out.
            let percent = used_bytes as f64 / limit_bytes as f64 * 100.0;
            line.float("usage_percent", percent);
        }
    }
}

/// CPU time, and the rate of the last tick.
pub(super) fn cpu(line: &mut Line<'_>, readings: Readings<'_>, system_ns: Option<u64>) {
    let usage_ns = readings.integer(&catalog::CPU_USAGE);
    for (key, metric) in [
        ("throttling_periods", &catalog::CPU_PERIODS),
        (
            "throttling_throttled_periods",
            &catalog::CPU_THROTTLED_PERIODS,
        ),
        ("throttling_throttled_time", &catalog::CPU_THROTTLED),
        ("usage_in_kernelmode", &catalog::CPU_SYSTEM),
        ("usage_in_usermode", &catalog::CPU_USER),
    ] {
        line.known(key, readings.integer(metric));
    }
    if let Some(cpus) = readings.float(&catalog::CPU_RATE) {
        line.float("usage_percent", cpus * 100.0);
    }
    line.known("usage_system", usage_ns.and(system_ns));
    line.known("usage_total", usage_ns);
}

/// Traffic with all but itself.
pub(super) fn network(line: &mut Line<'_>, readings: Readings<'_>) {
    for (key, metric) in [
        ("rx_bytes", &catalog::NET_RX_BYTES),
        ("rx_packets", &catalog::NET_RX_PACKETS),
        ("tx_bytes", &catalog::NET_TX_BYTES),
        ("tx_packets", &catalog::NET_TX_PACKETS),
    ] {
        line.known(key, readings.on_networks(metric));
    }
}

/// Block I/O on all devices.
pub(super) fn block_io(line: &mut Line<'_>, readings: Readings<'_>) {
    let of = |metric| readings.on_devices(metric);
    // As cgroup v1 adds them up; what does not tell of discards counts none.
    let total = |read: Option<u64>, write: Option<u64>, discard: Option<u64>| {
        let read_and_written = read?.saturating_add(write?);
        Some(read_and_written.saturating_add(discard.unwrap_or(0)))
    };
    let (read_bytes, write_bytes) = (of(&catalog::READ_BYTES), of(&catalog::WRITE_BYTES));
    let (reads, writes) = (of(&catalog::READS), of(&catalog::WRITES));
    let all_bytes = total(read_bytes, write_bytes, of(&catalog::DISCARD_BYTES));
    let all = total(reads, writes, of(&catalog::DISCARDS));
    for (key, value) in [
        ("io_service_bytes_recursive_read", read_bytes),
        ("io_service_bytes_recursive_total", all_bytes),
        ("io_service_bytes_recursive_write", write_bytes),
        ("io_serviced_recursive_read", reads),
        ("io_serviced_recursive_total", all),
        ("io_serviced_recursive_write", writes),
    ] {
        line.known(key, value);
    }
}
