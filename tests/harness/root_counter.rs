//! The machine's own exact CPU counter, read so often that its value at any moment is known.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use nix::mount::{MsFlags, mount, umount};
use tempfile::TempDir;

use super::wall_ns;

/// Between two readings, which take 2 µs each.
const EVERY: Duration = Duration::from_micros(500);

/// Reads `cpuacct.usage` of the root in the background. The root's `cpu.stat` on cgroup v2 will not do: it is
/// sampled at ticks (`cgroup_base_stat_cputime_show`, kernel/cgroup/rstat.c, Linux 6.12). A hierarchy of version 1
/// with cpuacct alone can be mounted beside version 2; where one is mounted already, this is the same one.
pub(crate) struct RootCounter {
    stop: Arc<AtomicBool>,
    reader: JoinHandle<RootReadings>,
    _mount: Mount,
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
    from_wall_ns: i64,
    to_wall_ns: i64,
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
        let reader = thread::spawn(move || {
            let mut readings = Vec::new();
            let before_ns = sampled_ns();
            while !until.load(Ordering::Relaxed) {
                readings.push(Reading::of(&file).unwrap());
                thread::park_timeout(EVERY);
            }
            let sampled_ns = sampled_ns() - before_ns;
            RootReadings {
                readings,
                sampled_ns,
            }
        });
        Self {
            stop,
            reader,
            _mount: mount,
        }
    }

    /// Ends reading.
    pub(crate) fn stop(self) -> RootReadings {
        self.stop.store(true, Ordering::Relaxed);
        self.reader.join().unwrap()
    }
}

impl RootReadings {
    /// The least and the most it can have been within this span of time.
    #[track_caller]
    pub(crate) fn within(&self, from_wall_ns: i64, to_wall_ns: i64) -> (u64, u64) {
        let before = self
            .readings
            .iter()
            .rev()
            .find(|it| it.to_wall_ns <= from_wall_ns);
        let after = self
            .readings
            .iter()
            .find(|it| it.from_wall_ns >= to_wall_ns);
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
        let from_wall_ns = wall_ns();
        let mut text = [0; 32];
        let length = file.read_at(&mut text, 0)?;
        let text = String::from_utf8_lossy(&text[..length]);
        Ok(Self {
            from_wall_ns,
            to_wall_ns: wall_ns(),
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
        let options = Some("cpuacct");
        mount(
            Some("cgroup"),
            folder.path(),
            Some("cgroup"),
            MsFlags::empty(),
            options,
        )
        .unwrap();
        Self(folder)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        drop(umount(self.0.path()));
    }
}
