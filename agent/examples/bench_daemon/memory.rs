//! The memory of a process, as the kernel tells it.

use std::fs;

use anyhow::Context as _;
use nix::unistd::Pid;

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Memory {
    /// Resident now.
    pub(crate) rss_bytes: u64,
    /// Resident at most, since its start.
    pub(crate) peak_bytes: u64,
}

/// The memory of a process.
pub(crate) fn of(pid: Pid) -> anyhow::Result<Memory> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    memory_in(&status).with_context(|| format!("{path} does not tell its memory"))
}

/// Reads `/proc/PID/status`, as proc(5) describes it.
fn memory_in(status: &str) -> Option<Memory> {
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib * 1024)
    };
    Some(Memory {
        rss_bytes: bytes("VmRSS:")?,
        peak_bytes: bytes("VmHWM:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Linux 6.18.
    const STATUS: &str = "Name:\tcgflux\nVmPeak:\t  180020 kB\nVmSize:\t  114484 kB\nVmHWM:\t   21020 kB\n\
                          VmRSS:\t   14112 kB\nRssAnon:\t    5012 kB\nThreads:\t5\n";

    #[test]
    fn memory_is_read_in_bytes() {
        let expected = Memory {
            rss_bytes: 14_112 * 1024,
            peak_bytes: 21_020 * 1024,
        };
        assert_eq!(memory_in(STATUS), Some(expected));
        // A kernel thread has none.
        assert_eq!(memory_in("Name:\tkthreadd\n"), None);
    }
}
