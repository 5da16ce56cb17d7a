//! What a cgroup's files say of its tasks. They have the same names on both versions
//! (Documentation/admin-guide/cgroup-v1/pids.rst, Linux 6.12).

use std::path::Path;

use super::cgroup_file::{CgroupFile, number, pairs};
use crate::snapshot::PidsTotals;

/// One cgroup's files.
#[derive(Debug)]
pub struct PidsFiles {
    current: CgroupFile,
    limit: CgroupFile,
    /// Seen on 6.12, not on 5.10.
    peak: CgroupFile,
    events: CgroupFile,
}

impl Default for PidsFiles {
    fn default() -> Self {
        Self {
            current: CgroupFile::new("pids.current"),
            limit: CgroupFile::new("pids.max"),
            peak: CgroupFile::new("pids.peak"),
            events: CgroupFile::new("pids.events"),
        }
    }
}

impl PidsFiles {
    /// Reads everything in the cgroup's `folder`, of either version; `None` once it is gone, or without the
    /// controller, which may be enabled later.
    pub fn read(&mut self, folder: &Path) -> Option<PidsTotals> {
        let totals = self.read_all(folder);
        if totals.is_none() {
            *self = Self::default();
        }
        totals
    }

    fn read_all(&mut self, folder: &Path) -> Option<PidsTotals> {
        if !self.current.open(folder) {
            return None;
        }
        let mut buffer = [0; 128];
        let events = self.events.read(folder, &mut buffer).unwrap_or_default();
        let refused = pairs(events).find_map(|(key, value)| (key == b"max").then_some(value));
        let mut read = |file: &mut CgroupFile| number(file.read(folder, &mut buffer)?);
        let limit = read(&mut self.limit);
        let peak = read(&mut self.peak);
        // Last: if it answers, the cgroup was there for the others.
        let tasks = Some(read(&mut self.current)?);
        Some(PidsTotals {
            tasks,
            limit,
            peak,
            refused,
        })
    }

    /// Closes all.
    pub fn close(&mut self) {
        for file in [
            &mut self.current,
            &mut self.limit,
            &mut self.peak,
            &mut self.events,
        ] {
            file.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::host::cgroup_file::fixture::captured;

    #[test]
    fn tasks_limit_and_refusals_are_told_on_both_versions() {
        for (cgroup, tasks, peak) in [
            ("v1-6.18", 49, Some(50)),
            ("v2-6.12", 50, Some(50)),
            ("v2-5.10", 50, None),
        ] {
            let expected = PidsTotals {
                tasks: Some(tasks),
                limit: Some(50),
                peak,
                refused: Some(1),
            };
            let totals = PidsFiles::default().read(&captured(cgroup));
            assert_eq!(totals, Some(expected), "{cgroup}");
        }
    }

    #[test]
    fn no_limit_is_none_and_a_cgroup_without_tasks_has_zero() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("pids.current", "0\n"), ("pids.max", "max\n")] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let expected = PidsTotals {
            tasks: Some(0),
            ..PidsTotals::default()
        };
        assert_eq!(PidsFiles::default().read(folder.path()), Some(expected));
    }
}
