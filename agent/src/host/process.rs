//! What this process itself uses.

use std::fs;

use nix::{
    sys::{
        resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit},
        time::TimeValLike as _,
    },
    unistd::{SysconfVar, sysconf},
};

/// CPU time used so far, user and system, in nanoseconds.
pub fn cpu_ns() -> Option<u64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    u64::try_from(micros).ok().map(|micros| micros * 1_000)
}

/// Resident memory in bytes.
pub fn rss_bytes() -> Option<u64> {
    // Size, resident, shared …, in pages: proc_pid_statm(5).
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    let page = sysconf(SysconfVar::PAGE_SIZE).ok()??;
    Some(pages * u64::try_from(page).ok()?)
}

/// Lets the process open as many files as it may: each container's `cpu.stat` stays open.
pub fn raise_open_files() -> nix::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
}

/// Makes the allocator give large blocks back to the system as they are freed. Left to itself glibc raises the size
/// from which it does so to that of the largest block ever freed (mallopt(3), `M_MMAP_THRESHOLD`), and keeps an arena
/// for each thread: after bursts of containers the process would stay as large as its largest tick.
///
/// To be called before there are threads.
pub fn keep_memory_flat() {
    #[cfg(target_env = "gnu")]
    // SAFETY: both only set a number of the allocator; there is no other thread yet.
    unsafe {
        const LARGE_BYTES: libc::c_int = 128 << 10;
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BYTES);
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Gives freed memory back to the system: reading the kernel's type information takes tens of megabytes, once.
pub fn trim_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes a number and touches only the allocator's own free memory.
    unsafe {
        libc::malloc_trim(0);
    }
}
