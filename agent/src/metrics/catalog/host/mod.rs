//! The host as a whole: what `/proc` and its filesystems tell, whoever used it.

mod cpu;
mod disk;
mod filesystem;
mod load;
mod memory;
mod network;
mod pressure;

pub use cpu::*;
pub use disk::*;
pub use filesystem::*;
pub use load::*;
pub use memory::*;
pub use network::*;
pub use pressure::*;

use super::{Kind, Metric, NO_METRIC, Source};

/// All of them, in the order of publication.
pub(super) static HOST_METRICS: &[&[&Metric]] = &[
    CPU_METRICS,
    LOAD_METRICS,
    MEMORY_METRICS,
    DISK_METRICS,
    NETWORK_METRICS,
    FILESYSTEM_METRICS,
    PRESSURE_METRICS,
];

/// A total that `/proc` tells.
const COUNTER: Metric = Metric {
    sources: &[Source::ProcFile],
    ..NO_METRIC
};

/// A value that `/proc` tells and that goes up and down.
const GAUGE: Metric = Metric {
    kind: Kind::Gauge,
    ..COUNTER
};
