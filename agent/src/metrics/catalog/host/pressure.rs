//! Pressure: time in which tasks could not go on for want of something.

use super::{
    super::{Metric, Unit},
    COUNTER,
};

/// All of them, in the order of publication.
pub(super) static PRESSURE_METRICS: &[&Metric] = &[
    &HOST_PSI_CPU_SOME,
    &HOST_PSI_MEMORY_SOME,
    &HOST_PSI_MEMORY_FULL,
    &HOST_PSI_IO_SOME,
    &HOST_PSI_IO_FULL,
    &HOST_PSI_IRQ_FULL,
];

const TOTAL: Metric = Metric {
    measurement: "host_psi",
    since: Some("4.20"),
    ..COUNTER
};

/// Time in which at least one task waited for a CPU.
pub static HOST_PSI_CPU_SOME: Metric = Metric {
    field: "cpu_some_ns",
    prometheus: "cgflux_host_psi_cpu_some_seconds_total",
    unit: Unit::Nanoseconds,
    help: "Time in which at least one task waited for a CPU.",
    ..TOTAL
};
/// Time in which at least one task waited for memory.
pub static HOST_PSI_MEMORY_SOME: Metric = Metric {
    field: "memory_some_ns",
    prometheus: "cgflux_host_psi_memory_some_seconds_total",
    unit: Unit::Nanoseconds,
    help: "Time in which at least one task waited for memory.",
    ..TOTAL
};
/// Time in which all tasks that could have run waited for memory.
pub static HOST_PSI_MEMORY_FULL: Metric = Metric {
    field: "memory_full_ns",
    prometheus: "cgflux_host_psi_memory_full_seconds_total",
    unit: Unit::Nanoseconds,
    help: "Time in which all tasks that could have run waited for memory.",
    ..TOTAL
};
/// Time in which at least one task waited for I/O.
pub static HOST_PSI_IO_SOME: Metric = Metric {
    field: "io_some_ns",
    prometheus: "cgflux_host_psi_io_some_seconds_total",
    unit: Unit::Nanoseconds,
    help: "Time in which at least one task waited for I/O.",
    ..TOTAL
};
/// Time in which all tasks that could have run waited for I/O.
pub static HOST_PSI_IO_FULL: Metric = Metric {
    field: "io_full_ns",
    prometheus: "cgflux_host_psi_io_full_seconds_total",
    unit: Unit::Nanoseconds,
    help: "Time in which all tasks that could have run waited for I/O.",
    ..TOTAL
};
/// Time in which interrupts kept all tasks from running; kernels that account it, from 6.1 on.
pub static HOST_PSI_IRQ_FULL: Metric = Metric {
    field: "irq_full_ns",
    prometheus: "cgflux_host_psi_irq_full_seconds_total",
    unit: Unit::Nanoseconds,
    since: Some("6.1"),
    help: "Time in which interrupts kept all tasks from running; kernels that account it, from 6.1 on.",
    ..TOTAL
};
