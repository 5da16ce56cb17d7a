//! Run-queue wait, switches, and the coming and going of tasks.

use super::{Kind, Metric, NO_METRIC, Source, Unit};

/// All of them, in the order of publication.
pub(super) static SCHED_METRICS: &[&Metric] = &[
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

const SCHED: Metric = Metric {
    measurement: "container_sched",
    ..NO_METRIC
};

/// Run-queue wait.
pub static RUNQ_WAIT: Metric = Metric {
    field: "runq_wait_ns",
    prometheus: "",
    unit: Unit::Nanoseconds,
    sources: &[Source::SchedSwitch],
    help: "Time tasks were runnable but not running, throttled time included; without what they waited before they were moved to another CPU.",
    ..SCHED
};
/// Voluntary switches.
pub static VOLUNTARY_SWITCHES: Metric = Metric {
    field: "voluntary_switches",
    prometheus: "cgflux_container_voluntary_switches_total",
    sources: &[Source::SchedSwitch],
    help: "Context switches away from a task that blocked.",
    ..SCHED
};
/// Involuntary switches.
pub static INVOLUNTARY_SWITCHES: Metric = Metric {
    field: "involuntary_switches",
    prometheus: "cgflux_container_involuntary_switches_total",
    sources: &[Source::SchedSwitch],
    help: "Context switches away from a task that could have gone on.",
    ..SCHED
};
/// Migrations.
pub static MIGRATIONS: Metric = Metric {
    field: "migrations",
    prometheus: "cgflux_container_migrations_total",
    sources: &[Source::SchedMigrateTask],
    help: "Moves of a task to another CPU.",
    ..SCHED
};
/// Tasks created.
pub static FORKS: Metric = Metric {
    field: "forks",
    prometheus: "cgflux_container_forks_total",
    sources: &[Source::SchedProcessFork],
    help: "Tasks (processes and threads) created.",
    ..SCHED
};
/// Programs started.
pub static EXECS: Metric = Metric {
    field: "execs",
    prometheus: "cgflux_container_execs_total",
    sources: &[Source::SchedProcessExec],
    help: "Programs started by execve.",
    ..SCHED
};
/// Tasks ended.
pub static EXITS: Metric = Metric {
    field: "exits",
    prometheus: "cgflux_container_exits_total",
    sources: &[Source::SchedProcessExit],
    help: "Tasks (processes and threads) that ended.",
    ..SCHED
};
/// Run-queue wait over the last interval.
pub static RUNQ_WAIT_RATE: Metric = Metric {
    field: "runq_waiting",
    prometheus: "cgflux_container_runq_waiting",
    unit: Unit::Ratio,
    kind: Kind::Gauge,
    sources: &[Source::SchedSwitch],
    help: "Tasks waiting for a CPU on average over the last collection interval.",
    ..SCHED
};
/// Run-queue waits by length.
pub static RUNQ_WAITS: Metric = Metric {
    field: "runq_wait",
    prometheus: "cgflux_container_runq_wait_seconds",
    unit: Unit::Nanoseconds,
    kind: Kind::Histogram,
    sources: &[Source::SchedSwitch],
    help: "Run-queue waits by length; one observation per turn on a CPU.",
    ..SCHED
};
