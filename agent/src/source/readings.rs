//! What the files of all entries tell, read when each has its turn.
//!
//! Knows no names and no processes: who is there and where is told by the roster.

use std::{collections::HashMap, io};

use super::{
    entry_files::{EntryFiles, Pass},
    roster::Due,
};
use crate::{
    container::{CgroupId, Container, Kind},
    host::{
        cgroup_tree::{Hierarchy, Layout},
        cpu_files::Usage,
        layer_space::{LayerSpace, Question},
        oom_file, process,
        rstat::Subtrees,
    },
    metrics::catalog::{Families, Family},
    snapshot::{OomTotals, Split, Totals},
    text::printable,
};

/// Ticks after its birth in which an entry is looked at each tick, since it is still being set up.
const YOUNG_TICKS: u64 = 10;

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

/// The files of all entries, and what they told last.
pub(super) struct Readings {
    files: HashMap<CgroupId, EntryFiles>,
    /// Paths of entries whose files are there and could not be opened; tried again at the next pass.
    unopened: HashMap<CgroupId, String>,
    /// Whether it was told that there are such.
    told_of_unopened: bool,
    /// Entries that had files so far; spreads the slow ones evenly over a pass.
    arrivals: u64,
    /// Entries whose slow files stay open.
    kept_open: usize,
    /// Entries whose files can be open.
    most_with_files: usize,
    /// Whether it was told that there are more.
    told_of_limit: bool,
    subtrees: Subtrees,
    /// Entries whose slow files were read; see [`FLUSHED_FOR`].
    slowly_read: usize,
    /// Absent if its thread could not be started.
    space: Option<LayerSpace>,
    /// What is measured.
    families: Families,
    /// Kills for want of memory as the entries' files said last; `None` where the kernel programs tell of each, or nobody
    /// is to.
    oom_kills: Option<HashMap<CgroupId, u64>>,
    pass: Pass,
}

impl Readings {
    /// Of no entry yet. Slow files are read once in `ticks_per_pass` ticks.
    pub(super) fn new(ticks_per_pass: u64) -> Self {
        Self {
            files: HashMap::new(),
            unopened: HashMap::new(),
            told_of_unopened: false,
            arrivals: 0,
            kept_open: 0,
            most_with_files: most_with_files(process::most_descriptors()),
            told_of_limit: false,
            subtrees: Subtrees::default(),
            slowly_read: 0,
            space: LayerSpace::start()
                .inspect_err(
                    |error| tracing::warn!(%error, "disk space of containers cannot be told"),
                )
                .ok(),
            families: Families::ALL,
            oom_kills: Some(HashMap::new()),
            pass: Pass::of(ticks_per_pass),
        }
    }

    /// What is measured.
    pub(super) fn families(&self) -> Families {
        self.families
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

    /// The kernel programs tell of each kill for want of memory: no file is read for that from here on.
    pub(super) fn leave_oom_kills(&mut self) {
        self.oom_kills = None;
    }

    /// Opens the files of the entry at `path`. One without readable files still has all that the kernel programs count.
    pub(super) fn open(&mut self, layout: &Layout, id: CgroupId, path: &str) {
        if self.files.contains_key(&id) {
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
        let kept_open = self.kept_open < KEPT_OPEN;
        match EntryFiles::open(layout, path, self.pass, self.arrivals, kept_open) {
            Ok(mut files) => {
                files.switch(self.families);
                self.arrivals += 1;
                self.kept_open += usize::from(kept_open);
                self.subtrees.add(path);
                self.files.insert(id, files);
            }
            // It is gone already.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                if !self.told_of_unopened {
                    tracing::warn!(
                        %error,
                        path = printable(path).as_ref(),
                        "an entry's files cannot be opened, and will be tried again"
                    );
                }
                self.told_of_unopened = true;
                self.unopened.insert(id, path.to_owned());
            }
        }
    }

    /// Forgets an entry.
    pub(super) fn forget(&mut self, id: CgroupId) {
        self.unopened.remove(&id);
        if let Some(files) = self.files.remove(&id)
            && files.are_kept_open()
        {
            self.kept_open -= 1;
        }
        if let Some(told) = &mut self.oom_kills {
            told.remove(&id);
        }
    }

    /// Counts a tick, tries again what could not be opened, and brings up to date what the files tell.
    pub(super) fn tick(&mut self, layout: &Layout) {
        self.pass.advance();
        if self.pass.begins() {
            for (id, path) in std::mem::take(&mut self.unopened) {
                self.open(layout, id, &path);
            }
            self.told_of_unopened = !self.unopened.is_empty();
        }
        self.flush(layout);
    }

    /// Whether a pass begins with this tick.
    pub(super) fn pass_begins(&self) -> bool {
        self.pass.begins()
    }

    /// Brings up to date what the files tell. Reading those of many is far cheaper then.
    pub(super) fn flush(&mut self, layout: &Layout) {
        if self.files.len() >= MANY
            && let Some(unified) = layout.unified()
        {
            self.subtrees.flush(&unified.mount);
        }
    }

    /// Whether the entry is to be looked at in this tick: its slow files have their turn, or it is young.
    pub(super) fn is_due(&self, id: CgroupId) -> bool {
        let files = self.files.get(&id);
        files.is_some_and(|it| it.age(self.pass) <= YOUNG_TICKS || it.has_turn(self.pass))
    }

    fn has_turn(&self, id: CgroupId) -> bool {
        let files = self.files.get(&id);
        files.is_some_and(|it| it.has_turn(self.pass))
    }

    /// Has the slow files of an entry read in the next tick.
    pub(super) fn hasten(&mut self, id: CgroupId) {
        if let Some(files) = self.files.get_mut(&id) {
            files.hasten();
        }
    }

    /// What an entry used of the CPUs so far.
    pub(super) fn usage(&self, id: CgroupId) -> Option<Usage> {
        self.files.get(&id)?.usage()
    }

    /// The parts of an entry's CPU time as they were last published, by a former process: they grow from there.
    pub(super) fn go_on_from(&mut self, id: CgroupId, split: Split) {
        if let Some(files) = self.files.get_mut(&id) {
            files.go_on_from(split);
        }
    }

    /// What comes from an entry's files, for a CPU total of `run_ns`. Files of an entry that ended are not there to
    /// read; what was read last stands.
    pub(super) fn read(
        &mut self,
        layout: &Layout,
        entry: &Container,
        run_ns: Option<u64>,
        readable: bool,
    ) -> Totals {
        let id = entry.cgroup;
        let has_turn = self.has_turn(id);
        if readable && has_turn {
            self.read_oom_kills(layout, entry);
            self.read_slowly(layout, entry);
        } else if readable && let Some(files) = self.files.get_mut(&id) {
            files.read();
        }
        let totals = self.files.get_mut(&id);
        let totals = totals.map(|files| files.totals(run_ns, readable));
        let kills = self.oom_kills.as_ref().and_then(|it| it.get(&id).copied());
        Totals {
            oom: OomTotals { kills },
            ..totals.unwrap_or_default()
        }
    }

    fn read_oom_kills(&mut self, layout: &Layout, entry: &Container) {
        if let Some(told) = &mut self.oom_kills
            && let Some(kills) = oom_kills(layout, entry)
        {
            told.insert(entry.cgroup, kills);
        }
    }

    /// Reads an entry's slow files.
    pub(super) fn read_slowly(&mut self, layout: &Layout, entry: &Container) {
        self.slowly_read += 1;
        if self.slowly_read.is_multiple_of(FLUSHED_FOR) {
            self.flush(layout);
        }
        if let Some(files) = self.files.get_mut(&entry.cgroup) {
            files.read_slowly(layout, &entry.path);
        }
    }

    /// Takes in what was told of disk space, and asks for that of those `containers` that have their turn.
    pub(super) fn ask_for_space<'a>(&mut self, containers: impl Iterator<Item = &'a Due>) {
        let Some(space) = &self.space else { return };
        for (id, space) in space.answers() {
            if let Some(files) = self.files.get_mut(&id) {
                files.space_is_told(space);
            }
        }
        if !self.families.has(Family::Space) {
            return;
        }
        let due = containers.filter(|due| self.has_turn(due.entry));
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
}

/// The kills for want of memory that an entry's file counts. The file of an entry that has others inside counts for
/// itself alone where the kernel can tell.
pub(super) fn oom_kills(layout: &Layout, entry: &Container) -> Option<u64> {
    if entry.kind() == Kind::Host {
        return None;
    }
    let folder = |hierarchy: Option<&Hierarchy>| hierarchy.map(|it| it.folder(&entry.path));
    oom_file::oom_kills(
        folder(layout.unified()).as_deref(),
        folder(layout.legacy_with("memory")).as_deref(),
        entry.kind() != Kind::Container,
    )
}

/// Entries whose files can be open where the process may have so many descriptors.
fn most_with_files(descriptors: u64) -> usize {
    let most = descriptors.saturating_sub(OTHER_DESCRIPTORS) / DESCRIPTORS_AN_ENTRY;
    usize::try_from(most)
        .unwrap_or(usize::MAX)
        .max(FEWEST_WITH_FILES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_leave_descriptors_for_all_else() {
        assert_eq!(most_with_files(20_000), 4_000);
        assert_eq!(most_with_files(1_024), FEWEST_WITH_FILES);
        assert!(most_with_files(u64::MAX) > 100_000);
    }

    #[test]
    fn an_entry_is_looked_at_each_tick_while_it_is_young_and_then_in_its_turn() {
        let layout = Layout::find().expect("cgroups are mounted");
        let mut readings = Readings::new(20);
        let ids = || (1..=100).map(CgroupId);
        for id in ids() {
            readings.open(&layout, id, "/");
        }
        let mut due = || {
            readings.tick(&layout);
            ids().filter(|id| readings.is_due(*id)).count()
        };
        let young: Vec<usize> = (0..=YOUNG_TICKS).map(|_| due()).collect();
        assert!(young.iter().all(|due| *due == 100), "{young:?}");
        let grown: Vec<usize> = (0..40).map(|_| due()).collect();
        assert!(grown.iter().all(|due| *due == 5), "{grown:?}");
        assert!(!readings.is_due(CgroupId(101)), "nobody");
    }
}
