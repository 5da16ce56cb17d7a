//! The one table of what is published: names, units, meaning, sources, resolution.
//!
//! The README's metric table, the HELP texts of `/metrics` and the field types of the line protocol all come from
//! here. A field's type never changes once released: InfluxDB fixes it per shard.

/// One published metric.
#[derive(Debug, Eq, PartialEq)]
pub struct Metric {
    /// Measurement in line protocol.
    pub measurement: &'static str,
    /// Field within the measurement; a histogram's buckets append `_le_<bound>ns`.
    pub field: &'static str,
    /// Name on `/metrics`.
    pub prometheus: &'static str,
    /// Unit of the value and of the field; `/metrics` converts to base units.
    pub unit: Unit,
    /// How it behaves over time.
    pub kind: Kind,
    /// How often it is read.
    pub resolution: Resolution,
    /// Where it can come from, best first.
    pub sources: &'static [Source],
    /// What it means, in one sentence.
    pub help: &'static str,
}

/// Unit of a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unit {
    /// Nanoseconds.
    Nanoseconds,
    /// Microseconds.
    Microseconds,
    /// A plain number of things.
    Count,
    /// CPUs: 1.0 is one CPU fully used.
    Cpus,
    /// A share without unit; 1.0 is all.
    Ratio,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
}

/// How a metric behaves over time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Only grows while its cgroup lives.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Distribution of durations, lifetime totals.
    Histogram,
}

/// How often a metric is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Resolution {
    /// Every tick.
    Tick,
    /// From files, at the slower cadence of `collect.file_interval`, and at once when the entry ends.
    Files,
}

/// Where a metric comes from.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Source {
    /// The kernel's own charge: `tp_btf/sched_stat_runtime`.
    SchedStatRuntime,
    /// `tp_btf/sched_switch`.
    SchedSwitch,
    /// `tp_btf/sched_migrate_task`.
    SchedMigrateTask,
    /// `tp_btf/sched_process_fork`.
    SchedProcessFork,
    /// `tp_btf/sched_process_exec`.
    SchedProcessExec,
    /// `tp_btf/sched_process_exit`.
    SchedProcessExit,
    /// A file of the cgroup.
    CgroupFile,
    /// A file of `/proc`.
    ProcFile,
    /// The agent itself.
    Agent,
}

impl Source {
    /// The word used in `cgflux check`, labels and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SchedStatRuntime => "sched_stat_runtime",
            Self::SchedSwitch => "sched_switch",
            Self::SchedMigrateTask => "sched_migrate_task",
            Self::SchedProcessFork => "sched_process_fork",
            Self::SchedProcessExec => "sched_process_exec",
            Self::SchedProcessExit => "sched_process_exit",
            Self::CgroupFile => "cgroup_file",
            Self::ProcFile => "proc_file",
            Self::Agent => "agent",
        }
    }
}

const NO_METRIC: Metric = Metric {
    measurement: "container_cpu",
    field: "",
    prometheus: "",
    unit: Unit::Count,
    kind: Kind::Counter,
    resolution: Resolution::Tick,
    sources: &[],
    help: "",
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
    ..NO_METRIC
};
/// CPU time in user mode.
pub static CPU_USER: Metric = Metric {
    field: "user_ns",
    prometheus: "cgflux_container_cpu_user_seconds_total",
    unit: Unit::Nanoseconds,
    sources: &[Source::CgroupFile],
    help: "The part of the CPU time in user mode: the kernel's sampled share of the exact total.",
    ..NO_METRIC
};
/// CPU time in kernel mode.
pub static CPU_SYSTEM: Metric = Metric {
    field: "system_ns",
    prometheus: "cgflux_container_cpu_system_seconds_total",
    unit: Unit::Nanoseconds,
    sources: &[Source::CgroupFile],
    help: "The part of the CPU time in kernel mode: the kernel's sampled share of the exact total.",
    ..NO_METRIC
};
/// Bandwidth periods.
pub static CPU_PERIODS: Metric = Metric {
    field: "periods",
    prometheus: "cgflux_container_cpu_periods_total",
    resolution: Resolution::Files,
    sources: &[Source::CgroupFile],
    help: "Bandwidth enforcement periods that elapsed.",
    ..NO_METRIC
};
/// Throttled bandwidth periods.
pub static CPU_THROTTLED_PERIODS: Metric = Metric {
    field: "throttled_periods",
    prometheus: "cgflux_container_cpu_throttled_periods_total",
    resolution: Resolution::Files,
    sources: &[Source::CgroupFile],
    help: "Bandwidth enforcement periods in which the container was throttled.",
    ..NO_METRIC
};
/// Throttled time.
pub static CPU_THROTTLED: Metric = Metric {
    field: "throttled_ns",
    prometheus: "cgflux_container_cpu_throttled_seconds_total",
    unit: Unit::Nanoseconds,
    resolution: Resolution::Files,
    sources: &[Source::CgroupFile],
    help: "Time the container was throttled, summed over CPUs.",
    ..NO_METRIC
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
    ..NO_METRIC
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
    ..NO_METRIC
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
    ..NO_METRIC
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
    ..NO_METRIC
};
/// Run-queue wait.
pub static RUNQ_WAIT: Metric = Metric {
    measurement: "container_sched",
    field: "runq_wait_ns",
    prometheus: "",
    unit: Unit::Nanoseconds,
    sources: &[Source::SchedSwitch],
    help: "Time tasks were runnable but not running, throttled time included; without what they waited before they were moved to another CPU.",
    ..NO_METRIC
};
/// Voluntary switches.
pub static VOLUNTARY_SWITCHES: Metric = Metric {
    measurement: "container_sched",
    field: "voluntary_switches",
    prometheus: "cgflux_container_voluntary_switches_total",
    sources: &[Source::SchedSwitch],
    help: "Context switches away from a task that blocked.",
    ..NO_METRIC
};
/// Involuntary switches.
pub static INVOLUNTARY_SWITCHES: Metric = Metric {
    measurement: "container_sched",
    field: "involuntary_switches",
    prometheus: "cgflux_container_involuntary_switches_total",
    sources: &[Source::SchedSwitch],
    help: "Context switches away from a task that could have gone on.",
    ..NO_METRIC
};
/// Migrations.
pub static MIGRATIONS: Metric = Metric {
    measurement: "container_sched",
    field: "migrations",
    prometheus: "cgflux_container_migrations_total",
    sources: &[Source::SchedMigrateTask],
    help: "Moves of a task to another CPU.",
    ..NO_METRIC
};
/// Tasks created.
pub static FORKS: Metric = Metric {
    measurement: "container_sched",
    field: "forks",
    prometheus: "cgflux_container_forks_total",
    sources: &[Source::SchedProcessFork],
    help: "Tasks (processes and threads) created.",
    ..NO_METRIC
};
/// Programs started.
pub static EXECS: Metric = Metric {
    measurement: "container_sched",
    field: "execs",
    prometheus: "cgflux_container_execs_total",
    sources: &[Source::SchedProcessExec],
    help: "Programs started by execve.",
    ..NO_METRIC
};
/// Tasks ended.
pub static EXITS: Metric = Metric {
    measurement: "container_sched",
    field: "exits",
    prometheus: "cgflux_container_exits_total",
    sources: &[Source::SchedProcessExit],
    help: "Tasks (processes and threads) that ended.",
    ..NO_METRIC
};
/// Run-queue wait over the last interval.
pub static RUNQ_WAIT_RATE: Metric = Metric {
    measurement: "container_sched",
    field: "runq_waiting",
    prometheus: "cgflux_container_runq_waiting",
    unit: Unit::Ratio,
    kind: Kind::Gauge,
    sources: &[Source::SchedSwitch],
    help: "Tasks waiting for a CPU on average over the last collection interval.",
    ..NO_METRIC
};
/// Run-queue waits by length.
pub static RUNQ_WAITS: Metric = Metric {
    measurement: "container_sched",
    field: "runq_wait",
    prometheus: "cgflux_container_runq_wait_seconds",
    unit: Unit::Nanoseconds,
    kind: Kind::Histogram,
    sources: &[Source::SchedSwitch],
    help: "Run-queue waits by length; one observation per turn on a CPU.",
    ..NO_METRIC
};

/// Every metric of a container, in the order of publication.
pub static CONTAINER: [&Metric; 19] = [
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
    &RUNQ_WAIT,
    &VOLUNTARY_SWITCHES,
    &INVOLUNTARY_SWITCHES,
    &MIGRATIONS,
    &FORKS,
    &EXECS,
    &EXITS,
    &RUNQ_WAIT_RATE,
    &RUNQ_WAITS,
];

const AGENT_METRIC: Metric = Metric {
    measurement: "agent_self",
    kind: Kind::Gauge,
    sources: &[Source::Agent],
    ..NO_METRIC
};

/// CPU time the agent used itself.
pub static AGENT_CPU: Metric = Metric {
    field: "cpu_ns",
    prometheus: "process_cpu_seconds_total",
    unit: Unit::Nanoseconds,
    kind: Kind::Counter,
    help: "CPU time the agent itself used, in user and kernel mode.",
    ..AGENT_METRIC
};
/// CPUs that the kernel programs use.
pub static AGENT_PROGRAMS: Metric = Metric {
    field: "programs_cpus",
    prometheus: "cgflux_kernel_programs_cpus",
    unit: Unit::Cpus,
    help: "CPUs that the kernel programs used, measured for one tick a minute; includes some 45 ns a call of measuring.",
    ..AGENT_METRIC
};
/// Resident memory of the agent.
pub static AGENT_RSS: Metric = Metric {
    field: "rss_bytes",
    prometheus: "process_resident_memory_bytes",
    unit: Unit::Bytes,
    help: "Resident memory of the agent, mapped kernel records included.",
    ..AGENT_METRIC
};
/// Kernel records mapped.
pub static AGENT_MAPPED: Metric = Metric {
    field: "mapped_record_bytes",
    prometheus: "cgflux_mapped_record_bytes",
    unit: Unit::Bytes,
    help: "Kernel records mapped into the agent: chunks in use x slots x stripes x 256 bytes.",
    ..AGENT_METRIC
};
/// Entries by kind.
pub static AGENT_ENTRIES: Metric = Metric {
    field: "entries",
    prometheus: "cgflux_entries",
    help: "Live entries, by kind: containers, systemd units, other cgroups.",
    ..AGENT_METRIC
};
/// Slots in use.
pub static AGENT_SLOTS: Metric = Metric {
    field: "slots_in_use",
    prometheus: "cgflux_slots_in_use",
    help: "Kernel slots that count for a cgroup, of `collect.slots`.",
    ..AGENT_METRIC
};
/// Time a tick took.
pub static AGENT_TICK: Metric = Metric {
    field: "tick_ns",
    prometheus: "cgflux_tick_duration_seconds",
    unit: Unit::Nanoseconds,
    help: "Time the last collection took, from reading the counters to handing the batch on.",
    ..AGENT_METRIC
};
/// Ticks left out.
pub static AGENT_TICKS_SKIPPED: Metric = Metric {
    field: "ticks_skipped",
    prometheus: "cgflux_ticks_skipped_total",
    kind: Kind::Counter,
    help: "Collections left out because the one before was late.",
    ..AGENT_METRIC
};
/// What went unrecorded.
pub static AGENT_LOSSES: Metric = Metric {
    field: "losses",
    prometheus: "cgflux_losses_total",
    kind: Kind::Counter,
    help: "What could not be recorded, by reason.",
    ..AGENT_METRIC
};
/// Names that collided.
pub static AGENT_NAME_COLLISIONS: Metric = Metric {
    field: "name_collisions",
    prometheus: "cgflux_name_collisions_total",
    kind: Kind::Counter,
    help: "Containers whose name was in use by another live one, so that the short id was appended.",
    ..AGENT_METRIC
};
/// Source in use per metric.
pub static AGENT_METRIC_SOURCE: Metric = Metric {
    field: "source",
    prometheus: "cgflux_metric_source",
    help: "1 for the source that each metric is read from.",
    ..AGENT_METRIC
};
/// Points acknowledged.
pub static SINK_SENT: Metric = Metric {
    field: "points_sent",
    prometheus: "cgflux_sink_points_sent_total",
    kind: Kind::Counter,
    help: "Points that the sink acknowledged.",
    ..AGENT_METRIC
};
/// Points lost.
pub static SINK_DROPPED: Metric = Metric {
    field: "points_dropped",
    prometheus: "cgflux_sink_points_dropped_total",
    kind: Kind::Counter,
    help: "Points lost: the queue was full, or the sink refused them for good.",
    ..AGENT_METRIC
};
/// Failed writes.
pub static SINK_ERRORS: Metric = Metric {
    field: "write_errors",
    prometheus: "cgflux_sink_write_errors_total",
    kind: Kind::Counter,
    help: "Writes that failed and were tried again.",
    ..AGENT_METRIC
};
/// Bytes sent.
pub static SINK_BYTES: Metric = Metric {
    field: "bytes_sent",
    prometheus: "cgflux_sink_sent_bytes_total",
    unit: Unit::Bytes,
    kind: Kind::Counter,
    help: "Bytes of the bodies sent, failed attempts included.",
    ..AGENT_METRIC
};
/// When the sink last acknowledged.
pub static SINK_LAST_ACK: Metric = Metric {
    field: "last_ack_ns",
    prometheus: "cgflux_sink_last_ack_timestamp_seconds",
    unit: Unit::Nanoseconds,
    help: "When the sink last acknowledged a write, since the Unix epoch; absent before the first.",
    ..AGENT_METRIC
};

/// Every metric of the agent itself, in the order of publication.
pub static AGENT: [&Metric; 16] = [
    &AGENT_CPU,
    &AGENT_PROGRAMS,
    &AGENT_RSS,
    &AGENT_MAPPED,
    &AGENT_ENTRIES,
    &AGENT_SLOTS,
    &AGENT_TICK,
    &AGENT_TICKS_SKIPPED,
    &AGENT_LOSSES,
    &AGENT_NAME_COLLISIONS,
    &AGENT_METRIC_SOURCE,
    &SINK_SENT,
    &SINK_DROPPED,
    &SINK_ERRORS,
    &SINK_BYTES,
    &SINK_LAST_ACK,
];

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, fmt::Write as _};

    use super::*;

    const README: &str = include_str!("../../../README.md");

    #[test]
    fn the_readme_has_this_table() {
        let mut table = String::new();
        for metric in CONTAINER.into_iter().chain(AGENT) {
            let sources: Vec<&str> = metric
                .sources
                .iter()
                .map(|source| source.as_str())
                .collect();
            let exposed = match metric.prometheus {
                "" => "–".to_owned(),
                name => format!("`{name}`"),
            };
            writeln!(
                table,
                "| `{}` | `{}` | {exposed} | {:?}, {:?} | {} | {:?} | {} |",
                metric.measurement,
                metric.field,
                metric.unit,
                metric.kind,
                sources.join(", "),
                metric.resolution,
                metric.help
            )
            .unwrap();
        }
        assert!(
            README.contains(&table),
            "README.md lacks this table:\n{table}"
        );
    }

    #[test]
    fn no_two_metrics_share_a_field_or_a_name() {
        let (mut fields, mut names) = (HashSet::new(), HashSet::new());
        for metric in CONTAINER.into_iter().chain(AGENT) {
            assert!(
                fields.insert((metric.measurement, metric.field)),
                "{}",
                metric.field
            );
            assert!(
                metric.prometheus.is_empty() || names.insert(metric.prometheus),
                "{}",
                metric.prometheus
            );
        }
    }
}
