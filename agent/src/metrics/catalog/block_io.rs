//! Block I/O, by device.

use super::{Kind, Metric, NO_METRIC, Source, Unit};

/// All of them, in the order of publication.
pub(super) static BLOCK_IO_METRICS: &[&Metric] = &[
    &READ_BYTES,
    &WRITE_BYTES,
    &DISCARD_BYTES,
    &READS,
    &WRITES,
    &FLUSHES,
    &DISCARDS,
    &READ_TIME,
    &WRITE_TIME,
    &FLUSH_TIME,
    &READ_DEVICE_TIME,
    &WRITE_DEVICE_TIME,
    &READ_LATENCY,
    &WRITE_LATENCY,
    &READ_DEVICE_LATENCY,
    &WRITE_DEVICE_LATENCY,
];

const IO: Metric = Metric {
    measurement: "container_io",
    sources: &[Source::BlockRqComplete],
    ..NO_METRIC
};

/// What cgroup files tell, too.
const IN_FILES: Metric = Metric {
    sources: &[Source::BlockRqComplete, Source::CgroupFile],
    ..IO
};

const BYTES: Metric = Metric {
    unit: Unit::Bytes,
    ..IN_FILES
};

const TIME: Metric = Metric {
    unit: Unit::Nanoseconds,
    ..IO
};

/// Bytes read.
pub static READ_BYTES: Metric = Metric {
    field: "read_bytes",
    prometheus: "cgflux_container_io_read_bytes_total",
    help: "Bytes read from the device.",
    ..BYTES
};
/// Bytes written.
pub static WRITE_BYTES: Metric = Metric {
    field: "write_bytes",
    prometheus: "cgflux_container_io_write_bytes_total",
    help: "Bytes written to the device, write-back included.",
    ..BYTES
};
/// Bytes discarded.
pub static DISCARD_BYTES: Metric = Metric {
    field: "discard_bytes",
    prometheus: "cgflux_container_io_discard_bytes_total",
    help: "Bytes that the device was told to forget.",
    ..BYTES
};
/// Read requests.
pub static READS: Metric = Metric {
    field: "reads",
    prometheus: "cgflux_container_io_reads_total",
    help: "Read requests finished; merged ones are one.",
    ..IN_FILES
};
/// Write requests.
pub static WRITES: Metric = Metric {
    field: "writes",
    prometheus: "cgflux_container_io_writes_total",
    help: "Write requests finished; merged ones are one.",
    ..IN_FILES
};
/// Flush requests.
pub static FLUSHES: Metric = Metric {
    field: "flushes",
    prometheus: "cgflux_container_io_flushes_total",
    help: "Requests to make lasting what was written, without data of their own; the kernel counts them among writes.",
    ..IO
};
/// Discard requests.
pub static DISCARDS: Metric = Metric {
    field: "discards",
    prometheus: "cgflux_container_io_discards_total",
    help: "Discard requests finished.",
    ..IN_FILES
};
/// Time of reads.
pub static READ_TIME: Metric = Metric {
    field: "read_ns",
    prometheus: "",
    help: "Time of read requests from their making to their end, waits in the scheduler and throttling included.",
    ..TIME
};
/// Time of writes.
pub static WRITE_TIME: Metric = Metric {
    field: "write_ns",
    prometheus: "",
    help: "Time of write requests from their making to their end, waits in the scheduler and throttling included.",
    ..TIME
};
/// Time of flushes.
pub static FLUSH_TIME: Metric = Metric {
    field: "flush_ns",
    prometheus: "cgflux_container_io_flush_seconds_total",
    help: "Time of flush requests from their making to their end.",
    ..TIME
};
/// Time of reads at the device.
pub static READ_DEVICE_TIME: Metric = Metric {
    field: "read_device_ns",
    prometheus: "",
    help: "The part of the time of reads in the device's hands; absent where the kernel does not time that.",
    ..TIME
};
/// Time of writes at the device.
pub static WRITE_DEVICE_TIME: Metric = Metric {
    field: "write_device_ns",
    prometheus: "",
    help: "The part of the time of writes in the device's hands; absent where the kernel does not time that.",
    ..TIME
};
/// Reads by time.
pub static READ_LATENCY: Metric = Metric {
    field: "read_latency",
    prometheus: "cgflux_container_io_read_latency_seconds",
    kind: Kind::Histogram,
    help: "Read requests by their time from making to end.",
    ..TIME
};
/// Writes by time.
pub static WRITE_LATENCY: Metric = Metric {
    field: "write_latency",
    prometheus: "cgflux_container_io_write_latency_seconds",
    kind: Kind::Histogram,
    help: "Write requests by their time from making to end.",
    ..TIME
};
/// Reads by time at the device.
pub static READ_DEVICE_LATENCY: Metric = Metric {
    field: "read_device_latency",
    prometheus: "cgflux_container_io_read_device_latency_seconds",
    kind: Kind::Histogram,
    help: "Read requests by their time in the device's hands; absent where the kernel does not time that.",
    ..TIME
};
/// Writes by time at the device.
pub static WRITE_DEVICE_LATENCY: Metric = Metric {
    field: "write_device_latency",
    prometheus: "cgflux_container_io_write_device_latency_seconds",
    kind: Kind::Histogram,
    help: "Write requests by their time in the device's hands; absent where the kernel does not time that.",
    ..TIME
};
