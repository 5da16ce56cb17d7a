//! Cgroups that no event told of: those there before the programs, and those whose events were lost.

use std::collections::{HashMap, HashSet};

use agent_ebpf::slot::SlotEntry;

use super::{super::readings::FLUSHED_FOR, KernelSource, Look, ended::Ended};
use crate::{
    clock,
    container::{CgroupId, Kind},
    kernel::KernelError,
    metrics::catalog::Family,
    snapshot::BlockSums,
    state::Saved,
    text::printable,
};

/// How often to read a baseline again when the cgroup was charged meanwhile.
const BASELINE_READINGS: usize = 8;

/// What is known of cgroups that are not known yet.
#[derive(Clone, Copy)]
enum Before<'a> {
    /// The programs were not there: this is what a former process saved.
    Saved(&'a HashMap<CgroupId, Saved>),
    /// They were made under the programs, and their events were lost.
    Counted,
}

impl KernelSource {
    /// Adopts every cgroup there is, parents first.
    pub(super) fn adopt_all(&mut self, old: &HashMap<CgroupId, Saved>) -> Result<(), KernelError> {
        let root = self.roster.root();
        self.ledger.open(root);
        self.ledger.add_slot(root, 0);
        if let Some(old) = old.get(&root) {
            self.ledger.add_base(root, &old.totals);
        }
        self.begin_block_io(root);
        let folder = self.roster.folder("/");
        self.kernel
            .assign(&folder, root, SlotEntry { slot: 0, flags: 0 })?;
        self.add_other_paths();
        self.adopt_unknown(Before::Saved(old));
        let gone: Vec<CgroupId> = self
            .saved
            .entries()
            .filter(|id| !self.ledger.contains(*id) && !Ended::is_sum(*id))
            .collect();
        for id in gone {
            if let Some(old) = old.get(&id) {
                self.ended.add(old.share, &old.totals, &mut self.saved);
            }
            self.saved.remove(id);
        }
        if let Some(preemption) = &mut self.preemption {
            preemption.adopted(|id| self.ledger.contains(id));
        }
        self.block.adopted(|id| match old.get(&id) {
            _ if Ended::is_sum(id) => Some(id),
            Some(old) => Ended::sum_of(old.share),
            None => None,
        });
        Ok(())
    }

    /// Adopts every cgroup that is not known yet.
    fn adopt_unknown(&mut self, before: Before<'_>) {
        let mut entries = Vec::new();
        for (cgroup, path) in self.roster.walk().cgroups {
            if self.roster.knows(cgroup) {
                continue;
            }
            let folder = self.roster.folder(&path);
            let adopted = match self.kernel.slot(&folder, cgroup) {
                Ok(Some(given)) if matches!(before, Before::Counted) => {
                    let owner = self.roster.arrive(cgroup, &path);
                    if given.own_slot() != 0 && self.roster.kind(cgroup) == Some(Kind::Container) {
                        self.own_subtree(cgroup, &path, given.slot);
                    }
                    self.count_in(cgroup, owner, Some(given.slot))
                        .map(|()| None)
                }
                // Its event is on the way.
                Ok(Some(_)) => Ok(None),
                Ok(None) => self.adopt(cgroup, &path).map(Some),
                Err(error) => Err(error),
            };
            match adopted {
                Ok(owner) => entries.extend(owner.filter(|owner| *owner == cgroup)),
                // Removed since the walk.
                Err(_) if !folder.exists() => {}
                Err(error) => {
                    self.health.mishap();
                    tracing::warn!(%error, path = printable(&path).as_ref(), "a cgroup could not be adopted");
                }
            }
        }
        // Only now is known which entries have others below them.
        for (at, entry) in entries.into_iter().enumerate() {
            if at.is_multiple_of(FLUSHED_FOR) {
                self.roster.flush();
            }
            let saved = match before {
                Before::Saved(old) => old.get(&entry),
                Before::Counted => None,
            };
            self.begin_with(entry, saved);
        }
    }

    /// Gives a cgroup its slot: its entry's where it is part of one, else one of its own. Returns its entry.
    fn adopt(&mut self, cgroup: CgroupId, path: &str) -> Result<CgroupId, KernelError> {
        let owner = self.roster.arrive(cgroup, path);
        let inherited = if owner == cgroup {
            None
        } else {
            self.ledger.slots(owner).first().copied()
        };
        let slot = match inherited {
            Some(slot) => Some(slot),
            None => self.kernel.take_slot()?,
        };
        if slot.is_none() {
            self.health.exhausted();
        }
        self.count_in(cgroup, owner, slot)?;
        if let Some(slot) = slot {
            let container = owner == cgroup && self.roster.kind(cgroup) == Some(Kind::Container);
            let flags = if container {
                SlotEntry::OWNS_SUBTREE
            } else {
                0
            };
            let entry = SlotEntry { slot, flags };
            let entry = if inherited.is_some() {
                entry.inherited()
            } else {
                entry
            };
            self.kernel
                .assign(&self.roster.folder(path), cgroup, entry)?;
            self.join(cgroup, path, slot);
        }
        Ok(owner)
    }

    /// Tells the programs the paths of all cgroups that are in other hierarchies.
    fn add_other_paths(&mut self) {
        for (hierarchy, cgroups) in self.roster.walk_others() {
            for (cgroup, path) in cgroups {
                self.add_path(hierarchy, cgroup, &path);
            }
        }
    }

    /// Lets the cgroups with this path in other hierarchies count in `slot`, as `cgroup` does.
    fn join(&mut self, cgroup: CgroupId, path: &str, slot: u32) {
        self.add_path(self.roster.hierarchy(), cgroup, path);
        if let Err(error) = self.kernel.set_path_slot(path, slot) {
            self.not_joined(path, &error);
        }
    }

    /// The same where the programs could not see the path at the cgroup's birth.
    pub(super) fn join_everywhere(&mut self, cgroup: CgroupId, path: &str, slot: u32) {
        self.join(cgroup, path, slot);
        for (hierarchy, other) in self.roster.others_at(path) {
            self.add_path(hierarchy, other, path);
        }
    }

    fn add_path(&mut self, hierarchy: u32, cgroup: CgroupId, path: &str) {
        if let Err(error) = self.kernel.add_path(hierarchy, cgroup, path) {
            self.not_joined(path, &error);
        }
    }

    fn not_joined(&mut self, path: &str, error: &KernelError) {
        self.health.mishap();
        // Of each cgroup, where the programs have no room for more.
        tracing::debug!(%error, path = printable(path).as_ref(), "block I/O may count for the cgroup above");
    }

    /// Sets what `entry` had used before its slot took effect.
    fn begin_with(&mut self, entry: CgroupId, old: Option<&Saved>) {
        let Saved {
            totals: mut base,
            split,
            ..
        } = old.copied().unwrap_or_default();
        // A cgroup's file counts for all below it, also for cgroups that are gone. Only an entry that has its subtree
        // to itself can begin with it; a plain cgroup, which containers may have come and gone in, only if nothing was
        // saved of it.
        let is_plain = self.roster.kind(entry) == Some(Kind::Cgroup);
        if !(is_plain && old.is_some())
            && self.roster.has_subtree_to_itself(entry)
            && let Some(run_ns) = self.used_before(entry)
        {
            // The file cuts to microseconds what was told to the nanosecond before.
            base.counters.run_ns = base.counters.run_ns.max(run_ns);
        }
        let now_ns = clock::boot_ns();
        if self.coverage.is_on(Family::Oom)
            && let Some(kills) = self.roster.oom_kills(entry)
        {
            base.oom_kills = base.oom_kills.max(kills);
            self.victims.counted_until(entry, now_ns);
        }
        self.ledger.add_base(entry, &base);
        self.roster.go_on_from(entry, split);
        self.begin_block_io(entry);
    }

    /// Sets what block I/O `entry` had done before its slots took effect, by the same rules.
    fn begin_block_io(&mut self, entry: CgroupId) {
        let is_plain = self.roster.kind(entry) == Some(Kind::Cgroup);
        let told = if is_plain && self.block.has_saved(entry) {
            None
        } else {
            self.roster.block_use(entry)
        };
        // After the files: what ends in between is counted, and in them already.
        let counted = self.counted_block_io(entry);
        self.block
            .begin_with(entry, &told.unwrap_or_default(), &counted);
    }

    fn counted_block_io(&mut self, entry: CgroupId) -> BlockSums {
        let mut counted = BlockSums::default();
        if let Err(error) = self.kernel.find_block_records() {
            self.health.mishap();
            tracing::debug!(%error, "block I/O records could not be read");
        }
        for slot in self.ledger.slots(entry) {
            counted.add_all(&self.kernel.block_io(*slot));
        }
        counted
    }

    /// The cgroup's own lifetime counter less what its slots count already, both read at one moment: the reading is
    /// repeated until nothing was charged in between.
    fn used_before(&self, entry: CgroupId) -> Option<u64> {
        let counted = || -> u64 {
            let slots = self.ledger.slots(entry).iter();
            slots.map(|slot| self.kernel.counters(*slot).run_ns).sum()
        };
        let mut closest: Option<(u64, u64)> = None;
        for _ in 0..BASELINE_READINGS {
            let before = counted();
            let used_ns = self.roster.usage(entry)?.run_ns;
            let drift = counted() - before;
            if closest.is_none_or(|(least, _)| drift < least) {
                closest = Some((drift, used_ns.saturating_sub(before + drift)));
            }
            if drift == 0 {
                break;
            }
        }
        closest.map(|(_, base)| base)
    }

    /// Finds births and deaths in the tree, where events were lost.
    pub(super) fn look_through_tree(&mut self) {
        self.adopt_unknown(Before::Counted);
        let walk = self.roster.walk();
        if !walk.is_complete() {
            // What was not seen may be there: to take its slot would give its time to another.
            self.look = Look::NextPass;
            return;
        }
        self.look = Look::Never;
        let there: HashSet<CgroupId> = walk.cgroups.into_iter().map(|(id, _)| id).collect();
        let now = clock::boot_ns();
        for cgroup in self.holders.missing_in(&there) {
            self.remove(cgroup, now);
        }
    }

    /// Takes the slots of cgroups that were not released, once nothing can be charged to them any more for sure. Sockets
    /// may outlive their cgroup's tasks: they lose the slot a tick before it is taken, so that no program that had just
    /// looked it up still counts there.
    pub(super) fn release_unreleased(&mut self, now_ns: u64) {
        let disowned = self.holders.take_disowned();
        if !disowned.is_empty() {
            self.kernel.forget_recent();
        }
        for cgroup in disowned {
            if let Err(error) = self.release(cgroup, None) {
                self.health.mishap();
                tracing::debug!(error = %error, "a slot could not be given back");
            }
        }
        for cgroup in self.holders.disown_overdue(now_ns) {
            self.kernel.disown_sockets(cgroup);
        }
    }
}
