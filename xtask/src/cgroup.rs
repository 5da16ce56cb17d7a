//! Which cgroup hierarchies are mounted on this machine, and which of them account CPU.

use std::{fs, path::PathBuf};

/// One hierarchy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Hierarchy {
    /// Where its root is mounted.
    pub(crate) mount: PathBuf,
    /// Whether it is one of v1's `cpu` and `cpuacct`, or the unified one.
    pub(crate) accounts_cpu: bool,
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
        let accounts_cpu = match kind {
            Some("cgroup2") => true,
            Some("cgroup") => options
                .split(',')
                .any(|option| matches!(option, "cpu" | "cpuacct")),
            _ => continue,
        };
        // A hierarchy may be mounted twice; the device is the hierarchy.
        if !devices.contains(&device) {
            devices.push(device);
            hierarchies.push(Hierarchy {
                mount: mount.into(),
                accounts_cpu,
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
        let expected = expected.map(|(name, accounts_cpu)| Hierarchy {
            mount: format!("/sys/fs/cgroup/{name}").into(),
            accounts_cpu,
        });
        assert_eq!(in_mounts(HYBRID), expected);
    }

    #[test]
    fn the_only_hierarchy_of_a_unified_machine_is_found() {
        let mounts = "25 1 0:22 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
        let unified = Hierarchy {
            mount: "/sys/fs/cgroup".into(),
            accounts_cpu: true,
        };
        assert_eq!(in_mounts(mounts), [unified]);
    }
}
