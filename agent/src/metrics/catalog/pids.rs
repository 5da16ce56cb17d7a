//! Tasks and their limit.

use super::{Kind, Metric, NO_METRIC, Resolution, Source};

/// All of them, in the order of publication.
pub(super) static PIDS_METRICS: &[&Metric] = &[&PIDS, &PIDS_LIMIT, &PIDS_PEAK, &PIDS_REFUSED];

const NUMBER: Metric = Metric {
    measurement: "container_pids",
    kind: Kind::Gauge,
    resolution: Resolution::Files,
    sources: &[Source::CgroupFile],
    ..NO_METRIC
};

/// Tasks there are.
pub static PIDS: Metric = Metric {
    field: "pids",
    prometheus: "cgflux_container_pids",
    adds_up: true,
    help: "Tasks (processes and threads) in the cgroup and all below it.",
    ..NUMBER
};
/// Tasks there may be.
pub static PIDS_LIMIT: Metric = Metric {
    field: "pids_limit",
    prometheus: "cgflux_container_pids_limit",
    help: "Tasks there may be; absent without a limit.",
    ..NUMBER
};
/// Tasks there were at most.
pub static PIDS_PEAK: Metric = Metric {
    field: "pids_peak",
    prometheus: "cgflux_container_pids_peak",
    since: Some("6.1"),
    help: "The most tasks there ever were at once, where the kernel tells it.",
    ..NUMBER
};
/// Forks refused.
pub static PIDS_REFUSED: Metric = Metric {
    field: "pids_refused",
    prometheus: "cgflux_container_pids_refused_total",
    kind: Kind::Counter,
    help: "Forks refused because of the limit.",
    ..NUMBER
};
