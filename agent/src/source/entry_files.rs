//! The files of one entry, and what was read from them last.
//!
//! What costs little is read every tick, the rest once in a pass: a part of the entries each tick, so that no tick does
//! the work of all.

use std::io;

use super::resource_files::ResourceFiles;
use crate::{
    host::{
        cgroup_tree::{Hierarchy, Layout},
        cpu_files::{CpuFiles, Usage},
    },
    metrics::catalog::Families,
    snapshot::{CpuTotals, SpaceTotals, Split, Totals},
};

/// CPU time after which its parts are read again, whoever's turn it is: so many readings cost a part in a thousand of
/// what the entry used.
const SPLIT_EVERY_NS: u64 = 20_000_000;

/// Where in the passes over the slow files this tick is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass {
    /// Ticks so far.
    ticks: u64,
    /// How many ticks make up a pass; at least 1.
    length: u64,
}

/// An entry's files.
#[derive(Debug)]
pub(super) struct EntryFiles {
    cpu: CpuFiles,
    split: Split,
    /// The total that `split` is of; a total that has not moved needs no new split.
    split_of_ns: Option<u64>,
    /// The total up to which the ratio of `split` was read.
    ratio_of_ns: Option<u64>,
    resources: ResourceFiles,
    /// Its tick within a pass.
    turn: u64,
    /// The tick it is first read at.
    since_tick: u64,
    /// Whether its slow files are read in the next tick anyway.
    is_hastened: bool,
}

impl Pass {
    /// Passes of `length` ticks.
    pub(super) fn of(length: u64) -> Self {
        Self {
            ticks: 0,
            length: length.max(1),
        }
    }

    /// Whether this is its first tick.
    pub(super) fn begins(self) -> bool {
        self.ticks.is_multiple_of(self.length) || self.ticks <= 1
    }

    /// Begins the next tick.
    pub(super) fn advance(&mut self) {
        self.ticks += 1;
    }
}

impl EntryFiles {
    /// Opens the files of the cgroup at `path`; `arrival` spreads the entries evenly over a pass. Fails where no CPU
    /// time can be read.
    pub(super) fn open(
        layout: &Layout,
        path: &str,
        pass: Pass,
        arrival: u64,
        kept_open: bool,
    ) -> io::Result<Self> {
        Ok(Self {
            cpu: cpu_files(layout, path)?,
            split: Split::default(),
            split_of_ns: None,
            ratio_of_ns: None,
            resources: ResourceFiles::of(layout, kept_open),
            turn: arrival % pass.length,
            since_tick: pass.ticks + 1,
            is_hastened: false,
        })
    }

    /// Reads what belongs to these families from here on, and no more.
    pub(super) fn switch(&mut self, families: Families) {
        self.resources.switch(families);
    }

    /// How many ticks ago it was first read.
    pub(super) fn age(&self, pass: Pass) -> u64 {
        pass.ticks.saturating_sub(self.since_tick)
    }

    /// Whether its slow files are read in this tick.
    pub(super) fn has_turn(&self, pass: Pass) -> bool {
        self.is_hastened || self.since_tick == pass.ticks || self.turn == pass.ticks % pass.length
    }

    /// Has its slow files read in the next tick, whoever's turn it is: something happened in the cgroup.
    pub(super) fn hasten(&mut self) {
        self.is_hastened = true;
    }

    /// CPU time used so far.
    pub(super) fn usage(&self) -> Option<Usage> {
        self.cpu.usage().ok()
    }

    /// The parts of the CPU time as they were last published, by a former process: they grow from there.
    pub(super) fn go_on_from(&mut self, split: Split) {
        self.split = split;
    }

    /// Whether its slow files stay open too.
    pub(super) fn are_kept_open(&self) -> bool {
        self.resources.are_kept_open()
    }

    /// Reads what is read every tick.
    pub(super) fn read(&mut self) {
        self.resources.read_usage();
    }

    /// Reads the slow files of the cgroup, which is at `path`.
    pub(super) fn read_slowly(&mut self, layout: &Layout, path: &str) {
        self.is_hastened = false;
        self.ratio_of_ns = None;
        self.resources.read(layout, path);
    }

    /// Takes in that its disk space is being asked for.
    pub(super) fn space_is_asked_for(&mut self) {
        self.resources.space_is_asked_for();
    }

    /// Takes in the answer.
    pub(super) fn space_is_told(&mut self, space: Option<SpaceTotals>) {
        self.resources.space_is_told(space);
    }

    /// What was read last, for a CPU total of `run_ns`.
    pub(super) fn totals(&mut self, run_ns: Option<u64>, readable: bool) -> Totals {
        if let Some(run_ns) = run_ns {
            self.split(run_ns, readable);
        }
        let mut totals = Totals {
            cpu: CpuTotals {
                user_ns: self.split_of_ns.map(|_| self.split.user_ns),
                system_ns: self.split_of_ns.map(|_| self.split.system_ns),
                ..CpuTotals::default()
            },
            ..Totals::default()
        };
        self.resources.add_to(&mut totals);
        totals
    }

    /// Splits a total that has moved into user and system time. Their ratio is read anew when the entry has its turn, and
    /// before when much was used since; the one so far serves in between, and after the last reading.
    fn split(&mut self, run_ns: u64, readable: bool) {
        if self.split_of_ns == Some(run_ns) {
            return;
        }
        let is_due = self
            .ratio_of_ns
            .is_none_or(|told_ns| run_ns.saturating_sub(told_ns) >= SPLIT_EVERY_NS);
        let usage = (readable && is_due).then(|| self.usage()).flatten();
        if usage.is_some() {
            self.ratio_of_ns = Some(run_ns);
        }
        let so_far = || {
            self.split_of_ns
                .map(|_| (self.split.user_ns, self.split.system_ns))
        };
        if let Some((user, system)) = usage.map(|it| (it.user, it.system)).or_else(so_far) {
            self.split = self.split.advance(run_ns, user, system);
            self.split_of_ns = Some(run_ns);
        }
    }
}

/// The CPU files of the cgroup at `path`.
pub(super) fn cpu_files(layout: &Layout, path: &str) -> io::Result<CpuFiles> {
    let folder = |hierarchy: Option<&Hierarchy>| hierarchy.map(|it| it.folder(path));
    CpuFiles::open(
        folder(layout.unified()).as_deref(),
        folder(layout.legacy_with("cpuacct")).as_deref(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRIES: u64 = 100;
    const TICKS: u64 = 10;

    /// Entries that arrived one after the other, all with the files of the root, and a pass that has not begun.
    fn entries() -> (Vec<EntryFiles>, Layout, Pass) {
        let layout = Layout::find().expect("cgroups are mounted");
        let pass = Pass::of(TICKS);
        let open = |arrival| EntryFiles::open(&layout, "/", pass, arrival, false).unwrap();
        ((0..ENTRIES).map(open).collect(), layout, pass)
    }

    /// Which have their turn.
    fn due(entries: &[EntryFiles], pass: Pass) -> Vec<usize> {
        let places = entries.iter().enumerate();
        let due = places.filter(|(_, entry)| entry.has_turn(pass));
        due.map(|(place, _)| place).collect()
    }

    #[test]
    fn of_a_hundred_entries_ten_have_their_turn_a_tick_and_each_once_in_a_pass() {
        let (entries, _, mut pass) = entries();
        pass.advance();
        assert_eq!(due(&entries, pass).len(), 100, "all are new");
        for _ in 0..5 {
            let mut in_a_pass = Vec::new();
            for _ in 0..TICKS {
                pass.advance();
                let now = due(&entries, pass);
                assert_eq!(now.len(), 10, "{now:?}");
                in_a_pass.extend(now);
            }
            in_a_pass.sort_unstable();
            assert!(in_a_pass.into_iter().eq(0..100));
        }
    }

    #[test]
    fn one_that_comes_within_a_pass_is_read_at_once_and_then_in_its_turn() {
        let (_, layout, mut pass) = entries();
        for _ in 0..13 {
            pass.advance();
        }
        let entry = EntryFiles::open(&layout, "/", pass, 26, false).unwrap();
        let mut read_at = Vec::new();
        for tick in 14..40 {
            pass.advance();
            if entry.has_turn(pass) {
                read_at.push((tick, entry.age(pass)));
            }
        }
        assert_eq!(read_at, [(14, 0), (16, 2), (26, 12), (36, 22)]);
    }

    #[test]
    fn a_hastened_one_is_read_in_the_next_tick_once_and_keeps_its_turn() {
        let (mut entries, layout, mut pass) = entries();
        for _ in 0..12 {
            pass.advance();
        }
        let place = 7;
        entries[place].hasten();
        let mut read_at = Vec::new();
        for tick in 13..30 {
            pass.advance();
            let entry = &mut entries[place];
            if entry.has_turn(pass) {
                entry.read_slowly(&layout, "/");
                read_at.push(tick);
            }
        }
        assert_eq!(read_at, [13, 17, 27]);
    }

    #[test]
    fn a_pass_begins_with_the_first_tick_and_once_in_its_length() {
        let begins = |length| {
            let mut pass = Pass::of(length);
            let ticks = (1..=25).filter(|_| {
                pass.advance();
                pass.begins()
            });
            ticks.collect::<Vec<u64>>()
        };
        assert_eq!(begins(TICKS), [1, 10, 20]);
        let always: Vec<u64> = (1..=25).collect();
        assert_eq!((begins(1), begins(0)), (always.clone(), always));
    }
}
