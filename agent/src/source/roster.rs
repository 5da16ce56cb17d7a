//! Who is there: every cgroup with its entry, its name, and the files of each entry.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::entry_files::{EntryFiles, Pass, cpu_files};
use crate::{
    container::{
        CgroupId, Container, Directory, Exit, Kind, Placement, RuntimeInfo, Selection, Share,
        identify,
    },
    host::{
        Runtimes,
        block_files::{self, DeviceUses},
        cgroup_tree::{Hierarchy, Layout, first_process},
        cpu_files::{CpuFiles, Usage},
        layer_space::{LayerSpace, Question},
        oom_file, process,
        rstat::Subtrees,
    },
    metrics::{
        Sample, Value,
        catalog::{self, Families, Family},
    },
    snapshot::{OomTotals, Split, Totals},
};

/// Ticks after its birth in which a container's name is looked up again each tick, if no runtime has told it yet.
const EAGER_TICKS: u64 = 10;

/// Entries whose slow files stay open. Reading those of one takes 20 µs then and 100 µs otherwise, but each that is
/// open holds kernel memory: 62 KiB an entry, 16 MiB all together.
const KEPT_OPEN: usize = 256;

/// Entries from which on it pays to bring the files of all up to date at once.
const MANY: usize = 1_000;

/// Entries whose files are read between two such times.
pub(super) const FLUSHED_FOR: usize = 256;

/// Descriptors that are left to all else: slow files that stay open, programs and maps, connections.
const OTHER_DESCRIPTORS: u64 = 8_000;

/// Entries whose files are open however few descriptors there may be.
const FEWEST_WITH_FILES: usize = 128;

/// Descriptors that an entry holds between readings, at most: its CPU time, on v1 in two files, and its memory in use.
const DESCRIPTORS_AN_ENTRY: u64 = 3;

/// Cgroups that a walk takes in; far beyond what a machine runs, and a bound on what hostile nesting can cost.
const MAX_CGROUPS: usize = 100_000;

/// All cgroups of the accounting hierarchy and their entries.
pub(super) struct Roster {
    layout: Layout,
    directory: Directory,
    runtimes: Runtimes,
    files: HashMap<CgroupId, EntryFiles>,
    /// Entries whose slow files stay open.
    kept_open: usize,
    subtrees: Subtrees,
    /// Entries whose slow files were read; see [`FLUSHED_FOR`].
    readings: usize,
    /// Entries whose files can be open.
    most_with_files: usize,
    /// Whether it was told that there are more.
    told_of_limit: bool,
    /// Absent if its thread could not be started.
    space: Option<LayerSpace>,
    /// What is measured.
    families: Families,
    /// Kills for want of memory as the entries' files said last; `None` where the kernel programs tell of each, or nobody
    /// is to.
    oom_kills: Option<HashMap<CgroupId, u64>>,
    root: CgroupId,
    /// The root's own counter; absent where it cannot be read.
    root_files: Option<CpuFiles>,
    pass: Pass,
    due: Vec<Due>,
    /// Entries so far; spreads the slow files evenly over a pass.
    arrivals: u64,
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
            files: HashMap::new(),
            kept_open: 0,
            subtrees: Subtrees::default(),
            readings: 0,
            most_with_files: most_with_files(process::most_descriptors()),
            told_of_limit: false,
            space: LayerSpace::start()
                .inspect_err(
                    |error| tracing::warn!(%error, "disk space of containers cannot be told"),
                )
                .ok(),
            families: Families::ALL,
            oom_kills: Some(HashMap::new()),
            root,
            pass: Pass::of(ticks_per_pass),
            due: Vec::new(),
            arrivals: 0,
        })
    }

    /// Reads the files of these families from here on and no others.
    pub(super) fn switch(&mut self, families: Families) {
        self.families = families;
        for files in self.files.values_mut() {
            files.switch(families);
        }
        if !families.has(Family::Oom) {
            self.oom_kills = None;
        } else if self.oom_kills.is_none() {
            self.oom_kills = Some(HashMap::new());
        }
    }

    /// What is measured.
    pub(super) fn families(&self) -> Families {
        self.families
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
                self.open_files(cgroup, path);
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

    /// All cgroups there are, but the root; parents first. What cannot be listed is told and left out.
    pub(super) fn walk(&self) -> Vec<(CgroupId, String)> {
        let mut walk = match self.layout.accounting().walk(MAX_CGROUPS) {
            Ok(walk) => walk,
            Err(error) => {
                tracing::warn!(%error, "the cgroup tree cannot be walked");
                return Vec::new();
            }
        };
        if walk.truncated || walk.unreadable > 0 {
            tracing::warn!(
                truncated = walk.truncated,
                unreadable = walk.unreadable,
                "not all of the cgroup tree could be walked"
            );
        }
        walk.cgroups.retain(|(id, _)| *id != self.root);
        walk.cgroups
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

    /// The path of a new cgroup of which only the id is known; `None` if it is gone.
    pub(super) fn find(&self, id: CgroupId) -> Option<String> {
        self.walk()
            .into_iter()
            .find_map(|(found, path)| (found == id).then_some(path))
    }

    /// Where Docker keeps its files, as its API tells.
    pub(super) fn set_docker_root(&mut self, path: &Path) {
        self.runtimes.set_docker_root(path);
    }

    /// What the roster says of itself.
    pub(super) fn samples(&self) -> Vec<Sample> {
        let collisions = Value::Integer(self.directory.collisions());
        let failures = Value::Integer(self.runtimes.failures());
        vec![
            Sample::new(&catalog::AGENT_NAME_COLLISIONS, collisions),
            Sample::new(&catalog::AGENT_LOSSES, failures).labelled("reason", "runtime_files"),
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
        if !self.layout.legacy().is_empty() {
            self.read_slowly(id);
        }
        self.directory.end(id);
    }

    /// Forgets an entry or a nested cgroup.
    pub(super) fn forget(&mut self, id: CgroupId) {
        self.directory.remove(id);
        if let Some(files) = self.files.remove(&id)
            && files.are_kept_open()
        {
            self.kept_open -= 1;
        }
        if let Some(told) = &mut self.oom_kills {
            told.remove(&id);
        }
    }

    /// The kernel programs tell of each kill for want of memory: no file is read for that from here on.
    pub(super) fn leave_oom_kills(&mut self) {
        self.oom_kills = None;
    }

    /// The kills for want of memory that an entry's file counts. The file of an entry that has others inside counts
    /// for itself alone where the kernel can tell.
    pub(super) fn oom_kills(&self, id: CgroupId) -> Option<u64> {
        let entry = self.directory.container(id)?;
        if entry.kind() == Kind::Host {
            return None;
        }
        let folder = |hierarchy: Option<&Hierarchy>| hierarchy.map(|it| it.folder(&entry.path));
        oom_file::oom_kills(
            folder(self.layout.unified()).as_deref(),
            folder(self.layout.legacy_with("memory")).as_deref(),
            entry.kind() != Kind::Container,
        )
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
        self.files.get(&id)?.usage()
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
        if let Some(files) = self.files.get_mut(&id) {
            files.go_on_from(split);
        }
    }

    /// What comes from an entry's files, for a CPU total of `run_ns`. Files of an entry that ended are not there to
    /// read; what was read last stands.
    pub(super) fn read(&mut self, id: CgroupId, run_ns: Option<u64>, readable: bool) -> Totals {
        let pass = self.pass;
        let oom = OomTotals {
            kills: self.read_oom_kills(id, readable),
        };
        let has_turn = |files: &EntryFiles| files.has_turn(pass);
        if readable && self.files.get(&id).is_some_and(has_turn) {
            self.read_slowly(id);
        } else if readable && let Some(files) = self.files.get_mut(&id) {
            files.read();
        }
        let totals = self.files.get_mut(&id);
        let totals = totals.map(|files| files.totals(run_ns, readable));
        Totals {
            oom,
            ..totals.unwrap_or_default()
        }
    }

    fn read_oom_kills(&mut self, id: CgroupId, readable: bool) -> Option<u64> {
        self.oom_kills.as_ref()?;
        let is_due = self
            .files
            .get(&id)
            .is_some_and(|files| files.has_turn(self.pass));
        let read = (readable && is_due).then(|| self.oom_kills(id)).flatten();
        let told = self.oom_kills.as_mut()?;
        if let Some(kills) = read {
            told.insert(id, kills);
        }
        told.get(&id).copied()
    }

    /// Has the slow files of an entry read in the next tick.
    pub(super) fn hasten(&mut self, id: CgroupId) {
        if let Some(files) = self.files.get_mut(&id) {
            files.hasten();
        }
    }

    /// The entries that are to be looked at in this tick: those whose slow files are read, and each young one, since it
    /// is still being set up. None where nothing is measured that is looked at through processes.
    pub(super) fn due(&self) -> &[Due] {
        &self.due
    }

    fn find_due(&self) -> Vec<Due> {
        if !self.families.has(Family::Network) && !self.families.has(Family::Space) {
            return Vec::new();
        }
        let is_due = |entry: &&Arc<Container>| {
            let files = self.files.get(&entry.cgroup);
            files.is_some_and(|it| it.age(self.pass) <= EAGER_TICKS || it.has_turn(self.pass))
        };
        self.to_look_at(is_due)
    }

    /// All entries, as if each were due.
    pub(super) fn all(&self) -> Vec<Due> {
        self.to_look_at(|_| true)
    }

    fn to_look_at(&self, which: impl Fn(&&Arc<Container>) -> bool) -> Vec<Due> {
        let entries = self.directory.iter().filter(which);
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
        self.pass.begins()
    }

    fn read_slowly(&mut self, id: CgroupId) {
        self.readings += 1;
        if self.readings.is_multiple_of(FLUSHED_FOR) {
            self.flush();
        }
        if let Some(files) = self.files.get_mut(&id)
            && let Some(entry) = self.directory.container(id)
        {
            files.read_slowly(&self.layout, &entry.path);
        }
    }

    /// Takes in what was told of disk space, and asks for that of the containers that have their turn; other entries
    /// have none of their own.
    fn ask_for_space(&mut self) {
        let Some(space) = &self.space else { return };
        for (id, space) in space.answers() {
            if let Some(files) = self.files.get_mut(&id) {
                files.space_is_told(space);
            }
        }
        if !self.families.has(Family::Space) {
            return;
        }
        let has_turn = |due: &&Due| {
            let files = self.files.get(&due.entry);
            files.is_some_and(|it| it.has_turn(self.pass))
                && self.kind(due.entry) == Some(Kind::Container)
        };
        let due = self.due.iter().filter(has_turn);
        let round: Vec<Question> = due.map(|due| (due.entry, due.process)).collect();
        let asked: Vec<CgroupId> = round.iter().map(|(id, _)| *id).collect();
        if asked.is_empty() || !space.ask(round) {
            return;
        }
        for id in asked {
            if let Some(files) = self.files.get_mut(&id) {
                files.space_is_asked_for();
            }
        }
    }

    /// Brings up to date what the entries' files tell. Reading those of many is far cheaper then.
    pub(super) fn flush(&mut self) {
        if self.files.len() >= MANY
            && let Some(unified) = self.layout.unified()
        {
            self.subtrees.flush(&unified.mount);
        }
    }

    /// Counts a tick, takes in answers, and looks up names that no runtime has told yet.
    pub(super) fn tick(&mut self) {
        self.pass.advance();
        self.flush();
        self.due = self.find_due();
        self.ask_for_space();
        let pass = self.pass;
        let nameless: Vec<Arc<Container>> = self
            .directory
            .undescribed()
            .filter(|container| {
                self.files
                    .get(&container.cgroup)
                    .is_some_and(|files| files.age(pass) <= EAGER_TICKS || files.has_turn(pass))
            })
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

    fn open_files(&mut self, cgroup: CgroupId, path: &str) {
        if self.files.contains_key(&cgroup) {
            return;
        }
        if self.files.len() >= self.most_with_files {
            if !self.told_of_limit {
                tracing::warn!(
                    entries = self.most_with_files,
                    "no more files can be open: entries beyond have only what the kernel programs count; \
                     allow more (LimitNOFILE= of the unit, ulimit -n)"
                );
            }
            self.told_of_limit = true;
            return;
        }
        // An entry without readable files still has all that the kernel programs count.
        let kept_open = self.kept_open < KEPT_OPEN;
        if let Ok(mut files) =
            EntryFiles::open(&self.layout, path, self.pass, self.arrivals, kept_open)
        {
            files.switch(self.families);
            self.arrivals += 1;
            self.kept_open += usize::from(kept_open);
            self.subtrees.add(path);
            self.files.insert(cgroup, files);
        }
    }
}

/// Entries whose files can be open where the process may have so many descriptors.
fn most_with_files(descriptors: u64) -> usize {
    let most = descriptors.saturating_sub(OTHER_DESCRIPTORS) / DESCRIPTORS_AN_ENTRY;
    usize::try_from(most)
        .unwrap_or(usize::MAX)
        .max(FEWEST_WITH_FILES)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_leave_descriptors_for_all_else() {
        assert_eq!(most_with_files(20_000), 4_000);
        assert_eq!(most_with_files(1_024), FEWEST_WITH_FILES);
        assert!(most_with_files(u64::MAX) > MAX_CGROUPS);
    }
}
