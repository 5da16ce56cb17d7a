//! Other processes, by what `/proc` tells of them.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};
use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::{Pid, SysconfVar, sysconf},
};
use serde::{Deserialize, Serialize};

/// A process that is not mistaken for a later one of its number, not even after a reboot.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Process {
    pub(super) pid: u32,
    /// When it was started, in clock ticks since boot.
    started_ticks: u64,
    boot: String,
}

impl Process {
    /// The process that has this number now.
    pub(super) fn of(pid: u32) -> Option<Self> {
        Some(Self {
            pid,
            started_ticks: stat(pid)?.started_ticks,
            boot: fs::read_to_string("/proc/sys/kernel/random/boot_id")
                .ok()?
                .trim_end()
                .to_owned(),
        })
    }

    /// Whether it still runs.
    pub(super) fn is_alive(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self) && !stat(self.pid).is_some_and(|it| it.is_dead)
    }
}

/// Sends a signal. It is no error where the process has just ended.
pub(super) fn send(signal: Signal, pid: u32) -> Result<()> {
    match kill(Pid::from_raw(pid.try_into()?), signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot send {signal} to process {pid}")),
    }
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Usage {
    /// CPU time of all its threads.
    pub(super) cpu: Duration,
    /// Resident memory.
    pub(super) memory_bytes: u64,
}

impl Usage {
    /// `None` where there is no such process.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        Some(Self {
            cpu: ticks(stat(pid)?.cpu_ticks),
            memory_bytes: resident_bytes(&status)?,
        })
    }

    /// CPU used since `before`, which was `elapsed` ago, in percent of one CPU. `None` over no time, or if another
    /// process has taken its place.
    pub(super) fn cpu_percent(&self, before: &Self, elapsed: Duration) -> Option<f64> {
        let used = self.cpu.checked_sub(before.cpu)?;
        (!elapsed.is_zero()).then(|| used.as_secs_f64() / elapsed.as_secs_f64() * 100.0)
    }
}

fn ticks(count: u64) -> Duration {
    let a_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100);
    Duration::from_secs_f64(count as f64 / a_second as f64)
}

/// The part of `/proc/PID/stat` that matters here.
#[derive(Debug, Eq, PartialEq)]
struct Stat {
    is_dead: bool,
    cpu_ticks: u64,
    started_ticks: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Reads proc(5)'s `stat`. The name in it may hold spaces and parentheses.
fn parse_stat(line: &str) -> Option<Stat> {
    let (_, rest) = line.rsplit_once(')')?;
    let fields: Vec<_> = rest.split_whitespace().collect();
    // The state is field 3.
    let field = |number: usize| fields.get(number - 3);
    let number = |at| field(at)?.parse::<u64>().ok();
    Some(Stat {
        is_dead: matches!(*field(3)?, "Z" | "X"),
        cpu_ticks: number(14)? + number(15)?,
        started_ticks: number(22)?,
    })
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Linux 6.18, the name changed.
    const STAT: &str = "4242 (a ) b (c) S 1 4242 4242 0 -1 4194560 1216 0 3 0 150 50 0 0 20 0 7 0 987654 \
         70000000 1500 18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 1 0 0 0 0 0";

    #[test]
    fn a_name_with_parentheses_is_passed_over() {
        let expected = Stat {
            is_dead: false,
            cpu_ticks: 200,
            started_ticks: 987_654,
        };
        assert_eq!(parse_stat(STAT), Some(expected));
        assert_eq!(parse_stat("4242 (cut"), None);
    }

    #[test]
    fn a_later_process_of_the_same_number_is_another() {
        let this = Process::of(std::process::id()).unwrap();
        assert!(this.is_alive());
        let earlier = Process {
            started_ticks: this.started_ticks - 1,
            ..this.clone()
        };
        assert!(!earlier.is_alive());
        let before_a_reboot = Process {
            boot: "another".to_owned(),
            ..this
        };
        assert!(!before_a_reboot.is_alive());
    }

    #[test]
    fn the_share_of_a_cpu_is_taken_over_the_time_between_two_readings() {
        let used = |ms| Usage {
            cpu: Duration::from_millis(ms),
            memory_bytes: 0,
        };
        let percent = used(1_500).cpu_percent(&used(1_000), Duration::from_secs(2));
        assert!((percent.unwrap() - 25.0).abs() < 1e-9);
        assert_eq!(used(1).cpu_percent(&used(1), Duration::ZERO), None);
        assert_eq!(used(1).cpu_percent(&used(2), Duration::from_secs(1)), None);
    }

    #[test]
    fn resident_memory_is_given_in_bytes() {
        assert_eq!(
            resident_bytes("Name:\tx\nVmRSS:\t    12 kB\n"),
            Some(12_288)
        );
        assert_eq!(resident_bytes("Name:\tkthread\n"), None);
    }
}
