//! The file source: what cgroup files alone give, where the kernel programs cannot run.
//!
//! The tree is walked each tick. What lives between two walks is missed, and an entry's final values are those of the
//! walk before; both are why this source is second choice.

use std::collections::HashMap;

use super::roster::Roster;
use crate::{
    container::{CgroupId, Kind},
    snapshot::{CpuTotals, Entry, Snapshot, Timestamp},
};

/// Cgroups counted by their own files.
pub(super) struct FileSource {
    pub(super) roster: Roster,
    /// Live entries with their last totals.
    last: HashMap<CgroupId, CpuTotals>,
    /// What is in no other entry, in nanoseconds, since the start.
    host_ns: u64,
    /// The root's total at the last tick.
    root_ns: Option<u64>,
    /// Entries whose final values stand in the last snapshot.
    finished: Vec<CgroupId>,
}

impl FileSource {
    /// A source that has read nothing yet.
    pub(super) fn start(roster: Roster) -> Self {
        Self {
            roster,
            last: HashMap::new(),
            host_ns: 0,
            root_ns: None,
            finished: Vec::new(),
        }
    }

    /// All entries' counters now.
    pub(super) fn snapshot(&mut self, taken: Timestamp) -> Snapshot {
        let there: Vec<CgroupId> = self
            .roster
            .walk()
            .into_iter()
            .filter(|(cgroup, path)| self.roster.arrive(*cgroup, path) == *cgroup)
            .map(|(cgroup, _)| cgroup)
            .collect();
        self.roster.tick();
        let mut entries = Vec::with_capacity(there.len() + 1);
        let mut grown_ns = 0;
        let mut now = HashMap::with_capacity(there.len());
        for cgroup in there {
            if !self.counts(cgroup) {
                continue;
            }
            let Some(usage) = self.roster.usage(cgroup) else {
                continue;
            };
            let mut cpu = self.roster.file_metrics(cgroup, Some(usage.run_ns), true);
            cpu.run_ns = Some(usage.run_ns);
            let before = self.last.remove(&cgroup);
            let then_ns = before.and_then(|cpu| cpu.run_ns).unwrap_or_default();
            grown_ns += usage.run_ns.saturating_sub(then_ns);
            now.insert(cgroup, cpu.clone());
            entries.push(Entry {
                cgroup,
                alive: true,
                cpu,
            });
        }
        for (cgroup, cpu) in std::mem::replace(&mut self.last, now) {
            self.roster.ended(cgroup);
            self.finished.push(cgroup);
            entries.push(Entry {
                cgroup,
                alive: false,
                cpu,
            });
        }
        let cpu = CpuTotals {
            run_ns: self.advance_host(grown_ns),
            ..CpuTotals::default()
        };
        entries.push(Entry {
            cgroup: self.roster.root(),
            alive: true,
            cpu,
        });
        entries.sort_unstable_by_key(|entry| entry.cgroup);
        Snapshot { taken, entries }
    }

    /// Forgets the entries whose final values have been published.
    pub(super) fn forget_finished(&mut self) {
        for id in std::mem::take(&mut self.finished) {
            self.roster.forget(id);
        }
    }

    /// Whether an entry's file counts for it alone: the file of a cgroup around others counts for those too, so what
    /// it uses itself is left to the host.
    fn counts(&self, cgroup: CgroupId) -> bool {
        self.roster
            .entry(cgroup)
            .is_some_and(|entry| entry.kind() == Kind::Container)
            || self.roster.has_subtree_to_itself(cgroup)
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
