//! What waits for one sink: on disk, and in memory where there is no disk or it is away.
//!
//! What comes stands in memory first and goes to the disk in the order in which it came, a batch that is being written
//! from memory just then with the others.
//! Blocking, for one caller at a time; `store` brings it together with tasks.

use std::{
    fmt,
    time::{Duration, Instant},
};

use tracing::error;

use super::{
    batch::{Batch, Key, Next, Tally},
    disk::{Disk, Place},
    fresh::Fresh,
    lanes::Lanes,
    loss_log::LossLog,
    memory::Memory,
    spool::{Seq, Spool, SpoolError},
};
use crate::{
    encode::{Packed, Payload},
    loss::{Loss, LossReason, Losses},
    self_stats::Waiting,
};

/// After so many settled batches the disk is told, also where nothing new comes along.
const FLUSH_AFTER: usize = 64;

/// Makes the points that tell of losses, at this time.
pub(super) type TellLosses = Box<dyn Fn(&Losses, i64) -> Option<Payload> + Send>;

/// Batches that wait.
pub(super) struct Kept {
    /// For the log.
    sink: String,
    disk: Option<Disk>,
    memory: Memory,
    /// The lines of what came last, as they came.
    fresh: Fresh,
    /// Which batch is next.
    lanes: Lanes,
    /// The batch in memory that is being written.
    taken: Option<u64>,
    /// Where that batch has gone since it was taken.
    moved: Option<(u64, Seq)>,
    tell: TellLosses,
    /// The account, where there is no spool to keep it.
    account: Tally,
    /// Losses that no point has told of, where there is no spool to remember them.
    untold: Losses,
    /// Whether something was written, and nothing has failed since: only then are losses told of.
    works: bool,
    log: LossLog,
    settled: usize,
}

impl Kept {
    /// What waits in memory alone.
    pub(super) fn in_memory(
        sink: &str,
        max_bytes: usize,
        drain_lines: u32,
        tell: TellLosses,
    ) -> Self {
        Self {
            sink: sink.to_owned(),
            disk: None,
            memory: Memory::new(max_bytes),
            fresh: Fresh::default(),
            lanes: Lanes::new(drain_lines),
            taken: None,
            moved: None,
            tell,
            account: Tally::default(),
            untold: Losses::default(),
            works: false,
            log: LossLog::default(),
            settled: 0,
        }
    }

    /// The same on disk, and in memory while that is away. Fails only where another process has the file.
    pub(super) fn on_disk(self, place: Place, now: Instant) -> Result<Self, SpoolError> {
        let disk = Disk::open(&self.sink, place, now)?;
        Ok(Self {
            disk: Some(disk),
            ..self
        })
    }

    /// Keeps these, and counts what was lost before they came here.
    pub(super) fn keep(
        &mut self,
        payloads: Vec<Payload>,
        lost: &Losses,
        now: Instant,
        wall_ns: i64,
    ) {
        self.lose(lost);
        let points: usize = payloads.iter().map(Payload::points).sum();
        if points > 0 {
            self.lanes.came(points, now);
            self.tell_without_spool(wall_ns);
        }
        for payload in payloads {
            self.push(payload);
        }
        self.move_to_disk(now, wall_ns);
        let mut log = std::mem::take(&mut self.log);
        log.look(&self.sink, |reason| self.points_lost(reason));
        self.log = log;
    }

    /// The batch to be written now.
    pub(super) fn take(&mut self, now: Instant) -> Next {
        let live = self
            .lanes
            .live_on_disk()
            .and_then(|from| self.take_from_disk(from, now))
            .or_else(|| self.take_from_memory(self.lanes.live_in_memory()?));
        if let Some((key, packed)) = live {
            return self.give(key, packed, false);
        }
        if self.is_empty() {
            return Next::Nothing;
        }
        let wait = self.lanes.wait(now);
        if !wait.is_zero() {
            return Next::Later(wait);
        }
        let behind = self.lanes.behind_suspect();
        let oldest = behind
            .and_then(|from| self.take_from_disk(from, now))
            .or_else(|| self.take_from_disk(Seq::FIRST, now))
            .or_else(|| self.take_from_memory(0));
        match oldest {
            Some((key, packed)) => self.give(key, packed, true),
            None => Next::Nothing,
        }
    }

    /// A batch was not written; it may be taken again. All that came so far has waited, then.
    pub(super) fn release(&mut self, key: Key) {
        let key = self.place_of(key);
        match key {
            Key::Disk(seq) => {
                if let Some(spool) = self.spool_mut() {
                    spool.release(seq);
                }
            }
            Key::Memory(_) => self.taken = None,
        }
        self.lanes.failed(key.on_disk());
        self.fresh.clear();
        self.works = false;
    }

    /// A batch that was begun then is done with.
    pub(super) fn settle(&mut self, batch: &Batch, tally: &Tally, began: Instant, now: Instant) {
        self.works = true;
        let key = self.place_of(batch.key);
        self.lanes.settled(key.on_disk());
        if batch.has_waited {
            self.lanes.drained(batch.packed.points, began, now);
        }
        self.account_for(key, tally);
        self.settled += 1;
        if self.settled >= FLUSH_AFTER {
            self.flush(now);
        }
        if self.is_empty() {
            self.log.all_written();
        }
    }

    /// The batch in memory that was taken to be written is not written any more.
    pub(super) fn put_back(&mut self) {
        self.taken = None;
    }

    /// Tells the disk what is settled.
    pub(super) fn flush(&mut self, now: Instant) {
        self.settled = 0;
        if let Some(disk) = &mut self.disk {
            disk.with(now, Spool::flush);
        }
    }

    /// What waits now.
    pub(super) fn waiting(&self) -> Waiting {
        let memory = &self.memory;
        let on_disk = self.spool().map(Spool::depth).unwrap_or_default();
        let oldest = memory.iter().map(|(_, batch)| batch.times.oldest_ns);
        Waiting {
            batches: on_disk.batches + memory.len() as u64,
            points: on_disk.points + memory.points(),
            bytes: on_disk.bytes + memory.bytes() as u64,
            file_bytes: self.spool().map(Spool::file_bytes),
            file_limit_bytes: self.spool().map(Spool::file_limit_bytes),
            oldest_ns: on_disk.oldest_ns.into_iter().chain(oldest).min(),
        }
    }

    /// Bytes that wait, and the most that may: on disk, or in memory where that is all there is now.
    pub(super) fn room(&self) -> (u64, u64) {
        match self.disk.as_ref().and_then(Disk::room) {
            Some(room) => room,
            None => (self.memory.bytes() as u64, self.memory.max_bytes() as u64),
        }
    }

    /// Points stored so far, by earlier processes too as far as the disk knows.
    pub(super) fn points_stored(&self) -> u64 {
        let spool = self.spool().map_or(0, |spool| spool.totals().stored);
        spool + self.account.stored
    }

    /// Points lost so far for this reason, in the same way.
    pub(super) fn points_lost(&self, reason: LossReason) -> u64 {
        let spool = self.spool().map_or(0, |spool| spool.totals().lost(reason));
        let elsewhere = self.account.lost.iter().find(|loss| loss.reason == reason);
        spool + elsewhere.map_or(0, |loss| loss.points)
    }

    /// The latest time at which something came, by this process or an earlier one.
    pub(super) fn newest_ns(&self) -> Option<i64> {
        self.spool().and_then(Spool::newest_ns)
    }

    /// Points that end with the process.
    pub(super) fn points_in_memory(&self) -> u64 {
        self.memory.points()
    }

    /// All that is in memory is lost: the process ends.
    pub(super) fn lose_memory(&mut self, now: Instant) {
        let held: Vec<u64> = self.memory.iter().map(|(id, _)| id).collect();
        let lost = held.into_iter().filter_map(|id| self.memory.remove(id));
        let lost: Losses = lost.map(|batch| batch.loss(LossReason::Stopped)).collect();
        self.lose(&lost);
        self.flush(now);
    }

    fn is_empty(&self) -> bool {
        let spool = self.spool();
        self.memory.len() == 0 && spool.is_none_or(|spool| spool.depth().batches == 0)
    }

    fn spool(&self) -> Option<&Spool> {
        self.disk.as_ref().and_then(Disk::spool)
    }

    fn spool_mut(&mut self) -> Option<&mut Spool> {
        self.disk.as_mut().and_then(Disk::spool_mut)
    }

    fn push(&mut self, payload: Payload) {
        let (id, lost) = self.memory.push(Packed::of(&payload), self.taken);
        // While nothing is written nothing is written at once.
        if self.works {
            self.fresh.put(Key::Memory(id), payload);
        }
        self.lanes.in_memory(id);
        self.lose(&lost);
    }

    fn give(&mut self, key: Key, packed: Packed, has_waited: bool) -> Next {
        let fresh = self.fresh.take(key).map(Ok);
        match fresh.unwrap_or_else(|| packed.unpack()) {
            Ok(payload) => Next::Batch(Box::new(Batch {
                key,
                packed,
                payload,
                has_waited,
            })),
            // The disk proves what it gives and memory does not decay, so nothing is known that leads here.
            Err(error) => {
                let loss = packed.loss(LossReason::Damaged);
                error!(sink = self.sink, %error, points_lost = loss.points, "a batch is dropped");
                let tally = Tally {
                    stored: 0,
                    lost: Losses::from_iter([loss]),
                };
                self.account_for(key, &tally);
                Next::Later(Duration::ZERO)
            }
        }
    }

    fn take_from_disk(&mut self, from: Seq, now: Instant) -> Option<(Key, Packed)> {
        let taken = self.disk.as_mut()?.read(now, |spool| spool.take(from));
        let stored = taken??;
        Some((Key::Disk(stored.seq), stored.packed))
    }

    fn take_from_memory(&mut self, from: u64) -> Option<(Key, Packed)> {
        let (id, batch) = self.memory.iter().find(|(id, _)| *id >= from)?;
        let batch = batch.clone();
        self.taken = Some(id);
        Some((Key::Memory(id), batch))
    }

    /// Where a batch is now that was given under this key.
    fn place_of(&mut self, key: Key) -> Key {
        match (key, self.moved.take()) {
            (Key::Memory(id), Some((moved, seq))) if id == moved => Key::Disk(seq),
            (key, _) => key,
        }
    }

    /// Takes a batch that is done with into the account.
    fn account_for(&mut self, key: Key, tally: &Tally) {
        match key {
            Key::Disk(seq) => {
                let lost: Vec<Loss> = tally.lost.iter().collect();
                if let Some(spool) = self.spool_mut() {
                    spool.settle(seq, &lost);
                }
            }
            Key::Memory(id) => {
                self.taken = None;
                self.memory.remove(id);
                match self.spool_mut() {
                    Some(spool) => spool.stored_elsewhere(tally.stored),
                    None => self.account.stored += tally.stored,
                }
                self.lose(&tally.lost);
            }
        }
    }

    /// Counts losses of what is not on disk.
    fn lose(&mut self, lost: &Losses) {
        if let Some(spool) = self.spool_mut() {
            for loss in lost.iter() {
                spool.lost_elsewhere(&loss);
            }
        } else {
            self.account.lost.extend(lost.iter());
            self.untold
                .extend(lost.iter().filter(|loss| loss.reason.is_reported()));
        }
    }

    /// Makes a point of what was lost, where no spool ever remembers it.
    fn tell_without_spool(&mut self, wall_ns: i64) {
        if self.disk.is_none() && self.works && !self.untold.is_empty() {
            let untold = std::mem::take(&mut self.untold);
            if let Some(told) = (self.tell)(&untold, wall_ns) {
                self.push(told);
            }
        }
    }

    /// Moves what is in memory to the disk, if that can be used, with a point of what was lost.
    fn move_to_disk(&mut self, now: Instant, wall_ns: i64) {
        loop {
            let held = self.memory.iter();
            let (ids, mut batches): (Vec<u64>, Vec<Packed>) =
                held.map(|(id, batch)| (id, batch.clone())).unzip();
            // With nothing to keep, the account is written: that tells whether the disk is there again.
            let is_wanted = |disk: &&mut Disk| !batches.is_empty() || disk.is_due(now);
            let Some(disk) = self.disk.as_mut().filter(is_wanted) else {
                return;
            };
            let untold = disk.spool().map(Spool::untold).unwrap_or_default();
            let told = untold.iter().copied().collect::<Losses>();
            let told = self.works.then(|| (self.tell)(&told, wall_ns)).flatten();
            let extra = usize::from(told.is_some());
            batches.splice(0..0, told.as_ref().map(Packed::of));
            let told = if extra > 0 { &untold[..] } else { &[] };
            let kept = disk.with(now, |spool| spool.append(&batches, told, wall_ns));
            let Some(seqs) = kept.filter(|seqs| !seqs.is_empty()) else {
                return;
            };
            for (id, seq) in ids.iter().zip(seqs.into_iter().skip(extra)) {
                self.memory.remove(*id);
                if let Some(seq) = seq.filter(|_| self.taken == Some(*id)) {
                    self.taken = None;
                    let held = disk.with(now, |spool| spool.hold(seq));
                    self.moved = held.and(Some((*id, seq)));
                }
                if let Some(seq) = seq {
                    self.lanes.on_disk(*id, seq);
                    self.fresh.renamed(Key::Memory(*id), Key::Disk(seq));
                }
            }
            self.move_account();
        }
    }

    /// What was counted before there was a spool goes into its account.
    fn move_account(&mut self) {
        let account = std::mem::take(&mut self.account);
        self.untold = Losses::default();
        if let Some(spool) = self.spool_mut() {
            spool.stored_elsewhere(account.stored);
            for loss in account.lost.iter() {
                spool.lost_elsewhere(&loss);
            }
        }
    }
}

/// Without what tells of losses.
impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept")
            .field("sink", &self.sink)
            .field("disk", &self.disk)
            .finish_non_exhaustive()
    }
}
