//! The unified cgroup hierarchy, and how to load the kernel programs for it.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use cgflux::{
    container::CgroupId,
    kernel::{Anchor, Options},
    metrics::catalog::Families,
};

const MOUNTS: [&str; 2] = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];

/// Its root's folder.
pub(crate) fn root() -> anyhow::Result<PathBuf> {
    MOUNTS
        .map(PathBuf::from)
        .into_iter()
        .find(|path| path.join("cgroup.procs").exists())
        .ok_or_else(|| anyhow::anyhow!("no unified cgroup hierarchy is mounted"))
}

/// The programs for so many slots, without those on packets.
pub(crate) fn options(root: &Path, slots: u32) -> anyhow::Result<Options> {
    Ok(Options {
        slots,
        exact: true,
        anchor: Anchor::Unified,
        hierarchy: 0,
        root: CgroupId(fs::metadata(root)?.ino()),
        mount: root.to_owned(),
        io_hierarchy: None,
        memory_hierarchy: None,
        skip: Vec::new(),
        network: false,
        families: Families::DEFAULT,
        storage: None,
    })
}
