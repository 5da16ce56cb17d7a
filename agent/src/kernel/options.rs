//! How to load the programs.

use std::path::PathBuf;

use super::{layout::Anchor, slots::StorageKind};
use crate::{container::CgroupId, metrics::catalog::Families};

/// How to load.
#[derive(Clone, Debug)]
pub struct Options {
    /// Number of slots; each cgroup outside containers takes one, each container one.
    pub slots: u32,
    /// Charge run time where the kernel does, not at switches.
    pub exact: bool,
    /// Where the accounting hierarchy hangs.
    pub anchor: Anchor,
    /// Number of the accounting hierarchy; 0 is the unified one.
    pub hierarchy: u32,
    /// Id of its root.
    pub root: CgroupId,
    /// Where its root is mounted.
    pub mount: PathBuf,
    /// Number of the hierarchy with the I/O controller, if there is one: there a request's cgroup is.
    pub io_hierarchy: Option<u32>,
    /// Number of the hierarchy with the memory controller, if there is one: there a page's cgroup is.
    pub memory_hierarchy: Option<u32>,
    /// Programs that are not to be loaded, by name.
    pub skip: Vec<String>,
    /// Whether the sockets are to be counted. The accounting hierarchy must be the unified one then.
    pub network: bool,
    /// What is to be measured. What a program counts for none of these, it is not loaded for; its maps are made all the
    /// same, so that [`Kernel::switch`](super::Kernel::switch) can load it later.
    pub families: Families,
    /// Where to keep slots; `None` for the best that loads.
    pub storage: Option<StorageKind>,
}
