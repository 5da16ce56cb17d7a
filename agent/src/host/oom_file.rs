//! How many processes of a cgroup were killed for want of memory, by its own file.
//!
//! `memory.events` on v2, which counts for all below too, and `memory.oom_control` on v1, which does not
//! (`mem_cgroup_oom_control_read` in mm/memcontrol-v1.c, Linux 6.12). Read seldom, so never kept open.

use std::{fs, path::Path};

/// The kills in the cgroup with these directories: its unified one, and its one in the `memory` hierarchy of version 1.
/// With `alone`, those below are left out where the file can tell. `None` where the memory controller is not there.
pub fn oom_kills(unified: Option<&Path>, memory: Option<&Path>, alone: bool) -> Option<u64> {
    let name = if alone {
        "memory.events.local"
    } else {
        "memory.events"
    };
    let read = |folder: Option<&Path>, name| fs::read_to_string(folder?.join(name)).ok();
    let text = read(unified, name).or_else(|| read(memory, "memory.oom_control"))?;
    kills(&text)
}

fn kills(text: &str) -> Option<u64> {
    let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    count?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Read on Linux 6.18.
    const V1: &str = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
    /// As Documentation/admin-guide/cgroup-v2.rst has it (Linux 6.18).
    const V2: &str = "low 0\nhigh 0\nmax 41\noom 4\noom_kill 4\noom_group_kill 0\n";

    #[test]
    fn both_versions_tell_kills_and_an_old_kernel_none() {
        assert_eq!(kills(V1), Some(3));
        assert_eq!(kills(V2), Some(4));
        // Before 4.13.
        assert_eq!(kills("oom_kill_disable 0\nunder_oom 0\n"), None);
    }

    #[test]
    fn the_unified_file_is_asked_first_and_alone_means_without_those_below() {
        let folder = tempfile::tempdir().unwrap();
        let [v2, v1] = ["v2", "v1"].map(|name| folder.path().join(name));
        for (folder, name, text) in [
            (&v2, "memory.events", V2),
            (&v2, "memory.events.local", "oom_kill 1\n"),
            (&v1, "memory.oom_control", V1),
        ] {
            fs::create_dir_all(folder).unwrap();
            fs::write(folder.join(name), text).unwrap();
        }
        assert_eq!(oom_kills(Some(&v2), Some(&v1), false), Some(4));
        assert_eq!(oom_kills(Some(&v2), Some(&v1), true), Some(1));
        assert_eq!(oom_kills(Some(folder.path()), Some(&v1), false), Some(3));
        assert_eq!(oom_kills(Some(folder.path()), None, false), None);
    }
}
