//! The account of a spool: what waits, what was stored, and what was lost, why and of which time. Pure.

use flate2::Crc;

use crate::{
    loss::{Loss, LossReason},
    times::Times,
};

/// What became of points, since the file was begun.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Totals {
    /// Points that the other side acknowledged.
    pub stored: u64,
    lost: [u64; LossReason::ALL.len()],
}

impl Totals {
    /// Points lost for this reason.
    pub fn lost(&self, reason: LossReason) -> u64 {
        self.lost[reason as usize]
    }
}

/// What waits in a spool.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Depth {
    /// Batches.
    pub batches: u64,
    /// Their points.
    pub points: u64,
    /// Their bytes, compressed.
    pub bytes: u64,
    /// The earliest time in the oldest batch, in nanoseconds since the Unix epoch; `None` if nothing waits. One that is
    /// settled is the oldest still until a transaction removes it.
    pub oldest_ns: Option<i64>,
}

/// What is known of a batch without reading it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Label {
    pub(super) points: u64,
    pub(super) bytes: u64,
    pub(super) times: Times,
}

/// The whole account. Each point that was ever appended is in just one of `waiting`, `totals.stored` and a reason of
/// `totals.lost`; the totals count points besides that never were in the spool.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Ledger {
    /// The number of the next batch; each is given once.
    pub(super) next_seq: i64,
    /// The latest time at which something was appended, in nanoseconds since the Unix epoch.
    pub(super) newest_ns: Option<i64>,
    /// The time of the oldest is read from the batches, never from the file's ledger.
    pub(super) waiting: Depth,
    pub(super) totals: Totals,
    untold: [Option<Loss>; LossReason::ALL.len()],
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            next_seq: 1,
            newest_ns: None,
            waiting: Depth::default(),
            totals: Totals::default(),
            untold: [None; LossReason::ALL.len()],
        }
    }
}

impl Ledger {
    /// A batch is kept.
    pub(super) fn append(&mut self, batch: &Label) {
        self.waiting.batches += 1;
        self.waiting.points = self.waiting.points.saturating_add(batch.points);
        self.waiting.bytes = self.waiting.bytes.saturating_add(batch.bytes);
    }

    /// A batch is gone: some of its points are lost, the others were stored.
    pub(super) fn settle(&mut self, batch: &Label, lost: &[Loss]) {
        let mut left = self.leave(batch);
        for loss in lost {
            let points = loss.points.min(left);
            left -= points;
            self.lose(&Loss { points, ..*loss });
        }
        self.totals.stored += left;
    }

    /// A batch is gone, and all its points are lost.
    pub(super) fn drop_batch(&mut self, batch: &Label, reason: LossReason) {
        let points = self.leave(batch);
        self.lose(&Loss {
            reason,
            points,
            times: batch.times,
        });
    }

    /// A batch is gone from the file, and its points are as if they never had been in it.
    pub(super) fn take_back(&mut self, batch: &Label) {
        self.leave(batch);
    }

    /// Points are lost, whether they ever were in the spool or not.
    pub(super) fn lose(&mut self, loss: &Loss) {
        if loss.points == 0 {
            return;
        }
        let total = &mut self.totals.lost[loss.reason as usize];
        *total = total.saturating_add(loss.points);
        if !loss.reason.is_reported() {
            return;
        }
        self.remember(loss);
    }

    /// The losses of another account.
    pub(super) fn add_losses(&mut self, other: &Self) {
        for (reason, points, untold) in other.losses() {
            let total = &mut self.totals.lost[reason as usize];
            *total = total.saturating_add(points);
            if let Some(loss) = untold {
                self.remember(&loss);
            }
        }
    }

    /// What waited cannot be read any more: counted as damaged until it is found again.
    pub(super) fn miss_all(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        let newest_ns = self.newest_ns.unwrap_or(0);
        let oldest_ns = waiting.oldest_ns.unwrap_or(newest_ns);
        self.lose(&Loss {
            reason: LossReason::Damaged,
            points: waiting.points,
            times: Times::at(oldest_ns).and(Times::at(newest_ns)),
        });
    }

    /// A batch that was missed is found again.
    pub(super) fn find(&mut self, batch: &Label) {
        self.append(batch);
        let damaged = &mut self.totals.lost[LossReason::Damaged as usize];
        *damaged = damaged.saturating_sub(batch.points);
        let untold = &mut self.untold[LossReason::Damaged as usize];
        *untold = untold.and_then(|loss| less(loss, batch.points));
    }

    /// Losses of which no point has told yet, at most one for each reason.
    pub(super) fn untold(&self) -> impl Iterator<Item = Loss> {
        self.untold.iter().flatten().copied()
    }

    /// A point has told of these.
    pub(super) fn tell(&mut self, told: &[Loss]) {
        for told in told {
            let untold = &mut self.untold[told.reason as usize];
            *untold = untold.and_then(|loss| less(loss, told.points));
        }
    }

    /// The point that told of these is not kept.
    pub(super) fn untell(&mut self, told: &[Loss]) {
        for loss in told {
            self.remember(loss);
        }
    }

    /// Each reason with its total and what is untold of it, as the file keeps them.
    pub(super) fn losses(&self) -> impl Iterator<Item = (LossReason, u64, Option<Loss>)> {
        let parts = self.totals.lost.iter().zip(self.untold);
        let parts = LossReason::ALL.into_iter().zip(parts);
        parts.map(|(reason, (total, untold))| (reason, *total, untold))
    }

    /// Takes over what the file keeps of a reason.
    pub(super) fn restore(&mut self, reason: LossReason, total: u64, untold: Option<Loss>) {
        self.totals.lost[reason as usize] = total;
        self.untold[reason as usize] = untold;
    }

    /// The sum over all that the file keeps: a bit that changed there must not pass for a count.
    pub(super) fn crc(&self) -> u32 {
        let mut crc = Crc::new();
        let mut add = |number: u64| crc.update(&number.to_le_bytes());
        add(self.next_seq.cast_unsigned());
        add(u64::from(self.newest_ns.is_some()));
        add(self.newest_ns.unwrap_or(0).cast_unsigned());
        add(self.waiting.batches);
        add(self.waiting.points);
        add(self.waiting.bytes);
        add(self.totals.stored);
        // A reason that nothing was lost for is left out, so that a new one does not make every account look damaged.
        for (reason, total, untold) in self.losses().filter(|(_, total, _)| *total > 0) {
            crc.update(reason.as_str().as_bytes());
            let times = untold.map_or(Times::at(0), |untold| untold.times);
            for number in [
                total,
                untold.map_or(0, |untold| untold.points),
                times.oldest_ns.cast_unsigned(),
                times.newest_ns.cast_unsigned(),
            ] {
                crc.update(&number.to_le_bytes());
            }
        }
        crc.sum()
    }

    /// A point is to tell of this.
    fn remember(&mut self, loss: &Loss) {
        let untold = &mut self.untold[loss.reason as usize];
        *untold = Some(untold.map_or(*loss, |before| Loss {
            points: before.points.saturating_add(loss.points),
            times: before.times.and(loss.times),
            ..*loss
        }));
    }

    /// Takes a batch out of what waits; returns how many points that are. Never more than wait: a number that was
    /// damaged on the disk must not unbalance the account.
    fn leave(&mut self, batch: &Label) -> u64 {
        let points = batch.points.min(self.waiting.points);
        self.waiting.points -= points;
        self.waiting.batches = self.waiting.batches.saturating_sub(1);
        self.waiting.bytes = self.waiting.bytes.saturating_sub(batch.bytes);
        points
    }
}

fn less(loss: Loss, points: u64) -> Option<Loss> {
    let points = loss.points.checked_sub(points).filter(|left| *left > 0)?;
    Some(Loss { points, ..loss })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCH: Label = Label {
        points: 10,
        bytes: 100,
        times: Times {
            oldest_ns: 3,
            newest_ns: 9,
        },
    };

    fn loss(reason: LossReason, points: u64) -> Loss {
        Loss {
            reason,
            points,
            times: Times::at(5),
        }
    }

    #[test]
    fn a_batch_is_stored_but_for_what_was_lost_of_it_and_never_more_than_it_has() {
        let mut ledger = Ledger::default();
        ledger.append(&BATCH);
        ledger.append(&BATCH);
        ledger.settle(&BATCH, &[loss(LossReason::Refused, 3)]);
        let too_many = [loss(LossReason::Refused, 8), loss(LossReason::Expired, 8)];
        ledger.settle(&BATCH, &too_many);
        assert_eq!(ledger.waiting, Depth::default());
        assert_eq!(ledger.totals.stored, 7);
        assert_eq!(ledger.totals.lost(LossReason::Refused), 11);
        assert_eq!(ledger.totals.lost(LossReason::Expired), 2);
    }

    #[test]
    fn what_is_missed_is_lost_until_it_is_found() {
        let mut ledger = Ledger::default();
        ledger.append(&BATCH);
        ledger.append(&BATCH);
        ledger.miss_all();
        assert_eq!(ledger.totals.lost(LossReason::Damaged), 20);
        ledger.find(&BATCH);
        assert_eq!(ledger.waiting.points, 10);
        assert_eq!(ledger.untold().map(|it| it.points).sum::<u64>(), 10);
        ledger.find(&BATCH);
        assert_eq!(ledger.totals, Totals::default());
        assert_eq!(ledger.untold().count(), 0);
    }

    #[test]
    fn losses_for_one_reason_are_told_together_with_all_their_times() {
        let mut ledger = Ledger::default();
        ledger.append(&BATCH);
        ledger.lose(&Loss {
            times: Times::at(20),
            ..loss(LossReason::Evicted, 1)
        });
        ledger.drop_batch(&BATCH, LossReason::Evicted);
        let untold: Vec<Loss> = ledger.untold().collect();
        let times = Times {
            oldest_ns: 3,
            newest_ns: 20,
        };
        let both = Loss {
            times,
            ..loss(LossReason::Evicted, 11)
        };
        assert_eq!(untold, [both]);
        ledger.tell(&untold);
        assert_eq!(ledger.untold().count(), 0);
        assert_eq!(ledger.totals.lost(LossReason::Evicted), 11);
    }

    #[test]
    fn each_reason_has_its_own_word_and_place() {
        for (at, reason) in LossReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, at);
            let same = LossReason::ALL
                .iter()
                .filter(|it| it.as_str() == reason.as_str());
            assert_eq!(same.count(), 1);
        }
    }
}
