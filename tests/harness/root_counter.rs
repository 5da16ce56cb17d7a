//! The machine's own exact CPU counter, read so often that its value at any moment is known.

use std::{
    fs::{self, File},
    io,
    ops::Range,
    os::unix::fs::FileExt as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::mount::{MsFlags, mount, umount};
use tempfile::TempDir;

use super::wall_ns;

/// Between two readings, which take 2 µs each; where they take longer, as on an emulated machine, ten times as long.
const EVERY: Duration = Duration::from_micros(500);

/// Reads `cpuacct.usage` of the root in the background. The root's `cpu.stat` on cgroup v2 will not do: it is
/// sampled at ticks (`cgroup_base_stat_cputime_show`, kernel/cgroup/rstat.c, Linux 6.12). A hierarchy of version 1
/// with cpuacct alone can be mounted beside version 2; where one is mounted already, this is the same one.
pub(crate) struct RootCounter {
    reader: Reader,
    _mount: Mount,
}

/// The thread that reads, until this is dropped: while the file is open its hierarchy cannot be unmounted.
struct Reader {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<RootReadings>>,
}

/// What was read.
pub(crate) struct RootReadings {
    /// In order.
    readings: Vec<Reading>,
    /// What `/proc/stat` said grew meanwhile.
    sampled_ns: u64,
}

/// The counter at some moment between two times.
struct Reading {
    wall_ns: Range<i64>,
    usage_ns: u64,
}

struct Mount(TempDir);

impl RootCounter {
    /// Begins to read.
    pub(crate) fn start() -> Self {
        let mount = Mount::new();
        let file = File::open(mount.0.path().join("cpuacct.usage")).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&stop);
        // Before and after all that is asked about, however late the thread gets a CPU.
        let first = Reading::of(&file).unwrap();
        let thread = thread::spawn(move || {
            let before_ns = sampled_ns();
            let mut readings = vec![first];
            while !until.load(Ordering::Relaxed) {
                let started = Instant::now();
                readings.push(Reading::of(&file).unwrap());
                thread::park_timeout(EVERY.max(started.elapsed() * 10));
            }
            readings.push(Reading::of(&file).unwrap());
            let sampled_ns = sampled_ns() - before_ns;
            RootReadings {
                readings,
                sampled_ns,
            }
        });
        Self {
            reader: Reader {
                stop,
                thread: Some(thread),
            },
            _mount: mount,
        }
    }

    /// Ends reading.
    pub(crate) fn stop(mut self) -> RootReadings {
        self.reader.stop().expect("it runs until now").unwrap()
    }
}

impl Reader {
    fn stop(&mut self) -> Option<thread::Result<RootReadings>> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        drop(self.stop());
    }
}

impl RootReadings {
    /// The least and the most it can have been within this span of time.
    #[track_caller]
    pub(crate) fn within(&self, wall_ns: &Range<i64>) -> (u64, u64) {
        let is_before = |it: &&Reading| it.wall_ns.end <= wall_ns.start;
        let is_after = |it: &&Reading| it.wall_ns.start >= wall_ns.end;
        let before = self.readings.iter().rev().find(is_before);
        let after = self.readings.iter().find(is_after);
        let (before, after) = before.zip(after).expect("readings on both sides");
        (before.usage_ns, after.usage_ns)
    }

    /// By how much it grew from the first reading to the last, and what `/proc/stat` says of the same time.
    pub(crate) fn exact_and_sampled_ns(&self) -> (u64, u64) {
        let (first, last) = (self.readings.first(), self.readings.last());
        let (first, last) = first.zip(last).expect("at least one reading");
        (last.usage_ns - first.usage_ns, self.sampled_ns)
    }
}

impl Reading {
    fn of(file: &File) -> io::Result<Self> {
        let start = wall_ns();
        let mut text = [0; 32];
        let length = file.read_at(&mut text, 0)?;
        let text = String::from_utf8_lossy(&text[..length]);
        Ok(Self {
            wall_ns: start..wall_ns(),
            usage_ns: text.trim().parse().map_err(io::Error::other)?,
        })
    }
}

/// All but idle time in `/proc/stat`, which the kernel samples at ticks and tells in hundredths of a second.
fn sampled_ns() -> u64 {
    let stat = fs::read_to_string("/proc/stat").unwrap();
    let cpu = stat.lines().next().unwrap_or_default();
    let ticks = cpu.split_whitespace().skip(1).map(|it| it.parse().unwrap());
    // user nice system idle iowait irq softirq steal guest guest_nice; user has guest in it, nice guest_nice.
    let ticks: Vec<u64> = ticks.collect();
    [0, 1, 2, 5, 6].map(|at| ticks[at]).iter().sum::<u64>() * 10_000_000
}

impl Mount {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Where version 1 has it together with another controller, only both can be mounted.
        let mounted = ["cpuacct", "cpu,cpuacct"].map(|controllers| {
            mount(
                Some("cgroup"),
                folder.path(),
                Some("cgroup"),
                MsFlags::empty(),
                Some(controllers),
            )
        });
        assert!(mounted.iter().any(Result::is_ok), "{mounted:?}");
        Self(folder)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // One that stays mounted stays in the way of its folder's removal, and of nothing else.
        umount(self.0.path()).unwrap_or_default();
    }
}
