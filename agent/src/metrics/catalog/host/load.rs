//! How much wants to run, and since when the host does.

use super::{
    super::{Metric, Unit},
    GAUGE,
};

/// All of them, in the order of publication.
pub(super) static LOAD_METRICS: &[&Metric] = &[
    &HOST_LOAD_1,
    &HOST_LOAD_5,
    &HOST_LOAD_15,
    &HOST_RUNNING,
    &HOST_BLOCKED,
    &HOST_TASKS,
    &HOST_UPTIME,
];

const VALUE: Metric = Metric {
    measurement: "host_load",
    ..GAUGE
};

/// Tasks that ran, could run or waited uninterruptibly, on average over about a minute.
pub static HOST_LOAD_1: Metric = Metric {
    field: "load1",
    prometheus: "cgflux_host_load1",
    unit: Unit::Ratio,
    help: "Tasks that ran, could run or waited uninterruptibly, on average over about a minute.",
    ..VALUE
};
/// The same over about five minutes.
pub static HOST_LOAD_5: Metric = Metric {
    field: "load5",
    prometheus: "cgflux_host_load5",
    unit: Unit::Ratio,
    help: "The same over about five minutes.",
    ..VALUE
};
/// The same over about fifteen minutes.
pub static HOST_LOAD_15: Metric = Metric {
    field: "load15",
    prometheus: "cgflux_host_load15",
    unit: Unit::Ratio,
    help: "The same over about fifteen minutes.",
    ..VALUE
};
/// Tasks that run or could, the one that asks included.
pub static HOST_RUNNING: Metric = Metric {
    field: "running",
    prometheus: "cgflux_host_tasks_running",
    help: "Tasks that run or could, the one that asks included.",
    ..VALUE
};
/// Tasks that wait for I/O.
pub static HOST_BLOCKED: Metric = Metric {
    field: "blocked",
    prometheus: "cgflux_host_tasks_blocked",
    help: "Tasks that wait for I/O.",
    ..VALUE
};
/// Tasks (processes and threads) that exist.
pub static HOST_TASKS: Metric = Metric {
    field: "tasks",
    prometheus: "cgflux_host_tasks",
    help: "Tasks (processes and threads) that exist.",
    ..VALUE
};
/// Time since boot, suspension included.
pub static HOST_UPTIME: Metric = Metric {
    field: "uptime_ns",
    prometheus: "cgflux_host_uptime_seconds",
    unit: Unit::Nanoseconds,
    help: "Time since boot, suspension included.",
    ..VALUE
};
