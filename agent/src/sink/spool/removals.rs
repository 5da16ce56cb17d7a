//! Which batches make way: the oldest that nobody is writing, as many as one transaction may remove.

use super::{
    Seq,
    change::Change,
    error::Trouble,
    ledger::Label,
    pending::Pending,
    rows::{self, Labelled},
};
use crate::loss::LossReason;

/// What a change may remove.
pub(super) struct Removals<'a, 'store> {
    pub(super) change: &'a mut Change<'store>,
    pub(super) pending: &'a Pending,
    /// Rows that may still be removed. At 0 there may be more to do, with another change.
    pub(super) left: u64,
}

impl Removals<'_, '_> {
    /// Removes the oldest batches that have waited since before `horizon_ns`.
    pub(super) fn age(&mut self, horizon_ns: i64) -> Result<(), Trouble> {
        while self.left > 0
            && let Some((seq, label)) = self.oldest()?
            && rows::kept_ns(&self.change.store.connection, seq)? < horizon_ns
        {
            self.lose(seq, &label, LossReason::Aged)?;
        }
        Ok(())
    }

    /// Removes the oldest batches until there are as many pages to write to, or no batch is left that may go.
    pub(super) fn make_room(&mut self, pages: u64) -> Result<(), Trouble> {
        while self.left > 0 && self.change.store.spare_pages()? < pages && self.evict()? {}
        Ok(())
    }

    /// Removes the oldest batches until as many pages of the file are free, or no batch is left that may go.
    pub(super) fn free(&mut self, pages: u64) -> Result<(), Trouble> {
        while self.left > 0 && self.change.store.free_pages()? < pages && self.evict()? {}
        Ok(())
    }

    /// Whether there was one to evict.
    fn evict(&mut self) -> Result<bool, Trouble> {
        let Some((seq, label)) = self.oldest()? else {
            return Ok(false);
        };
        self.lose(seq, &label, LossReason::Evicted)?;
        Ok(true)
    }

    fn oldest(&self) -> Result<Option<Labelled>, Trouble> {
        let connection = &self.change.store.connection;
        rows::first(connection, Seq::FIRST, |seq| self.pending.is_free(seq))
    }

    fn lose(&mut self, seq: Seq, label: &Label, reason: LossReason) -> Result<(), Trouble> {
        self.left -= 1;
        self.change.lose(seq, label, reason)
    }
}
