//! Filesystems of the host as stats have them, each with what its disk did.

use serde::Serialize;

use super::super::moment::Part;
use crate::snapshot::SECTOR_BYTES;

const MS_IN_NS: u64 = 1_000_000;

/// A filesystem of v1; times in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Filesystem {
    device: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    capacity: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    available: Option<u64>,
    has_inodes: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    inodes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inodes_free: Option<u64>,
    #[serde(flatten)]
    disk: DiskV1,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct DiskV1 {
    #[serde(skip_serializing_if = "Option::is_none")]
    reads_completed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reads_merged: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sectors_read: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    read_time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    writes_completed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    writes_merged: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sectors_written: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    write_time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    io_in_progress: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    io_time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    weighted_io_time: Option<u64>,
}

/// A filesystem of v2's `machinestats`; times in nanoseconds.
#[derive(Clone, Debug, Serialize)]
pub(super) struct FilesystemV2 {
    device: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    capacity: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    available: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inodes_free: Option<u64>,
    inline: DiskV2,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct DiskV2 {
    #[serde(skip_serializing_if = "Option::is_none")]
    reads_completed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reads_merged: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sectors_read: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    read_duration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    writes_completed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    writes_merged: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sectors_written: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    write_duration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    io_in_progress: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    io_duration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    weighted_io_duration: Option<u64>,
}

/// What cAdvisor calls the type of every filesystem that is none of ZFS, device-mapper or NFS.
const VFS: &str = "vfs";

/// A part of kind [`PartKind::Filesystem`](super::super::moment::PartKind::Filesystem), by the names of its values.
struct Values {
    space: [Option<u64>; 3],
    inodes: Option<u64>,
    inodes_free: Option<u64>,
    disk: DiskV2,
}

impl Values {
    /// In the order in which `moment` puts them.
    fn of(part: &Part) -> Self {
        let mut values = part.values.iter().copied();
        let mut next = || values.next().flatten();
        let sectors = |bytes: Option<u64>| bytes.map(|bytes| bytes / SECTOR_BYTES);
        Self {
            space: [next(), next(), next()],
            inodes: next(),
            inodes_free: next(),
            disk: DiskV2 {
                reads_completed: next(),
                reads_merged: next(),
                sectors_read: sectors(next()),
                read_duration: next(),
                writes_completed: next(),
                writes_merged: next(),
                sectors_written: sectors(next()),
                write_duration: next(),
                io_in_progress: next(),
                io_duration: next(),
                weighted_io_duration: next(),
            },
        }
    }
}

impl Filesystem {
    pub(super) fn of(part: &Part) -> Self {
        let values = Values::of(part);
        let [capacity, usage, available] = values.space;
        Self {
            device: part.name.to_string(),
            kind: VFS,
            capacity,
            usage,
            available,
            has_inodes: values.inodes.is_some(),
            inodes: values.inodes,
            inodes_free: values.inodes_free,
            disk: values.disk.into(),
        }
    }
}

impl FilesystemV2 {
    pub(super) fn of(part: &Part) -> Self {
        let values = Values::of(part);
        let [capacity, usage, available] = values.space;
        Self {
            device: part.name.to_string(),
            kind: VFS,
            capacity,
            usage,
            available,
            inodes_free: values.inodes_free,
            inline: values.disk,
        }
    }
}

impl From<DiskV2> for DiskV1 {
    fn from(disk: DiskV2) -> Self {
        let ms = |ns: Option<u64>| ns.map(|ns| ns / MS_IN_NS);
        Self {
            reads_completed: disk.reads_completed,
            reads_merged: disk.reads_merged,
            sectors_read: disk.sectors_read,
            read_time: ms(disk.read_duration),
            writes_completed: disk.writes_completed,
            writes_merged: disk.writes_merged,
            sectors_written: disk.sectors_written,
            write_time: ms(disk.write_duration),
            io_in_progress: disk.io_in_progress,
            io_time: ms(disk.io_duration),
            weighted_io_time: ms(disk.weighted_io_duration),
        }
    }
}
