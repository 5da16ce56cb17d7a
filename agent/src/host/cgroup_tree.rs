//! Where the cgroup hierarchies are mounted, and which cgroups exist in them.
//!
//! Reading a cgroup's own files is left to others; they ask here for its folder.

use std::{
    collections::HashMap,
    fs,
    io::{self, Read as _},
    os::unix::fs::{DirEntryExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use procfs::{
    CGroupControllers, ProcError,
    process::{MountInfo, MountInfos},
};

use crate::container::CgroupId;

/// The cgroup hierarchies of this machine, as this process sees them.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Which kinds of hierarchies there are.
    pub mode: Mode,
    accounting: Hierarchy,
    unified: Option<Hierarchy>,
    /// Those of v1 that have controllers.
    legacy: Vec<Hierarchy>,
}

/// Which kinds of hierarchies are mounted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// One hierarchy for each controller, or for a few.
    V1,
    /// Both kinds; which controller is where varies.
    Hybrid,
    /// The unified hierarchy alone.
    V2,
}

/// One mounted hierarchy.
#[derive(Clone, Debug)]
pub struct Hierarchy {
    /// The kernel's number for it: `cgrp->root->hierarchy_id`, the second column of `/proc/cgroups`; 0 is unified.
    pub id: u32,
    /// Where it is mounted.
    pub mount: PathBuf,
    /// Its v1 controllers; empty for the unified one, whose root's `cgroup.controllers` has them.
    pub controllers: Vec<String>,
}

/// The cgroups of a hierarchy, as far as they were seen.
#[derive(Clone, Debug, Default)]
pub struct Walk {
    /// Id and path of each, a parent before its children; paths start with `/`. A name that is not UTF-8 is shown
    /// with replacement characters.
    pub cgroups: Vec<(CgroupId, String)>,
    /// Whether there were more than asked for.
    pub truncated: bool,
    /// Cgroups whose children could not be listed, other than for having gone in the meantime.
    pub unreadable: u64,
}

impl Walk {
    /// Whether what is not among them is not there.
    pub fn is_complete(&self) -> bool {
        !self.truncated && self.unreadable == 0
    }
}

/// Why the hierarchies could not be found.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// A file of `/proc` is missing or not in its documented form.
    #[error("cannot read {path}")]
    Proc {
        /// The file.
        path: &'static str,
        /// Why.
        source: ProcError,
    },
    /// There is neither a unified hierarchy nor one with a CPU controller.
    #[error("no cgroup hierarchy that accounts CPU time is mounted")]
    NothingMounted,
}

impl Layout {
    /// Finds the hierarchies by `/proc/self/mountinfo` and `/proc/cgroups`.
    pub fn find() -> Result<Self, LayoutError> {
        let mounts: MountInfos = read_proc("/proc/self/mountinfo")?;
        let controllers: CGroupControllers = read_proc("/proc/cgroups")?;
        Self::from_mounts(&mounts.0, &controllers)
    }

    fn from_mounts(
        mounts: &[MountInfo],
        controllers: &CGroupControllers,
    ) -> Result<Self, LayoutError> {
        let ids: HashMap<&str, u32> = controllers
            .0
            .iter()
            .map(|controller| (controller.name.as_str(), controller.hierarchy))
            .collect();
        let mut unified: Option<Hierarchy> = None;
        let mut legacy: Vec<Hierarchy> = Vec::new();
        for mount in mounts.iter().filter(|mount| mount.root == "/") {
            if mount.fs_type == "cgroup2" {
                unified.get_or_insert_with(|| Hierarchy {
                    id: 0,
                    mount: mount.mount_point.clone(),
                    controllers: Vec::new(),
                });
            } else if mount.fs_type == "cgroup"
                && let Some(hierarchy) = legacy_hierarchy(mount, &ids)
                && legacy.iter().all(|known| known.id != hierarchy.id)
            {
                legacy.push(hierarchy);
            }
        }
        let mode = match (&unified, legacy.is_empty()) {
            (Some(_), true) => Mode::V2,
            (Some(_), false) => Mode::Hybrid,
            (None, _) => Mode::V1,
        };
        let cpuacct = || with(&legacy, "cpuacct");
        let accounting = unified.as_ref().or_else(cpuacct).cloned();
        Ok(Self {
            mode,
            accounting: accounting.ok_or(LayoutError::NothingMounted)?,
            unified,
            legacy,
        })
    }

    /// The hierarchy whose cgroups are the accounted entries: the unified one where it is mounted, else that of
    /// cpuacct.
    pub fn accounting(&self) -> &Hierarchy {
        &self.accounting
    }

    /// The unified hierarchy.
    pub fn unified(&self) -> Option<&Hierarchy> {
        self.unified.as_ref()
    }

    /// The v1 hierarchies that have controllers.
    pub fn legacy(&self) -> &[Hierarchy] {
        &self.legacy
    }

    /// The v1 hierarchy of a controller.
    pub fn legacy_with(&self, controller: &str) -> Option<&Hierarchy> {
        with(&self.legacy, controller)
    }

    /// Whether this kernel has a controller, of v1 or v2, whether or not it is enabled for any cgroup yet.
    pub fn has(&self, controller: &str) -> bool {
        let of_unified = || {
            let root = self.unified.as_ref()?.mount.join("cgroup.controllers");
            fs::read_to_string(root).ok()
        };
        self.legacy_with(controller).is_some()
            || of_unified().is_some_and(|all| all.split_whitespace().any(|it| it == controller))
    }

    /// The hierarchy in which a controller's files are: that of v1 where it is mounted, else the unified one, where
    /// the files may be missing if the controller is not enabled.
    pub fn with(&self, controller: &str) -> Option<&Hierarchy> {
        self.legacy_with(controller).or(self.unified.as_ref())
    }
}

impl Hierarchy {
    /// The folder of the cgroup at `path`.
    pub fn folder(&self, path: &str) -> PathBuf {
        self.mount.join(path.trim_start_matches('/'))
    }

    /// The id of the cgroup at `path`.
    pub fn id_of(&self, path: &str) -> io::Result<CgroupId> {
        Ok(CgroupId(fs::metadata(self.folder(path))?.ino()))
    }

    /// Whether its root here is the machine's root cgroup, and not that of a container in which this process runs.
    /// Only the machine's root lacks `cgroup.type` (v2) or has `release_agent` (v1): `cgroup_base_files` and
    /// `cgroup1_base_files` in kernel/cgroup/, Linux 6.12.
    pub fn is_whole(&self) -> bool {
        match self.id {
            0 => !self.mount.join("cgroup.type").exists(),
            _ => self.mount.join("release_agent").exists(),
        }
    }

    /// All its cgroups, but not more than `limit`.
    pub fn walk(&self, limit: usize) -> io::Result<Walk> {
        walk(&self.mount, limit)
    }
}

fn with<'h>(hierarchies: &'h [Hierarchy], controller: &str) -> Option<&'h Hierarchy> {
    let has = |known: &String| known == controller;
    let mut hierarchies = hierarchies.iter();
    hierarchies.find(|hierarchy| hierarchy.controllers.iter().any(has))
}

fn walk(root: &Path, limit: usize) -> io::Result<Walk> {
    let mut found = Walk::default();
    // Depth is the user's choice: a stack of our own, not the thread's.
    let mut open = vec![(
        CgroupId(fs::metadata(root)?.ino()),
        root.to_owned(),
        "/".to_owned(),
    )];
    while let Some((id, folder, path)) = open.pop() {
        if found.cgroups.len() >= limit {
            found.truncated = true;
            break;
        }
        match children(&folder, &path) {
            Ok(children) => open.extend(children),
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(_) => found.unreadable += 1,
        }
        found.cgroups.push((id, path));
    }
    Ok(found)
}

/// A process in the cgroup at `folder`, or with `below` in any cgroup inside it.
pub fn first_process(folder: &Path, below: bool) -> Option<u32> {
    // A container that runs a service manager has its processes a few levels below; what has many empty cgroups is not
    // worth a longer search.
    const MOST_FOLDERS: usize = 64;
    let mut open = vec![folder.to_owned()];
    for _ in 0..MOST_FOLDERS {
        let folder = open.pop()?;
        let mut list = [0; 32];
        // Only the first line, which fits: a cgroup may have many processes.
        let length = fs::File::open(folder.join("cgroup.procs"))
            .and_then(|mut file| file.read(&mut list))
            .unwrap_or_default();
        let first = list[..length].split(|byte| *byte == b'\n').next()?;
        let first = str::from_utf8(first).ok().and_then(|it| it.parse().ok());
        // One of another pid namespace is 0.
        if let Some(process) = first.filter(|process| *process != 0) {
            return Some(process);
        }
        if !below {
            return None;
        }
        let inside = children(&folder, "/").unwrap_or_default();
        open.extend(inside.into_iter().map(|(_, folder, _)| folder));
    }
    None
}

/// The cgroups right below one. The number in a folder's listing is the child's cgroup id (`kernfs_fop_readdir` in
/// fs/kernfs/dir.c, Linux 6.12): no call for each child, and no race with another cgroup of the same name.
fn children(folder: &Path, path: &str) -> io::Result<Vec<(CgroupId, PathBuf, String)>> {
    let mut children = Vec::new();
    for child in fs::read_dir(folder)? {
        let child = child?;
        if child.file_type()?.is_dir() {
            let name = child.file_name();
            let below = path.trim_end_matches('/');
            let path = format!("{below}/{}", name.to_string_lossy());
            children.push((CgroupId(child.ino()), child.path(), path));
        }
    }
    Ok(children)
}

/// The controllers of v1 (`cgroup_subsys.h`, Linux 6.12); a mount's other options are no controllers.
const CONTROLLERS: [&str; 14] = [
    "cpuset",
    "cpu",
    "cpuacct",
    "blkio",
    "memory",
    "devices",
    "freezer",
    "net_cls",
    "perf_event",
    "net_prio",
    "hugetlb",
    "pids",
    "rdma",
    "misc",
];

fn legacy_hierarchy(mount: &MountInfo, ids: &HashMap<&str, u32>) -> Option<Hierarchy> {
    let controllers: Vec<String> = CONTROLLERS
        .iter()
        .filter(|&&controller| mount.super_options.contains_key(controller))
        .map(|&controller| controller.to_owned())
        .collect();
    // A hierarchy without controllers is one that systemd or a runtime keeps its own books in.
    let id = *ids.get(controllers.first()?.as_str())?;
    Some(Hierarchy {
        id,
        mount: mount.mount_point.clone(),
        controllers,
    })
}

fn read_proc<T: procfs::FromBufRead>(path: &'static str) -> Result<T, LayoutError> {
    let read = || parse(&fs::read(path)?);
    read().map_err(|source| LayoutError::Proc { path, source })
}

/// A mount point may be any bytes, and somebody's odd one must not hide the hierarchies: what is no UTF-8 is replaced.
fn parse<T: procfs::FromBufRead>(text: &[u8]) -> Result<T, ProcError> {
    T::from_buf_read(String::from_utf8_lossy(text).as_bytes())
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

    use procfs::FromBufRead as _;

    use super::*;

    const HYBRID: &str = include_str!("../../../tests/fixtures/cgroup_mounts/hybrid.mountinfo");
    const V2: &str = include_str!("../../../tests/fixtures/cgroup_mounts/v2.mountinfo");

    #[test]
    fn on_a_hybrid_machine_the_unified_hierarchy_accounts() {
        let layout = layout(HYBRID).expect("a layout");

        assert_eq!(layout.mode, Mode::Hybrid);
        assert_eq!(layout.accounting().id, 0);
        assert_eq!(
            layout.accounting().folder("/docker/x"),
            Path::new("/sys/fs/cgroup/unified/docker/x")
        );
        let cpuacct = layout.with("cpuacct").expect("mounted");
        assert_eq!(cpuacct.id, 2);
        assert_eq!(cpuacct.folder("/"), Path::new("/sys/fs/cgroup/cpuacct"));
        assert!(
            layout
                .legacy()
                .iter()
                .all(|it| !it.mount.ends_with("systemd"))
        );
    }

    #[test]
    fn on_v2_the_unified_hierarchy_has_all_controllers() {
        let layout = layout(V2).expect("a layout");

        assert_eq!(layout.mode, Mode::V2);
        assert!(layout.legacy().is_empty());
        assert_eq!(layout.with("memory").map(|it| it.id), Some(0));
    }

    #[test]
    fn on_v1_the_hierarchy_of_cpuacct_accounts() {
        let without_unified: Vec<&str> = HYBRID
            .lines()
            .filter(|line| !line.contains("cgroup2"))
            .collect();
        let layout = layout(&without_unified.join("\n")).expect("a layout");

        assert_eq!(layout.mode, Mode::V1);
        assert_eq!(layout.accounting().controllers, ["cpuacct"]);
    }

    #[test]
    fn controllers_mounted_together_are_one_hierarchy() {
        let line = "33 31 0:30 / /c rw - cgroup cgroup rw,cpu,cpuacct\n";
        let layout = layout(line).expect("a layout");
        assert_eq!(layout.accounting().controllers, ["cpu", "cpuacct"]);
    }

    #[test]
    fn a_mount_of_a_part_of_a_hierarchy_does_not_count() {
        let part = "41 31 0:38 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        let error = layout(part).expect_err("nothing to account in");
        assert!(matches!(error, LayoutError::NothingMounted));
    }

    #[test]
    fn a_mount_point_that_is_no_utf8_hides_no_hierarchy() {
        let mut text = b"40 27 0:39 / /home/x/\xFF rw - fuse.x x rw\n".to_vec();
        text.extend(V2.as_bytes());
        let mounts: MountInfos = parse(&text).expect("well-formed");
        assert_eq!(mounts.0.len(), V2.lines().count() + 1);
    }

    #[test]
    fn this_machine_has_a_layout() {
        let layout = Layout::find().expect("cgroups are mounted");
        let walk = layout.accounting().walk(100_000).expect("readable");
        let (root, path) = walk.cgroups.first().expect("a root");
        assert_eq!(path, "/");
        assert_eq!(layout.accounting().id_of("/").expect("readable"), *root);
    }

    #[test]
    fn a_walk_finds_every_folder_after_its_parent_and_no_file() {
        let root = tempfile::tempdir().expect("a folder");
        let deep = root.path().join("a/b/c");
        fs::create_dir_all(&deep).expect("made");
        fs::write(root.path().join("a/cpu.stat"), "").expect("made");
        let odd = OsStr::from_bytes(b"odd\xff");
        fs::create_dir(root.path().join(odd)).expect("made");

        let walk = walk(root.path(), 100).expect("readable");

        let paths: Vec<&str> = walk.cgroups.iter().map(|(_, path)| path.as_str()).collect();
        let at = |path| {
            paths
                .iter()
                .position(|known| *known == path)
                .expect("found")
        };
        assert_eq!(at("/"), 0);
        assert!(at("/a") < at("/a/b") && at("/a/b") < at("/a/b/c"));
        assert_eq!(paths.len(), 5);
        at("/odd\u{fffd}");
        let (id, _) = walk.cgroups[at("/a/b/c")];
        assert_eq!(id, CgroupId(fs::metadata(deep).expect("there").ino()));
        assert!(!walk.truncated);
    }

    #[test]
    fn a_walk_stops_at_its_limit_and_says_so() {
        let root = tempfile::tempdir().expect("a folder");
        for name in ["a", "b", "c"] {
            fs::create_dir(root.path().join(name)).expect("made");
        }
        let walk = walk(root.path(), 2).expect("readable");
        assert_eq!(walk.cgroups.len(), 2);
        assert!(walk.truncated);
    }

    fn layout(mountinfo: &str) -> Result<Layout, LayoutError> {
        let cgroups = include_str!("../../../tests/fixtures/cgroup_mounts/hybrid.cgroups");
        let mounts = MountInfos::from_buf_read(mountinfo.as_bytes()).expect("captured");
        let controllers = CGroupControllers::from_buf_read(cgroups.as_bytes()).expect("captured");
        Layout::from_mounts(&mounts.0, &controllers)
    }

    #[test]
    fn the_first_process_is_looked_for_below_only_if_asked_to() {
        let of = |processes: &[(&str, &str)], below| {
            let root = tempfile::tempdir().unwrap();
            for (folder, text) in processes {
                let folder = root.path().join(folder);
                fs::create_dir_all(&folder).unwrap();
                fs::write(folder.join("cgroup.procs"), text).unwrap();
            }
            first_process(root.path(), below)
        };
        assert_eq!(of(&[(".", "17\n171\n")], false), Some(17));
        let nested = [(".", ""), ("init", ""), ("init/scope", "17\n")];
        assert_eq!(of(&nested, true), Some(17));
        assert_eq!(of(&nested, false), None);
        // Of another pid namespace.
        assert_eq!(of(&[(".", "0\n")], true), None);
    }
}
