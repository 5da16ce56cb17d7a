//! Pressure: time stalled for want of something.

use super::{Metric, NO_METRIC, Resolution, Source, Unit};

/// All of them, in the order of publication.
pub(super) static PRESSURE_METRICS: &[&Metric] = &[
    &CPU_SOME,
    &CPU_FULL,
    &MEMORY_SOME,
    &MEMORY_FULL,
    &IO_SOME,
    &IO_FULL,
    &IRQ_FULL,
];

const PRESSURE: Metric = Metric {
    measurement: "container_psi",
    unit: Unit::Nanoseconds,
    resolution: Resolution::Files,
    sources: &[Source::CgroupFile],
    since: Some("4.20"),
    ..NO_METRIC
};

/// Some task waited for a CPU.
pub static CPU_SOME: Metric = Metric {
    field: "cpu_some_ns",
    prometheus: "cgflux_container_pressure_cpu_some_seconds_total",
    help: "Time in which some task waited for a CPU.",
    ..PRESSURE
};
/// All tasks waited for a CPU.
pub static CPU_FULL: Metric = Metric {
    field: "cpu_full_ns",
    prometheus: "cgflux_container_pressure_cpu_full_seconds_total",
    since: Some("5.13"),
    help: "Time in which all tasks that were not idle waited for a CPU; since Linux 5.13.",
    ..PRESSURE
};
/// Some task waited for memory.
pub static MEMORY_SOME: Metric = Metric {
    field: "memory_some_ns",
    prometheus: "cgflux_container_pressure_memory_some_seconds_total",
    help: "Time in which some task waited for memory.",
    ..PRESSURE
};
/// All tasks waited for memory.
pub static MEMORY_FULL: Metric = Metric {
    field: "memory_full_ns",
    prometheus: "cgflux_container_pressure_memory_full_seconds_total",
    help: "Time in which all tasks that were not idle waited for memory.",
    ..PRESSURE
};
/// Some task waited for I/O.
pub static IO_SOME: Metric = Metric {
    field: "io_some_ns",
    prometheus: "cgflux_container_pressure_io_some_seconds_total",
    help: "Time in which some task waited for I/O.",
    ..PRESSURE
};
/// All tasks waited for I/O.
pub static IO_FULL: Metric = Metric {
    field: "io_full_ns",
    prometheus: "cgflux_container_pressure_io_full_seconds_total",
    help: "Time in which all tasks that were not idle waited for I/O.",
    ..PRESSURE
};
/// Interrupts held all tasks up.
pub static IRQ_FULL: Metric = Metric {
    field: "irq_full_ns",
    prometheus: "cgflux_container_pressure_irq_full_seconds_total",
    since: Some("6.1"),
    help: "Time in which interrupts held up all tasks; since Linux 6.1, if the kernel accounts interrupts.",
    ..PRESSURE
};
