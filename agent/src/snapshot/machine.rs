//! The machine as a whole at one instant: what the kernel tells of its resources, whoever used them.
//!
//! Totals count from boot, of a device or an interface from its making.

/// What was read; a part that could not be is absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Machine {
    /// CPU time by mode.
    pub cpu: Option<CpuTimes>,
    /// What the scheduler counts.
    pub scheduler: Option<Scheduler>,
    /// Load averages.
    pub load: Option<Load>,
    /// Time since boot, suspension included, in nanoseconds.
    pub uptime_ns: Option<u64>,
    /// Memory and swap space.
    pub memory: Option<Memory>,
    /// Faults and swapping.
    pub paging: Paging,
    /// Stalled time.
    pub pressure: Pressure,
    /// Block devices; no two have the same name.
    pub disks: Vec<Disk>,
    /// Network interfaces; no two have the same name.
    pub interfaces: Vec<Interface>,
    /// Filesystems; no two have the same mount point.
    pub filesystems: Vec<Filesystem>,
}

/// CPU time of all CPUs together by mode, in nanoseconds; the kernel counts it in hundredths of a second.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct CpuTimes {
    /// User mode, guests included.
    pub user_ns: u64,
    /// User mode at low priority, guests included.
    pub nice_ns: u64,
    /// Kernel mode.
    pub system_ns: u64,
    /// Nothing to run.
    pub idle_ns: u64,
    /// Nothing to run and a task waiting for I/O.
    pub iowait_ns: Option<u64>,
    /// Interrupts.
    pub irq_ns: Option<u64>,
    /// Soft interrupts.
    pub softirq_ns: Option<u64>,
    /// Wanted by this virtual machine, and given to others.
    pub steal_ns: Option<u64>,
    /// The part of the user time that guests had.
    pub guest_ns: Option<u64>,
    /// The part of the nice time that guests had.
    pub guest_nice_ns: Option<u64>,
}

/// What the scheduler counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Scheduler {
    /// CPUs that are online.
    pub cpus: u64,
    /// Context switches.
    pub context_switches: u64,
    /// Tasks created.
    pub forks: u64,
    /// When the machine booted, in nanoseconds since the Unix epoch.
    pub boot_wall_ns: u64,
    /// Tasks that run or could.
    pub running: Option<u64>,
    /// Tasks that wait for I/O.
    pub blocked: Option<u64>,
}

/// Load averages, and how many tasks there are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Over one, five and fifteen minutes.
    pub averages: [f64; 3],
    /// Tasks that exist.
    pub tasks: u64,
}

/// Memory and swap space, in bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Memory {
    /// All that the kernel manages.
    pub total: Option<u64>,
    /// Used by nothing.
    pub free: Option<u64>,
    /// To be had without swapping, as the kernel estimates it.
    pub available: Option<u64>,
    /// Page cache of block devices.
    pub buffers: Option<u64>,
    /// Page cache of files.
    pub cached: Option<u64>,
    /// Used lately.
    pub active: Option<u64>,
    /// Not used lately.
    pub inactive: Option<u64>,
    /// Of processes, without a file behind it.
    pub anon: Option<u64>,
    /// Page cache mapped by processes.
    pub mapped: Option<u64>,
    /// Shared memory and tmpfs.
    pub shmem: Option<u64>,
    /// Kernel objects that can be given up.
    pub slab_reclaimable: Option<u64>,
    /// Kernel objects that cannot.
    pub slab_unreclaimable: Option<u64>,
    /// Stacks of tasks in the kernel.
    pub kernel_stack: Option<u64>,
    /// Page tables.
    pub page_tables: Option<u64>,
    /// Waiting to be written.
    pub dirty: Option<u64>,
    /// Being written.
    pub writeback: Option<u64>,
    /// Promised to processes.
    pub committed: Option<u64>,
    /// What may be promised where overcommitment is off.
    pub commit_limit: Option<u64>,
    /// Set aside as huge pages.
    pub hugetlb: Option<u64>,
    /// Swap space.
    pub swap_total: Option<u64>,
    /// Swap space used by nothing.
    pub swap_free: Option<u64>,
    /// Memory that is in the swap space too.
    pub swap_cached: Option<u64>,
}

/// Faults and swapping since boot.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Paging {
    /// Bytes read back from the swap space.
    pub swapped_in_bytes: Option<u64>,
    /// Bytes written to the swap space.
    pub swapped_out_bytes: Option<u64>,
    /// Page faults.
    pub faults: Option<u64>,
    /// Page faults that waited for I/O.
    pub major_faults: Option<u64>,
    /// Processes killed for want of memory.
    pub oom_kills: Option<u64>,
}

/// Time since boot in which tasks were stalled, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Pressure {
    /// For want of a CPU. All of them at once cannot be, so there is no `full`.
    pub cpu_some_ns: Option<u64>,
    /// For want of memory: some.
    pub memory_some_ns: Option<u64>,
    /// For want of memory: all.
    pub memory_full_ns: Option<u64>,
    /// By I/O: some.
    pub io_some_ns: Option<u64>,
    /// By I/O: all.
    pub io_full_ns: Option<u64>,
    /// By interrupts: all; the kernel tells no `some`.
    pub irq_full_ns: Option<u64>,
}

/// What the kernel counts disks in, whatever their own sectors are (include/linux/types.h, Linux 6.12).
pub const SECTOR_BYTES: u64 = 512;

/// One block device.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Disk {
    /// Its name, as in `vda`.
    pub name: String,
    /// Reads.
    pub reads: Requests,
    /// Writes.
    pub writes: Requests,
    /// Discards; their merges are not told.
    pub discards: Option<Requests>,
    /// Flushes completed.
    pub flushes: Option<u64>,
    /// Time that flushes took, in nanoseconds.
    pub flush_ns: Option<u64>,
    /// Requests under way.
    pub in_flight: u64,
    /// Time with at least one request, in nanoseconds.
    pub io_ns: u64,
    /// Time of all requests added up, in nanoseconds.
    pub weighted_io_ns: u64,
}

/// Requests of one kind.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Requests {
    /// Completed.
    pub count: u64,
    /// Merged into others before.
    pub merged: u64,
    /// Bytes moved.
    pub bytes: u64,
    /// Time they took, added up, in nanoseconds.
    pub time_ns: u64,
}

/// One network interface.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Interface {
    /// Its name, as in `eth0`.
    pub name: String,
    /// What came in.
    pub received: Traffic,
    /// What went out.
    pub sent: Traffic,
}

/// One direction of an interface.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Traffic {
    /// Bytes, link headers included.
    pub bytes: u64,
    /// Packets; of what the kernel or the device cuts or joins, as the device counts them.
    pub packets: u64,
    /// Packets that failed.
    pub errors: u64,
    /// Packets dropped.
    pub drops: u64,
}

/// One filesystem.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Filesystem {
    /// Where it is mounted.
    pub mount: String,
    /// What is mounted: a device, a share.
    pub device: String,
    /// Its type.
    pub fstype: String,
    /// Its size, in bytes.
    pub size_bytes: u64,
    /// Used by nothing, what is kept for root included.
    pub free_bytes: u64,
    /// What others than root can still fill.
    pub available_bytes: u64,
    /// Inodes and how many of them are free; absent where they are made as needed.
    pub inodes: Option<Inodes>,
}

/// Inodes of a filesystem.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Inodes {
    /// How many there are.
    pub total: u64,
    /// How many are not in use.
    pub free: u64,
}

impl CpuTimes {
    /// These times, but none below `before`: idle time and waiting time are estimates that the kernel may take back
    /// (Documentation/filesystems/proc.rst, Linux 6.12, of `iowait`).
    #[must_use]
    pub fn not_below(self, before: &Self) -> Self {
        Self {
            user_ns: self.user_ns.max(before.user_ns),
            nice_ns: self.nice_ns.max(before.nice_ns),
            system_ns: self.system_ns.max(before.system_ns),
            idle_ns: self.idle_ns.max(before.idle_ns),
            iowait_ns: self.iowait_ns.max(before.iowait_ns),
            irq_ns: self.irq_ns.max(before.irq_ns),
            softirq_ns: self.softirq_ns.max(before.softirq_ns),
            steal_ns: self.steal_ns.max(before.steal_ns),
            guest_ns: self.guest_ns.max(before.guest_ns),
            guest_nice_ns: self.guest_nice_ns.max(before.guest_nice_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_the_kernel_takes_back_stands_until_it_is_reached_again() {
        let at = |user_ns, iowait_ns| CpuTimes {
            user_ns,
            iowait_ns,
            ..CpuTimes::default()
        };
        let before = at(10, Some(10));
        assert_eq!(at(12, Some(9)).not_below(&before), at(12, Some(10)));
        assert_eq!(at(12, None).not_below(&before), at(12, Some(10)));
        assert_eq!(at(12, Some(11)).not_below(&before), at(12, Some(11)));
    }
}
