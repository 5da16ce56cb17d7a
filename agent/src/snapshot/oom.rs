//! Processes killed for want of memory.

use crate::container::CgroupId;

/// How many were killed, since the making of the cgroup.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct OomTotals {
    /// Processes killed.
    pub kills: Option<u64>,
}

/// One process that was killed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OomKill {
    /// The entry it was in.
    pub entry: CgroupId,
    /// The process, in the host's numbering.
    pub pid: u32,
    /// Its name. Hostile input: the process chooses it.
    pub comm: String,
}
