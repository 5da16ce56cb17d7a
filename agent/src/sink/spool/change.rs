//! One transaction: rows come and go, and the ledger with them.

use rusqlite::{Transaction, TransactionBehavior, params};

use super::{
    Seq,
    error::Trouble,
    ledger::{Label, Ledger},
    rows::{crc_of, label_of},
    store::{Store, oldest_ns, signed},
};
use crate::encode::{Packed, Times};
use crate::loss::{Loss, LossReason};

/// Changes that are made together or not at all.
pub(super) struct Change<'store> {
    pub(super) store: &'store Store,
    transaction: Transaction<'store>,
    /// The account once this is committed.
    pub(super) next: Ledger,
    removed: Vec<Seq>,
}

/// What has changed.
pub(super) struct Committed {
    /// The account that holds from now on.
    pub(super) ledger: Ledger,
    /// Rows that are gone.
    pub(super) removed: Vec<Seq>,
}

impl<'store> Change<'store> {
    /// Begins. Unless [`Change::commit`] goes well, nothing has changed.
    pub(super) fn of(store: &'store Store) -> Result<Self, Trouble> {
        let transaction =
            Transaction::new_unchecked(&store.connection, TransactionBehavior::Immediate)?;
        Ok(Self {
            store,
            transaction,
            next: store.ledger.clone(),
            removed: Vec::new(),
        })
    }

    /// Keeps a batch.
    pub(super) fn insert(&mut self, batch: &Packed) -> Result<Seq, Trouble> {
        let seq = Seq(self.next.next_seq);
        self.next.next_seq += 1;
        self.insert_as(seq, batch)?;
        self.next.append(&label_of(batch));
        Ok(seq)
    }

    /// Writes the row of a batch that is counted elsewhere. It waits from the time of the last appending on.
    pub(super) fn insert_as(&mut self, seq: Seq, batch: &Packed) -> Result<(), Trouble> {
        let kept_ns = self.next.newest_ns.unwrap_or(batch.times.newest_ns);
        self.transaction.execute(
            "INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?, ?)",
            params![
                seq.0,
                signed(batch.points as u64),
                batch.times.oldest_ns,
                batch.times.newest_ns,
                kept_ns,
                crc_of(seq, batch, kept_ns),
                &batch.gzip[..],
            ],
        )?;
        Ok(())
    }

    /// Removes a batch that is kept by another.
    pub(super) fn take_back(&mut self, seq: Seq, batch: &Label) -> Result<(), Trouble> {
        self.remove(seq)?;
        self.next.take_back(batch);
        Ok(())
    }

    /// Removes a batch whose points are lost.
    pub(super) fn lose(
        &mut self,
        seq: Seq,
        batch: &Label,
        reason: LossReason,
    ) -> Result<(), Trouble> {
        self.remove(seq)?;
        self.next.drop_batch(batch, reason);
        Ok(())
    }

    /// Removes a batch that was written, but for what was lost of it.
    pub(super) fn settle(&mut self, seq: Seq, batch: &Label, lost: &[Loss]) -> Result<(), Trouble> {
        self.remove(seq)?;
        self.next.settle(batch, lost);
        Ok(())
    }

    /// Makes it so; what has changed is for [`Store::committed`]. After an error the file may have changed or not, unless
    /// it is [`Trouble::Full`].
    pub(super) fn commit(mut self) -> Result<Committed, Trouble> {
        self.next.waiting.oldest_ns = oldest_ns(&self.transaction)?;
        if self.next.waiting.oldest_ns.is_none() {
            // A row's own count was damaged before it went. What nobody has any more is lost.
            self.next.miss_all();
        }
        self.write_ledger()?;
        self.transaction.commit()?;
        Ok(Committed {
            ledger: self.next,
            removed: self.removed,
        })
    }

    fn remove(&mut self, seq: Seq) -> Result<(), Trouble> {
        let removed = self
            .transaction
            .execute("DELETE FROM batch WHERE seq = ?", [seq.0])?;
        if removed == 1 {
            self.removed.push(seq);
            return Ok(());
        }
        // Seen by one way through the tree and not by the other.
        Err(Trouble::Corrupt(
            format!("batch {} is not in its place", seq.0).into(),
        ))
    }

    fn write_ledger(&self) -> Result<(), Trouble> {
        let next = &self.next;
        self.transaction.execute(
            "UPDATE ledger SET next_seq = ?, newest_ns = ?, batches = ?, points = ?, bytes = ?, stored = ?, crc = ?",
            params![
                next.next_seq,
                next.newest_ns,
                signed(next.waiting.batches),
                signed(next.waiting.points),
                signed(next.waiting.bytes),
                signed(next.totals.stored),
                next.crc(),
            ],
        )?;
        for (loss, before) in next.losses().zip(self.store.ledger.losses()) {
            if loss == before {
                continue;
            }
            let (reason, total, untold) = loss;
            let times = untold.map_or(Times::at(0), |untold| untold.times);
            self.transaction.execute(
                "INSERT OR REPLACE INTO loss VALUES (?, ?, ?, ?, ?)",
                params![
                    reason.as_str(),
                    signed(total),
                    signed(untold.map_or(0, |untold| untold.points)),
                    times.oldest_ns,
                    times.newest_ns,
                ],
            )?;
        }
        Ok(())
    }
}
