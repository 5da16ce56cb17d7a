//! What the spool knows and the file does not yet: who has which batch, and what became of points.

use std::collections::{BTreeMap, BTreeSet};

use rangemap::RangeInclusiveSet;
use rusqlite::Connection;

use super::{
    Seq,
    change::Change,
    error::Trouble,
    ledger::{Label, Ledger},
    rows::{self, Labelled},
    store::Store,
};
use crate::loss::Loss;

/// It is lost with the process, and then a batch is merely written a second time.
#[derive(Clone, Debug, Default)]
pub(super) struct Pending {
    /// Being written now.
    held: BTreeMap<Seq, Label>,
    /// Written, and still in the file.
    settled: BTreeMap<Seq, Settled>,
    /// What became of points that never were in the file.
    elsewhere: Ledger,
    in_flight: InFlight,
    /// The numbers of batches that went from the file, by whatever way.
    gone: RangeInclusiveSet<i64>,
}

/// What a transaction takes along whose end is not known yet.
#[derive(Clone, Debug, Default)]
struct InFlight {
    /// A part of what became of points that never were in the file.
    elsewhere: Ledger,
    /// Losses that the file remembers no more then.
    told: Vec<Loss>,
}

#[derive(Clone, Debug)]
struct Settled {
    label: Label,
    lost: Vec<Loss>,
}

impl Pending {
    pub(super) fn hold(&mut self, (seq, label): Labelled) {
        self.held.insert(seq, label);
    }

    pub(super) fn release(&mut self, seq: Seq) {
        self.held.remove(&seq);
    }

    /// Whether a batch is nobody's and not written.
    pub(super) fn is_free(&self, seq: Seq) -> bool {
        !self.held.contains_key(&seq) && !self.is_settled(seq)
    }

    pub(super) fn is_settled(&self, seq: Seq) -> bool {
        self.settled.contains_key(&seq)
    }

    /// A batch that is held was written; `now` is the account that is shown.
    pub(super) fn settle(&mut self, seq: Seq, lost: &[Loss], now: &mut Ledger) {
        if let Some(label) = self.held.remove(&seq) {
            now.settle(&label, lost);
            let lost = lost.to_vec();
            self.settled.insert(seq, Settled { label, lost });
        }
    }

    pub(super) fn stored_elsewhere(&mut self, points: u64, now: &mut Ledger) {
        self.elsewhere.totals.stored += points;
        now.totals.stored += points;
    }

    pub(super) fn lost_elsewhere(&mut self, loss: &Loss, now: &mut Ledger) {
        self.elsewhere.lose(loss);
        now.lose(loss);
    }

    /// Whether the file knows all.
    pub(super) fn is_empty(&self) -> bool {
        let none = Ledger::default();
        self.settled.is_empty() && self.elsewhere == none && self.in_flight.elsewhere == none
    }

    /// The account as it will be.
    pub(super) fn applied_to(&self, file: &Ledger) -> Ledger {
        let mut now = file.clone();
        for settled in self.settled.values() {
            now.settle(&settled.label, &settled.lost);
        }
        add(&self.elsewhere, &mut now);
        add(&self.in_flight.elsewhere, &mut now);
        now
    }

    /// Makes this a part of `change`, as far as that may remove rows; once its end is known, see [`Pending::written`],
    /// [`Pending::not_written`] and [`Pending::resolve`].
    pub(super) fn write(
        &mut self,
        change: &mut Change<'_>,
        most_rows: u64,
    ) -> Result<Written, Trouble> {
        self.take_along(&mut change.next);
        let most_rows = usize::try_from(most_rows).unwrap_or(usize::MAX);
        let mut written = Written::default();
        for (seq, settled) in self.settled.iter().take(most_rows) {
            change.settle(*seq, &settled.label, &settled.lost)?;
            written.rows.insert(*seq);
        }
        Ok(written)
    }

    /// What became of points elsewhere goes into the account that is to be.
    pub(super) fn take_along(&mut self, next: &mut Ledger) {
        add(&self.elsewhere, &mut self.in_flight.elsewhere);
        self.elsewhere = Ledger::default();
        add(&self.in_flight.elsewhere, next);
    }

    /// The change to come makes the file forget these losses: a point of it tells of them.
    pub(super) fn carry(&mut self, told: &[Loss]) {
        self.in_flight.told = told.to_vec();
    }

    /// Forgets what the file knows now.
    pub(super) fn written(&mut self, written: &Written) {
        self.settled.retain(|seq, _| !written.rows.contains(seq));
        self.in_flight = InFlight::default();
    }

    /// The change was not made.
    pub(super) fn not_written(&mut self) {
        let in_flight = std::mem::take(&mut self.in_flight);
        add(&in_flight.elsewhere, &mut self.elsewhere);
    }

    /// The losses that a change would have made the file forget, whose end is not known.
    pub(super) fn carried(&self) -> &[Loss] {
        &self.in_flight.told
    }

    /// Whether a change was made is known now.
    pub(super) fn resolve(&mut self, is_made: bool) {
        if is_made {
            self.in_flight = InFlight::default();
        } else {
            self.not_written();
        }
    }

    /// These batches are not in the file any more.
    pub(super) fn went(&mut self, seqs: impl IntoIterator<Item = Seq>) {
        self.gone.extend(seqs.into_iter().map(|seq| seq.0..=seq.0));
    }

    /// Forgets what is settled and the rest, which the file knows now: nobody needs these rows any more.
    pub(super) fn forget_settled(&mut self) {
        self.elsewhere = Ledger::default();
        self.in_flight = InFlight::default();
        let settled = std::mem::take(&mut self.settled);
        self.went(settled.into_keys());
    }

    /// Whether a batch went, though a damaged file may still show it.
    pub(super) fn is_gone(&self, seq: Seq) -> bool {
        self.gone.contains(&seq.0)
    }

    /// Forgets the batches that are not in the file any more, which is another or was opened anew.
    pub(super) fn check(&mut self, store: &Store) -> Result<(), Trouble> {
        let known: Vec<Seq> = self
            .held
            .keys()
            .chain(self.settled.keys())
            .copied()
            .collect();
        for seq in known {
            if rows::find(&store.connection, seq)?.is_none() {
                self.held.remove(&seq);
                if self.settled.remove(&seq).is_some() {
                    self.went([seq]);
                }
            }
        }
        Ok(())
    }

    /// Forgets the settled batches that a damaged file does not have: a change that was made took them out of its account.
    pub(super) fn check_damaged(&mut self, file: &Connection) {
        let gone = |seq: &Seq| matches!(rows::find(file, *seq), Ok(None));
        let gone: Vec<Seq> = self.settled.keys().copied().filter(gone).collect();
        self.settled.retain(|seq, _| !gone.contains(seq));
        self.went(gone);
    }
}

/// The part of what was pending that a change takes in.
#[derive(Default)]
pub(super) struct Written {
    rows: BTreeSet<Seq>,
}

impl Written {
    pub(super) fn rows(&self) -> u64 {
        self.rows.len() as u64
    }
}

fn add(elsewhere: &Ledger, to: &mut Ledger) {
    to.totals.stored += elsewhere.totals.stored;
    to.add_losses(elsewhere);
}
