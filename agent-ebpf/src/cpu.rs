//! CPU records: run time, switches, run-queue wait.

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

/// Buckets of the wait histogram.
pub const WAIT_BUCKETS: usize = 24;

/// Waits below `2^WAIT_MIN_LOG2` ns share the first bucket.
pub const WAIT_MIN_LOG2: u32 = 10;

/// Run-queue waits of one slot on one CPU stripe, by length; not cumulative.
///
/// Kept apart from [`CpuCounters`] so that a snapshot of totals touches no histogram.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(C, align(64))]
pub struct WaitBuckets {
    /// How many waits fell into each bucket; see [`wait_bucket`].
    pub buckets: [u64; WAIT_BUCKETS],
}

const _: () = assert!(size_of::<WaitBuckets>() == 192);

/// The bucket a wait of `ns` falls into: bucket `i` holds waits below `2^(i + 10)` ns that no lower bucket holds, the
/// last one all longer waits.
#[inline]
pub const fn wait_bucket(ns: u64) -> usize {
    let scaled = ns >> WAIT_MIN_LOG2;
    if scaled == 0 {
        return 0;
    }
    let bucket = log2(scaled) as usize + 1;
    if bucket < WAIT_BUCKETS {
        bucket
    } else {
        WAIT_BUCKETS - 1
    }
}

/// Upper bound of bucket `index` in nanoseconds (exclusive); `None` for the last, which has none.
pub const fn wait_bucket_bound_ns(index: usize) -> Option<u64> {
    if index + 1 < WAIT_BUCKETS {
        Some(1 << (WAIT_MIN_LOG2 as usize + index))
    } else {
        None
    }
}

/// Floor of the binary logarithm, by halving: the BPF instruction set has no count of leading zeros.
#[inline]
const fn log2(value: u64) -> u32 {
    let mut rest = value;
    let mut log = 0;
    let mut step = 32;
    while step > 0 {
        if rest >> step != 0 {
            rest >>= step;
            log += step;
        }
        step /= 2;
    }
    log
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wait_lies_below_its_bound_and_not_below_the_bound_before() {
        for shift in 0..64 {
            for ns in [(1_u64 << shift) - 1, 1 << shift, (1 << shift) + 1] {
                let bucket = wait_bucket(ns);
                if let Some(bound) = wait_bucket_bound_ns(bucket) {
                    assert!(ns < bound, "ns={ns} bucket={bucket} bound={bound}");
                }
                if let Some(below) = bucket.checked_sub(1).and_then(wait_bucket_bound_ns) {
                    assert!(ns >= below, "ns={ns} bucket={bucket} below={below}");
                }
            }
        }
    }

    #[test]
    fn the_longest_wait_falls_into_the_last_bucket() {
        assert_eq!(wait_bucket(u64::MAX), WAIT_BUCKETS - 1);
        assert_eq!(wait_bucket_bound_ns(WAIT_BUCKETS - 1), None);
    }
}
