//! Births and deaths of cgroups, through the ring buffer.

/// Longest path that fits an event, its closing NUL included. Longer ones are cut; the agent then asks the tree.
pub const PATH_BYTES: usize = PATH_ROOM as usize;

/// [`PATH_BYTES`] as the helper that copies the path takes it.
pub const PATH_ROOM: u32 = 512;

/// What happened to a cgroup of the accounting hierarchy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(C)]
pub struct CgroupEvent {
    /// The cgroup.
    pub cgroup: u64,
    /// When, on `CLOCK_BOOTTIME`, in nanoseconds.
    pub boot_ns: u64,
    /// One of the constants below.
    pub kind: u32,
    /// [`CgroupEvent::MKDIR`]: the slot it was given, 0 if none was free. [`CgroupEvent::RELEASE`]: the slot that was
    /// its own, 0 if none was. [`CgroupEvent::ATTACH`]: the task's pid.
    pub argument: u32,
}

const _: () = assert!(size_of::<CgroupEvent>() == 24);

impl CgroupEvent {
    /// Made; a [`NewCgroup`] follows this header where the path could be read.
    pub const MKDIR: u32 = 1;
    /// Its directory was removed; no task is in it any more.
    pub const RMDIR: u32 = 2;
    /// The kernel let go of it; nothing can be charged to it any more.
    pub const RELEASE: u32 = 3;
    /// A task was moved into it.
    pub const ATTACH: u32 = 4;
}

/// [`CgroupEvent::MKDIR`] with the new cgroup's path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(C)]
pub struct NewCgroup {
    /// What happened.
    pub event: CgroupEvent,
    /// The path below the hierarchy's root, ended by NUL; what follows the NUL is undefined.
    pub path: [u8; PATH_BYTES],
}

const _: () = assert!(size_of::<NewCgroup>() == 24 + PATH_BYTES);
