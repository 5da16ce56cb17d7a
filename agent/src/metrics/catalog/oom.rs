//! Processes killed for want of memory.

use super::{Metric, NO_METRIC, Source};

/// All of them, in the order of publication.
pub(super) static OOM_METRICS: &[&Metric] = &[&OOM_KILLS];

/// Processes killed because memory ran out.
pub static OOM_KILLS: Metric = Metric {
    measurement: "container_mem",
    field: "oom_kills",
    prometheus: "cgflux_container_oom_kills_total",
    sources: &[Source::MarkVictim, Source::CgroupFile],
    help: "Processes that the kernel killed because memory ran out.",
    ..NO_METRIC
};
