//! Who is there: every cgroup with its entry and its name, and where its files are.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    entry_files::cpu_files,
    readings::{self, Readings},
};
use crate::{
    container::{
        CgroupId, Container, Directory, Exit, Kind, Placement, RuntimeInfo, Selection, Share,
        identify,
    },
    host::{
        Runtimes,
        block_files::{self, DeviceUses},
        cgroup_tree::{Hierarchy, Layout, Walk, first_process},
        cpu_files::{CpuFiles, Usage},
    },
    metrics::{
        Sample, Value,
        catalog::{self, Families, Family},
    },
    snapshot::{Split, Totals},
};

/// Cgroups that a walk takes in; far beyond what a machine runs, and a bound on what hostile nesting can cost.
const MAX_CGROUPS: usize = 100_000;

/// All cgroups of the accounting hierarchy and their entries.
pub(super) struct Roster {
    layout: Layout,
    directory: Directory,
    runtimes: Runtimes,
    readings: Readings,
    root: CgroupId,
    /// The root's own counter; absent where it cannot be read.
    root_files: Option<CpuFiles>,
    due: Vec<Due>,
    /// Whether the last walk saw all cgroups.
    walks_whole: bool,
}

/// An entry that is to be looked at in this tick, through a process in it.
pub(super) struct Due {
    pub(super) entry: CgroupId,
    pub(super) process: u32,
}

impl Roster {
    /// A roster that knows the host only. Slow files are read once in `ticks_per_pass` ticks.
    pub(super) fn new(
        layout: Layout,
        runtimes: Runtimes,
        selection: Selection,
        ticks_per_pass: u64,
    ) -> io::Result<Self> {
        let root = layout.accounting().id_of("/")?;
        Ok(Self {
            root_files: root_files(&layout),
            layout,
            directory: Directory::new(root, selection),
            runtimes,
            readings: Readings::new(ticks_per_pass),
            root,
            due: Vec::new(),
            walks_whole: true,
        })
    }

    /// Reads the files of these families from here on and no others.
    pub(super) fn switch(&mut self, families: Families) {
        self.readings.switch(families);
    }

    /// What is measured.
    pub(super) fn families(&self) -> Families {
        self.readings.families()
    }

    /// Measurements of which cgroups have no files here: this kernel lacks the controller, or accounts no pressure.
    pub(super) fn without_files(&self) -> Vec<&'static str> {
        let has_pressure = || fs::read("/proc/pressure/cpu").is_ok();
        [
            (&catalog::MEMORY_USAGE, self.layout.has("memory")),
            (&catalog::PIDS, self.layout.has("pids")),
            (
                &catalog::READ_BYTES,
                self.layout.has("blkio") || self.layout.has("io"),
            ),
            (
                &catalog::CPU_SOME,
                self.layout.unified().is_some() && has_pressure(),
            ),
        ]
        .into_iter()
        .filter_map(|(metric, is_there)| (!is_there).then_some(metric.measurement))
        .collect()
    }

    /// The host entry.
    pub(super) fn root(&self) -> CgroupId {
        self.root
    }

    /// Takes in a cgroup and returns its entry: itself, or the one it is part of. What belongs to an entry that is
    /// not there any more is the host's.
    pub(super) fn arrive(&mut self, cgroup: CgroupId, path: &str) -> CgroupId {
        if let Some(owner) = self.directory.owner_of(cgroup) {
            return owner;
        }
        let info = self.runtimes.lookup(&identify(path));
        match self.directory.insert(cgroup, path, info) {
            Placement::Nested(owner) => owner,
            Placement::Orphan(_) => self.root,
            Placement::Owner => {
                self.readings.open(&self.layout, cgroup, path);
                cgroup
            }
        }
    }

    /// Adds what a runtime's API says.
    pub(super) fn describe(&mut self, id: &str, info: RuntimeInfo) {
        self.directory.describe(id, info);
    }

    /// A runtime's container ended.
    pub(super) fn exited(&mut self, id: &str, exit_code: Option<i64>) {
        self.directory.exited(id, exit_code);
    }

    /// Memory ran out in a runtime's container.
    pub(super) fn out_of_memory(&mut self, id: &str) {
        self.directory.out_of_memory(id);
    }

    /// The first process of a pid namespace ended in the cgroup. What ends in a cgroup inside a container is not its
    /// main process.
    pub(super) fn init_exited(&mut self, cgroup: CgroupId, level: u32, exit: Exit) {
        self.directory.init_exited(cgroup, level, exit);
    }

    /// The entry that a process in `cgroup` belongs to.
    pub(super) fn owner(&self, cgroup: CgroupId) -> CgroupId {
        self.directory.owner_of(cgroup).unwrap_or(self.root)
    }

    /// All cgroups there are, but the root; parents first. Where not all can be listed, the walk says so.
    pub(super) fn walk(&mut self) -> Walk {
        let walk = self.layout.accounting().walk(MAX_CGROUPS);
        let mut walk = walk.unwrap_or_else(|error| {
            tracing::debug!(%error, "the cgroup tree cannot be walked");
            Walk {
                unreadable: 1,
                ..Walk::default()
            }
        });
        let is_complete = walk.is_complete();
        if !is_complete && self.walks_whole {
            tracing::warn!(
                truncated = walk.truncated,
                unreadable = walk.unreadable,
                "not all of the cgroup tree can be walked: cgroups may be missed, and ends of cgroups told late"
            );
        } else if is_complete && !self.walks_whole {
            tracing::info!("all of the cgroup tree can be walked again");
        }
        self.walks_whole = is_complete;
        walk.cgroups.retain(|(id, _)| *id != self.root);
        walk
    }

    /// Number of the accounting hierarchy.
    pub(super) fn hierarchy(&self) -> u32 {
        self.layout.accounting().id
    }

    /// All cgroups but the roots of the other hierarchies that requests and pages belong to, by hierarchy.
    pub(super) fn walk_others(&self) -> Vec<(u32, Vec<(CgroupId, String)>)> {
        let walk = |hierarchy: &Hierarchy| match hierarchy.walk(MAX_CGROUPS) {
            Ok(walk) => Some((hierarchy.id, walk.cgroups.into_iter().skip(1).collect())),
            Err(error) => {
                tracing::warn!(%error, "a cgroup hierarchy cannot be walked");
                None
            }
        };
        self.others().filter_map(walk).collect()
    }

    /// The cgroups at `path` in those hierarchies.
    pub(super) fn others_at(&self, path: &str) -> Vec<(u32, CgroupId)> {
        let at = |hierarchy: &Hierarchy| Some((hierarchy.id, hierarchy.id_of(path).ok()?));
        self.others().filter_map(at).collect()
    }

    fn others(&self) -> impl Iterator<Item = &Hierarchy> {
        let accounting = self.layout.accounting().id;
        let io = self.layout.with("blkio");
        let memory = self.layout.with("memory");
        let memory = memory.filter(|memory| io.is_none_or(|io| io.id != memory.id));
        let others = io.into_iter().chain(memory);
        others.filter(move |other| other.id != accounting)
    }

    /// The directory of the cgroup at `path`.
    pub(super) fn folder(&self, path: &str) -> PathBuf {
        self.layout.accounting().folder(path)
    }

    /// Where Docker keeps its files, as its API tells.
    pub(super) fn set_docker_root(&mut self, path: &Path) {
        self.runtimes.set_docker_root(path);
    }

    /// Decides which new names are published one by one, before anything is.
    pub(super) fn judge_names(&mut self, now_ns: u64) {
        if self.directory.judge_names(now_ns) {
            tracing::warn!(
                "more new names than ship.max_names came within an hour; what comes beyond is counted in _other"
            );
        }
    }

    /// What the roster says of itself.
    pub(super) fn samples(&self) -> Vec<Sample> {
        let collisions = Value::Integer(self.directory.collisions());
        let refused = Value::Integer(self.directory.refused_names());
        vec![
            Sample::new(&catalog::AGENT_NAME_COLLISIONS, collisions),
            Sample::new(&catalog::AGENT_SERIES_OVERFLOW, refused),
            Sample::lost("runtime_files", self.runtimes.failures()),
        ]
    }

    /// How many containers there are, ended ones that are not forgotten included.
    pub(super) fn containers(&self) -> usize {
        let entries = self.directory.iter();
        entries
            .filter(|entry| entry.kind() == Kind::Container)
            .count()
    }

    /// Whether the cgroup has been taken in.
    pub(super) fn knows(&self, cgroup: CgroupId) -> bool {
        self.directory.owner_of(cgroup).is_some()
    }

    /// What kind of thing the entry `id` is; `None` if it is no entry.
    pub(super) fn kind(&self, id: CgroupId) -> Option<Kind> {
        self.directory.container(id).map(|entry| entry.kind())
    }

    /// Under which series the entry `id` is published; `None` if it is no entry.
    pub(super) fn share(&self, id: CgroupId) -> Option<Share> {
        self.directory.container(id).map(|entry| entry.share())
    }

    /// The entry `id`.
    pub(super) fn entry(&self, id: CgroupId) -> Option<Arc<Container>> {
        self.directory.container(id)
    }

    /// A task was moved into the cgroup.
    pub(super) fn joined(&mut self, cgroup: CgroupId, pid: u32) {
        self.directory.joined(cgroup, pid);
    }

    /// The entry's cgroup is gone; its name stays until it is forgotten.
    pub(super) fn ended(&mut self, id: CgroupId) {
        // In the other hierarchies, where there are any, its cgroup may live a moment longer.
        if !self.layout.legacy().is_empty()
            && let Some(entry) = self.directory.container(id)
        {
            self.readings.read_slowly(&self.layout, &entry);
        }
        self.directory.end(id);
    }

    /// Forgets an entry or a nested cgroup.
    pub(super) fn forget(&mut self, id: CgroupId) {
        self.directory.remove(id);
        self.readings.forget(id);
    }

    /// The kernel programs tell of each kill for want of memory: no file is read for that from here on.
    pub(super) fn leave_oom_kills(&mut self) {
        self.readings.leave_oom_kills();
    }

    /// The kills for want of memory that an entry's file counts. The file of an entry that has others inside counts
    /// for itself alone where the kernel can tell.
    pub(super) fn oom_kills(&self, id: CgroupId) -> Option<u64> {
        readings::oom_kills(&self.layout, &*self.directory.container(id)?)
    }

    /// Whether all that is below an entry's cgroup is part of it, so that its own files tell its own use.
    pub(super) fn has_subtree_to_itself(&self, id: CgroupId) -> bool {
        self.directory
            .container(id)
            .is_some_and(|entry| match entry.kind() {
                Kind::Container => true,
                Kind::Other | Kind::Host => false,
                Kind::Unit | Kind::Cgroup => !self.directory.has_entries_below(&entry.path),
            })
    }

    /// What an entry's files say it used so far.
    pub(super) fn usage(&self, id: CgroupId) -> Option<Usage> {
        self.readings.usage(id)
    }

    /// What an entry's files say of its block I/O; `None` also where they count for others.
    pub(super) fn block_use(&self, id: CgroupId) -> Option<DeviceUses> {
        if !self.has_subtree_to_itself(id) {
            return None;
        }
        let entry = self.directory.container(id)?;
        let folder = |hierarchy: Option<&Hierarchy>| hierarchy.map(|it| it.folder(&entry.path));
        block_files::read(
            folder(self.layout.unified()).as_deref(),
            folder(self.layout.legacy_with("blkio")).as_deref(),
        )
    }

    /// The parts of an entry's CPU time as they were last published, by a former process: they grow from there.
    pub(super) fn go_on_from(&mut self, id: CgroupId, split: Split) {
        self.readings.go_on_from(id, split);
    }

    /// What comes from an entry's files, for a CPU total of `run_ns`. Files of an entry that ended are not there to
    /// read; what was read last stands.
    pub(super) fn read(&mut self, id: CgroupId, run_ns: Option<u64>, readable: bool) -> Totals {
        let entry = self.directory.container(id);
        let totals = entry.map(|entry| self.readings.read(&self.layout, &entry, run_ns, readable));
        totals.unwrap_or_default()
    }

    /// Has the slow files of an entry read in the next tick.
    pub(super) fn hasten(&mut self, id: CgroupId) {
        self.readings.hasten(id);
    }

    /// The entries that are to be looked at in this tick: those whose slow files are read, and each young one, since it
    /// is still being set up. None where nothing is measured that is looked at through processes.
    pub(super) fn due(&self) -> &[Due] {
        &self.due
    }

    fn find_due(&self) -> Vec<Due> {
        let families = self.readings.families();
        if !families.has(Family::Network) && !families.has(Family::Space) {
            return Vec::new();
        }
        self.to_look_at(|entry| self.readings.is_due(entry.cgroup))
    }

    /// All entries, as if each were due.
    pub(super) fn all(&self) -> Vec<Due> {
        self.to_look_at(|_| true)
    }

    fn to_look_at(&self, which: impl Fn(&Container) -> bool) -> Vec<Due> {
        let entries = self.directory.iter().filter(|entry| which(entry));
        let due = |entry: &Arc<Container>| {
            // What is below another entry's cgroup may be entries of their own.
            let below = entry.kind() == Kind::Container;
            Some(Due {
                entry: entry.cgroup,
                process: first_process(&self.folder(&entry.path), below)?,
            })
        };
        entries.filter_map(due).collect()
    }

    /// Whether a pass begins with this tick.
    pub(super) fn pass_begins(&self) -> bool {
        self.readings.pass_begins()
    }

    /// Brings up to date what the entries' files tell.
    pub(super) fn flush(&mut self) {
        self.readings.flush(&self.layout);
    }

    /// Counts a tick, takes in answers, and looks up names that no runtime has told yet.
    pub(super) fn tick(&mut self) {
        self.readings.tick(&self.layout);
        self.due = self.find_due();
        let directory = &self.directory;
        // Other entries have no space of their own.
        let is_container = |due: &&Due| {
            let entry = directory.container(due.entry);
            entry.is_some_and(|it| it.kind() == Kind::Container)
        };
        self.readings
            .ask_for_space(self.due.iter().filter(is_container));
        let nameless: Vec<Arc<Container>> = self
            .directory
            .undescribed()
            .filter(|container| self.readings.is_due(container.cgroup))
            .cloned()
            .collect();
        for container in nameless {
            if let Some(info) = self.runtimes.lookup(&identify(&container.path)) {
                self.directory.describe_entry(container.cgroup, info);
            }
        }
    }

    /// The total of the root, in nanoseconds; `None` where its files do not tell.
    pub(super) fn root_run_ns(&self) -> Option<u64> {
        let usage = cpu_files(&self.layout, "/").ok()?.usage().ok()?;
        Some(usage.run_ns)
    }

    /// The root's own counter, in nanoseconds.
    pub(super) fn own_root_ns(&self) -> Option<u64> {
        Some(self.root_files.as_ref()?.usage().ok()?.run_ns)
    }
}

/// The files of the root: `cpuacct.usage` where it is mounted, which is exact; `cpu.stat` of the unified root is sampled
/// at ticks (`cgroup_base_stat_cputime_show`, kernel/cgroup/rstat.c, Linux 6.12).
fn root_files(layout: &Layout) -> Option<CpuFiles> {
    let folder = |hierarchy: Option<&Hierarchy>| hierarchy.map(|it| it.folder("/"));
    let cpuacct = folder(layout.legacy_with("cpuacct"));
    let files = match cpuacct {
        Some(cpuacct) => CpuFiles::open(None, Some(&cpuacct)),
        None => CpuFiles::open(folder(layout.unified()).as_deref(), None),
    };
    files.ok()
}
