//! Disk space for the writable layer of one entry.

/// The filesystem that a container writes to: what the container itself would see of it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SpaceTotals {
    /// Its size in bytes, or the layer's quota.
    pub size_bytes: Option<u64>,
    /// What may still be written by a user, in bytes.
    pub available_bytes: Option<u64>,
    /// Inodes there may be; `None` where the filesystem sets no number.
    pub inodes: Option<u64>,
    /// Inodes that are free.
    pub inodes_free: Option<u64>,
}
