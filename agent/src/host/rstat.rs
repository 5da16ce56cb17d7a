//! Has the kernel bring the statistics of whole subtrees up to date at once.
//!
//! A charge puts its cgroup on its parent's list of changed children, one list a CPU, and reading the cgroup's file
//! takes it off again: the kernel looks through the list for it (`css_rstat_updated_list` in kernel/cgroup/rstat.c,
//! Linux 6.18). Reading the files of N busy siblings one by one takes N² steps so. Reading one of a cgroup above them
//! takes them all off, in N.

use std::{collections::BTreeSet, fs, io, path::Path};

/// The cgroups right below the root that have others in them. The root's own files bring nothing up to date: they are
/// made of the machine's counters.
#[derive(Debug, Default)]
pub struct Subtrees {
    tops: BTreeSet<String>,
}

impl Subtrees {
    /// Takes in that there is a cgroup at `path`.
    pub fn add(&mut self, path: &str) {
        if let Some(top) = top(path)
            && !self.tops.contains(top)
        {
            self.tops.insert(top.to_owned());
        }
    }

    /// Brings them up to date in the unified hierarchy, which is mounted at `mount`. Those that are gone are forgotten.
    pub fn flush(&mut self, mount: &Path) {
        self.tops.retain(|top| {
            let told = fs::read(mount.join(top).join("cpu.stat"));
            told.err()
                .is_none_or(|error| error.kind() != io::ErrorKind::NotFound)
        });
    }
}

/// The first part of a path that has more than one.
fn top(path: &str) -> Option<&str> {
    let (top, below) = path.strip_prefix('/')?.split_once('/')?;
    (!below.is_empty()).then_some(top)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_cgroups_in_it_is_a_subtree() {
        let mut subtrees = Subtrees::default();
        for path in [
            "/",
            "/init.scope",
            "/docker/",
            "/docker/1",
            "/docker/2/in",
            "/a.slice/b",
        ] {
            subtrees.add(path);
        }
        assert!(subtrees.tops.iter().eq(["a.slice", "docker"]));
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let mount = tempfile::tempdir().unwrap();
        let mut subtrees = Subtrees::default();
        for top in ["kept", "gone"] {
            fs::create_dir(mount.path().join(top)).unwrap();
            fs::write(mount.path().join(top).join("cpu.stat"), "usage_usec 1\n").unwrap();
            subtrees.add(&format!("/{top}/1"));
        }
        subtrees.flush(mount.path());
        assert!(subtrees.tops.iter().eq(["gone", "kept"]));
        fs::remove_dir_all(mount.path().join("gone")).unwrap();
        subtrees.flush(mount.path());
        assert!(subtrees.tops.iter().eq(["kept"]));
    }
}
