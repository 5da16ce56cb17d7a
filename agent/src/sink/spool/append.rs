//! How batches get in: what is settled goes, what is too old goes, the oldest makes way, and all is one transaction.

use super::{
    Seq,
    change::Change,
    error::Trouble,
    pending::Pending,
    removals::Removals,
    room::{Room, pages_of},
    rows,
    store::Store,
};
use crate::{
    encode::Packed,
    loss::{Loss, LossReason},
};

/// Pages kept free beyond what the batches may need; the second number is for the tree that is out of the ordinary.
const SLACK_PAGES: [u64; 2] = [8, 64];

/// What is to be appended.
pub(super) struct Order<'a> {
    pub(super) batches: &'a [Packed],
    /// Losses that a point of the batches tells of.
    pub(super) told: &'a [Loss],
    pub(super) now_ns: i64,
    /// A batch that has waited since before this has waited too long.
    pub(super) horizon_ns: i64,
}

/// Appends as many batches as go in one transaction, from the first on; their numbers. `None` stands for one that
/// there is no room for, and is counted as lost.
pub(super) fn append(
    store: &mut Store,
    pending: &mut Pending,
    order: &Order<'_>,
) -> Result<Vec<Option<Seq>>, Trouble> {
    let [usual, generous] = SLACK_PAGES;
    match append_with(store, pending, order, usual) {
        Err(Trouble::Full(_)) => append_with(store, pending, order, generous),
        done => done,
    }
}

fn append_with(
    store: &mut Store,
    pending: &mut Pending,
    order: &Order<'_>,
    slack: u64,
) -> Result<Vec<Option<Seq>>, Trouble> {
    let (batches, pages) = what_fits(store.room, order.batches);
    loop {
        let most_rows = store.reserve(pages)?;
        let mut change = Change::of(store)?;
        let written = pending.write(&mut change, most_rows)?;
        let mut removals = Removals {
            change: &mut change,
            pending,
            left: most_rows - written.rows(),
        };
        removals.age(order.horizon_ns)?;
        removals.make_room(pages + slack)?;
        // Else there may be more to remove, with a transaction of its own.
        let seqs = if removals.left > 0 {
            let seqs = insert(&mut change, order, batches, slack)?;
            // The first batch tells of them, if it is kept.
            if seqs.first().is_some_and(Option::is_some) {
                change.next.tell(order.told);
                pending.carry(order.told);
            }
            Some(seqs)
        } else {
            None
        };
        let committed = change.commit()?;
        store.committed(committed);
        pending.written(&written);
        if let Some(seqs) = seqs {
            return Ok(seqs);
        }
    }
}

/// The first batches, as many as go in one transaction, and the pages that they need. One that is too large needs none.
fn what_fits(room: Room, batches: &[Packed]) -> (&[Packed], u64) {
    let mut pages = 0;
    for (at, batch) in batches.iter().enumerate() {
        let with_it = pages + pages_if_taken(room, batch);
        if with_it > room.most_new_pages() {
            return (&batches[..at], pages);
        }
        pages = with_it;
    }
    (batches, pages)
}

fn pages_if_taken(room: Room, batch: &Packed) -> u64 {
    let bytes = batch.gzip.len() as u64;
    if room.takes(bytes) {
        pages_of(bytes)
    } else {
        0
    }
}

/// Keeps what there is room for, from the last batch back: where everything else is being written, these are the
/// oldest that can make way.
fn insert(
    change: &mut Change<'_>,
    order: &Order<'_>,
    batches: &[Packed],
    slack: u64,
) -> Result<Vec<Option<Seq>>, Trouble> {
    let room = change.store.room;
    let spare = change.store.spare_pages()?;
    let mut pages: u64 = batches
        .iter()
        .map(|batch| pages_if_taken(room, batch))
        .sum();
    let mut seqs = Vec::with_capacity(batches.len());
    change.next.newest_ns = change.next.newest_ns.max(Some(order.now_ns));
    for batch in batches {
        let reason = if !room.takes(batch.gzip.len() as u64) {
            Some(LossReason::Oversized)
        } else if pages + slack > spare {
            pages -= pages_if_taken(room, batch);
            Some(LossReason::Evicted)
        } else {
            None
        };
        seqs.push(match reason {
            Some(reason) => {
                change.next.lose(&Loss {
                    reason,
                    points: batch.points as u64,
                    times: batch.times,
                });
                None
            }
            None => Some(change.insert(batch)?),
        });
    }
    Ok(seqs)
}

/// Removes what a transaction left from `from` on whose end was not known: its caller believes that nothing was kept, and
/// that of the losses `told` no point tells yet.
pub(super) fn take_back(store: &mut Store, from: Seq, told: &[Loss]) -> Result<(), Trouble> {
    loop {
        let most_rows = store.reserve(0)?;
        let mut change = Change::of(store)?;
        let mut left = most_rows;
        while left > 0
            && let Some((seq, label)) = rows::first(&store.connection, from, |_| true)?
        {
            change.take_back(seq, &label)?;
            if seq == from {
                // It is the batch that tells of them.
                change.next.untell(told);
            }
            left -= 1;
        }
        let committed = change.commit()?;
        store.committed(committed);
        if left > 0 {
            return Ok(());
        }
    }
}
