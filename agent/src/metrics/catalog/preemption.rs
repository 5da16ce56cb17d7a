//! Who ran while tasks waited for a CPU.

use super::{Kind, Metric, NO_METRIC, Source, Unit};

/// All of them, in the order of publication.
pub(super) static PREEMPTION_METRICS: &[&Metric] = &[&PREEMPTION_WAIT, &PREEMPTION_WAITING];

const PREEMPTION: Metric = Metric {
    measurement: "container_preemption",
    sources: &[Source::SchedSwitchTurns],
    ..NO_METRIC
};

/// Run-queue wait by who ran meanwhile.
pub static PREEMPTION_WAIT: Metric = Metric {
    field: "wait_ns",
    prometheus: "cgflux_container_preempted_seconds_total",
    unit: Unit::Nanoseconds,
    help: "Run-queue wait while `by` ran on that CPU: the five that took most of late, `_own` tasks, `_other` ones, `_unknown`.",
    ..PREEMPTION
};
/// The same over the last interval.
pub static PREEMPTION_WAITING: Metric = Metric {
    field: "waiting",
    prometheus: "cgflux_container_preempted_waiting",
    unit: Unit::Ratio,
    kind: Kind::Gauge,
    help: "Tasks that waited while `by` ran on that CPU, on average over the last collection interval.",
    ..PREEMPTION
};
