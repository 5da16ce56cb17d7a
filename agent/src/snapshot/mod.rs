//! All entries' counters at one instant, and what happened between two instants.
//!
//! Every total here counts from the making of its cgroup and never goes backwards while the cgroup lives. `None`
//! means that this kernel or these privileges do not give the number; zero means zero.

mod interval;
mod ledger;
mod split;

use std::ops::AddAssign;

use agent_ebpf::cpu::{CpuCounters, WAIT_BUCKETS};

pub use interval::{Interval, Span};
pub use ledger::Ledger;
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
    pub entries: Vec<Entry>,
}

/// One entry's counters.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Which entry.
    pub cgroup: CgroupId,
    /// Whether the cgroup still exists. A dead entry stands in exactly one snapshot, with its final values.
    pub alive: bool,
    /// Its CPU family.
    pub cpu: CpuTotals,
}

/// CPU totals since the making of the cgroup.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CpuTotals {
    /// CPU time used, in nanoseconds.
    pub run_ns: Option<u64>,
    /// The part of `run_ns` in user mode; `user_ns + system_ns == run_ns`.
    pub user_ns: Option<u64>,
    /// The part of `run_ns` in kernel mode.
    pub system_ns: Option<u64>,
    /// Switches where the task gave the CPU up by itself.
    pub voluntary_switches: Option<u64>,
    /// Switches where the task was preempted.
    pub involuntary_switches: Option<u64>,
    /// Moves of a task to another CPU.
    pub migrations: Option<u64>,
    /// Time spent runnable but not running, in nanoseconds, throttled time included.
    pub wait_ns: Option<u64>,
    /// How the waits were distributed.
    pub wait_histogram: Option<Box<WaitHistogram>>,
    /// Tasks created in the cgroup.
    pub forks: Option<u64>,
    /// Programs started by `execve`.
    pub execs: Option<u64>,
    /// Tasks that ended.
    pub exits: Option<u64>,
    /// What the bandwidth controller did.
    pub bandwidth: Option<Bandwidth>,
    /// The limit in force.
    pub limit: Option<CpuLimit>,
}

/// Waits by length, not cumulative; bucket `i` is bounded by [`agent_ebpf::cpu::wait_bucket_bound_ns`].
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WaitHistogram(pub [u64; WAIT_BUCKETS]);

/// `nr_periods`, `nr_throttled` and the throttled time of `cpu.stat`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Bandwidth {
    /// Enforcement periods that elapsed.
    pub periods: u64,
    /// Periods in which the cgroup was throttled.
    pub throttled_periods: u64,
    /// Time throttled, in nanoseconds.
    pub throttled_ns: u64,
}

/// `cpu.max`, or `cpu.cfs_quota_us` and `cpu.cfs_period_us`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CpuLimit {
    /// CPU time allowed in a period, in microseconds; `None` is no limit.
    pub quota_us: Option<u64>,
    /// The period, in microseconds.
    pub period_us: u64,
}

/// What a slot, or several, counted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SlotTotals {
    /// The scalar counters.
    pub counters: CpuCounters,
    /// Run-queue waits by length, not cumulative.
    pub waits: [u64; WAIT_BUCKETS],
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
    }
}
