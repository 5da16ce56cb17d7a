//! CPU time, switches and run-queue wait of one entry.

use agent_ebpf::histogram::BUCKETS;

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
    /// When `bandwidth` was read, which is not each tick: `CLOCK_BOOTTIME`, in nanoseconds.
    pub bandwidth_read_ns: Option<u64>,
    /// The limit in force.
    pub limit: Option<CpuLimit>,
}

/// Waits by length, not cumulative; bucket `i` is bounded by [`agent_ebpf::histogram::bucket_bound_ns`].
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WaitHistogram(pub [u64; BUCKETS]);

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
