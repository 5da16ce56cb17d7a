//! All entries' counters at one instant, and what happened between two instants.
//!
//! Every total here counts from the making of its cgroup and never goes backwards while the cgroup lives. `None`
//! means that this kernel or these privileges do not give the number; zero means zero.

mod block_io;
mod cpu;
mod interval;
mod ledger;
mod machine;
mod memory;
mod network;
mod oom;
mod pids;
mod preemption;
mod pressure;
mod reconciliation;
mod space;
mod split;

use std::{ops::AddAssign, sync::Arc};

use agent_ebpf::{cpu::CpuCounters, histogram::BUCKETS, network::NetworkCounters};

pub use block_io::{
    BlockLedger, BlockSums, DeviceIo, DeviceSums, LatencyHistogram, OperationTotals,
};
pub use cpu::{Bandwidth, CpuLimit, CpuTotals, WaitHistogram};
pub use interval::{Interval, Span};
pub use ledger::Ledger;
pub use machine::{
    CpuTimes, Disk, Filesystem, Inodes, Interface, Load, Machine, Memory, Paging, Pressure,
    Requests, SECTOR_BYTES, Scheduler, Traffic,
};
pub use memory::MemoryTotals;
pub use network::{Interfaces, NetworkTotals};
pub use oom::{OomKill, OomTotals};
pub use pids::PidsTotals;
pub use preemption::{
    Growth, KEPT, PreemptionTotals, SavedTakers, TOLD, Taken, TakerAccount, TakerTotal, Waited,
};
pub use pressure::{PressureTotals, Stalls};
pub use reconciliation::Reconciliation;
pub use space::SpaceTotals;
pub use split::Split;

use crate::container::CgroupId;

/// One instant on both clocks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timestamp {
    /// `CLOCK_BOOTTIME`, in nanoseconds: for differences.
    pub boot_ns: u64,
    /// Nanoseconds since the Unix epoch: for people and databases. Strictly increasing from tick to tick.
    pub wall_ns: i64,
}

/// All entries' counters at one instant.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When the counters were read.
    pub taken: Timestamp,
    /// One per entry, in order of cgroup id; the host entry is among them.
    pub entries: Vec<Arc<Entry>>,
}

/// One entry's counters.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Which entry.
    pub cgroup: CgroupId,
    /// Whether the cgroup still exists. A dead entry stands in exactly one snapshot, with its final values.
    pub alive: bool,
    /// What it used and holds.
    pub totals: Totals,
}

/// What one entry used and holds, family by family.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// CPU time, switches and run-queue wait.
    pub cpu: CpuTotals,
    /// Who ran while it waited; `None` where that is not told.
    pub preemption: Option<Box<PreemptionTotals>>,
    /// Memory.
    pub memory: MemoryTotals,
    /// Processes killed for want of memory.
    pub oom: OomTotals,
    /// Pressure.
    pub pressure: PressureTotals,
    /// Tasks.
    pub pids: PidsTotals,
    /// Disk space.
    pub space: SpaceTotals,
    /// Block I/O by device; a device that it never used is not among them.
    pub block_io: Vec<DeviceIo>,
    /// Traffic and TCP connections.
    pub network: NetworkTotals,
}

/// What a slot, or several, counted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SlotTotals {
    /// The scalar counters.
    pub counters: CpuCounters,
    /// Run-queue waits by length, not cumulative.
    pub waits: [u64; BUCKETS],
    /// Packets and TCP connections.
    pub network: NetworkCounters,
    /// Processes killed for want of memory. No slot counts them: each is an event.
    pub oom_kills: u64,
}

impl AddAssign<&Self> for SlotTotals {
    fn add_assign(&mut self, other: &Self) {
        let (sum, more) = (&mut self.counters, &other.counters);
        sum.run_ns += more.run_ns;
        sum.wait_ns += more.wait_ns;
        sum.voluntary_switches += more.voluntary_switches;
        sum.involuntary_switches += more.involuntary_switches;
        sum.migrations += more.migrations;
        sum.forks += more.forks;
        sum.execs += more.execs;
        sum.exits += more.exits;
        for (sum, more) in self.waits.iter_mut().zip(&other.waits) {
            *sum += more;
        }
        self.network += &other.network;
        self.oom_kills += other.oom_kills;
    }
}
