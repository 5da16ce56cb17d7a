//! What the kernel programs and the agent agree on.
//!
//! A *slot* is the small number under which the programs count for one cgroup. Slot 0 takes what has no slot of its
//! own: the root cgroup and everything unknown, so sums always close. A slot's records are all zero when it is taken;
//! only the programs write them while it is held, only the agent zeroes them before it gives the slot back.
//!
//! A *stripe* is one writer's share of a slot's records: the record of slot `s` and CPU `c` has the index
//! `s * stripes + c % stripes`. Slots lie side by side so that the agent can map only those in use.
#![no_std]

pub mod block_io;
pub mod cpu;
pub mod histogram;
pub mod layout;
pub mod lifecycle;
pub mod losses;
pub mod network;
pub mod path;
pub mod preemption;
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
    /// cgroup id → [`crate::slot::SlotEntry`], where `SLOTS` is cgroup storage; in the other object `SLOTS` is that itself.
    pub const SLOT_IDS: &str = "SLOT_IDS";
    /// Array of [`crate::network::NetworkCounters`], `slots * stripes` of them.
    pub const NETWORK_COUNTERS: &str = "NETWORK_COUNTERS";
    /// Array of [`crate::network::Recent`], one per possible CPU.
    pub const RECENT: &str = "RECENT";
    /// Addresses of this host and its containers, as [`crate::network::mapped`] has them; the agent fills it.
    pub const LOCAL_ADDRESSES: &str = "LOCAL_ADDRESSES";
    /// Ring buffer of [`crate::lifecycle::CgroupEvent`]s.
    pub const EVENTS: &str = "EVENTS";
    /// Array of one [`crate::losses::Losses`].
    pub const LOSSES: &str = "LOSSES";
    /// Hash of [`crate::path::CgroupKey`] → [`crate::path::PathHash`], of the hierarchies that matter.
    pub const PATHS: &str = "PATHS";
    /// Hash of [`crate::path::PathHash`] → [`crate::slot::SlotEntry`] of the accounting hierarchy's cgroup.
    pub const PATH_SLOTS: &str = "PATH_SLOTS";
    /// Hash of [`crate::block_io::BlockKey`] → index of its record.
    pub const BLOCK_RECORDS: &str = "BLOCK_RECORDS";
    /// Free records, `u32`; the agent fills it, the programs take from it.
    pub const FREE_BLOCK_RECORDS: &str = "FREE_BLOCK_RECORDS";
    /// Array of `u64`: whose each record is, as [`crate::block_io::BlockKey::word`]; 0 for nobody's.
    pub const BLOCK_OWNERS: &str = "BLOCK_OWNERS";
    /// Array of one `u64`: how many records were ever taken.
    pub const BLOCK_TAKEN: &str = "BLOCK_TAKEN";
    /// Array of [`crate::block_io::BlockCounters`], one a record.
    pub const BLOCK_COUNTERS: &str = "BLOCK_COUNTERS";
    /// Array of [`crate::block_io::BlockLatencies`], one a record.
    pub const BLOCK_LATENCIES: &str = "BLOCK_LATENCIES";
    /// Array of [`crate::preemption::Turns`], one per possible CPU, or one where nobody asks who takes the CPU.
    pub const TURNS: &str = "TURNS";
    /// Array of [`crate::preemption::Takers`], `slots * stripes` of them, or one where nobody asks for them.
    pub const TAKERS: &str = "TAKERS";
    /// Those with `slots * stripes` records whatever is asked for.
    pub const STRIPED: [&str; 3] = [CPU_COUNTERS, WAIT_BUCKETS, NETWORK_COUNTERS];
    /// Those with one record per possible CPU whatever is asked for.
    pub const PER_CPU: [&str; 2] = [RUNNING, RECENT];
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
    block_io::BlockKey,
    cpu::CpuCounters,
    cpu::WaitBuckets,
    cpu::RunningTask,
    layout::BlockLayout,
    layout::KernelLayout,
    layout::Settings,
    losses::Losses,
    path::CgroupKey,
    preemption::Takers,
    preemption::Turns,
    network::NetworkCounters,
    network::Recent,
    slot::SlotEntry,
);
