//! What units and plain cgroups used that ended. They mostly have no series of their own: the host's shipped total
//! holds them, and so it must go on over a restart.

use std::collections::HashMap;

use crate::{
    container::{CgroupId, Kind},
    snapshot::SlotTotals,
    state::{Saved, SavedTotals},
};

/// Kinds whose ended entries are added up, each with the id it is saved under, which no cgroup has.
const KEPT: [(Kind, CgroupId); 2] = [
    (Kind::Unit, CgroupId(u64::MAX)),
    (Kind::Cgroup, CgroupId(u64::MAX - 1)),
];

/// The sums, by kind.
#[derive(Debug, Default)]
pub(super) struct Ended {
    sums: HashMap<Kind, SlotTotals>,
}

impl Ended {
    /// Whether `id` is none of a cgroup, but of a sum.
    pub(super) fn is_sum(id: CgroupId) -> bool {
        KEPT.iter().any(|(_, kept)| *kept == id)
    }

    /// The id of the sum that an ended entry of this kind is added to, if it is.
    pub(super) fn sum_of(kind: Option<Kind>) -> Option<CgroupId> {
        let (_, id) = KEPT.iter().find(|(it, _)| Some(*it) == kind)?;
        Some(*id)
    }

    /// Goes on from what a former process saved.
    pub(super) fn go_on_from(old: &HashMap<CgroupId, Saved>) -> Self {
        let sums = KEPT
            .iter()
            .filter_map(|(kind, id)| Some((*kind, old.get(id)?.totals)));
        Self {
            sums: sums.collect(),
        }
    }

    /// Adds an entry that ended, and saves the sum.
    pub(super) fn add(&mut self, kind: Option<Kind>, totals: &SlotTotals, saved: &mut SavedTotals) {
        let Some((kind, id)) = KEPT.iter().find(|(it, _)| Some(*it) == kind) else {
            return;
        };
        let sum = self.sums.entry(*kind).or_default();
        *sum += totals;
        saved.save(
            *id,
            &Saved {
                totals: *sum,
                ..Saved::default()
            },
        );
    }

    /// The sums.
    pub(super) fn sums(&self) -> impl Iterator<Item = (Kind, &SlotTotals)> {
        self.sums.iter().map(|(kind, sum)| (*kind, sum))
    }
}
