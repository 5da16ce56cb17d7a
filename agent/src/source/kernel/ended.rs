//! What entries used that ended and had no series of their own: the totals of `_host` and `_other` hold them, and so
//! must go on over a restart.

use std::collections::HashMap;

use crate::{
    container::{CgroupId, Share},
    snapshot::SlotTotals,
    state::{Saved, SavedTotals},
};

/// Series whose ended entries are added up, each with the id it is saved under, which no cgroup has.
const KEPT: [(Share, CgroupId); 2] = [
    (Share::Host, CgroupId(u64::MAX)),
    (Share::Other, CgroupId(u64::MAX - 1)),
];

/// The sums, by series.
#[derive(Debug, Default)]
pub(super) struct Ended {
    sums: HashMap<Share, SlotTotals>,
}

impl Ended {
    /// Whether `id` is none of a cgroup, but of a sum.
    pub(super) fn is_sum(id: CgroupId) -> bool {
        KEPT.iter().any(|(_, kept)| *kept == id)
    }

    /// The id of the sum that an ended entry of this series is added to, if it is.
    pub(super) fn sum_of(share: Option<Share>) -> Option<CgroupId> {
        let (_, id) = KEPT.iter().find(|(it, _)| Some(*it) == share)?;
        Some(*id)
    }

    /// Goes on from what a former process saved.
    pub(super) fn go_on_from(old: &HashMap<CgroupId, Saved>) -> Self {
        let sums = KEPT
            .iter()
            .filter_map(|(share, id)| Some((*share, old.get(id)?.totals)));
        Self {
            sums: sums.collect(),
        }
    }

    /// Adds an entry that ended, and saves the sum.
    pub(super) fn add(
        &mut self,
        share: Option<Share>,
        totals: &SlotTotals,
        saved: &mut SavedTotals,
    ) {
        let Some((share, id)) = KEPT.iter().find(|(it, _)| Some(*it) == share) else {
            return;
        };
        let sum = self.sums.entry(*share).or_default();
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
    pub(super) fn sums(&self) -> impl Iterator<Item = (Share, &SlotTotals)> {
        self.sums.iter().map(|(share, sum)| (*share, sum))
    }
}
