//! A stretch of time: what was used up in it, by whom.

use std::{fs, time::Instant};

use anyhow::Context as _;
use nix::unistd::Pid;

use super::{influxdb::Stored, process, written};

/// Whose CPU time is read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watched {
    /// The agent or cAdvisor.
    pub(crate) collector: Option<Pid>,
    /// InfluxDB.
    pub(crate) database: Option<Pid>,
    /// dockerd and containerd.
    pub(crate) docker: Vec<Pid>,
}

/// All counters at one moment; CPU times in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    at: Instant,
    collector_ns: u64,
    /// Written to disks by the collector.
    collector_bytes: u64,
    database_ns: u64,
    docker_ns: u64,
    workload_ns: u64,
    /// Of all CPUs, since boot.
    idle_ns: u64,
    stored: Stored,
}

/// What was used between two readings; CPU in percent of one core.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Spent {
    pub(crate) collector: f64,
    pub(crate) database: f64,
    pub(crate) docker: f64,
    /// Of the workload's cgroups.
    pub(crate) workload: f64,
    /// Of all CPUs, idle time and what is named above but the workload taken off: where all is quiet, the workload and
    /// what the kernel does for it.
    pub(crate) rest: f64,
    pub(crate) points_per_second: f64,
    pub(crate) bytes_per_second: f64,
    /// Written to disks by the collector.
    pub(crate) written_per_second: f64,
}

impl Reading {
    /// Reads all counters. `workload_ns` and `stored` are read by who knows how.
    pub(crate) fn take(
        watched: &Watched,
        workload_ns: u64,
        stored: Stored,
    ) -> anyhow::Result<Self> {
        let sum = |pids: &mut dyn Iterator<Item = &Pid>| -> anyhow::Result<u64> {
            let mut sum = 0;
            for pid in pids {
                // One that has ended takes its time with it.
                sum += process::cpu_ns(*pid)?.unwrap_or_default();
            }
            Ok(sum)
        };
        Ok(Self {
            at: Instant::now(),
            collector_ns: sum(&mut watched.collector.iter())?,
            collector_bytes: match watched.collector {
                Some(pid) => written::bytes(pid)?.unwrap_or_default(),
                None => 0,
            },
            database_ns: sum(&mut watched.database.iter())?,
            docker_ns: sum(&mut watched.docker.iter())?,
            workload_ns,
            idle_ns: idle_ns()?,
            stored,
        })
    }

    /// What was used since `before` on a machine with `cpus` CPUs.
    pub(crate) fn since(&self, before: &Self, cpus: usize) -> Spent {
        let wall = (self.at - before.at).as_secs_f64();
        let percent =
            |after: u64, before: u64| after.saturating_sub(before) as f64 / 1e9 / wall * 100.0;
        let per_second = |after: u64, before: u64| after.saturating_sub(before) as f64 / wall;
        let collector = percent(self.collector_ns, before.collector_ns);
        let database = percent(self.database_ns, before.database_ns);
        let docker = percent(self.docker_ns, before.docker_ns);
        let busy = cpus as f64 * 100.0 - percent(self.idle_ns, before.idle_ns);
        Spent {
            collector,
            database,
            docker,
            workload: percent(self.workload_ns, before.workload_ns),
            rest: busy - collector - database - docker,
            points_per_second: per_second(self.stored.points, before.stored.points),
            bytes_per_second: per_second(self.stored.bytes, before.stored.bytes),
            written_per_second: per_second(self.collector_bytes, before.collector_bytes),
        }
    }
}

fn idle_ns() -> anyhow::Result<u64> {
    let stat = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
    idle_ns_in(&stat).context("/proc/stat does not tell the idle time")
}

/// Reads `/proc/stat`: idle, waiting for I/O, and stolen by the hypervisor, in hundredths of a second (`USER_HZ`).
fn idle_ns_in(stat: &str) -> Option<u64> {
    let times = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let times: Vec<u64> = times
        .split_whitespace()
        .map_while(|time| time.parse().ok())
        .collect();
    let [_, _, _, idle, iowait, _, _, steal, ..] = times[..] else {
        return None;
    };
    Some((idle + iowait + steal) * 10_000_000)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn idle_time_is_what_no_task_had() {
        let stat = "cpu  100 0 50 1000 20 0 5 7 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n";
        assert_eq!(idle_ns_in(stat), Some(1027 * 10_000_000));
        assert_eq!(idle_ns_in("cpu0 1 2\n"), None);
    }

    #[test]
    fn the_rest_is_what_is_neither_idle_nor_named() {
        let before = Reading {
            at: Instant::now(),
            collector_ns: 0,
            collector_bytes: 0,
            database_ns: 0,
            docker_ns: 0,
            workload_ns: 0,
            idle_ns: 0,
            stored: Stored::default(),
        };
        let ms = 1_000_000;
        let after = Reading {
            at: before.at + Duration::from_secs(2),
            collector_ns: 20 * ms,
            collector_bytes: 6_000,
            database_ns: 40 * ms,
            docker_ns: 60 * ms,
            workload_ns: 500 * ms,
            idle_ns: 3_000 * ms,
            stored: Stored {
                points: 400,
                bytes: 8_000,
            },
        };
        let spent = after.since(&before, 2);
        let close = |one: f64, other: f64| (one - other).abs() < 1e-9;
        assert!(close(spent.collector, 1.0) && close(spent.workload, 25.0));
        // 4 s of CPU: 3 idle, 0.12 named.
        assert!(close(spent.rest, 44.0), "{}", spent.rest);
        assert!(close(spent.points_per_second, 200.0) && close(spent.bytes_per_second, 4_000.0));
        assert!(close(spent.written_per_second, 3_000.0));
    }
}
