//! What the kernel programs and the agent agree on.
//!
//! A *slot* is the small number under which the programs count for one cgroup. Slot 0 takes what has no slot of its
//! own: the root cgroup and everything unknown, so sums always close. A slot's records are all zero when it is taken;
//! only the programs write them while it is held, only the agent zeroes them before it gives the slot back.
//!
//! A *stripe* is one writer's share of a slot's records: the record of slot `s` and CPU `c` has the index
//! `s * stripes + c % stripes`. Slots lie side by side so that the agent can map only those in use.
#![no_std]

pub mod cpu;
pub mod layout;
pub mod lifecycle;
pub mod losses;
pub mod slot;

/// Names of the maps, as the objects carry them.
pub mod maps {
    /// Array of [`crate::cpu::CpuCounters`], `slots * stripes` of them.
    pub const CPU_COUNTERS: &str = "CPU_COUNTERS";
    /// Array of [`crate::cpu::WaitBuckets`], `slots * stripes` of them.
    pub const WAIT_BUCKETS: &str = "WAIT_BUCKETS";
    /// Array of [`crate::cpu::RunningTask`], one per possible CPU.
    pub const RUNNING: &str = "RUNNING";
    /// Free slots, `u32`; the agent fills it, `cgroup_mkdir` takes from it.
    pub const FREE_SLOTS: &str = "FREE_SLOTS";
    /// cgroup → [`crate::slot::SlotEntry`]: cgroup storage in one object, a hash by cgroup id in the other.
    pub const SLOTS: &str = "SLOTS";
    /// Ring buffer of [`crate::lifecycle::CgroupEvent`]s.
    pub const EVENTS: &str = "EVENTS";
    /// Array of one [`crate::losses::Losses`].
    pub const LOSSES: &str = "LOSSES";
    /// Those with `slots * stripes` records.
    pub const STRIPED: [&str; 2] = [CPU_COUNTERS, WAIT_BUCKETS];
    /// Those with one record per possible CPU.
    pub const PER_CPU: [&str; 1] = [RUNNING];
}

/// Marks a record as plain memory that may cross the system call boundary.
#[cfg(not(target_arch = "bpf"))]
macro_rules! plain_memory {
    ($($record:ty),+ $(,)?) => {
        $(
            // SAFETY: `repr(C)` of integers only, without padding (asserted beside the type); every bit pattern is a
            // value.
            unsafe impl aya::Pod for $record {}
        )+
    };
}

#[cfg(not(target_arch = "bpf"))]
plain_memory!(
    cpu::CpuCounters,
    cpu::WaitBuckets,
    cpu::RunningTask,
    layout::KernelLayout,
    layout::Settings,
    losses::Losses,
    slot::SlotEntry,
);
