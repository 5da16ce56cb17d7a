//! Cgroups that no event told of: those there before the programs, and those whose events were lost.

use std::collections::{HashMap, HashSet};

use agent_ebpf::slot::SlotEntry;

use super::KernelSource;
use crate::{
    clock,
    container::{CgroupId, Kind},
    kernel::KernelError,
    snapshot::SlotTotals,
};

/// How long after a cgroup was found gone its slot is given back though the kernel was not seen to let go of it.
const UNRELEASED_NS: u64 = 30_000_000_000;

/// How often to read a baseline again when the cgroup was charged meanwhile.
const BASELINE_READINGS: usize = 8;

impl KernelSource {
    /// Adopts every cgroup there is, parents first.
    pub(super) fn adopt_all(
        &mut self,
        old: &HashMap<CgroupId, SlotTotals>,
    ) -> Result<(), KernelError> {
        let root = self.roster.root();
        self.ledger.open(root);
        self.ledger.add_slot(root, 0);
        if let Some(old) = old.get(&root) {
            self.ledger.add_base(root, old);
        }
        let folder = self.roster.folder("/");
        self.kernel
            .assign(&folder, root, SlotEntry { slot: 0, flags: 0 })?;
        self.adopt_unknown(old)?;
        for gone in self
            .saved
            .entries()
            .filter(|id| !self.ledger.contains(*id))
            .collect::<Vec<_>>()
        {
            self.saved.remove(gone);
        }
        Ok(())
    }

    /// Adopts every cgroup that is not known yet.
    fn adopt_unknown(&mut self, old: &HashMap<CgroupId, SlotTotals>) -> Result<(), KernelError> {
        let mut entries = Vec::new();
        for (cgroup, path) in self.roster.walk() {
            if self.roster.knows(cgroup) {
                continue;
            }
            match self.kernel.slot(&self.roster.folder(&path), cgroup) {
                // Made since the programs run, and its event was lost.
                Ok(Some(given)) if self.resyncing => {
                    let owner = self.roster.arrive(cgroup, &path);
                    self.count_in(cgroup, owner, Some(given.slot))?;
                }
                // Its event is on the way; or it was removed since the walk.
                Ok(Some(_)) | Err(KernelError::Directory { .. }) => {}
                Ok(None) => {
                    if self.adopt(cgroup, &path)? == cgroup {
                        entries.push(cgroup);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        // Only now is known which entries have others below them.
        for entry in entries {
            self.begin_with(entry, old.get(&entry));
        }
        Ok(())
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
        self.count_in(cgroup, owner, slot)?;
        if let Some(slot) = slot {
            let container = owner == cgroup && self.roster.kind(cgroup) == Some(Kind::Container);
            let flags = if container {
                SlotEntry::OWNS_SUBTREE
            } else {
                0
            };
            match self
                .kernel
                .assign(&self.roster.folder(path), cgroup, SlotEntry { slot, flags })
            {
                // Removed since the walk; its event is on the way.
                Ok(()) | Err(KernelError::Directory { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(owner)
    }

    /// Sets what `entry` had used before its slot took effect.
    fn begin_with(&mut self, entry: CgroupId, old: Option<&SlotTotals>) {
        let mut base = old.copied().unwrap_or_default();
        // A cgroup's file counts for all below it, also for cgroups that are gone. Only an entry that has its subtree
        // to itself can begin with it.
        if self.roster.has_subtree_to_itself(entry)
            && let Some(run_ns) = self.used_before(entry)
        {
            base.counters.run_ns = run_ns;
        }
        self.ledger.add_base(entry, &base);
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
        self.resyncing = true;
        if let Err(error) = self.adopt_unknown(&HashMap::new()) {
            self.health.mishap();
            tracing::warn!(error = %error, "not all cgroups could be adopted");
        }
        self.resyncing = false;
        let there: HashSet<CgroupId> = self.roster.walk().into_iter().map(|(id, _)| id).collect();
        let now = clock::boot_ns();
        let gone: Vec<CgroupId> = self
            .holders
            .keys()
            .copied()
            .filter(|id| !there.contains(id))
            .collect();
        for cgroup in gone {
            self.remove(cgroup, now);
            self.unreleased.insert(cgroup, now);
        }
    }

    /// Releases cgroups that went unseen, once nothing can be charged to them any more for sure.
    pub(super) fn release_unreleased(&mut self, now_ns: u64) {
        let due: Vec<CgroupId> = self
            .unreleased
            .iter()
            .filter(|(_, since)| now_ns.saturating_sub(**since) >= UNRELEASED_NS)
            .map(|(cgroup, _)| *cgroup)
            .collect();
        for cgroup in due {
            self.unreleased.remove(&cgroup);
            if let Err(error) = self.release(cgroup) {
                self.health.mishap();
                tracing::debug!(error = %error, "a slot could not be given back");
            }
        }
    }
}
