//! CPU time by mode, and what the scheduler counts.

use super::{
    super::{Metric, Unit},
    COUNTER, GAUGE,
};

/// All of them, in the order of publication.
pub(super) static CPU_METRICS: &[&Metric] = &[
    &HOST_CPU_USER,
    &HOST_CPU_NICE,
    &HOST_CPU_SYSTEM,
    &HOST_CPU_IDLE,
    &HOST_CPU_IOWAIT,
    &HOST_CPU_IRQ,
    &HOST_CPU_SOFTIRQ,
    &HOST_CPU_STEAL,
    &HOST_CPU_GUEST,
    &HOST_CPU_GUEST_NICE,
    &HOST_CPUS,
    &HOST_CONTEXT_SWITCHES,
    &HOST_FORKS,
    &HOST_BOOT_TIME,
];

const TOTAL: Metric = Metric {
    measurement: "host_cpu",
    ..COUNTER
};
const VALUE: Metric = Metric {
    measurement: "host_cpu",
    ..GAUGE
};

/// CPU time in user mode, that of guests included, summed over CPUs.
pub static HOST_CPU_USER: Metric = Metric {
    field: "user_ns",
    prometheus: "cgflux_host_cpu_user_seconds_total",
    unit: Unit::Nanoseconds,
    help: "CPU time in user mode, that of guests included, summed over CPUs.",
    ..TOTAL
};
/// CPU time in user mode at low priority, that of guests included.
pub static HOST_CPU_NICE: Metric = Metric {
    field: "nice_ns",
    prometheus: "cgflux_host_cpu_nice_seconds_total",
    unit: Unit::Nanoseconds,
    help: "CPU time in user mode at low priority, that of guests included.",
    ..TOTAL
};
/// CPU time in kernel mode.
pub static HOST_CPU_SYSTEM: Metric = Metric {
    field: "system_ns",
    prometheus: "cgflux_host_cpu_system_seconds_total",
    unit: Unit::Nanoseconds,
    help: "CPU time in kernel mode.",
    ..TOTAL
};
/// CPU time with nothing to run.
pub static HOST_CPU_IDLE: Metric = Metric {
    field: "idle_ns",
    prometheus: "cgflux_host_cpu_idle_seconds_total",
    unit: Unit::Nanoseconds,
    help: "CPU time with nothing to run.",
    ..TOTAL
};
/// CPU time with nothing to run while a task waited for I/O; a hint, not a sum of waits.
pub static HOST_CPU_IOWAIT: Metric = Metric {
    field: "iowait_ns",
    prometheus: "cgflux_host_cpu_iowait_seconds_total",
    unit: Unit::Nanoseconds,
    help: "CPU time with nothing to run while a task waited for I/O; a hint, not a sum of waits.",
    ..TOTAL
};
/// CPU time in interrupts; zero where the kernel does not tell it apart.
pub static HOST_CPU_IRQ: Metric = Metric {
    field: "irq_ns",
    prometheus: "cgflux_host_cpu_irq_seconds_total",
    unit: Unit::Nanoseconds,
    help: "CPU time in interrupts; zero where the kernel does not tell it apart.",
    ..TOTAL
};
/// CPU time in soft interrupts.
pub static HOST_CPU_SOFTIRQ: Metric = Metric {
    field: "softirq_ns",
    prometheus: "cgflux_host_cpu_softirq_seconds_total",
    unit: Unit::Nanoseconds,
    help: "CPU time in soft interrupts.",
    ..TOTAL
};
/// CPU time that a virtual machine wanted and its host gave to others.
pub static HOST_CPU_STEAL: Metric = Metric {
    field: "steal_ns",
    prometheus: "cgflux_host_cpu_steal_seconds_total",
    unit: Unit::Nanoseconds,
    help: "CPU time that a virtual machine wanted and its host gave to others.",
    ..TOTAL
};
/// CPU time of guests of this host; also part of the user time.
pub static HOST_CPU_GUEST: Metric = Metric {
    field: "guest_ns",
    prometheus: "cgflux_host_cpu_guest_seconds_total",
    unit: Unit::Nanoseconds,
    help: "CPU time of guests of this host; also part of the user time.",
    ..TOTAL
};
/// CPU time of guests at low priority; also part of the nice time.
pub static HOST_CPU_GUEST_NICE: Metric = Metric {
    field: "guest_nice_ns",
    prometheus: "cgflux_host_cpu_guest_nice_seconds_total",
    unit: Unit::Nanoseconds,
    help: "CPU time of guests at low priority; also part of the nice time.",
    ..TOTAL
};
/// CPUs that are online.
pub static HOST_CPUS: Metric = Metric {
    field: "cpus",
    prometheus: "cgflux_host_cpus",
    help: "CPUs that are online.",
    ..VALUE
};
/// Context switches since boot.
pub static HOST_CONTEXT_SWITCHES: Metric = Metric {
    field: "context_switches",
    prometheus: "cgflux_host_context_switches_total",
    help: "Context switches since boot.",
    ..TOTAL
};
/// Tasks (processes and threads) created since boot.
pub static HOST_FORKS: Metric = Metric {
    field: "forks",
    prometheus: "cgflux_host_forks_total",
    help: "Tasks (processes and threads) created since boot.",
    ..TOTAL
};
/// When the host booted, since the Unix epoch.
pub static HOST_BOOT_TIME: Metric = Metric {
    field: "boot_time_ns",
    prometheus: "cgflux_host_boot_time_seconds",
    unit: Unit::Nanoseconds,
    help: "When the host booted, since the Unix epoch.",
    ..VALUE
};
