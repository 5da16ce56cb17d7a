//! CPU time, limits and throttling.

use super::{Kind, Metric, NO_METRIC, Resolution, Source, Unit};

/// All of them, in the order of publication.
pub(super) static CPU_METRICS: &[&Metric] = &[
    &CPU_USAGE,
    &CPU_USER,
    &CPU_SYSTEM,
    &CPU_PERIODS,
    &CPU_THROTTLED_PERIODS,
    &CPU_THROTTLED,
    &CPU_QUOTA,
    &CPU_PERIOD,
    &CPU_RATE,
    &CPU_RATE_MAX,
];

const CPU: Metric = Metric {
    measurement: "container_cpu",
    ..NO_METRIC
};

/// CPU time used.
pub static CPU_USAGE: Metric = Metric {
    field: "usage_ns",
    prometheus: "cgflux_container_cpu_usage_seconds_total",
    unit: Unit::Nanoseconds,
    sources: &[
        Source::SchedStatRuntime,
        Source::SchedSwitch,
        Source::CgroupFile,
    ],
    help: "CPU time used since the cgroup was made, as the kernel charged it.",
    ..CPU
};
/// CPU time in user mode.
pub static CPU_USER: Metric = Metric {
    field: "user_ns",
    prometheus: "cgflux_container_cpu_user_seconds_total",
    unit: Unit::Nanoseconds,
    sources: &[Source::CgroupFile],
    help: "The part of the CPU time in user mode: the kernel's sampled share of the exact total.",
    ..CPU
};
/// CPU time in kernel mode.
pub static CPU_SYSTEM: Metric = Metric {
    field: "system_ns",
    prometheus: "cgflux_container_cpu_system_seconds_total",
    unit: Unit::Nanoseconds,
    sources: &[Source::CgroupFile],
    help: "The part of the CPU time in kernel mode: the kernel's sampled share of the exact total.",
    ..CPU
};
/// Bandwidth periods.
pub static CPU_PERIODS: Metric = Metric {
    field: "periods",
    prometheus: "cgflux_container_cpu_periods_total",
    resolution: Resolution::Files,
    sources: &[Source::CgroupFile],
    help: "Bandwidth enforcement periods that elapsed.",
    ..CPU
};
/// Throttled bandwidth periods.
pub static CPU_THROTTLED_PERIODS: Metric = Metric {
    field: "throttled_periods",
    prometheus: "cgflux_container_cpu_throttled_periods_total",
    resolution: Resolution::Files,
    sources: &[Source::CgroupFile],
    help: "Bandwidth enforcement periods in which the container was throttled.",
    ..CPU
};
/// Throttled time.
pub static CPU_THROTTLED: Metric = Metric {
    field: "throttled_ns",
    prometheus: "cgflux_container_cpu_throttled_seconds_total",
    unit: Unit::Nanoseconds,
    resolution: Resolution::Files,
    sources: &[Source::CgroupFile],
    help: "Time the container was throttled, summed over CPUs.",
    ..CPU
};
/// CPU quota.
pub static CPU_QUOTA: Metric = Metric {
    field: "quota_us",
    prometheus: "cgflux_container_cpu_quota_seconds",
    unit: Unit::Microseconds,
    kind: Kind::Gauge,
    resolution: Resolution::Files,
    sources: &[Source::CgroupFile],
    help: "CPU time allowed in each period; absent without a limit.",
    ..CPU
};
/// CPU period.
pub static CPU_PERIOD: Metric = Metric {
    field: "period_us",
    prometheus: "cgflux_container_cpu_period_seconds",
    unit: Unit::Microseconds,
    kind: Kind::Gauge,
    resolution: Resolution::Files,
    sources: &[Source::CgroupFile],
    help: "Length of a bandwidth enforcement period.",
    ..CPU
};
/// CPUs used over the last interval.
pub static CPU_RATE: Metric = Metric {
    field: "usage_cpus",
    prometheus: "cgflux_container_cpu_usage_cpus",
    unit: Unit::Cpus,
    kind: Kind::Gauge,
    sources: &[
        Source::SchedStatRuntime,
        Source::SchedSwitch,
        Source::CgroupFile,
    ],
    help: "CPUs used on average over the last collection interval.",
    ..CPU
};
/// Highest CPUs used within the shipped interval.
pub static CPU_RATE_MAX: Metric = Metric {
    field: "usage_cpus_max",
    prometheus: "",
    unit: Unit::Cpus,
    kind: Kind::Gauge,
    sources: &[
        Source::SchedStatRuntime,
        Source::SchedSwitch,
        Source::CgroupFile,
    ],
    help: "CPUs used in the busiest collection interval within the shipped one.",
    ..CPU
};
