//! What a cgroup's files say of its memory.
//!
//! Names and meanings: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst, Linux 6.12. All of it is of the
//! cgroup and what is below it.

use std::path::Path;

use super::cgroup_file::{Buffer, CgroupFile, EMPTY, number, pairs};
use crate::snapshot::MemoryTotals;

/// One cgroup's files.
#[derive(Debug)]
pub struct MemoryFiles(Version);

#[derive(Debug)]
enum Version {
    V1(V1),
    V2(V2),
}

#[derive(Debug)]
struct V1 {
    usage: CgroupFile,
    stat: CgroupFile,
    kernel_usage: CgroupFile,
    limit: CgroupFile,
    /// Memory and swap together; missing without swap accounting.
    both_limit: CgroupFile,
    peak: CgroupFile,
    limit_hits: CgroupFile,
}

#[derive(Debug)]
struct V2 {
    usage: CgroupFile,
    stat: CgroupFile,
    swap: CgroupFile,
    limit: CgroupFile,
    high: CgroupFile,
    swap_limit: CgroupFile,
    /// Since 5.19.
    peak: CgroupFile,
    events: CgroupFile,
}

impl MemoryFiles {
    /// Files of the memory controller's own hierarchy.
    pub fn v1() -> Self {
        Self(Version::V1(V1 {
            usage: CgroupFile::new("memory.usage_in_bytes"),
            stat: CgroupFile::new("memory.stat"),
            kernel_usage: CgroupFile::new("memory.kmem.usage_in_bytes"),
            limit: CgroupFile::new("memory.limit_in_bytes"),
            both_limit: CgroupFile::new("memory.memsw.limit_in_bytes"),
            peak: CgroupFile::new("memory.max_usage_in_bytes"),
            limit_hits: CgroupFile::new("memory.failcnt"),
        }))
    }

    /// Files of the unified hierarchy.
    pub fn v2() -> Self {
        Self(Version::V2(V2 {
            usage: CgroupFile::new("memory.current"),
            stat: CgroupFile::new("memory.stat"),
            swap: CgroupFile::new("memory.swap.current"),
            limit: CgroupFile::new("memory.max"),
            high: CgroupFile::new("memory.high"),
            swap_limit: CgroupFile::new("memory.swap.max"),
            peak: CgroupFile::new("memory.peak"),
            events: CgroupFile::new("memory.events"),
        }))
    }

    /// What is charged now, by a file that [`MemoryFiles::read`] has opened and left open.
    pub fn usage_bytes(&self) -> Option<u64> {
        let usage = match &self.0 {
            Version::V1(files) => &files.usage,
            Version::V2(files) => &files.usage,
        };
        // A number and a line's end.
        number(usage.read_open(&mut [0; 32])?)
    }

    /// Reads everything in the cgroup's `folder`; `None` once it is gone, or without the controller, which may be
    /// enabled later. A file that this kernel lacks leaves only its own values absent.
    pub fn read(&mut self, folder: &Path) -> Option<MemoryTotals> {
        let mut buffer = EMPTY;
        let (totals, unopened): (_, fn() -> Self) = match &mut self.0 {
            Version::V1(files) => (files.read(folder, &mut buffer), Self::v1),
            Version::V2(files) => (files.read(folder, &mut buffer), Self::v2),
        };
        if totals.is_none() {
            *self = unopened();
        }
        totals
    }

    /// Closes all files.
    pub fn close_all(&mut self) {
        *self = match &self.0 {
            Version::V1(_) => Self::v1(),
            Version::V2(_) => Self::v2(),
        };
    }

    /// Closes all but the usage.
    pub fn close(&mut self) {
        match &mut self.0 {
            Version::V1(files) => close([
                &mut files.stat,
                &mut files.kernel_usage,
                &mut files.limit,
                &mut files.both_limit,
                &mut files.peak,
                &mut files.limit_hits,
            ]),
            Version::V2(files) => close([
                &mut files.stat,
                &mut files.swap,
                &mut files.limit,
                &mut files.high,
                &mut files.swap_limit,
                &mut files.peak,
                &mut files.events,
            ]),
        }
    }
}

fn close<const N: usize>(files: [&mut CgroupFile; N]) {
    files.into_iter().for_each(CgroupFile::close);
}

impl V1 {
    fn read(&mut self, folder: &Path, buffer: &mut Buffer) -> Option<MemoryTotals> {
        if !self.usage.open(folder) {
            return None;
        }
        let (mut totals, inactive_bytes) =
            v1_stat(self.stat.read(folder, buffer).unwrap_or_default());
        let mut read = |file: &mut CgroupFile| number(file.read(folder, buffer)?);
        totals.kernel_bytes = read(&mut self.kernel_usage);
        totals.limit_bytes = read(&mut self.limit).filter(|limit| is_limit(*limit));
        let both = read(&mut self.both_limit).filter(|limit| is_limit(*limit));
        totals.swap_limit_bytes = both
            .zip(totals.limit_bytes)
            .map(|(both, memory)| both.saturating_sub(memory));
        totals.peak_bytes = read(&mut self.peak);
        totals.limit_events = read(&mut self.limit_hits);
        add_usage(&mut totals, &mut self.usage, folder, buffer, inactive_bytes)?;
        Some(totals)
    }
}

impl V2 {
    fn read(&mut self, folder: &Path, buffer: &mut Buffer) -> Option<MemoryTotals> {
        if !self.usage.open(folder) {
            return None;
        }
        let (mut totals, inactive_bytes) =
            v2_stat(self.stat.read(folder, buffer).unwrap_or_default());
        let mut read = |file: &mut CgroupFile| number(file.read(folder, buffer)?);
        totals.swap_bytes = read(&mut self.swap);
        totals.limit_bytes = read(&mut self.limit);
        totals.high_bytes = read(&mut self.high);
        totals.swap_limit_bytes = read(&mut self.swap_limit);
        totals.peak_bytes = read(&mut self.peak);
        for (key, value) in pairs(self.events.read(folder, buffer).unwrap_or_default()) {
            match key {
                b"high" => totals.high_events = Some(value),
                b"max" => totals.limit_events = Some(value),
                b"oom" => totals.oom_events = Some(value),
                _ => {}
            }
        }
        add_usage(&mut totals, &mut self.usage, folder, buffer, inactive_bytes)?;
        Some(totals)
    }
}

/// The usage, and what of it is in use. It is opened first and read last: if it answers, the cgroup was there for all
/// that was read in between.
fn add_usage(
    totals: &mut MemoryTotals,
    usage: &mut CgroupFile,
    folder: &Path,
    buffer: &mut Buffer,
    inactive_bytes: Option<u64>,
) -> Option<()> {
    let usage_bytes = number(usage.read(folder, buffer)?)?;
    totals.usage_bytes = Some(usage_bytes);
    // As the kubelet and Docker's command line have it.
    totals.working_set_bytes = inactive_bytes.map(|inactive| usage_bytes.saturating_sub(inactive));
    Some(())
}

/// v1's `memory.stat`: its `total_` lines are those of the whole subtree. With it the page cache not used lately.
fn v1_stat(text: &[u8]) -> (MemoryTotals, Option<u64>) {
    let mut totals = MemoryTotals::default();
    let mut inactive_bytes = None;
    for (key, value) in pairs(text) {
        let Some(key) = key.strip_prefix(b"total_") else {
            continue;
        };
        match key {
            b"rss" => totals.anon_bytes = Some(value),
            b"cache" => totals.file_bytes = Some(value),
            b"shmem" => totals.shmem_bytes = Some(value),
            b"swap" => totals.swap_bytes = Some(value),
            b"inactive_file" => inactive_bytes = Some(value),
            _ => count(&mut totals, key, value),
        }
    }
    (totals, inactive_bytes)
}

fn v2_stat(text: &[u8]) -> (MemoryTotals, Option<u64>) {
    let mut totals = MemoryTotals::default();
    let mut inactive_bytes = None;
    for (key, value) in pairs(text) {
        match key {
            b"anon" => totals.anon_bytes = Some(value),
            b"file" => totals.file_bytes = Some(value),
            b"shmem" => totals.shmem_bytes = Some(value),
            // Since 5.18.
            b"kernel" => totals.kernel_bytes = Some(value),
            b"slab" => totals.slab_bytes = Some(value),
            b"sock" => totals.sock_bytes = Some(value),
            b"inactive_file" => inactive_bytes = Some(value),
            _ => count(&mut totals, key, value),
        }
    }
    (totals, inactive_bytes)
}

/// Counters that both versions have.
fn count(totals: &mut MemoryTotals, key: &[u8], value: u64) {
    match key {
        b"pgfault" => totals.faults = Some(value),
        b"pgmajfault" => totals.major_faults = Some(value),
        // Split in two since 5.9.
        b"workingset_refault" | b"workingset_refault_anon" | b"workingset_refault_file" => {
            totals.refaults = Some(totals.refaults.unwrap_or_default().saturating_add(value));
        }
        _ => {}
    }
}

/// No limit is the largest number of pages there can be, in bytes: `PAGE_COUNTER_MAX` of
/// `include/linux/page_counter.h`, Linux 6.12. It depends on the size of a page; no real limit comes near it.
fn is_limit(bytes: u64) -> bool {
    const NEAR_UNLIMITED: u64 = 1 << 62;
    bytes < NEAR_UNLIMITED
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;
    use crate::host::cgroup_file::fixture::{captured, folder};

    #[test]
    fn v1_tells_the_subtree_and_splits_the_limit_of_memory_and_swap() {
        let totals = MemoryFiles::v1().read(&captured("v1-6.18"));
        let expected = MemoryTotals {
            usage_bytes: Some(57_397_248),
            working_set_bytes: Some(57_397_248 - 1_441_792),
            anon_bytes: Some(53_248),
            file_bytes: Some(56_291_328),
            shmem_bytes: Some(6_291_456),
            kernel_bytes: Some(864_256),
            swap_bytes: Some(0),
            limit_bytes: Some(64 << 20),
            swap_limit_bytes: Some(64 << 20),
            peak_bytes: Some(64 << 20),
            faults: Some(7_575),
            major_faults: Some(7),
            refaults: Some(30_235),
            limit_events: Some(443),
            ..MemoryTotals::default()
        };
        assert_eq!(totals, Some(expected));
    }

    #[test]
    fn v2_tells_everything() {
        let totals = MemoryFiles::v2().read(&captured("v2-6.12"));
        let expected = MemoryTotals {
            usage_bytes: Some(56_299_520),
            working_set_bytes: Some(56_299_520),
            anon_bytes: Some(3_682_304),
            file_bytes: Some(48_013_312),
            shmem_bytes: Some(48_013_312),
            kernel_bytes: Some(4_341_760),
            slab_bytes: Some(996_816),
            sock_bytes: Some(0),
            swap_bytes: Some(0),
            limit_bytes: Some(64 << 20),
            high_bytes: Some(48 << 20),
            swap_limit_bytes: Some(16 << 20),
            peak_bytes: Some(56_299_520),
            faults: Some(5_096),
            major_faults: Some(0),
            refaults: Some(0),
            high_events: Some(188),
            limit_events: Some(0),
            oom_events: Some(0),
        };
        assert_eq!(totals, Some(expected));
    }

    #[test]
    fn what_an_older_kernel_does_not_tell_is_absent() {
        let old = MemoryFiles::v2().read(&captured("v2-5.10")).unwrap();
        assert_eq!((old.kernel_bytes, old.peak_bytes), (None, None));
        assert_eq!(
            (old.usage_bytes, old.anon_bytes, old.slab_bytes),
            (Some(56_598_528), Some(3_514_368), Some(949_432))
        );
        assert_eq!(old.high_events, Some(102));
    }

    #[test]
    fn one_file_that_is_missing_loses_only_its_own_values() {
        let all = MemoryFiles::v2().read(&captured("v2-6.12")).unwrap();
        for missing in [
            "memory.stat",
            "memory.max",
            "memory.high",
            "memory.peak",
            "memory.swap.current",
            "memory.swap.max",
            "memory.events",
        ] {
            let copy = copy_of(&captured("v2-6.12"));
            fs::remove_file(copy.path().join(missing)).unwrap();
            let some = MemoryFiles::v2().read(copy.path()).unwrap();
            assert_eq!(some.usage_bytes, all.usage_bytes, "{missing}");
            assert_ne!(some, all, "{missing}");
            assert_eq!(some.high_events.is_some(), missing != "memory.events");
            assert_eq!(some.anon_bytes.is_some(), missing != "memory.stat");
        }
    }

    #[test]
    fn no_limit_is_none_on_both_versions() {
        let v1 = folder(&[
            ("memory.usage_in_bytes", "4096\n"),
            ("memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory.memsw.limit_in_bytes", "9223372036854771712\n"),
        ]);
        let v2 = folder(&[
            ("memory.current", "4096\n"),
            ("memory.max", "max\n"),
            ("memory.high", "max\n"),
            ("memory.swap.max", "max\n"),
        ]);
        let usage_alone = MemoryTotals {
            usage_bytes: Some(4096),
            ..MemoryTotals::default()
        };
        for (mut files, folder) in [(MemoryFiles::v1(), v1), (MemoryFiles::v2(), v2)] {
            assert_eq!(files.read(folder.path()), Some(usage_alone.clone()));
        }
        let of_both = folder(&[
            ("memory.usage_in_bytes", "4096\n"),
            ("memory.limit_in_bytes", "1048576\n"),
            ("memory.memsw.limit_in_bytes", "9223372036854771712\n"),
        ]);
        let totals = MemoryFiles::v1().read(of_both.path()).unwrap();
        assert_eq!(
            (totals.limit_bytes, totals.swap_limit_bytes),
            (Some(1_048_576), None)
        );
    }

    #[test]
    fn the_usage_stays_readable_when_the_others_are_closed() {
        let copy = copy_of(&captured("v1-6.18"));
        let mut files = MemoryFiles::v1();
        assert_eq!(files.usage_bytes(), None);
        let all = files.read(copy.path());
        files.close();
        assert_eq!(files.usage_bytes(), Some(57_397_248));
        assert_eq!(files.read(copy.path()), all);
    }

    #[test]
    fn a_controller_that_is_enabled_later_is_read_from_then_on() {
        let enabled = copy_of(&captured("v2-6.12"));
        let mut files = MemoryFiles::v2();
        assert_eq!(files.read(Path::new("/nowhere")), None);
        assert_eq!(
            files.read(enabled.path()),
            MemoryFiles::v2().read(enabled.path())
        );
        assert!(files.usage_bytes().is_some());
    }

    fn copy_of(folder: &Path) -> tempfile::TempDir {
        let copy = tempfile::tempdir().unwrap();
        for file in fs::read_dir(folder).unwrap() {
            let file: PathBuf = file.unwrap().path();
            fs::copy(&file, copy.path().join(file.file_name().unwrap())).unwrap();
        }
        copy
    }
}
