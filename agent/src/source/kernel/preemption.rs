//! Who took the CPU: what the programs deal out of each slot's waits → the accounts of the entries.
//!
//! Slots are given to others when their cgroups end. So a slot that is let go of is given back only after the next
//! reading, at which what it took is still its own: what the next holder takes is never counted for the one before.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{KernelSource, holders::Holding};
use crate::{
    container::{CgroupId, Share},
    kernel::KernelError,
    metrics::{catalog::Source, preemption::is_told_by_name},
    snapshot::{Growth, PreemptionTotals, SavedTakers, Taken, TakerAccount},
    state::SavedPreemption,
};

/// Slots that may wait for the next reading. With more the reading does not wait for the next tick: those who make cgroups by
/// the hundred would find no slot free.
const LEAVING: usize = 256;

/// The accounts of all entries.
#[derive(Debug)]
pub(super) struct Preemption {
    saved: SavedPreemption,
    accounts: HashMap<CgroupId, TakerAccount>,
    /// What a former process saved, of entries that have no account yet.
    former: HashMap<CgroupId, SavedTakers>,
    /// Slots that are given back after the next reading.
    leaving: Vec<Leaving>,
}

/// A slot that its cgroup does not need any more.
#[derive(Debug)]
struct Leaving {
    cgroup: CgroupId,
    holding: Holding,
}

/// Whom a slot counts for.
struct Holder {
    entry: CgroupId,
    /// Under whose name that is published; `None` where it has no series.
    series: Option<Series>,
}

/// A cgroup with a series, and its name.
type Series = (CgroupId, Arc<str>);

impl Preemption {
    /// Goes on from what a former process saved.
    pub(super) fn go_on_from(
        (saved, former): (SavedPreemption, HashMap<CgroupId, SavedTakers>),
    ) -> Self {
        Self {
            saved,
            accounts: HashMap::new(),
            former,
            leaving: Vec::new(),
        }
    }

    /// Every cgroup that is there was adopted: what was saved of others is of no use.
    pub(super) fn adopted(&mut self, is_there: impl Fn(CgroupId) -> bool) {
        self.former.retain(|entry, _| is_there(*entry));
        let gone: Vec<CgroupId> = self.saved.entries().filter(|it| !is_there(*it)).collect();
        for entry in gone {
            self.saved.remove(entry);
        }
    }

    /// Saves that found no room.
    pub(super) fn unsaved(&self) -> u64 {
        self.saved.unsaved()
    }

    fn forget(&mut self, entry: CgroupId) {
        self.accounts.remove(&entry);
        self.former.remove(&entry);
        self.saved.remove(entry);
    }

    /// Takes in what was dealt out of an entry's waits, and saves it before it is told.
    fn advance(&mut self, entry: CgroupId, growth: Growth) {
        let account = self.accounts.entry(entry).or_insert_with(|| {
            let former = self.former.remove(&entry);
            TakerAccount::go_on_from(former.unwrap_or_default())
        });
        account.advance(growth);
        self.saved.save(entry, &account.saved());
    }
}

impl KernelSource {
    /// Reads what was dealt out since the tick before, of all slots, and gives those back that are not needed any more.
    pub(super) fn read_takers(&mut self) {
        let Some(mut preemption) = self.preemption.take() else {
            return;
        };
        let leaving = std::mem::take(&mut preemption.leaving);
        if self.coverage.has(Source::SchedSwitchTurns) || !leaving.is_empty() {
            let mut grown: HashMap<CgroupId, Growth> = HashMap::new();
            let holders = self.holders_of_slots(&leaving);
            let gone: HashSet<u32> = leaving.iter().map(|it| it.holding.slot).collect();
            let goes = |slot| gone.contains(&slot);
            for (slot, holder) in &holders {
                if let Some(taken) = self.kernel.taken(*slot, goes) {
                    let growth = grown.entry(holder.entry).or_default();
                    add(growth, &taken, holder.entry, &holders);
                }
            }
            for (entry, growth) in grown {
                if self.ledger.contains(entry) {
                    preemption.advance(entry, growth);
                }
            }
        }
        self.preemption = Some(preemption);
        for Leaving { cgroup, holding } in leaving {
            if let Err(error) = self.kernel.give_back(holding.slot, cgroup) {
                self.health.mishap();
                tracing::debug!(%error, "a slot could not be given back");
            }
        }
    }

    /// Whom each slot counts for, those about to be given back included.
    fn holders_of_slots(&self, leaving: &[Leaving]) -> HashMap<u32, Holder> {
        let mut known: HashMap<CgroupId, Option<Series>> = HashMap::new();
        let root = self.roster.root();
        let host = Holding {
            slot: 0,
            owner: root,
        };
        let holdings = self.holders.holdings();
        let leaving = leaving.iter().map(|it| it.holding);
        let all = holdings.chain(leaving).chain([host]);
        all.map(|Holding { slot, owner }| {
            let series = known.entry(owner).or_insert_with(|| self.series_of(owner));
            let holder = Holder {
                entry: owner,
                series: series.clone(),
            };
            (slot, holder)
        })
        .collect()
    }

    /// The series that an entry is published in; `None` where it has none.
    fn series_of(&self, entry: CgroupId) -> Option<Series> {
        let published = match self.roster.share(entry)? {
            Share::Own => entry,
            Share::Host => self.roster.root(),
            Share::Other => return None,
        };
        let container = self.roster.entry(published)?;
        let name = container.name.as_str();
        is_told_by_name(name).then(|| (published, Arc::from(name)))
    }

    /// A slot that nothing counts in any more: it is given back at once, or where takers are told after they were read.
    pub(super) fn leave(&mut self, cgroup: CgroupId, holding: Holding) -> Result<(), KernelError> {
        let Some(preemption) = &mut self.preemption else {
            return self.kernel.give_back(holding.slot, cgroup);
        };
        preemption.leaving.push(Leaving { cgroup, holding });
        if preemption.leaving.len() > LEAVING {
            self.read_takers();
        }
        Ok(())
    }

    /// Who ran while tasks of an entry waited, if that is told.
    pub(super) fn preemption_of(&self, entry: CgroupId) -> Option<Box<PreemptionTotals>> {
        if !self.coverage.has(Source::SchedSwitchTurns) {
            return None;
        }
        let account = self.preemption.as_ref()?.accounts.get(&entry)?;
        Some(Box::new(account.totals()))
    }

    /// Forgets an entry whose final values have been published.
    pub(super) fn forget_takers(&mut self, entry: CgroupId) {
        if let Some(preemption) = &mut self.preemption {
            preemption.forget(entry);
        }
    }
}

/// Adds what was dealt out of the waits of one of an entry's slots.
fn add(growth: &mut Growth, taken: &Taken, entry: CgroupId, holders: &HashMap<u32, Holder>) {
    growth.own_ns += taken.own_ns;
    growth.other_ns += taken.rest_ns;
    growth.unknown_ns += taken.unknown_ns;
    for (slot, ns) in &taken.takers {
        match holders.get(slot) {
            Some(taker) if taker.entry == entry => growth.own_ns += ns,
            Some(Holder {
                series: Some((cgroup, name)),
                ..
            }) => growth.add(name, *cgroup, *ns),
            _ => growth.other_ns += ns,
        }
    }
}
