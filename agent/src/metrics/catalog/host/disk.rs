//! Block devices: one series each, told apart by the tag `device`.

use super::{
    super::{Metric, Unit},
    COUNTER, GAUGE,
};

/// All of them, in the order of publication.
pub(super) static DISK_METRICS: &[&Metric] = &[
    &HOST_DISK_READS,
    &HOST_DISK_READS_MERGED,
    &HOST_DISK_READ_BYTES,
    &HOST_DISK_READ_TIME,
    &HOST_DISK_WRITES,
    &HOST_DISK_WRITES_MERGED,
    &HOST_DISK_WRITE_BYTES,
    &HOST_DISK_WRITE_TIME,
    &HOST_DISK_DISCARDS,
    &HOST_DISK_DISCARD_BYTES,
    &HOST_DISK_DISCARD_TIME,
    &HOST_DISK_FLUSHES,
    &HOST_DISK_FLUSH_TIME,
    &HOST_DISK_IN_FLIGHT,
    &HOST_DISK_IO_TIME,
    &HOST_DISK_WEIGHTED_TIME,
];

const TOTAL: Metric = Metric {
    measurement: "host_disk",
    ..COUNTER
};
const VALUE: Metric = Metric {
    measurement: "host_disk",
    ..GAUGE
};

/// Reads that the device completed.
pub static HOST_DISK_READS: Metric = Metric {
    field: "reads",
    prometheus: "cgflux_host_disk_reads_total",
    help: "Reads that the device completed.",
    ..TOTAL
};
/// Reads that were merged into another before they were sent.
pub static HOST_DISK_READS_MERGED: Metric = Metric {
    field: "reads_merged",
    prometheus: "cgflux_host_disk_reads_merged_total",
    help: "Reads that were merged into another before they were sent.",
    ..TOTAL
};
/// Bytes read.
pub static HOST_DISK_READ_BYTES: Metric = Metric {
    field: "read_bytes",
    prometheus: "cgflux_host_disk_read_bytes_total",
    unit: Unit::Bytes,
    help: "Bytes read.",
    ..TOTAL
};
/// Time that all reads took, added up.
pub static HOST_DISK_READ_TIME: Metric = Metric {
    field: "read_ns",
    prometheus: "cgflux_host_disk_read_seconds_total",
    unit: Unit::Nanoseconds,
    help: "Time that all reads took, added up.",
    ..TOTAL
};
/// Writes that the device completed.
pub static HOST_DISK_WRITES: Metric = Metric {
    field: "writes",
    prometheus: "cgflux_host_disk_writes_total",
    help: "Writes that the device completed.",
    ..TOTAL
};
/// Writes that were merged into another before they were sent.
pub static HOST_DISK_WRITES_MERGED: Metric = Metric {
    field: "writes_merged",
    prometheus: "cgflux_host_disk_writes_merged_total",
    help: "Writes that were merged into another before they were sent.",
    ..TOTAL
};
/// Bytes written.
pub static HOST_DISK_WRITE_BYTES: Metric = Metric {
    field: "write_bytes",
    prometheus: "cgflux_host_disk_write_bytes_total",
    unit: Unit::Bytes,
    help: "Bytes written.",
    ..TOTAL
};
/// Time that all writes took, added up.
pub static HOST_DISK_WRITE_TIME: Metric = Metric {
    field: "write_ns",
    prometheus: "cgflux_host_disk_write_seconds_total",
    unit: Unit::Nanoseconds,
    help: "Time that all writes took, added up.",
    ..TOTAL
};
/// Discards that the device completed.
pub static HOST_DISK_DISCARDS: Metric = Metric {
    field: "discards",
    prometheus: "cgflux_host_disk_discards_total",
    since: Some("4.18"),
    help: "Discards that the device completed.",
    ..TOTAL
};
/// Bytes discarded.
pub static HOST_DISK_DISCARD_BYTES: Metric = Metric {
    field: "discard_bytes",
    prometheus: "cgflux_host_disk_discard_bytes_total",
    unit: Unit::Bytes,
    since: Some("4.18"),
    help: "Bytes discarded.",
    ..TOTAL
};
/// Time that all discards took, added up.
pub static HOST_DISK_DISCARD_TIME: Metric = Metric {
    field: "discard_ns",
    prometheus: "cgflux_host_disk_discard_seconds_total",
    unit: Unit::Nanoseconds,
    since: Some("4.18"),
    help: "Time that all discards took, added up.",
    ..TOTAL
};
/// Flushes that the device completed.
pub static HOST_DISK_FLUSHES: Metric = Metric {
    field: "flushes",
    prometheus: "cgflux_host_disk_flushes_total",
    since: Some("5.5"),
    help: "Flushes that the device completed.",
    ..TOTAL
};
/// Time that all flushes took, added up.
pub static HOST_DISK_FLUSH_TIME: Metric = Metric {
    field: "flush_ns",
    prometheus: "cgflux_host_disk_flush_seconds_total",
    unit: Unit::Nanoseconds,
    since: Some("5.5"),
    help: "Time that all flushes took, added up.",
    ..TOTAL
};
/// Requests that the device has not completed yet.
pub static HOST_DISK_IN_FLIGHT: Metric = Metric {
    field: "in_flight",
    prometheus: "cgflux_host_disk_in_flight",
    help: "Requests that the device has not completed yet.",
    ..VALUE
};
/// Time in which there was at least one request.
pub static HOST_DISK_IO_TIME: Metric = Metric {
    field: "io_ns",
    prometheus: "cgflux_host_disk_io_seconds_total",
    unit: Unit::Nanoseconds,
    help: "Time in which there was at least one request.",
    ..TOTAL
};
/// Time of all requests, added up; over time it tells how many there were at once.
pub static HOST_DISK_WEIGHTED_TIME: Metric = Metric {
    field: "weighted_io_ns",
    prometheus: "cgflux_host_disk_weighted_io_seconds_total",
    unit: Unit::Nanoseconds,
    help: "Time of all requests, added up; over time it tells how many there were at once.",
    ..TOTAL
};
