//! Births and deaths of cgroups, and the ends of processes that tell of a container's, through the ring buffer.

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
    /// its own, 0 if none was. [`CgroupEvent::ATTACH`]: the task's pid. [`CgroupEvent::VICTIM`] and
    /// [`CgroupEvent::INIT_EXIT`]: the process's pid, in the host's numbering.
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
    /// A task in it was chosen to die because memory ran out; it is a [`Victim`].
    pub const VICTIM: u32 = 5;
    /// The first process of a pid namespace ended in it; it is an [`InitExit`].
    pub const INIT_EXIT: u32 = 6;
}

/// Bytes of a task's name, its closing NUL included.
pub const COMM_BYTES: usize = 16;

/// [`CgroupEvent::VICTIM`] with the task's name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(C)]
pub struct Victim {
    /// What happened.
    pub event: CgroupEvent,
    /// `task_struct.comm`, ended by NUL; the task chooses it.
    pub comm: [u8; COMM_BYTES],
}

/// [`CgroupEvent::INIT_EXIT`] with how it ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(C)]
pub struct InitExit {
    /// What happened.
    pub event: CgroupEvent,
    /// As `wait` tells it: the signal in the low seven bits, else the exit code in the eight above.
    pub status: u32,
    /// How deep its pid namespace is nested; the host's is 0.
    pub level: u32,
}

const _: () = assert!(size_of::<Victim>() == 24 + COMM_BYTES);
const _: () = assert!(size_of::<InitExit>() == 32);

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
