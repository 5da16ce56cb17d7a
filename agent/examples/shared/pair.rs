//! Two cgroups that pass something to and fro, without programs, with empty ones, and with ours, one after the other in
//! each round: the figures are medians of the differences within a round, so that a drift of the machine cancels.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use cgflux::kernel::{Options, StorageKind};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    time::{ClockId, clock_gettime},
    unistd::Pid,
};

use super::{spread::spread, unified};

/// Two cgroups of the unified hierarchy.
pub(crate) struct Pair {
    pub(crate) root: PathBuf,
    pub(crate) cgroups: [PathBuf; 2],
}

impl Pair {
    pub(crate) fn find() -> anyhow::Result<Self> {
        let root = unified::root()?;
        let cgroups = ["a", "b"].map(|name| root.join(format!("cgflux-bench-{name}")));
        Ok(Self { root, cgroups })
    }

    /// What `work` tells while both are there. Those that a benchmark left which was killed are made anew.
    pub(crate) fn with<T>(&self, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        for cgroup in &self.cgroups {
            if cgroup.exists() {
                fs::remove_dir(cgroup)
                    .with_context(|| format!("another benchmark runs in {}", cgroup.display()))?;
            }
            fs::create_dir(cgroup).with_context(|| format!("cannot make {}", cgroup.display()))?;
        }
        let result = work();
        for cgroup in &self.cgroups {
            fs::remove_dir(cgroup)?;
        }
        result
    }

    /// How to load the kernel programs for them.
    pub(crate) fn options(&self, storage: StorageKind) -> anyhow::Result<Options> {
        let options = unified::options(&self.root, 64)?;
        Ok(Options {
            storage: Some(storage),
            ..options
        })
    }
}

/// Puts a process into a cgroup; 0 is this one.
pub(crate) fn enter(cgroup: &Path, process: u32) -> std::io::Result<()> {
    fs::write(cgroup.join("cgroup.procs"), process.to_string())
}

/// Keeps this process on one CPU.
pub(crate) fn pin() -> nix::Result<()> {
    let mut cpus = CpuSet::new();
    cpus.set(0)?;
    sched_setaffinity(Pid::from_raw(0), &cpus)
}

/// CPU time that this process used so far, in nanoseconds.
pub(crate) fn cpu_ns() -> nix::Result<i64> {
    let used = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?;
    Ok(used.tv_sec() * 1_000_000_000 + used.tv_nsec())
}

/// What the rounds found, in nanoseconds.
#[derive(Default)]
pub(crate) struct Rounds {
    none: Vec<f64>,
    empty: Vec<f64>,
    above_none: Vec<f64>,
    above_empty: Vec<f64>,
}

impl Rounds {
    /// What stands above their columns.
    pub(crate) const HEADS: &str =
        "         no programs       empty programs           above none          above empty";

    pub(crate) fn add(&mut self, none: f64, empty: f64, ours: f64) {
        self.none.push(none);
        self.empty.push(empty);
        self.above_none.push(ours - none);
        self.above_empty.push(ours - empty);
    }
}

impl fmt::Display for Rounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for column in [&self.none, &self.empty, &self.above_none, &self.above_empty] {
            write!(f, " {:>20}", spread(column.clone(), 0))?;
        }
        Ok(())
    }
}
