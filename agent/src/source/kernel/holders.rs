//! Which cgroup holds which slot: from its birth until the kernel lets go of it, or until it is sure that nothing can
//! be charged to it any more.

use std::collections::{HashMap, HashSet};

use crate::container::CgroupId;

/// How long after a cgroup was removed its slot is taken though the kernel did not let go of it, or was not seen to.
/// Pages, sockets and dead processes that nobody waits for can keep a cgroup for ever, but no task runs in it.
const UNRELEASED_NS: u64 = 30_000_000_000;

/// A slot that counts on behalf of a cgroup, for an entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Holding {
    pub(super) slot: u32,
    pub(super) owner: CgroupId,
}

/// What a cgroup held that the kernel let go of.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Held {
    Slot(Holding),
    /// A slot that it was given at its birth, which nobody here saw.
    Unseen(u32),
    /// None of its own, or it was taken before.
    Nothing,
}

/// Cgroups that have a slot of their own.
#[derive(Debug, Default)]
pub(super) struct Holders {
    holdings: HashMap<CgroupId, Holding>,
    /// Slots in use; a new cgroup that has one of these has inherited it.
    in_use: HashSet<u32>,
    /// Holders that were removed, with the time of it, until the kernel lets go of them.
    removed: HashMap<CgroupId, u64>,
    /// Holders whose slots are to be taken at the next tick.
    disowned: Vec<CgroupId>,
    /// Cgroups whose slots were taken before the kernel let go of them.
    taken_early: HashSet<CgroupId>,
}

impl Holders {
    /// Takes in that `cgroup` holds a slot. False if the slot is in use: then `cgroup` has inherited it.
    pub(super) fn insert(&mut self, cgroup: CgroupId, holding: Holding) -> bool {
        let is_new = !self.is_in_use(holding.slot);
        if is_new {
            self.in_use.insert(holding.slot);
            self.holdings.insert(cgroup, holding);
        }
        is_new
    }

    /// Whether `slot` counts for somebody, the root included.
    fn is_in_use(&self, slot: u32) -> bool {
        slot == 0 || self.in_use.contains(&slot)
    }

    /// Whether `cgroup` holds a slot of its own.
    pub(super) fn contains(&self, cgroup: CgroupId) -> bool {
        self.holdings.contains_key(&cgroup)
    }

    /// All slots but the root's, and whom they count for.
    pub(super) fn holdings(&self) -> impl Iterator<Item = Holding> {
        self.holdings.values().copied()
    }

    /// Slots in use, the root's included.
    pub(super) fn slots_in_use(&self) -> usize {
        self.in_use.len() + 1
    }

    /// Holders that are not among those that are there.
    pub(super) fn missing_in(&self, there: &HashSet<CgroupId>) -> Vec<CgroupId> {
        let holders = self.holdings.keys().copied();
        holders.filter(|id| !there.contains(id)).collect()
    }

    /// `cgroup` was removed at `boot_ns`; the kernel may still charge it.
    pub(super) fn removed(&mut self, cgroup: CgroupId, boot_ns: u64) {
        if self.contains(cgroup) {
            self.removed.entry(cgroup).or_insert(boot_ns);
        }
    }

    /// The kernel let go of `cgroup`, which had the slot `own` by itself, if any.
    pub(super) fn release(&mut self, cgroup: CgroupId, own: Option<u32>) -> Held {
        self.removed.remove(&cgroup);
        if let Some(holding) = self.holdings.remove(&cgroup) {
            self.in_use.remove(&holding.slot);
            return Held::Slot(holding);
        }
        let was_taken = self.taken_early.remove(&cgroup);
        match own {
            Some(slot) if !was_taken && !self.is_in_use(slot) => Held::Unseen(slot),
            _ => Held::Nothing,
        }
    }

    /// Holders whose slots can be taken now, though the kernel did not let go of them: they were disowned a tick
    /// before.
    pub(super) fn take_disowned(&mut self) -> Vec<CgroupId> {
        let mut disowned = std::mem::take(&mut self.disowned);
        // Others were released in between after all.
        disowned.retain(|cgroup| self.contains(*cgroup));
        self.taken_early.extend(&disowned);
        disowned
    }

    /// Holders that were removed so long ago that they are to be disowned now, and taken at the next tick.
    pub(super) fn disown_overdue(&mut self, now_ns: u64) -> Vec<CgroupId> {
        let overdue = self
            .removed
            .extract_if(|_, since| now_ns.saturating_sub(*since) >= UNRELEASED_NS);
        let overdue: Vec<CgroupId> = overdue.map(|(cgroup, _)| cgroup).collect();
        self.disowned.extend(&overdue);
        overdue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: CgroupId = CgroupId(7);
    const B: CgroupId = CgroupId(8);

    fn holding(slot: u32) -> Holding {
        Holding { slot, owner: A }
    }

    fn with_a() -> Holders {
        let mut holders = Holders::default();
        assert!(holders.insert(A, holding(1)));
        holders
    }

    #[test]
    fn a_slot_has_one_holder_and_the_root_keeps_its_own() {
        let mut holders = with_a();
        assert!(!holders.insert(B, holding(1)));
        assert!(!holders.insert(B, holding(0)));
        assert!(!holders.contains(B));
        assert_eq!(holders.slots_in_use(), 2);
        assert_eq!(holders.release(B, Some(1)), Held::Nothing);
        assert_eq!(holders.release(A, Some(1)), Held::Slot(holding(1)));
        assert!(holders.insert(B, holding(1)));
    }

    #[test]
    fn a_slot_of_a_cgroup_that_nobody_saw_comes_back() {
        let mut holders = with_a();
        assert_eq!(holders.release(B, Some(2)), Held::Unseen(2));
        assert_eq!(holders.release(B, None), Held::Nothing);
    }

    #[test]
    fn what_the_kernel_keeps_is_disowned_first_and_taken_a_tick_later() {
        let mut holders = with_a();
        holders.removed(A, 100);
        holders.removed(A, 200);
        assert_eq!(holders.disown_overdue(99 + UNRELEASED_NS), []);
        assert_eq!(holders.disown_overdue(100 + UNRELEASED_NS), [A]);
        assert_eq!(holders.disown_overdue(u64::MAX), []);
        assert_eq!(holders.take_disowned(), [A]);
        assert_eq!(holders.take_disowned(), []);
        assert_eq!(holders.release(A, None), Held::Slot(holding(1)));
        // The slot may be another's when the kernel lets go of it at last.
        assert_eq!(holders.release(A, Some(1)), Held::Nothing);
        assert_eq!(holders.release(A, Some(1)), Held::Unseen(1));
    }

    #[test]
    fn what_is_released_in_time_is_not_taken() {
        let mut holders = with_a();
        holders.removed(A, 0);
        assert_eq!(holders.disown_overdue(UNRELEASED_NS), [A]);
        assert_eq!(holders.release(A, Some(1)), Held::Slot(holding(1)));
        assert_eq!(holders.take_disowned(), []);
    }

    #[test]
    fn holders_that_are_gone_are_found() {
        let mut holders = with_a();
        assert!(holders.insert(B, holding(2)));
        assert_eq!(holders.missing_in(&HashSet::from([A])), [B]);
    }
}
