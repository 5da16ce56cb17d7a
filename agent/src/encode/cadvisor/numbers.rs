//! The numbers that cAdvisor has of every cgroup, and what they are here: of an entry a metric of its own, of the host as
//! a whole what the root cgroup would have.
//!
//! The table behind the lines of its driver and the JSON of its API; that of its Prometheus metrics, which have other names,
//! labels and sums, is `prometheus::cadvisor::table`.

use super::host;
use crate::{
    encode::readings::Readings,
    metrics::{Metric, catalog},
};

/// One of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Number {
    /// CPU time used, in nanoseconds.
    CpuTotal,
    /// Of it in user mode.
    CpuUser,
    /// Of it in kernel mode.
    CpuSystem,
    /// Bandwidth enforcement periods that elapsed.
    CfsPeriods,
    /// Those in which it was throttled.
    CfsThrottledPeriods,
    /// Nanoseconds it was throttled.
    CfsThrottledTime,
    /// Nanoseconds its tasks waited for a CPU.
    RunqueueTime,
    /// Bytes of memory charged.
    MemoryUsage,
    /// The most that ever were.
    MemoryMaxUsage,
    /// Bytes of page cache.
    MemoryCache,
    /// Bytes of anonymous memory.
    MemoryRss,
    /// Bytes swapped out.
    MemorySwap,
    /// Bytes of files mapped.
    MemoryMappedFile,
    /// Bytes charged less the page cache not used lately.
    MemoryWorkingSet,
    /// Bytes of memory there may be.
    MemoryLimit,
    /// Bytes that the kernel holds for it.
    MemoryKernel,
    /// Times the limit was reached.
    MemoryFailcnt,
    /// Times it was throttled for being above its soft limit.
    MemoryHighEvents,
    /// Page faults, major ones included.
    PageFaults,
    /// Page faults that waited for a disk.
    MajorFaults,
    /// Processes killed for want of memory.
    OomEvents,
    /// Tasks there are.
    Threads,
    /// Tasks there may be.
    ThreadsMax,
    /// Nanoseconds in which some task waited for a CPU.
    CpuSome,
    /// In which all did.
    CpuFull,
    /// Nanoseconds in which some task waited for memory.
    MemorySome,
    /// In which all did.
    MemoryFull,
    /// Nanoseconds in which some task waited for I/O.
    IoSome,
    /// In which all did.
    IoFull,
}

impl Number {
    /// All of them, in order of their declaration.
    pub const ALL: [Self; 29] = [
        Self::CpuTotal,
        Self::CpuUser,
        Self::CpuSystem,
        Self::CfsPeriods,
        Self::CfsThrottledPeriods,
        Self::CfsThrottledTime,
        Self::RunqueueTime,
        Self::MemoryUsage,
        Self::MemoryMaxUsage,
        Self::MemoryCache,
        Self::MemoryRss,
        Self::MemorySwap,
        Self::MemoryMappedFile,
        Self::MemoryWorkingSet,
        Self::MemoryLimit,
        Self::MemoryKernel,
        Self::MemoryFailcnt,
        Self::MemoryHighEvents,
        Self::PageFaults,
        Self::MajorFaults,
        Self::OomEvents,
        Self::Threads,
        Self::ThreadsMax,
        Self::CpuSome,
        Self::CpuFull,
        Self::MemorySome,
        Self::MemoryFull,
        Self::IoSome,
        Self::IoFull,
    ];

    /// What it is of an entry; `None` where that is not measured.
    fn metric(self) -> Option<&'static Metric> {
        Some(match self {
            Self::CpuTotal => &catalog::CPU_USAGE,
            Self::CpuUser => &catalog::CPU_USER,
            Self::CpuSystem => &catalog::CPU_SYSTEM,
            Self::CfsPeriods => &catalog::CPU_PERIODS,
            Self::CfsThrottledPeriods => &catalog::CPU_THROTTLED_PERIODS,
            Self::CfsThrottledTime => &catalog::CPU_THROTTLED,
            Self::RunqueueTime => &catalog::RUNQ_WAIT,
            Self::MemoryUsage => &catalog::MEMORY_USAGE,
            Self::MemoryMaxUsage => &catalog::MEMORY_PEAK,
            Self::MemoryCache => &catalog::FILE,
            Self::MemoryRss => &catalog::ANON,
            Self::MemorySwap => &catalog::SWAP,
            Self::MemoryWorkingSet => &catalog::WORKING_SET,
            Self::MemoryLimit => &catalog::MEMORY_LIMIT,
            Self::MemoryKernel => &catalog::KERNEL_MEMORY,
            Self::MemoryFailcnt => &catalog::LIMIT_EVENTS,
            Self::MemoryHighEvents => &catalog::HIGH_EVENTS,
            Self::PageFaults => &catalog::PAGE_FAULTS,
            Self::MajorFaults => &catalog::MAJOR_FAULTS,
            Self::OomEvents => &catalog::OOM_KILLS,
            Self::Threads => &catalog::PIDS,
            Self::ThreadsMax => &catalog::PIDS_LIMIT,
            Self::CpuSome => &catalog::CPU_SOME,
            Self::CpuFull => &catalog::CPU_FULL,
            Self::MemorySome => &catalog::MEMORY_SOME,
            Self::MemoryFull => &catalog::MEMORY_FULL,
            Self::IoSome => &catalog::IO_SOME,
            Self::IoFull => &catalog::IO_FULL,
            Self::MemoryMappedFile => return None,
        })
    }

    /// Its value by an entry's samples.
    pub(super) fn of_entry(self, readings: Readings<'_>) -> Option<u64> {
        readings.integer(self.metric()?)
    }

    /// Its value by the samples of the host as a whole.
    pub(super) fn of_host(self, readings: Readings<'_>) -> Option<u64> {
        match self {
            Self::CpuTotal => readings.sum_of(&host::CPU_USED),
            Self::CpuUser => readings.sum_of(&host::CPU_USER),
            Self::CpuSystem => readings.sum_of(&host::CPU_SYSTEM),
            Self::MemoryUsage => host::memory(readings),
            Self::MemoryCache => readings.sum_of(&host::CACHE),
            Self::MemoryRss => readings.integer(&catalog::HOST_MEM_ANON),
            Self::MemorySwap => host::swap(readings),
            Self::MemoryMappedFile => readings.integer(&catalog::HOST_MEM_MAPPED),
            Self::MemoryLimit => readings.integer(&catalog::HOST_MEM_TOTAL),
            Self::PageFaults => readings.integer(&catalog::HOST_PAGE_FAULTS),
            Self::MajorFaults => readings.integer(&catalog::HOST_MAJOR_FAULTS),
            Self::OomEvents => readings.integer(&catalog::HOST_OOM_KILLS),
            Self::Threads => readings.integer(&catalog::HOST_TASKS),
            _ => None,
        }
    }

    /// Whether it is of an entry alone, without what is in entries below it. What files say of a cgroup is said of all
    /// below it, too.
    pub(super) fn is_counted_apart(self) -> bool {
        matches!(
            self,
            Self::CpuTotal | Self::CpuUser | Self::CpuSystem | Self::RunqueueTime | Self::OomEvents
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Number;

    #[test]
    fn all_are_listed_in_order() {
        for (place, number) in Number::ALL.into_iter().enumerate() {
            assert_eq!(number as usize, place, "{number:?}");
        }
    }
}
