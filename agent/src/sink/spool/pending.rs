//! What the spool knows and the file does not yet: who has which batch, and what became of points.

use std::collections::{BTreeMap, BTreeSet};

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
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Being written now.
    held: BTreeMap<Seq, Label>,
    /// Written, and still in the file.
    settled: BTreeMap<Seq, Settled>,
    /// What became of points that never were in the file.
    elsewhere: Ledger,
}

#[derive(Debug)]
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
        self.settled.is_empty() && self.elsewhere == Ledger::default()
    }

    /// The account as it will be.
    pub(super) fn applied_to(&self, file: &Ledger) -> Ledger {
        let mut now = file.clone();
        for settled in self.settled.values() {
            now.settle(&settled.label, &settled.lost);
        }
        add(&self.elsewhere, &mut now);
        now
    }

    /// Makes this a part of `change`, as far as that may remove rows; once it is committed, see [`Pending::written`].
    pub(super) fn write(
        &self,
        change: &mut Change<'_>,
        most_rows: u64,
    ) -> Result<Written, Trouble> {
        add(&self.elsewhere, &mut change.next);
        let most_rows = usize::try_from(most_rows).unwrap_or(usize::MAX);
        let mut written = Written::default();
        for (seq, settled) in self.settled.iter().take(most_rows) {
            change.settle(*seq, &settled.label, &settled.lost)?;
            written.rows.insert(*seq);
        }
        Ok(written)
    }

    /// Forgets what the file knows now.
    pub(super) fn written(&mut self, written: &Written) {
        self.settled.retain(|seq, _| !written.rows.contains(seq));
        self.elsewhere = Ledger::default();
    }

    /// Forgets what is settled and the rest, which the file knows now; returns the rows that nobody needs any more.
    pub(super) fn forget_settled(&mut self) -> BTreeSet<Seq> {
        self.elsewhere = Ledger::default();
        std::mem::take(&mut self.settled).into_keys().collect()
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
                self.settled.remove(&seq);
            }
        }
        Ok(())
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
    for loss in elsewhere.untold() {
        to.lose(&loss);
    }
}
