//! Which batch goes next: what came while all went well, then what has waited, in order; and where one of these fails
//! again and again, those behind it.
//!
//! Pure: the time is an argument.

use std::time::{Duration, Instant};

use super::{pacer::Pacer, spool::Seq};

/// Others go before a batch that has failed so often while they were written.
const MAX_STRIKES: u32 = 2;

/// The order among batches that wait.
#[derive(Debug)]
pub(super) struct Lanes {
    live: Live,
    suspect: Option<Suspect>,
    pacer: Pacer,
}

/// From where on batches came while nothing failed: they go before what has waited.
#[derive(Debug, Default)]
struct Live {
    disk: Option<Seq>,
    memory: Option<u64>,
}

/// A batch on disk that could not be written; what has waited goes on behind it if others are written.
#[derive(Debug)]
struct Suspect {
    seq: Seq,
    /// How often others were written after it had failed.
    strikes: u32,
    has_failed: bool,
}

impl Lanes {
    /// At most so many lines a second of what has waited; no bound if zero.
    pub(super) fn new(drain_lines: u32) -> Self {
        Self {
            live: Live::default(),
            suspect: None,
            pacer: Pacer::new(drain_lines),
        }
    }

    /// Points have come.
    pub(super) fn came(&mut self, points: usize, now: Instant) {
        self.pacer.came(points, now);
    }

    /// A batch stands in memory.
    pub(super) fn in_memory(&mut self, id: u64) {
        self.live.memory.get_or_insert(id);
    }

    /// A batch has gone from memory to the disk.
    pub(super) fn on_disk(&mut self, id: u64, seq: Seq) {
        if self.live.memory.is_some_and(|from| id >= from) {
            self.live.disk.get_or_insert(seq);
        }
    }

    /// Where what is live begins on the disk.
    pub(super) fn live_on_disk(&self) -> Option<Seq> {
        self.live.disk
    }

    /// Where what is live begins in memory.
    pub(super) fn live_in_memory(&self) -> Option<u64> {
        self.live.memory
    }

    /// Where what has waited goes on behind a batch that fails again and again.
    pub(super) fn behind_suspect(&self) -> Option<Seq> {
        let suspect = self.suspect.as_ref()?;
        (suspect.strikes >= MAX_STRIKES).then(|| suspect.seq.next())
    }

    /// How long what has waited is to wait yet; zero for not at all.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        self.pacer.wait(now)
    }

    /// A batch was not written, one of the disk if it has a number. All that came so far has waited, then.
    pub(super) fn failed(&mut self, seq: Option<Seq>) {
        if let Some(seq) = seq {
            let known = self.suspect.take().filter(|suspect| suspect.seq == seq);
            self.suspect = Some(Suspect {
                seq,
                strikes: known.map_or(0, |suspect| suspect.strikes),
                has_failed: true,
            });
        }
        self.live = Live::default();
    }

    /// A batch is done with, one of the disk if it has a number.
    pub(super) fn settled(&mut self, seq: Option<Seq>) {
        let suspect = self.suspect.take();
        self.suspect = suspect.filter(|it| seq != Some(it.seq));
        if let Some(suspect) = &mut self.suspect {
            suspect.strikes += u32::from(std::mem::take(&mut suspect.has_failed));
        }
    }

    /// So many points of what has waited were sent from `began` on and are settled now.
    pub(super) fn drained(&mut self, points: usize, began: Instant, now: Instant) {
        self.pacer.drained(points, began, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Seq = Seq::FIRST;

    #[test]
    fn what_came_before_a_failure_has_waited() {
        let mut lanes = Lanes::new(0);
        lanes.in_memory(3);
        lanes.on_disk(2, FIRST);
        assert_eq!(lanes.live_on_disk(), None);
        lanes.on_disk(3, FIRST.next());
        lanes.in_memory(4);
        let live = (lanes.live_on_disk(), lanes.live_in_memory());
        assert_eq!(live, (Some(FIRST.next()), Some(3)));
        lanes.failed(None);
        assert_eq!((lanes.live_on_disk(), lanes.live_in_memory()), (None, None));
    }

    #[test]
    fn a_batch_that_fails_while_others_are_written_is_passed() {
        let mut lanes = Lanes::new(0);
        for _ in 0..MAX_STRIKES {
            // Failures alone say nothing of the batch.
            lanes.failed(Some(FIRST));
            lanes.failed(Some(FIRST));
            assert_eq!(lanes.behind_suspect(), None);
            lanes.settled(None);
            lanes.settled(None);
        }
        assert_eq!(lanes.behind_suspect(), Some(FIRST.next()));
        lanes.settled(Some(FIRST));
        assert_eq!(lanes.behind_suspect(), None);
    }
}
