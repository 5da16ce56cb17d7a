//! Disk space for the writable layer.

use super::{Kind, Metric, NO_METRIC, Resolution, Source, Unit};

/// All of them, in the order of publication.
pub(super) static SPACE_METRICS: &[&Metric] =
    &[&SPACE_SIZE, &SPACE_AVAILABLE, &INODES, &INODES_FREE];

const SPACE: Metric = Metric {
    measurement: "container_fs",
    unit: Unit::Bytes,
    kind: Kind::Gauge,
    resolution: Resolution::Files,
    sources: &[Source::Statfs],
    ..NO_METRIC
};

/// Size of the filesystem.
pub static SPACE_SIZE: Metric = Metric {
    field: "size_bytes",
    prometheus: "cgflux_container_fs_size_bytes",
    help: "Size of the filesystem that the writable layer is on, shared with all that is on it; of a layer with a project quota that.",
    ..SPACE
};
/// Space that is left.
pub static SPACE_AVAILABLE: Metric = Metric {
    field: "available_bytes",
    prometheus: "cgflux_container_fs_available_bytes",
    help: "What may still be written there, or within the project quota.",
    ..SPACE
};
/// Inodes there may be.
pub static INODES: Metric = Metric {
    field: "inodes",
    prometheus: "cgflux_container_fs_inodes",
    unit: Unit::Count,
    help: "Inodes that there may be on that filesystem; absent where it sets no number.",
    ..SPACE
};
/// Inodes that are left.
pub static INODES_FREE: Metric = Metric {
    field: "inodes_free",
    prometheus: "cgflux_container_fs_inodes_free",
    unit: Unit::Count,
    help: "Inodes that may still be made there.",
    ..SPACE
};
