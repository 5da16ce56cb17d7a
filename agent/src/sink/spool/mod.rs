//! One sink's batches on the disk, until they are written: what was appended outlives the process and the machine.
//!
//! A [`Spool`] is one file of SQLite, `NAME.db`, with one owner and blocking calls; it knows nothing of tasks, of the
//! network, or of time but what it is told. Nobody outside this folder knows that it is SQLite.
//!
//! - **Durable**: what [`Spool::append`] returned a number for is on the disk, and so is the account.
//! - **Bounded**: file and log together never have more bytes than the limit, in the midst of a transaction neither
//!   (`room.rs`). Where there is no room the oldest batch goes, unless it is being written.
//! - **Accounted**: each point is waiting, stored, or lost for a reason, and the account changes in the transaction
//!   that changes the rows (`ledger.rs`).
//! - **Always usable**: a damaged file goes aside and its readable batches into a new one (`aside.rs`); a disk that
//!   fails is an error of the call and no more.

mod append;
mod aside;
mod change;
mod error;
mod ledger;
mod pending;
mod removals;
mod room;
mod rows;
mod shrink;
mod store;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    encode::Packed,
    loss::{Loss, LossReason},
};
use append::Order;
use aside::Moved;
pub use aside::{SetAside, Why};
use change::Change;
use error::Trouble;
pub use error::{Cause, SpoolError};
use ledger::Ledger;
pub use ledger::{Depth, Totals};
use pending::Pending;
pub use room::LEAST_BYTES;
use room::Room;
use store::Store;

/// What a spool may keep.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Most bytes of all its files together; less than [`LEAST_BYTES`] counts as that. Files that were set aside are
    /// not among them: the damaged ones are at most three, and together no larger than this unless the last one is.
    pub bytes: u64,
    /// How long a batch may wait.
    pub age: Duration,
}

/// A batch's number. Later ones are higher, and none is given twice.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Seq(i64);

impl Seq {
    /// No batch has a lower one.
    pub const FIRST: Self = Self(0);

    /// No batch has a higher one, nor this.
    const END: Self = Self(i64::MAX);

    /// The one after.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// A batch of the spool.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stored {
    /// Its number.
    pub seq: Seq,
    /// What was appended, proven to be the same.
    pub packed: Packed,
}

/// The batches of one sink.
///
/// After [`SpoolError::Unavailable`] the call may be repeated, now or later, on the same spool. A disk that is merely
/// full leaves it as it was: what waits can be taken still. Where the disk failed, it has let go of the file and trusts
/// nothing that it knew of it; the next call opens it again, and takes back what a commit left that seemed to fail.
#[derive(Debug)]
pub struct Spool {
    path: PathBuf,
    limits: Limits,
    /// `None` after the disk failed.
    store: Option<Store>,
    pending: Pending,
    /// The account with all that is pending.
    now: Ledger,
    set_aside: Vec<SetAside>,
    /// The last transaction, if its end is not known.
    unsure: Option<Unsure>,
    /// A damaged file that was moved away and is still to be salvaged.
    moved: Option<Moved>,
}

/// What a transaction began with whose end is not known.
#[derive(Clone, Copy, Debug)]
struct Unsure {
    /// Where the rows begin that it may have left.
    from: Seq,
    /// The sum of the account before it.
    crc: u32,
}

impl Unsure {
    /// A transaction that began when this was the account.
    fn after(ledger: &Ledger) -> Self {
        Self {
            from: Seq(ledger.next_seq),
            crc: ledger.crc(),
        }
    }

    /// Whether it was made, by the account that is in the file now: nobody else writes there.
    fn is_made(&self, ledger: &Ledger) -> bool {
        ledger.crc() != self.crc && ledger.next_seq >= self.from.0
    }
}

impl Spool {
    /// Opens the spool at `path`, or begins it; its folder is made if only that is missing. Never fails for what stands
    /// in the file: see [`Spool::take_set_aside`].
    pub fn open(path: &Path, limits: Limits) -> Result<Self, SpoolError> {
        let mut spool = Self {
            path: path.to_owned(),
            limits,
            store: None,
            pending: Pending::default(),
            now: Ledger::default(),
            set_aside: Vec::new(),
            unsure: None,
            moved: None,
        };
        spool.with_store(|_, _| Ok(()))?;
        Ok(spool)
    }

    /// Keeps batches, in this order, with one commit; returns their numbers once they are on the disk. `None` stands
    /// for one that there can be no room for; it is counted as lost.
    ///
    /// At most as many are kept as go in one transaction, an eighth of the limit or 16 MiB: if the answer is shorter
    /// than `batches`, the rest is to be appended with another call.
    ///
    /// `told` are losses ([`Spool::untold`]) that the first of these batches tells of. `now_ns` is the time of the
    /// appending, in nanoseconds since the Unix epoch: what has waited longer than it may then goes, as far as nothing
    /// that is being written stands before it. Points' own times count for nothing: they may be of any.
    ///
    /// After an error nothing is appended.
    #[must_use = "there may be batches left to append"]
    pub fn append(
        &mut self,
        batches: &[Packed],
        told: &[Loss],
        now_ns: i64,
    ) -> Result<Vec<Option<Seq>>, SpoolError> {
        let age_ns = i64::try_from(self.limits.age.as_nanos()).unwrap_or(i64::MAX);
        let order = Order {
            batches,
            told,
            now_ns,
            horizon_ns: now_ns.saturating_sub(age_ns),
        };
        self.with_store(|store, pending| append::append(store, pending, &order))
    }

    /// The first batch from `from` on that nobody holds, and holds it. One that is damaged is removed and counted as
    /// lost, and the next is given.
    pub fn take(&mut self, from: Seq) -> Result<Option<Stored>, SpoolError> {
        self.with_store(|store, pending| {
            loop {
                let is_free = |seq| pending.is_free(seq);
                let Some(row) = rows::first(&store.connection, from, is_free)? else {
                    return Ok(None);
                };
                let (seq, label) = row;
                if let Some(packed) = rows::read(&store.connection, &row)? {
                    pending.hold(row);
                    return Ok(Some(Stored { seq, packed }));
                }
                store.reserve(0)?;
                let mut change = Change::of(store)?;
                change.lose(seq, &label, LossReason::Damaged)?;
                let committed = change.commit()?;
                store.committed(committed);
            }
        })
    }

    /// Holds a batch that the caller has, so that it stays until it is settled or released. `false` if it is gone.
    pub fn hold(&mut self, seq: Seq) -> Result<bool, SpoolError> {
        self.with_store(|store, pending| {
            let found = rows::find(&store.connection, seq)?.filter(|_| !pending.is_settled(seq));
            let is_there = found.is_some();
            if let Some(label) = found {
                pending.hold((seq, label));
            }
            Ok(is_there)
        })
    }

    /// Lets go of a batch that was not written. It may be taken again.
    pub fn release(&mut self, seq: Seq) {
        self.pending.release(seq);
    }

    /// A batch that was held is done with: all its points were stored, but for those that were `lost`. The next
    /// transaction removes it. One that is not held is left alone.
    pub fn settle(&mut self, seq: Seq, lost: &[Loss]) {
        self.pending.settle(seq, lost, &mut self.now);
    }

    /// Counts points that were stored and never were in the spool. The next transaction writes it down.
    pub fn stored_elsewhere(&mut self, points: u64) {
        self.pending.stored_elsewhere(points, &mut self.now);
    }

    /// Counts points that were lost and never were in the spool. The next transaction writes it down.
    pub fn lost_elsewhere(&mut self, loss: &Loss) {
        self.pending.lost_elsewhere(loss, &mut self.now);
    }

    /// Writes down all that is settled, and gives room back if there is much of it.
    pub fn flush(&mut self) -> Result<(), SpoolError> {
        self.with_store(|store, pending| {
            while !pending.is_empty() {
                let most_rows = store.reserve(0)?;
                let mut change = Change::of(store)?;
                let written = pending.write(&mut change, most_rows)?;
                let committed = change.commit()?;
                store.committed(committed);
                pending.written(&written);
            }
            shrink::relax(store)
        })
    }

    /// What waits, without what is settled.
    pub fn depth(&self) -> Depth {
        let waiting = self.now.waiting;
        let oldest_ns = waiting.oldest_ns.filter(|_| waiting.batches > 0);
        Depth {
            oldest_ns,
            ..waiting
        }
    }

    /// Bytes of its files on the disk.
    pub fn file_bytes(&self) -> u64 {
        store::bytes_of(&self.path)
    }

    /// Bytes that its files may have.
    pub fn file_limit_bytes(&self) -> u64 {
        self.limits.bytes
    }

    /// What became of points since the file was begun.
    pub fn totals(&self) -> &Totals {
        &self.now.totals
    }

    /// Losses of which no point has told, at most one for each reason.
    pub fn untold(&self) -> Vec<Loss> {
        self.now.untold().collect()
    }

    /// The latest time at which something was appended, also by an earlier process.
    pub fn newest_ns(&self) -> Option<i64> {
        self.now.newest_ns
    }

    /// The files that were set aside since this was asked last.
    pub fn take_set_aside(&mut self) -> Vec<SetAside> {
        std::mem::take(&mut self.set_aside)
    }

    /// Does `work` on the open file; opens it first if need be, and begins a new one if it turns out to be damaged.
    fn with_store<T>(
        &mut self,
        mut work: impl FnMut(&mut Store, &mut Pending) -> Result<T, Trouble>,
    ) -> Result<T, SpoolError> {
        let mut done = self.attempt(&mut work);
        let why = match &done {
            Err(Trouble::Corrupt(_)) => Some(Why::Corrupt),
            Err(Trouble::Newer) => Some(Why::NewerFormat),
            // SQLite says so too of a page's number that is damaged and beyond the bound.
            Err(Trouble::Full(_)) if store::has_room_for_another(&self.path) => Some(Why::Corrupt),
            _ => None,
        };
        if let Some(why) = why {
            done = self.begin_again(why).and_then(|()| self.attempt(&mut work));
        }
        if let Some(store) = &self.store {
            self.now = self.pending.applied_to(&store.ledger);
        }
        done.map_err(|trouble| trouble.at(self.path.clone()))
    }

    fn attempt<T>(
        &mut self,
        work: &mut impl FnMut(&mut Store, &mut Pending) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let mut store = match self.store.take() {
            Some(store) => store,
            None => self.opened()?,
        };
        let done = work(&mut store, &mut self.pending);
        self.pending.went(store.removed.drain(..));
        if let Err(Trouble::Unavailable(_) | Trouble::Held) = done {
            self.unsure = Some(Unsure::after(&store.ledger));
        } else {
            self.pending.not_written();
            self.store = Some(store);
        }
        done
    }

    fn opened(&mut self) -> Result<Store, Trouble> {
        let mut store = Store::open(&self.path, self.room())?;
        let is_made = self.unsure.is_some_and(|it| it.is_made(&store.ledger));
        // Also where the file has vanished, or its account: no number is given twice while this lives.
        store.ledger.next_seq = store.ledger.next_seq.max(self.now.next_seq);
        let made_ready = self.make_ready(&mut store, is_made);
        self.pending.went(store.removed.drain(..));
        made_ready.map(|()| store)
    }

    /// Brings a file that was opened anew and what is known of it together; `is_made` tells whether the transaction is in
    /// it whose end was not known.
    fn make_ready(&mut self, store: &mut Store, is_made: bool) -> Result<(), Trouble> {
        if let Some(moved) = &self.moved {
            let mut aside = aside::take_account(store, moved, self.unsure, &mut self.pending)?;
            self.moved = None;
            let saved = aside::salvage(store, &mut aside, &self.pending);
            self.set_aside.push(aside);
            saved?;
        }
        self.agree_with(store, is_made)?;
        shrink::shrink(store, &self.pending)
    }

    /// The file may have more than is known of, and less.
    fn agree_with(&mut self, store: &mut Store, is_made: bool) -> Result<(), Trouble> {
        if let Some(unsure) = self.unsure {
            append::take_back(store, unsure.from, self.pending.carried())?;
            self.pending.resolve(is_made);
            self.unsure = None;
        }
        self.pending.check(store)
    }

    /// Sets the file aside, begins a new one, and saves what can be read.
    fn begin_again(&mut self, why: Why) -> Result<(), Trouble> {
        let known = self.store.take().map(|store| store.ledger);
        let path = aside::move_away(&self.path, why, self.limits.bytes)?;
        match why {
            // One that is not salvaged yet stays that: in what was begun after it there is nothing.
            Why::Corrupt => {
                self.moved.get_or_insert(Moved { path, known });
            }
            Why::NewerFormat => self.set_aside.push(SetAside {
                path,
                why,
                points_saved: 0,
                is_account_lost: false,
            }),
        }
        self.store = Some(self.opened()?);
        Ok(())
    }

    fn room(&self) -> Room {
        Room::within(self.limits.bytes)
    }
}

#[cfg(test)]
mod tests;
