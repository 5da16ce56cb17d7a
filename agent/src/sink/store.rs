//! What one sink was offered and has not delivered, between three who do not wait for each other: the collector, which
//! offers; the disk, which may hang; the worker, which writes.

use std::{
    panic::resume_unwind,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{sync::Notify, task::spawn_blocking, time::timeout};

use super::{
    batch::{Batch, Key, Next, Tally},
    intake::Intake,
    kept::Kept,
    wall_ns,
};
use crate::{encode::Payload, self_stats::SinkStats};

/// What is offered while the disk is away is moved there as soon as it is back, also where nothing more comes.
const MOVE_EVERY: Duration = Duration::from_secs(10);

/// Batches of one sink.
#[derive(Debug)]
pub(super) struct Store {
    intake: Intake,
    kept: Mutex<Kept>,
    stats: Arc<SinkStats>,
    is_closed: AtomicBool,
    /// Something was offered.
    offered: Notify,
    /// Something more is kept, or the store was closed; for the one worker.
    more: Notify,
    /// The store was closed.
    closed: Notify,
}

/// What is left when a store is finished.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Left {
    /// Points that were in memory alone.
    pub(super) points_lost: u64,
    /// Points that are on disk.
    pub(super) points_kept: u64,
}

impl Store {
    pub(super) fn new(intake: Intake, kept: Kept, stats: Arc<SinkStats>) -> Self {
        let store = Self {
            intake,
            kept: Mutex::new(kept),
            stats,
            is_closed: AtomicBool::new(false),
            offered: Notify::new(),
            more: Notify::new(),
            closed: Notify::new(),
        };
        store.publish(&store.kept());
        store
    }

    /// Takes a payload in, without waiting.
    pub(super) fn offer(&self, payload: Payload) {
        self.intake.offer(payload);
        self.offered.notify_one();
    }

    /// Keeps what is offered, for as long as it is polled.
    pub(super) async fn keep_offers(self: &Arc<Self>) -> ! {
        loop {
            // Late is as good as woken: what waits in memory for the disk is tried again.
            let _woken = timeout(MOVE_EVERY, self.offered.notified()).await;
            self.blocking(Self::keep).await;
        }
    }

    /// What to do next.
    pub(super) async fn next(self: &Arc<Self>) -> Next {
        let next = self
            .blocking(|store| store.kept().take(Instant::now()))
            .await;
        next.unwrap_or(Next::Nothing)
    }

    /// Waits until something more is kept, or the store is closed.
    pub(super) async fn more(&self) {
        self.more.notified().await;
    }

    /// The same for a time at the most.
    pub(super) async fn more_within(&self, wait: Duration) {
        let _woken = timeout(wait, self.more()).await;
    }

    /// Puts a batch back.
    pub(super) async fn release(self: &Arc<Self>, key: Key) {
        self.blocking(move |store| store.kept().release(key)).await;
    }

    /// Lets go of a batch that was begun then.
    pub(super) async fn settle(self: &Arc<Self>, batch: Batch, tally: Tally, began: Instant) {
        let settle = move |store: &Self| {
            let mut kept = store.kept();
            kept.settle(&batch, &tally, began, Instant::now());
            store.publish(&kept);
        };
        self.blocking(settle).await;
    }

    /// Takes nothing more in, once what was offered so far is kept.
    pub(super) async fn close(self: &Arc<Self>) {
        self.intake.close();
        self.blocking(Self::keep).await;
        self.is_closed.store(true, Ordering::Release);
        self.more.notify_one();
        self.closed.notify_waiters();
    }

    /// Whether nothing more is taken in.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Returns when nothing more is taken in.
    pub(super) async fn closed(&self) {
        let closed = self.closed.notified();
        if !self.is_closed() {
            closed.await;
        }
    }

    /// Whether all that waits outlives the process.
    pub(super) async fn is_safe(self: &Arc<Self>) -> bool {
        let in_memory = self.blocking(|store| store.kept().points_in_memory()).await;
        in_memory == Some(0)
    }

    /// Tells the disk everything, gives up what is in memory alone, and says what is left.
    pub(super) async fn finish(self: &Arc<Self>) -> Left {
        let finish = |store: &Self| {
            store.intake.close();
            // Nobody writes any more what was taken to be written.
            store.kept().put_back();
            store.keep();
            let mut kept = store.kept();
            let points_lost = kept.points_in_memory();
            kept.lose_memory(Instant::now());
            store.publish(&kept);
            Left {
                points_lost,
                points_kept: kept.waiting().points,
            }
        };
        self.blocking(finish).await.unwrap_or_default()
    }

    /// Whether so many bytes more leave half of the room free.
    pub(super) fn has_half_for(&self, bytes: u64) -> bool {
        let (used, most) = self.kept().room();
        used.saturating_add(bytes) <= most / 2
    }

    /// Keeps what is offered. May wait for the disk.
    pub(super) fn keep(&self) {
        // First: what another thread had taken, but not kept yet, this one would call kept.
        let mut kept = self.kept();
        let taken = self.intake.take();
        kept.keep(taken.payloads, &taken.lost, Instant::now(), wall_ns());
        self.publish(&kept);
        drop(kept);
        self.more.notify_one();
    }

    /// Makes the account known.
    fn publish(&self, kept: &Kept) {
        self.stats.publish(
            kept.points_stored(),
            |reason| kept.points_lost(reason),
            kept.waiting(),
        );
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `work` where it may wait for a disk. `None` only where the runtime ends; a panic goes on here.
    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Option<T> {
        let store = Arc::clone(self);
        match spawn_blocking(move || work(&store)).await {
            Ok(done) => Some(done),
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            Err(_cancelled) => None,
        }
    }
}
