//! The file source: what cgroup files alone give, where the kernel programs cannot run.
//!
//! The tree is walked each tick. What lives between two walks is missed, and an entry's final values are those of the
//! walk before; both are why this source is second choice.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use agent_ebpf::network::NetworkCounters;

use super::{Coverage, block_files::BlockFiles, netns::Namespaces, roster::Roster};
use crate::{
    container::{CgroupId, Kind},
    metrics::catalog::Family,
    snapshot::{CpuTotals, Entry, Snapshot, Timestamp, Totals},
};

/// Cgroups counted by their own files.
pub(super) struct FileSource {
    pub(super) roster: Roster,
    /// Live entries as they were last.
    last: HashMap<CgroupId, Arc<Entry>>,
    /// Entries that are no containers and have or had others below them.
    enclosing: HashSet<CgroupId>,
    /// What is in no other entry, in nanoseconds, since the start.
    host_ns: u64,
    /// The root's total at the last tick.
    root_ns: Option<u64>,
    /// Where the entries' sockets are.
    namespaces: Namespaces,
    /// Entries whose final values stand in the last snapshot.
    finished: Vec<CgroupId>,
    block: BlockFiles,
    /// See [`Coverage::without_files`].
    without_files: Vec<&'static str>,
}

/// The entries that were seen in the tree.
struct There {
    entries: Vec<CgroupId>,
    /// Whether what is not among them has ended.
    is_all: bool,
}

impl FileSource {
    /// Takes in what is there, with its totals.
    pub(super) fn start(roster: Roster) -> Self {
        let mut source = Self {
            without_files: roster.without_files(),
            roster,
            last: HashMap::new(),
            enclosing: HashSet::new(),
            host_ns: 0,
            root_ns: None,
            namespaces: Namespaces::default(),
            finished: Vec::new(),
            block: BlockFiles::default(),
        };
        for cgroup in source.look().entries {
            if !source.enclosing.contains(&cgroup) {
                let usage = source.roster.usage(cgroup);
                let entry = live(cgroup, ran(usage.map(|it| it.run_ns)));
                source.last.insert(cgroup, entry);
            }
        }
        source
    }

    /// All entries' counters now.
    pub(super) fn snapshot(&mut self, taken: Timestamp) -> Snapshot {
        let there = self.look();
        self.roster.tick();
        self.roster.judge_names(taken.boot_ns);
        let coverage = self.coverage();
        if coverage.is_on(Family::Network) {
            if self.roster.pass_begins() {
                self.namespaces.look_at_host();
            }
            for due in self.roster.due() {
                self.namespaces.look(due);
            }
            self.namespaces.look_at_interfaces();
        }
        let mut entries = Vec::with_capacity(there.entries.len() + 1);
        let mut grown_ns = 0;
        let mut now = HashMap::with_capacity(there.entries.len());
        for cgroup in &there.entries {
            let before = self.last.remove(cgroup);
            // What an enclosing cgroup uses itself is left to the host.
            if self.enclosing.contains(cgroup) {
                continue;
            }
            let Some(usage) = self.roster.usage(*cgroup) else {
                // Removed since the walk, or not to be read for once: as it was last, until the tree says more.
                if let Some(before) = before {
                    now.insert(*cgroup, Arc::clone(&before));
                    entries.push(before);
                }
                continue;
            };
            let mut totals = self.roster.read(*cgroup, Some(usage.run_ns), true);
            totals.cpu.run_ns = Some(usage.run_ns);
            if coverage.is_on(Family::BlockIo) {
                totals.block_io = self.block.read(&self.roster, *cgroup, true);
            }
            if coverage.is_on(Family::Network) {
                totals.network.interfaces = self.namespaces.interfaces(*cgroup);
            }
            let then_ns = before.and_then(|before| before.totals.cpu.run_ns);
            let then_ns = then_ns.unwrap_or_default();
            grown_ns += usage.run_ns.saturating_sub(then_ns);
            let entry = live(*cgroup, totals);
            now.insert(*cgroup, Arc::clone(&entry));
            entries.push(entry);
        }
        for (cgroup, last) in std::mem::replace(&mut self.last, now) {
            if !there.is_all {
                self.last.insert(cgroup, Arc::clone(&last));
                entries.push(last);
                continue;
            }
            self.roster.ended(cgroup);
            self.namespaces.end(cgroup, &NetworkCounters::default());
            self.finished.push(cgroup);
            let mut last = Arc::unwrap_or_clone(last);
            last.alive = false;
            entries.push(Arc::new(last));
        }
        let host = ran(self.advance_host(grown_ns));
        entries.push(live(self.roster.root(), host));
        entries.sort_unstable_by_key(|entry| entry.cgroup);
        Snapshot { taken, entries }
    }

    /// Which metric comes from where.
    pub(super) fn coverage(&self) -> Coverage {
        Coverage::files(self.roster.families()).without_files(self.without_files.clone())
    }

    /// The entries in the tree. A unit or plain cgroup around other entries is remembered as enclosing, for good: its
    /// file counts for those too, also for those that are gone.
    fn look(&mut self) -> There {
        let mut there = Vec::new();
        let mut around = HashSet::new();
        let walk = self.roster.walk();
        let is_all = walk.is_complete();
        for (cgroup, path) in walk.cgroups {
            if self.roster.arrive(cgroup, &path) == cgroup {
                around.extend(ancestors(&path).map(str::to_owned));
                there.push((cgroup, path));
            }
        }
        let ids: HashSet<CgroupId> = there.iter().map(|(cgroup, _)| *cgroup).collect();
        let is_gone = |cgroup: &CgroupId| is_all && !ids.contains(cgroup);
        for gone in self.enclosing.extract_if(is_gone) {
            self.roster.forget(gone);
        }
        for (cgroup, path) in &there {
            if self.roster.kind(*cgroup) != Some(Kind::Container) && around.contains(path.as_str())
            {
                self.enclosing.insert(*cgroup);
            }
        }
        There {
            entries: there.into_iter().map(|(cgroup, _)| cgroup).collect(),
            is_all,
        }
    }

    /// Forgets the entries whose final values have been published.
    pub(super) fn forget_finished(&mut self) {
        for id in std::mem::take(&mut self.finished) {
            self.roster.forget(id);
            self.block.forget(id);
        }
    }

    /// Reads what costs too much for every tick.
    pub(super) fn read_slowly(&mut self) {
        self.block.read_slowly();
    }

    /// The host's share grows by what the root's total grew beyond all entries' together.
    fn advance_host(&mut self, entries_ns: u64) -> Option<u64> {
        let root_ns = self.roster.root_run_ns()?;
        if let Some(before_ns) = self.root_ns {
            self.host_ns += root_ns.saturating_sub(before_ns).saturating_sub(entries_ns);
        }
        self.root_ns = Some(root_ns);
        Some(self.host_ns)
    }
}

/// A total of CPU time and nothing else.
fn ran(run_ns: Option<u64>) -> Totals {
    Totals {
        cpu: CpuTotals {
            run_ns,
            ..CpuTotals::default()
        },
        ..Totals::default()
    }
}

/// An entry that is there.
fn live(cgroup: CgroupId, totals: Totals) -> Arc<Entry> {
    Arc::new(Entry {
        cgroup,
        alive: true,
        totals,
    })
}

/// The paths above a path, the root's left out.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.rmatch_indices('/')
        .map(|(at, _)| &path[..at])
        .filter(|above| !above.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_paths_above_are_ancestors_and_the_root_is_none() {
        assert_eq!(ancestors("/a/b/c").collect::<Vec<_>>(), ["/a/b", "/a"]);
        assert_eq!(ancestors("/a").count(), 0);
    }
}
