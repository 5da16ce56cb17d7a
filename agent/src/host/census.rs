//! Who lives in a cgroup: its processes as ps(1) tells of them, and since when it has had any. Read when somebody asks.

use std::{
    collections::HashMap,
    fs,
    io::{self, Read as _},
    path::Path,
    time::{Duration, SystemTime},
};

use procfs::process::{Process as ProcProcess, Stat};

use super::cgroup_tree::{Layout, first_process};
use crate::encode::cadvisor::api::Process;

/// Processes that are told of one cgroup; of more the first by their numbers.
const MOST_PROCESSES: usize = 4_096;

/// What is read of a list of processes, or of the users.
const MOST_BYTES: u64 = 1 << 20;

/// Open files that are counted of one process.
const MOST_FILES: usize = 10_000;

const DAY: Duration = Duration::from_hours(24);

/// What times are reckoned by.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Now.
    pub now: SystemTime,
    /// When the machine started, by the clocks of now: the kernel tells it in whole seconds only.
    pub booted: SystemTime,
}

/// The processes in the cgroup at `path`, those below it left out; of `/` all of the machine, each with its cgroup. What
/// this process may not read is absent. Those that end meanwhile are not told.
pub fn processes(layout: &Layout, path: &str, now: Times) -> io::Result<Vec<Process>> {
    let is_all = path == "/";
    let mut pids = if is_all { all()? } else { of(layout, path)? };
    pids.sort_unstable();
    pids.truncate(MOST_PROCESSES);
    let users = users();
    let machine = Machine::at(now);
    let told = pids.into_iter().filter_map(|pid| {
        let process = ProcProcess::new(pid.cast_signed()).ok()?;
        let stat = process.stat().ok()?;
        let uid = process.uid().ok()?;
        let name = users.get(&uid).cloned();
        Some(Process {
            user: name.unwrap_or_else(|| uid.to_string()),
            pid,
            parent_pid: stat.ppid.cast_unsigned(),
            start_time: machine.start_time(&stat),
            percent_cpu: machine.percent_cpu(&stat),
            percent_mem: machine.percent_mem(&stat),
            rss: stat.rss.saturating_mul(machine.page_bytes),
            virtual_size: stat.vsize,
            status: status(&stat),
            running_time: running_time(machine.cpu_time(&stat)),
            cgroup_path: if is_all {
                cgroup_of(layout, pid).unwrap_or_default()
            } else {
                String::new()
            },
            fd_count: open_files(pid),
            psr: stat.processor.unwrap_or(0),
            cmd: stat.comm,
        })
    });
    Ok(told.collect())
}

/// When the first process of the cgroup at `path` or of one below it started, in nanoseconds since the Unix epoch.
pub fn started_ns(layout: &Layout, path: &str, now: Times) -> Option<i64> {
    let folder = layout.accounting().folder(path);
    let pid = first_process(&folder, true)?;
    let stat = ProcProcess::new(pid.cast_signed()).ok()?.stat().ok()?;
    let started = now.booted + ticks(stat.starttime);
    let since = started.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_nanos()).ok()
}

/// A process of an entry, for what is to be read through one.
pub fn process_of(layout: &Layout, path: &str) -> Option<u32> {
    first_process(&layout.accounting().folder(path), true)
}

fn of(layout: &Layout, path: &str) -> io::Result<Vec<u32>> {
    let list = layout.accounting().folder(path).join("cgroup.procs");
    Ok(read(&list)?
        .lines()
        .filter_map(|line| line.parse().ok())
        // One of another pid namespace.
        .filter(|pid| *pid != 0)
        .collect())
}

fn all() -> io::Result<Vec<u32>> {
    let names = fs::read_dir("/proc")?.flatten();
    Ok(names
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect())
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?
        .take(MOST_BYTES)
        .read_to_string(&mut text)?;
    Ok(text)
}

/// Names of users by their numbers.
fn users() -> HashMap<u32, String> {
    let passwd = read(Path::new("/etc/passwd")).unwrap_or_default();
    let users = passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        Some((fields.nth(1)?.parse().ok()?, name))
    });
    users.collect()
}

/// In the accounting hierarchy.
fn cgroup_of(layout: &Layout, pid: u32) -> Option<String> {
    let hierarchy = layout.accounting();
    let text = read(Path::new(&format!("/proc/{pid}/cgroup"))).ok()?;
    let path = text.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let id: u32 = fields.next()?.parse().ok()?;
        (id == hierarchy.id).then(|| fields.nth(1)).flatten()
    })?;
    Some(path.to_owned())
}

/// `None` where they may not be counted: that needs the right to trace the process.
fn open_files(pid: u32) -> Option<usize> {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    Some(files.take(MOST_FILES).count())
}

/// What all processes are reckoned by.
struct Machine {
    times: Times,
    memory_bytes: u64,
    page_bytes: u64,
}

impl Machine {
    fn at(times: Times) -> Self {
        let memory = <procfs::Meminfo as procfs::Current>::current();
        Self {
            times,
            memory_bytes: memory.map_or(0, |it| it.mem_total),
            page_bytes: procfs::page_size(),
        }
    }

    fn started(&self, stat: &Stat) -> SystemTime {
        self.times.booted + ticks(stat.starttime)
    }

    #[expect(clippy::unused_self, reason = "it stands among those that need it")]
    fn cpu_time(&self, stat: &Stat) -> Duration {
        ticks(stat.utime.saturating_add(stat.stime))
    }

    /// The time of day within a day, the day within a year of days, else the year: in UTC.
    fn start_time(&self, stat: &Stat) -> String {
        let started = self.started(stat);
        let date = humantime::format_rfc3339_seconds(started).to_string();
        let age = self.times.now.duration_since(started).unwrap_or_default();
        let (day, time) = date.split_once('T').unwrap_or((&date, ""));
        if age < DAY {
            return time.get(..5).unwrap_or_default().to_owned();
        }
        if age < DAY * 365 {
            return month_and_day(day).unwrap_or_default();
        }
        day.get(..4).unwrap_or_default().to_owned()
    }

    fn percent_cpu(&self, stat: &Stat) -> f64 {
        let age = self.times.now.duration_since(self.started(stat));
        let age_s = age.unwrap_or_default().as_secs_f64();
        if age_s <= 0.0 {
            return 0.0;
        }
        tenths(self.cpu_time(stat).as_secs_f64() * 100.0 / age_s)
    }

    fn percent_mem(&self, stat: &Stat) -> f64 {
        if self.memory_bytes == 0 {
            return 0.0;
        }
        let bytes = stat.rss.saturating_mul(self.page_bytes);
        tenths(bytes as f64 * 100.0 / self.memory_bytes as f64)
    }
}

fn ticks(ticks: u64) -> Duration {
    Duration::from_millis(ticks.saturating_mul(1_000) / procfs::ticks_per_second().max(1))
}

/// With one digit, the rest cut off, as ps does.
fn tenths(value: f64) -> f64 {
    (value * 10.0).floor() / 10.0
}

/// `Nov29` of `2026-11-29`.
fn month_and_day(date: &str) -> Option<String> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month: usize = date.get(5..7)?.parse().ok()?;
    let name = MONTHS.get(month.checked_sub(1)?)?;
    Some(format!("{name}{}", date.get(8..10)?))
}

/// Hours, minutes and seconds, with days before them where there are any.
fn running_time(time: Duration) -> String {
    let s = time.as_secs();
    let (days, hours, minutes, s) = (s / 86_400, s / 3_600 % 24, s / 60 % 60, s % 60);
    match days {
        0 => format!("{hours:02}:{minutes:02}:{s:02}"),
        days => format!("{days}-{hours:02}:{minutes:02}:{s:02}"),
    }
}

/// The state, and what else ps says of it: its priority, whether it leads its session, has several threads, or is in
/// front on its terminal (ps(1), process state codes).
fn status(stat: &Stat) -> String {
    let mut status = String::from(stat.state);
    for (letter, holds) in [
        ('<', stat.nice < 0),
        ('N', stat.nice > 0),
        ('s', stat.session == stat.pid),
        ('l', stat.num_threads > 1),
        ('+', stat.tpgid == stat.pgrp),
    ] {
        if holds {
            status.push(letter);
        }
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_told_as_ps_does() {
        for (s, text) in [(62, "00:01:02"), (86_400 * 3 + 3_600, "3-01:00:00")] {
            assert_eq!(running_time(Duration::from_secs(s)), text);
        }
    }

    #[test]
    fn days_have_names() {
        assert_eq!(month_and_day("2026-11-29").as_deref(), Some("Nov29"));
        assert_eq!(month_and_day("2026-13-29"), None);
        assert_eq!(month_and_day(""), None);
    }

    #[test]
    fn this_process_is_among_all() {
        let Ok(layout) = Layout::find() else { return };
        let now = SystemTime::UNIX_EPOCH + Duration::from_hours(500_000);
        let times = Times { now, booted: now };
        let processes = processes(&layout, "/", times).unwrap();
        let own = processes
            .iter()
            .find(|it| it.pid == std::process::id())
            .unwrap();
        assert!(own.rss > 0 && own.virtual_size > own.rss, "{own:?}");
        assert!(own.fd_count.is_some_and(|count| count > 2), "{own:?}");
        assert!(own.cgroup_path.starts_with('/'), "{own:?}");
        assert!(
            own.status.contains('l') || own.status.starts_with('R'),
            "{own:?}"
        );
    }
}
