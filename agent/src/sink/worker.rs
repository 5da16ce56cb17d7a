//! The worker of one sink: takes what waits, writes it, and decides by the outcome what becomes of it.
//!
//! One request at a time. A batch is let go of only when every line of it is stored or refused for good; faults of any
//! other kind are waited out without a limit of attempts, and told once.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    select,
    time::{sleep, timeout},
};
use tracing::{error, info, warn};

use super::{
    Target,
    batch::{Batch, Key, Next, Tally},
    health::Health,
    isolation::{Isolation, Refused},
    largest::Largest,
    outcome::{Fault, Outcome},
    quarantine::Quarantine,
    retry::Backoff,
    store::Store,
    stream,
};
use crate::{
    encode::{Packed, Payload, tells_of_losses},
    loss::{Loss, LossReason, Losses},
    self_stats::SinkStats,
};

/// Why a worker ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// It was told to stop.
    Stopped {
        /// Points that waited in memory alone and could not be written within the deadline.
        points_lost: u64,
        /// Points that wait on disk for the next start.
        points_kept: u64,
    },
    /// Nobody reads the output any more.
    OutputClosed {
        /// Points that were waiting.
        points_lost: u64,
    },
}

/// Writes what one sink is offered.
#[derive(Debug)]
pub struct Worker {
    target: Target,
    store: Arc<Store>,
    stats: Arc<SinkStats>,
    pub(super) pace: Pace,
    backoff: Backoff,
    quarantine: Option<Quarantine>,
    /// What a batch has come to that could not be finished; it is taken up again where it was left.
    unfinished: Option<(Key, Isolation)>,
    /// How large a part the server takes.
    largest: Largest,
    /// Whether the database was made since the last good write.
    made_database: bool,
    health: Health,
    /// Why secrets or certificates could not be read again before the last try.
    unreadable: Option<String>,
}

/// How long the worker waits for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Longest wait before the very first write: many agents may start at one moment.
    pub(super) first_write: Duration,
    /// Longest wait before the first retry.
    pub(super) first_retry: Duration,
    /// Longest wait before any retry.
    pub(super) longest_retry: Duration,
    /// Longest wait between tries while somebody must act; the shortest is half of it.
    pub(super) probe: Duration,
    /// Longest wait before a retry while the agent is stopping.
    pub(super) last_retry: Duration,
    /// Time for what still waits when the agent stops.
    pub(super) drain: Duration,
}

pub(super) const PACE: Pace = Pace {
    first_write: Duration::from_millis(500),
    first_retry: Duration::from_millis(250),
    longest_retry: Duration::from_mins(1),
    probe: Duration::from_mins(1),
    last_retry: Duration::from_millis(500),
    drain: Duration::from_secs(5),
};

/// Nobody reads the output any more.
struct OutputClosed;

/// What became of a batch.
enum Settled {
    /// Every line of it is stored or refused for good.
    Yes,
    /// It is to be tried again after this wait.
    After(Duration),
}

impl Worker {
    pub(super) fn new(
        target: Target,
        store: Arc<Store>,
        stats: Arc<SinkStats>,
        quarantine: Option<Quarantine>,
    ) -> Self {
        Self {
            target,
            store,
            health: Health::new(Arc::clone(&stats)),
            stats,
            pace: PACE,
            backoff: Backoff::new(PACE.first_retry, PACE.longest_retry),
            quarantine,
            unfinished: None,
            largest: Largest::default(),
            made_database: false,
            unreadable: None,
        }
    }

    /// Writes until `stop`, then for a few seconds more what still waits. What is on disk may stay there.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> Ended {
        let store = Arc::clone(&self.store);
        let stats = Arc::clone(&self.stats);
        let drain = self.pace.drain;
        let closed = {
            let mut keep = pin!(store.keep_offers());
            let mut deliver = pin!(self.deliver());
            select! {
                ended = &mut deliver => ended,
                never = &mut keep => never,
                () = stop => {
                    store.close().await;
                    timeout(drain, deliver).await.unwrap_or(Ok(()))
                }
            }
        };
        let left = store.finish().await;
        let sink = stats.name.as_str();
        let (points_lost, points_kept) = (left.points_lost, left.points_kept);
        if let Err(OutputClosed) = closed {
            error!(sink, points_lost, "nobody reads the output any more");
            return Ended::OutputClosed { points_lost };
        }
        if points_lost > 0 {
            error!(sink, points_lost, "stopped before all points were written");
        }
        if points_kept > 0 {
            info!(
                sink,
                points_kept, "what is not written yet is on disk, for the next start"
            );
        }
        Ended::Stopped {
            points_lost,
            points_kept,
        }
    }

    /// Ends well when the store is closed and nothing more can be done now.
    async fn deliver(&mut self) -> Result<(), OutputClosed> {
        self.wait(self.pace.first_write.mul_f64(fastrand::f64()))
            .await;
        loop {
            // What is on disk can wait for the next start; no use in knocking where nobody answers.
            if self.health.is_failing() && self.store.is_closed() && self.store.is_safe().await {
                return Ok(());
            }
            match self.store.next().await {
                Next::Batch(batch) => {
                    if let Settled::After(wait) = self.settle(*batch).await? {
                        self.wait(wait).await;
                    }
                }
                // There is a deadline; until then what waits for its turn is written, too.
                Next::Later(wait) if self.store.is_closed() => sleep(wait).await,
                Next::Nothing if self.store.is_closed() => return Ok(()),
                Next::Later(wait) => self.store.more_within(wait).await,
                Next::Nothing => self.store.more().await,
            }
        }
    }

    /// Writes a batch until every line of it is settled, or until it must wait.
    async fn settle(&mut self, batch: Batch) -> Result<Settled, OutputClosed> {
        self.refresh().await;
        let began = Instant::now();
        let is_this = |(key, isolation): &mut (Key, Isolation)| {
            *key == batch.key && isolation.is_of(&batch.payload)
        };
        let mut isolation = match self.unfinished.take_if(is_this) {
            Some((_, isolation)) => isolation,
            None => Isolation::of(batch.payload.clone()),
        };
        while let Some(part) = isolation.next() {
            if self.largest.forbids(&part) {
                isolation.too_large("larger than what the server has taken of late");
                continue;
            }
            let packed = isolation.is_whole().then_some(&batch.packed);
            match self.write(&part, packed).await {
                Outcome::Stored => {
                    isolation.stored();
                    self.largest.stored(&part);
                    self.works();
                }
                Outcome::Rejected(rejection) => {
                    self.largest.answered(&part);
                    isolation.rejected(&rejection);
                }
                Outcome::TooLarge { reason } => {
                    self.largest.refused(&part);
                    isolation.too_large(&reason);
                }
                Outcome::Cut { reason } => {
                    self.largest.cut(&part);
                    let wait = self.retry(None, &reason);
                    self.leave(batch.key, isolation).await;
                    return Ok(Settled::After(wait));
                }
                Outcome::Retry { after, reason } => {
                    let wait = self.retry(after, &reason);
                    self.leave(batch.key, isolation).await;
                    return Ok(Settled::After(wait));
                }
                Outcome::Pause { fault, reason } => {
                    let wait = self.pause(fault, &reason).await;
                    self.leave(batch.key, isolation).await;
                    return Ok(Settled::After(wait));
                }
                Outcome::Closed => {
                    self.store.release(batch.key).await;
                    return Err(OutputClosed);
                }
            }
        }
        let refused = isolation.into_refused();
        let tally = tally(&batch.payload, &refused);
        self.quarantine(&refused).await;
        self.store.settle(batch, tally, began).await;
        self.health.works();
        Ok(Settled::Yes)
    }

    /// Reads secrets and certificates again before a try where the last one failed for them: they may have been replaced
    /// while it waited. What cannot be read is told of when the try has failed.
    async fn refresh(&mut self) {
        let is_due = matches!(self.health.fault(), Some(Fault::Denied | Fault::Untrusted));
        self.unreadable = match &mut self.target {
            Target::Influxdb(client) if is_due => client.refresh().await.err(),
            _ => None,
        };
    }

    /// Leaves a batch for later, to be taken up where it is now.
    async fn leave(&mut self, key: Key, isolation: Isolation) {
        self.unfinished = Some((key, isolation));
        self.store.release(key).await;
    }

    async fn write(&mut self, payload: &Payload, packed: Option<&Packed>) -> Outcome {
        self.stats.bytes_sent.add(payload.lines().len() as u64);
        match &mut self.target {
            Target::Influxdb(client) => client.write(payload, packed).await,
            Target::Stdout => stream::write_stdout(payload).await,
            Target::File(path) => stream::write_file(path, payload).await,
            Target::Unix(path) => stream::write_unix(path, payload).await,
            Target::Udp(address) => stream::write_udp(*address, payload).await,
        }
    }

    /// A fault that passes by itself; returns how long to wait for that, `after` being what was asked for.
    fn retry(&mut self, after: Option<Duration>, reason: &str) -> Duration {
        self.health.failed(None, reason);
        let wait = self.backoff.wait(fastrand::f64());
        // Later than asked by a part of our own: not all who were asked come back at once.
        after.map_or(wait, |after| after.saturating_add(wait))
    }

    /// Acts where somebody must, as far as it can: makes a database that is missing. Returns how long to wait for what
    /// cannot be done here.
    async fn pause(&mut self, fault: Fault, reason: &str) -> Duration {
        let probe = self.pace.probe.mul_f64(0.5 + fastrand::f64() / 2.0);
        let Target::Influxdb(client) = &mut self.target else {
            self.health.failed(Some(fault), reason);
            return probe;
        };
        match fault {
            Fault::NoDatabase if !self.made_database => match client.create_database().await {
                Ok(true) => {
                    let sink = self.stats.name.as_str();
                    info!(sink, "made the database, which was missing");
                    self.made_database = true;
                    return Duration::ZERO;
                }
                Ok(false) => self.health.failed(Some(fault), reason),
                Err(error) => {
                    self.health
                        .failed(Some(fault), &format!("{reason}; cannot make it: {error}"));
                }
            },
            Fault::Denied | Fault::Untrusted => match self.unreadable.take() {
                None => self.health.failed(Some(fault), reason),
                Some(error) => self
                    .health
                    .failed(Some(fault), &format!("{reason}; {error}")),
            },
            Fault::NoDatabase | Fault::Misconfigured => {
                // Made, and missing all the same: made again after the next try at the earliest.
                self.made_database = false;
                self.health.failed(Some(fault), reason);
            }
        }
        probe
    }

    /// The other side has taken something.
    fn works(&mut self) {
        self.backoff.reset();
        self.made_database = false;
        self.health.acknowledged();
    }

    /// Keeps refused lines for a person to look at, and tells of them.
    async fn quarantine(&mut self, refused: &[Refused]) {
        if let Some(quarantine) = &self.quarantine
            && let Err(error) = quarantine.keep(refused).await
        {
            let sink = self.stats.name.as_str();
            warn!(sink, %error, "cannot keep refused lines for somebody to look at");
        }
        let place = self.quarantine.as_ref().map(Quarantine::path);
        self.health.refused(refused, place);
    }

    /// Waits; less when the agent is stopping, or begins to.
    async fn wait(&mut self, wait: Duration) {
        select! {
            () = sleep(wait) => {}
            () = self.store.closed() => sleep(wait.min(self.pace.last_retry)).await,
        }
    }
}

/// What a batch came to, in points.
fn tally(payload: &Payload, refused: &[Refused]) -> Tally {
    let reason = |refused: &Refused| {
        if tells_of_losses(&refused.line) {
            LossReason::Unreported
        } else if refused.is_expired {
            LossReason::Expired
        } else {
            LossReason::Refused
        }
    };
    let lost = refused.iter().map(|refused| Loss {
        reason: reason(refused),
        points: 1,
        times: payload.times(),
    });
    let lost: Losses = lost.collect();
    Tally {
        stored: (payload.points() as u64).saturating_sub(lost.points()),
        lost,
    }
}
