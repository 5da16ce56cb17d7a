//! Memory of one entry.

/// What a cgroup and all in it hold, in bytes, and what happened to it since it was made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemoryTotals {
    /// Charged now, page cache included.
    pub usage_bytes: Option<u64>,
    /// `usage_bytes` without page cache that was not used lately, both read at one time.
    pub working_set_bytes: Option<u64>,
    /// Anonymous memory: heaps and stacks.
    pub anon_bytes: Option<u64>,
    /// Page cache, `shmem_bytes` included.
    pub file_bytes: Option<u64>,
    /// Shared memory and tmpfs.
    pub shmem_bytes: Option<u64>,
    /// Memory of the kernel itself, `slab_bytes` included.
    pub kernel_bytes: Option<u64>,
    /// The kernel's objects: inodes, directory entries, descriptors.
    pub slab_bytes: Option<u64>,
    /// Buffers of sockets.
    pub sock_bytes: Option<u64>,
    /// Swapped out.
    pub swap_bytes: Option<u64>,
    /// The hard limit of `usage_bytes`; `None` is no limit.
    pub limit_bytes: Option<u64>,
    /// Where throttling begins; `None` is nowhere.
    pub high_bytes: Option<u64>,
    /// The limit of `swap_bytes`; `None` is no limit.
    pub swap_limit_bytes: Option<u64>,
    /// The highest `usage_bytes` ever.
    pub peak_bytes: Option<u64>,
    /// Page faults, `major_faults` included.
    pub faults: Option<u64>,
    /// Page faults that had to wait for a disk.
    pub major_faults: Option<u64>,
    /// Pages that were evicted and soon needed again.
    pub refaults: Option<u64>,
    /// How often it was throttled for being above `high_bytes`.
    pub high_events: Option<u64>,
    /// How often it ran into `limit_bytes`.
    pub limit_events: Option<u64>,
    /// How often reclaim could not help it.
    pub oom_events: Option<u64>,
}

impl MemoryTotals {
    /// No counter less than it was `before`: the kernel lets a user set some to zero.
    #[must_use]
    pub fn not_below(self, before: &Self) -> Self {
        Self {
            faults: self.faults.max(before.faults),
            major_faults: self.major_faults.max(before.major_faults),
            refaults: self.refaults.max(before.refaults),
            high_events: self.high_events.max(before.high_events),
            limit_events: self.limit_events.max(before.limit_events),
            oom_events: self.oom_events.max(before.oom_events),
            ..self
        }
    }
}
