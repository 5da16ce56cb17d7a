//! CPU records: run time, switches, run-queue wait.

use crate::histogram::BUCKETS;

/// What one CPU stripe counted for one slot, since the slot was taken.
///
/// One cache line. The `sched_*` hooks write it with plain adds (interrupts are off and the stripe is the executing
/// CPU's) or, where CPUs share stripes, with atomic ones; the task hooks always add atomically.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(C, align(64))]
pub struct CpuCounters {
    /// CPU time in nanoseconds, as the kernel charged it.
    pub run_ns: u64,
    /// Time runnable but not running, in nanoseconds.
    pub wait_ns: u64,
    /// Switches away from a task that blocked.
    pub voluntary_switches: u64,
    /// Switches away from a task that could have gone on.
    pub involuntary_switches: u64,
    /// Moves of a task to another CPU.
    pub migrations: u64,
    /// Tasks created.
    pub forks: u64,
    /// Successful `execve` calls.
    pub execs: u64,
    /// Tasks ended.
    pub exits: u64,
}

const _: () = assert!(size_of::<CpuCounters>() == 64);

/// The task that a CPU runs, and the slot it found last. One per possible CPU, written by that CPU only.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(C, align(64))]
pub struct RunningTask {
    /// Address of the `task_struct` that was switched to last; 0 for the idle task. Compared, never followed.
    pub task: u64,
    /// Its `sched_info.run_delay` at that moment, in nanoseconds.
    pub run_delay_ns: u64,
    /// Its `se.sum_exec_runtime` at that moment, in nanoseconds.
    pub sum_exec_ns: u64,
    /// The cgroup whose slot was found last; 0 for none.
    pub cgroup: u64,
    /// That slot.
    pub slot: u32,
    /// Unused; fills the cache line.
    pub reserved: [u32; 7],
}

const _: () = assert!(size_of::<RunningTask>() == 64);

/// Run-queue waits of one slot on one CPU stripe, by length; not cumulative.
///
/// Kept apart from [`CpuCounters`] so that a snapshot of totals touches no histogram.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(C, align(64))]
pub struct WaitBuckets {
    /// How many waits fell into each bucket; see [`crate::histogram::bucket`].
    pub buckets: [u64; BUCKETS],
}

const _: () = assert!(size_of::<WaitBuckets>() == 192);
