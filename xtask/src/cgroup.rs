//! Which cgroup hierarchies are mounted on this machine, and cgroups of our own in those that account something.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};

/// The controllers of v1 that account what the agent tells. The others may refuse tasks (`cpuset`) and count nothing.
const ACCOUNTING: [&str; 5] = ["cpu", "cpuacct", "memory", "blkio", "pids"];

/// One hierarchy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Hierarchy {
    /// Where its root is mounted.
    pub(crate) mount: PathBuf,
    /// Whether it accounts what the agent tells: the unified one, or one of v1's with such a controller.
    accounts: bool,
}

/// One cgroup by name in every hierarchy that accounts. Needs root.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    folders: Vec<PathBuf>,
}

impl Group {
    /// The cgroup at `path`, which need not exist.
    pub(crate) fn at(path: &str) -> Result<Self> {
        let folders: Vec<_> = hierarchies()
            .into_iter()
            .filter(|hierarchy| hierarchy.accounts)
            .map(|hierarchy| hierarchy.mount.join(path))
            .collect();
        ensure!(
            !folders.is_empty(),
            "no cgroup hierarchy that accounts anything is mounted"
        );
        Ok(Self { folders })
    }

    /// Makes it where it is not there yet; its parents are.
    pub(crate) fn make(&self) -> Result<()> {
        for folder in &self.folders {
            match fs::create_dir(folder) {
                // Left behind by somebody who was killed.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made.with_context(|| cannot_use(folder))?,
            }
        }
        Ok(())
    }

    /// Lets the cgroups in it have the unified hierarchy's controllers, as far as it has them itself.
    pub(crate) fn delegate(&self) {
        for folder in &self.folders {
            let controllers = fs::read_to_string(folder.join("cgroup.controllers"));
            for controller in controllers.unwrap_or_default().split_whitespace() {
                // What is missing then shows as what is not accounted.
                drop(fs::write(
                    folder.join("cgroup.subtree_control"),
                    format!("+{controller}"),
                ));
            }
        }
    }

    /// Moves a process into it.
    pub(crate) fn take(&self, pid: u32) -> Result<()> {
        for folder in &self.folders {
            fs::write(folder.join("cgroup.procs"), pid.to_string())
                .with_context(|| cannot_use(folder))?;
        }
        Ok(())
    }

    /// The processes in it, by the first hierarchy: all of them have the same.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let list = self.folders.first().map(|it| it.join("cgroup.procs"));
        let list = list.and_then(|list| fs::read_to_string(list).ok());
        let list = list.unwrap_or_default();
        list.lines().filter_map(|pid| pid.parse().ok()).collect()
    }

    /// Takes it away. It stays where somebody is still in it.
    pub(crate) fn remove(&self) {
        for folder in &self.folders {
            drop(fs::remove_dir(folder));
        }
    }
}

fn cannot_use(cgroup: &Path) -> String {
    format!("cannot use the cgroup {}", cgroup.display())
}

/// All hierarchies, each once.
pub(crate) fn hierarchies() -> Vec<Hierarchy> {
    in_mounts(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
}

/// Reads `mountinfo`, as proc(5) describes it: `id parent device root mount … - type source options`.
fn in_mounts(mountinfo: &str) -> Vec<Hierarchy> {
    let mut devices = Vec::new();
    let mut hierarchies = Vec::new();
    for line in mountinfo.lines() {
        let Some((before, after)) = line.split_once(" - ") else {
            continue;
        };
        let fields: Vec<_> = before.split(' ').collect();
        let [_, _, device, "/", mount, ..] = fields[..] else {
            continue;
        };
        let mut about = after.split(' ');
        let (kind, options) = (about.next(), about.nth(1).unwrap_or_default());
        let accounts = match kind {
            Some("cgroup2") => true,
            Some("cgroup") => options
                .split(',')
                .any(|option| ACCOUNTING.contains(&option)),
            _ => continue,
        };
        // A hierarchy may be mounted twice; the device is the hierarchy.
        if !devices.contains(&device) {
            devices.push(device);
            hierarchies.push(Hierarchy {
                mount: mount.into(),
                accounts,
            });
        }
    }
    hierarchies
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Linux 6.18, cgroup v1 with the unified hierarchy beside it.
    const HYBRID: &str = "\
28 25 0:26 / /sys/fs/cgroup/cpu rw,relatime shared:5 - cgroup cgroup rw,cpu
29 25 0:27 / /sys/fs/cgroup/cpuacct rw,relatime shared:6 - cgroup cgroup rw,cpuacct
30 25 0:28 / /sys/fs/cgroup/cpuset rw,relatime shared:7 - cgroup cgroup rw,cpuset
31 25 0:29 / /sys/fs/cgroup/unified rw,relatime shared:8 - cgroup2 cgroup2 rw
32 31 0:29 / /mnt/again rw,relatime - cgroup2 cgroup2 rw
33 31 0:29 /some/container /var/lib/inner rw,relatime - cgroup2 cgroup2 rw
34 25 0:30 / /tmp rw - tmpfs tmpfs rw,cpu
";

    #[test]
    fn the_hierarchies_of_a_hybrid_machine_are_found_once_each() {
        let expected = [
            ("cpu", true),
            ("cpuacct", true),
            ("cpuset", false),
            ("unified", true),
        ];
        let expected = expected.map(|(name, accounts)| Hierarchy {
            mount: format!("/sys/fs/cgroup/{name}").into(),
            accounts,
        });
        assert_eq!(in_mounts(HYBRID), expected);
    }

    #[test]
    fn the_only_hierarchy_of_a_unified_machine_is_found() {
        let mounts = "25 1 0:22 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
        let unified = Hierarchy {
            mount: "/sys/fs/cgroup".into(),
            accounts: true,
        };
        assert_eq!(in_mounts(mounts), [unified]);
    }
}
