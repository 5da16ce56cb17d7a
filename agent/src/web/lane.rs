//! One connection: makes batches of what waits in its queue, and comes back by itself when it is lost.
//!
//! The clients at hand do neither: one never connects again, one holds calls for seconds, one for ever. A connection that
//! has failed or missed a deadline is dropped and never used again; what was under way on it is never asked for twice.

use std::{
    collections::VecDeque,
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream::FuturesOrdered};
use tokio::{
    select,
    sync::Notify,
    time::{sleep, timeout, timeout_at},
};

use super::{
    counter::{Queue, Waiter},
    linger::{Sent, gather},
    refusal::Refusal,
    stats::Stats,
    store::{Mode, Outcome, Place, Store},
};

/// The first wait between two tries, and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// A connection that has nothing to do is asked this often whether it is there still.
const IDLE: Duration = Duration::from_secs(1);

/// One connection's part of the counter.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) place: Place,
    pub(crate) mode: Mode,
    /// Batches that may be under way at a time.
    pub(crate) inflight: usize,
    /// How long a batch may be waited for to grow.
    pub(crate) linger: Duration,
    /// How long a hit may take in all.
    pub(crate) deadline: Duration,
    pub(crate) queue: Arc<Queue>,
    pub(crate) stats: Arc<Stats>,
    /// Somebody wants to know now.
    pub(crate) poke: Arc<Notify>,
}

impl Lane {
    /// Connects and counts, again and again, until it is dropped.
    pub(crate) async fn run(self) {
        let mut backoff = BACKOFF.0;
        loop {
            let reason = match self.place.connect().await {
                Ok(store) => {
                    self.stats.connected();
                    self.queue.open();
                    let (reason, has_served) = self.serve(store).await;
                    self.stats.disconnected(&reason);
                    if has_served {
                        backoff = BACKOFF.0;
                    }
                    reason
                }
                Err(reason) => {
                    self.stats.unconnected(&reason);
                    reason
                }
            };
            // Up to a half less, so that many do not come back at one moment.
            let pause = backoff.mul_f64(1.0 - fastrand::f64() / 2.0);
            backoff = (backoff * 2).min(BACKOFF.1);
            self.queue.close(reason, Instant::now() + pause);
            select! {
                () = sleep(pause) => {}
                () = self.poke.notified() => {}
            }
        }
    }

    /// Counts until the connection fails; says why, and whether it ever answered.
    async fn serve(&self, mut store: Store) -> (String, bool) {
        let most = match self.mode {
            Mode::Single => 1,
            Mode::Pipeline | Mode::Coalesce => usize::MAX,
        };
        // Who waits for which of the batches under way, oldest first.
        let mut waiting = VecDeque::with_capacity(self.inflight);
        let mut under_way = FuturesOrdered::new();
        let mut spare = Vec::new();
        let mut answered = None;
        let mut has_served = false;
        let reason = loop {
            if waiting.is_empty()
                && let Some(last) = answered.take()
            {
                gather(&self.queue, last, self.linger).await;
            }
            while waiting.len() < self.inflight {
                self.queue.take(&mut spare, most);
                let Some(oldest) = spare.first() else { break };
                // Whoever comes after the oldest has longer, so nobody waits beyond the deadline.
                let deadline = oldest.since + self.deadline;
                let sent = Sent {
                    hits: spare.len(),
                    at: Instant::now(),
                };
                under_way.push_back(self.count(store.clone(), sent, deadline));
                waiting.push_back(mem::take(&mut spare));
            }
            let done = select! {
                biased;
                Some((sent, counted)) = under_way.next() => {
                    answered = Some(sent);
                    spare = waiting.pop_front().unwrap_or_default();
                    self.answer(&mut spare, counted)
                }
                () = self.queue.wake.notified(), if waiting.len() < self.inflight => continue,
                () = sleep(IDLE), if waiting.is_empty() => {
                    let pong = timeout(self.deadline, store.ping()).await;
                    pong.unwrap_or_else(|_elapsed| Err(self.silence()))
                }
            };
            match done {
                Ok(()) => {
                    has_served = true;
                    self.stats.answered();
                }
                Err(reason) => break reason,
            }
        };
        let why: Arc<str> = reason.as_str().into();
        unknown(waiting.into_iter().flatten(), &why);
        (reason, has_served)
    }

    /// Counts a batch, by then or never.
    async fn count(
        &self,
        mut store: Store,
        sent: Sent,
        deadline: Instant,
    ) -> (Sent, Result<Vec<Outcome>, String>) {
        let counted = timeout_at(deadline.into(), store.count(sent.hits, self.mode)).await;
        let counted = counted.unwrap_or_else(|_elapsed| Err(self.silence()));
        (sent, counted)
    }

    /// Gives each of a batch its answer, and leaves it empty.
    fn answer(
        &self,
        batch: &mut Vec<Waiter>,
        counted: Result<Vec<Outcome>, String>,
    ) -> Result<(), String> {
        match counted {
            Ok(outcomes) => {
                self.stats.counted(batch, &outcomes);
                for (waiter, outcome) in batch.drain(..).zip(outcomes) {
                    waiter.answer(outcome.map_err(Refusal::Said));
                }
                Ok(())
            }
            Err(reason) => {
                unknown(batch.drain(..), &reason.as_str().into());
                Err(reason)
            }
        }
    }

    fn silence(&self) -> String {
        let deadline = humantime::format_duration(self.deadline);
        format!("{} gave no answer within {deadline}", self.place.address)
    }
}

/// Nobody knows whether these were counted.
fn unknown(waiters: impl IntoIterator<Item = Waiter>, why: &Arc<str>) {
    for waiter in waiters {
        waiter.answer(Err(Refusal::Unknown(Arc::clone(why))));
    }
}
