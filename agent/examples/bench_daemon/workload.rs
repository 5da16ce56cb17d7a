//! What runs beside the collectors: Docker containers or bare cgroups, each with a process that is never idle for
//! long. All of it is taken away when dropped.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, bail, ensure};
use cgflux::host::cgroup_tree::{Hierarchy, Layout};

use super::{docker, load::Load, say, sleepers, waiting::Waiting};

/// Controllers of version 1 whose files are read of each container.
const CONTROLLERS: [&str; 5] = ["cpu", "cpuacct", "memory", "blkio", "pids"];

/// A workload that runs.
#[derive(Debug)]
pub(crate) enum Workload {
    /// In Docker.
    Containers(docker::Containers),
    /// In cgroups of our own.
    Cgroups(Cgroups),
}

impl Workload {
    /// Starts it.
    pub(crate) fn start(load: Load, network: &str, waiting: &Waiting) -> anyhow::Result<Self> {
        Ok(match load {
            Load::Containers(count) => {
                Self::Containers(docker::Containers::start(count, network, waiting)?)
            }
            Load::Cgroups(count) => Self::Cgroups(Cgroups::start(count, waiting)?),
        })
    }

    /// CPU time that it used so far, in nanoseconds.
    pub(crate) fn cpu_ns(&self) -> anyhow::Result<u64> {
        let folders = match self {
            Self::Containers(containers) => containers.folders(),
            Self::Cgroups(cgroups) => &cgroups.parents[..1],
        };
        folders.iter().map(|folder| cpu_ns(folder)).sum()
    }
}

/// What all cgroups and containers of this process are named by.
pub(crate) fn mark() -> String {
    format!("cgflux-bench-{}", std::process::id())
}

/// CPU time of a cgroup and all below it.
fn cpu_ns(folder: &Path) -> anyhow::Result<u64> {
    let told = match fs::read_to_string(folder.join("cpuacct.usage")) {
        Ok(usage) => usage.trim().parse().ok(),
        Err(_) => fs::read_to_string(folder.join("cpu.stat"))
            .ok()
            .and_then(|stat| usage_ns_in(&stat)),
    };
    told.with_context(|| format!("{} does not tell its CPU time", folder.display()))
}

/// Reads `cpu.stat` of version 2.
fn usage_ns_in(stat: &str) -> Option<u64> {
    let usage = stat
        .lines()
        .find_map(|line| line.strip_prefix("usage_usec "))?;
    Some(usage.parse::<u64>().ok()? * 1000)
}

/// Cgroups with a process each.
#[derive(Debug)]
pub(crate) struct Cgroups {
    sleepers: Child,
    /// One in each hierarchy, the accounting one first.
    parents: Vec<PathBuf>,
    /// Made in each of them so far.
    names: Vec<String>,
}

impl Cgroups {
    fn start(count: u32, waiting: &Waiting) -> anyhow::Result<Self> {
        let layout = Layout::find()?;
        let sleepers = Command::new(env::current_exe()?)
            .args([sleepers::VERB, &count.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the workload's processes")?;
        // From here on dropping it takes everything back.
        let mut cgroups = Self {
            sleepers,
            parents: Vec::new(),
            names: Vec::new(),
        };
        for hierarchy in hierarchies(&layout) {
            let parent = hierarchy.folder(&format!("/{}", mark()));
            fs::create_dir(&parent).with_context(|| format!("cannot make {}", parent.display()))?;
            cgroups.parents.push(parent);
        }
        hand_down_controllers(&cgroups.parents[0]);
        let pids = cgroups
            .sleepers
            .stdout
            .take()
            .context("the processes are not told")?;
        for pid in BufReader::new(pids).lines().take(count as usize) {
            cgroups.plant(&pid?)?;
            waiting.check()?;
            if cgroups.names.len().is_multiple_of(1000) {
                say(&format!("    {} of {count} cgroups", cgroups.names.len()));
            }
        }
        ensure!(
            cgroups.names.len() == count as usize,
            "only {} of {count} processes could be started",
            cgroups.names.len()
        );
        Ok(cgroups)
    }

    fn plant(&mut self, pid: &str) -> anyhow::Result<()> {
        let name = format!("lxc.payload.bench-{:05}", self.names.len());
        self.names.push(name.clone());
        for parent in &self.parents {
            let folder = parent.join(&name);
            let enter =
                fs::create_dir(&folder).and_then(|()| fs::write(folder.join("cgroup.procs"), pid));
            enter.with_context(|| format!("cannot use {}", folder.display()))?;
        }
        Ok(())
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        // The end of its input makes it end all that it started.
        drop(self.sleepers.stdin.take());
        drop(self.sleepers.wait());
        for parent in &self.parents {
            for name in &self.names {
                // Not there, if making it failed.
                drop(fs::remove_dir(parent.join(name)));
            }
            if let Err(error) = fs::remove_dir(parent) {
                say(&format!("{} stays: {error}", parent.display()));
            }
        }
    }
}

/// The accounting hierarchy, then those of version 1 that containers have files in, each once.
fn hierarchies(layout: &Layout) -> Vec<&Hierarchy> {
    let mut found = vec![layout.accounting()];
    for controller in CONTROLLERS {
        let hierarchy = layout.legacy_with(controller);
        let is_new = |new: &&Hierarchy| found.iter().all(|it| it.folder("/") != new.folder("/"));
        if let Some(hierarchy) = hierarchy.filter(is_new) {
            found.push(hierarchy);
        }
    }
    found
}

/// On version 2 a cgroup has the files of a controller only where its parent hands the controller down.
fn hand_down_controllers(parent: &Path) {
    let controllers = fs::read_to_string(parent.join("cgroup.controllers")).unwrap_or_default();
    for controller in controllers.split_whitespace() {
        // One that cannot be handed down lacks its files, as it does for containers.
        drop(fs::write(
            parent.join("cgroup.subtree_control"),
            format!("+{controller}"),
        ));
    }
}

/// The folder in the accounting hierarchy of the cgroup that a process is in.
pub(crate) fn folder_of(layout: &Layout, pid: u32) -> anyhow::Result<PathBuf> {
    let file = format!("/proc/{pid}/cgroup");
    let cgroups = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    match path_in(&cgroups, layout.unified().is_some()) {
        Some(path) => Ok(layout.accounting().folder(path)),
        None => bail!("{file} names no cgroup of the accounting hierarchy"),
    }
}

/// Reads `/proc/PID/cgroup`: `number:controllers:path`, number 0 for the unified hierarchy.
fn path_in(cgroups: &str, unified: bool) -> Option<&str> {
    cgroups.lines().find_map(|line| {
        let (number, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let is_it = if unified {
            number == "0"
        } else {
            controllers.split(',').any(|it| it == "cpuacct")
        };
        is_it.then_some(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accounting_cgroup_of_a_process_is_found() {
        let cgroups = "3:cpu,cpuacct:/docker/a\n2:memory:/docker/b\n0::/docker/c\n";
        assert_eq!(path_in(cgroups, true), Some("/docker/c"));
        assert_eq!(path_in(cgroups, false), Some("/docker/a"));
        assert_eq!(path_in("2:memory:/x\n", true), None);
    }

    #[test]
    fn cpu_time_is_read_in_nanoseconds() {
        let stat = "usage_usec 1234\nuser_usec 1000\nsystem_usec 234\n";
        assert_eq!(usage_ns_in(stat), Some(1_234_000));
        assert_eq!(usage_ns_in("nr_periods 0\n"), None);
    }
}
