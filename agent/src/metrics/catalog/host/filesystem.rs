//! Filesystems: one series each, told apart by the tags `mount`, `device` and `fstype`.

use super::{
    super::{Metric, Resolution, Source, Unit},
    GAUGE,
};

/// All of them, in the order of publication.
pub(super) static FILESYSTEM_METRICS: &[&Metric] = &[
    &HOST_FS_SIZE,
    &HOST_FS_FREE,
    &HOST_FS_AVAILABLE,
    &HOST_FS_INODES,
    &HOST_FS_INODES_FREE,
];

const VALUE: Metric = Metric {
    measurement: "host_fs",
    resolution: Resolution::Files,
    sources: &[Source::Statfs],
    ..GAUGE
};

/// Size of the filesystem.
pub static HOST_FS_SIZE: Metric = Metric {
    field: "size_bytes",
    prometheus: "cgflux_host_fs_size_bytes",
    unit: Unit::Bytes,
    help: "Size of the filesystem.",
    ..VALUE
};
/// Space that nothing uses, that kept for root included.
pub static HOST_FS_FREE: Metric = Metric {
    field: "free_bytes",
    prometheus: "cgflux_host_fs_free_bytes",
    unit: Unit::Bytes,
    help: "Space that nothing uses, that kept for root included.",
    ..VALUE
};
/// Space that ordinary users can still fill.
pub static HOST_FS_AVAILABLE: Metric = Metric {
    field: "available_bytes",
    prometheus: "cgflux_host_fs_available_bytes",
    unit: Unit::Bytes,
    help: "Space that ordinary users can still fill.",
    ..VALUE
};
/// Inodes; absent where the filesystem makes them as needed.
pub static HOST_FS_INODES: Metric = Metric {
    field: "inodes",
    prometheus: "cgflux_host_fs_inodes",
    help: "Inodes; absent where the filesystem makes them as needed.",
    ..VALUE
};
/// Inodes that are not in use.
pub static HOST_FS_INODES_FREE: Metric = Metric {
    field: "inodes_free",
    prometheus: "cgflux_host_fs_inodes_free",
    help: "Inodes that are not in use.",
    ..VALUE
};
