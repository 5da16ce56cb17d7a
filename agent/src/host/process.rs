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

/// How many descriptors the process may have; 1,024, the usual soft limit, where that cannot be asked.
pub fn most_descriptors() -> u64 {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(1_024, |(soft, _)| soft)
}

/// Gives freed memory back to the system. The allocator keeps it otherwise: tens of megabytes after the kernel's type
/// information was read, and as much as the largest tick took after a burst of containers.
pub fn trim_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes a number and touches only the allocator's own free memory.
    unsafe {
        libc::malloc_trim(0);
    }
}
