//! Facts of the cgroup hierarchies: what is mounted where, and what its files tell.

use std::{fs, path::PathBuf};

use super::Access;
use crate::{
    host::{
        cgroup_tree::{Hierarchy, Layout, LayoutError, Mode},
        cpu_files::CpuFiles,
    },
    snapshot::Totals,
    source,
    text::chain,
};

/// Cgroups that are counted; more are "many".
const MAX_CGROUPS: usize = 100_000;

/// The hierarchies, or why there are none.
pub type Cgroups = Result<CgroupFacts, String>;

/// What there is of cgroups.
#[derive(Clone, Debug)]
pub struct CgroupFacts {
    /// Which kinds of hierarchies are mounted.
    pub mode: Mode,
    /// Where the accounting hierarchy is mounted.
    pub mount: PathBuf,
    /// Whether it is the unified one.
    pub is_unified: bool,
    /// Whether its root is the machine's.
    pub is_whole: bool,
    /// Cgroups in it, or why they cannot be listed.
    pub count: Result<usize, String>,
    /// Folders that could not be listed.
    pub unreadable: u64,
    /// Controllers of v1, each with its mount.
    pub legacy: Vec<(String, PathBuf)>,
    /// Controllers that the unified hierarchy has.
    pub unified: Vec<String>,
    /// Those of them that are enabled for its cgroups.
    pub enabled: Vec<String>,
    /// Whether the root's files tell its CPU time.
    pub root_total: bool,
    /// Whether `/proc/pressure` can be read; where the kernel accounts no pressure it is not there, or fails.
    pub pressure: Access,
    /// What the files of some cgroup tell of memory, pressure and tasks.
    pub told: Totals,
}

pub(super) fn read(layout: Result<Layout, LayoutError>) -> Cgroups {
    let layout = layout.map_err(|error| chain(&error))?;
    let accounting = layout.accounting();
    let walk = accounting.walk(MAX_CGROUPS);
    let unreadable = walk.as_ref().map_or(0, |walk| walk.unreadable);
    let legacy = layout.legacy().iter().flat_map(|hierarchy| {
        let mount = &hierarchy.mount;
        let controllers = hierarchy.controllers.iter();
        controllers.map(move |controller| (controller.clone(), mount.clone()))
    });
    let folder = |hierarchy: Option<&Hierarchy>| hierarchy.map(|it| it.mount.clone());
    let (unified, cpuacct) = (layout.unified(), layout.legacy_with("cpuacct"));
    let root = CpuFiles::open(folder(unified).as_deref(), folder(cpuacct).as_deref());
    Ok(CgroupFacts {
        mode: layout.mode,
        mount: accounting.mount.clone(),
        is_unified: accounting.id == 0,
        is_whole: accounting.is_whole(),
        count: walk
            .map(|walk| walk.cgroups.len())
            .map_err(|error| error.to_string()),
        unreadable,
        legacy: legacy.collect(),
        unified: words(unified, "cgroup.controllers"),
        enabled: words(unified, "cgroup.subtree_control"),
        root_total: root.and_then(|files| files.usage()).is_ok(),
        pressure: Access::of(fs::read("/proc/pressure/cpu")),
        told: source::probe(&layout),
    })
}

fn words(hierarchy: Option<&Hierarchy>, file: &str) -> Vec<String> {
    let text = hierarchy.and_then(|it| fs::read_to_string(it.mount.join(file)).ok());
    text.unwrap_or_default()
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}
