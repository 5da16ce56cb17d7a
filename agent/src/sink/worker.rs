//! The worker of one sink: takes, writes, and decides by the outcome what becomes of a payload.

use std::{
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    select,
    time::{Instant, sleep, timeout},
};
use tracing::{error, info, warn};

use super::{
    Target, count_dropped,
    outcome::{Fault, Outcome},
    queue::Queue,
    retry::Backoff,
    stream,
};
use crate::{encode::Payload, self_stats::SinkStats};

/// How often refused points are told of, while there are any.
const TELL_REFUSALS_EVERY: Duration = Duration::from_mins(10);

/// Why a worker ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// It was told to stop.
    Stopped {
        /// Points that could not be written within the deadline.
        points_lost: usize,
    },
    /// Nobody reads the output any more.
    OutputClosed {
        /// Points that were waiting.
        points_lost: usize,
    },
}

/// Writes what one sink is offered.
#[derive(Debug)]
pub struct Worker {
    target: Target,
    queue: Arc<Queue>,
    stats: Arc<SinkStats>,
    pub(super) pace: Pace,
    backoff: Backoff,
    /// Payloads above this were refused as too large.
    largest_bytes: usize,
    /// Whether the database was made since the last good write.
    made_database: bool,
    outage: Option<Outage>,
    refusals: Refusals,
}

/// How long the worker waits for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Longest wait before the first retry.
    pub(super) first_retry: Duration,
    /// Longest wait before any retry.
    pub(super) longest_retry: Duration,
    /// Wait between tries while somebody must act.
    pub(super) probe: Duration,
    /// Longest wait before a retry while the agent is stopping.
    pub(super) last_retry: Duration,
    /// Time for what still waits when the agent stops.
    pub(super) drain: Duration,
}

const PACE: Pace = Pace {
    first_retry: Duration::from_millis(250),
    longest_retry: Duration::from_mins(1),
    probe: Duration::from_secs(30),
    last_retry: Duration::from_millis(500),
    drain: Duration::from_secs(5),
};

/// Writes have failed since.
#[derive(Debug)]
struct Outage {
    since: Instant,
    /// The fault that was told, if one stays until somebody acts.
    fault: Option<Fault>,
}

/// Points refused and not yet told of.
#[derive(Debug, Default)]
struct Refusals {
    points: usize,
    told: Option<Instant>,
}

/// Nobody reads the output any more.
struct OutputClosed;

impl Worker {
    pub(super) fn new(target: Target, queue: Arc<Queue>, stats: Arc<SinkStats>) -> Self {
        Self {
            target,
            queue,
            stats,
            pace: PACE,
            backoff: Backoff::new(PACE.first_retry, PACE.longest_retry),
            largest_bytes: usize::MAX,
            made_database: false,
            outage: None,
            refusals: Refusals::default(),
        }
    }

    /// Writes until `stop`, then for a few seconds more what still waits.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> Ended {
        let queue = Arc::clone(&self.queue);
        let stats = Arc::clone(&self.stats);
        let drain = self.pace.drain;
        let closed = {
            let mut deliver = pin!(self.deliver());
            select! {
                ended = &mut deliver => ended,
                () = stop => {
                    queue.close();
                    timeout(drain, deliver).await.unwrap_or(Ok(()))
                }
            }
        };
        queue.close();
        let points_lost = queue.backlog().points;
        stats.points_dropped.add(points_lost as u64);
        let sink = stats.name.as_str();
        if let Err(OutputClosed) = closed {
            error!(sink, points_lost, "nobody reads the output any more");
            return Ended::OutputClosed { points_lost };
        }
        if points_lost > 0 {
            error!(sink, points_lost, "stopped before all points were written");
        }
        Ended::Stopped { points_lost }
    }

    /// Ends well when the queue is closed and empty.
    async fn deliver(&mut self) -> Result<(), OutputClosed> {
        while let Some(payload) = self.queue.take().await {
            if payload.lines().len() > self.largest_bytes
                && let Some(halves) = payload.halves()
            {
                self.give_back(halves);
                continue;
            }
            let outcome = self.write(&payload).await;
            self.settle(payload, outcome).await?;
        }
        Ok(())
    }

    async fn write(&self, payload: &Payload) -> Outcome {
        self.stats.bytes_sent.add(payload.lines().len() as u64);
        match &self.target {
            Target::Influxdb(client) => client.write(payload).await,
            Target::Stdout => stream::write_stdout(payload).await,
            Target::File(path) => stream::write_file(path, payload).await,
        }
    }

    async fn settle(&mut self, payload: Payload, outcome: Outcome) -> Result<(), OutputClosed> {
        match outcome {
            Outcome::Stored => self.stored(payload.points()),
            Outcome::Refused { points, reason } => {
                self.refused(points, &reason);
                self.stored(payload.points().saturating_sub(points));
            }
            Outcome::Split { too_large, reason } => {
                if too_large {
                    let below = payload.lines().len().saturating_sub(1);
                    self.largest_bytes = self.largest_bytes.min(below);
                }
                if let Some(halves) = payload.halves() {
                    self.give_back(halves);
                } else {
                    self.refused(payload.points(), &reason);
                    self.stored(0);
                }
            }
            Outcome::Retry { after, reason } => {
                self.give_back([payload]);
                self.failed(None, &reason);
                let wait = self.backoff.wait(fastrand::f64());
                self.wait(after.unwrap_or(wait)).await;
            }
            Outcome::Pause { fault, reason } => {
                self.give_back([payload]);
                self.pause(fault, &reason).await;
            }
            Outcome::Closed => {
                self.give_back([payload]);
                return Err(OutputClosed);
            }
        }
        Ok(())
    }

    /// Waits for somebody to act, or acts: makes a database that is missing.
    async fn pause(&mut self, fault: Fault, reason: &str) {
        if fault == Fault::NoDatabase
            && !self.made_database
            && let Target::Influxdb(client) = &self.target
        {
            match client.create_database().await {
                Ok(true) => {
                    let sink = self.stats.name.as_str();
                    info!(sink, "made the database, which was missing");
                    self.made_database = true;
                    return;
                }
                Ok(false) => {}
                Err(error) => {
                    self.failed(Some(fault), &format!("{reason}; cannot make it: {error}"));
                    return self.wait(self.pace.probe).await;
                }
            }
        }
        self.failed(Some(fault), reason);
        self.wait(self.pace.probe).await;
    }

    /// The other side has dealt with what was sent; `points` of it are stored.
    fn stored(&mut self, points: usize) {
        self.queue.acknowledge();
        self.backoff.reset();
        self.made_database = false;
        self.stats.points_sent.add(points as u64);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let wall_ns = now.map_or(0, |now| i64::try_from(now.as_nanos()).unwrap_or(i64::MAX));
        self.stats
            .last_ack_wall_ns
            .store(wall_ns, Ordering::Relaxed);
        let sink = self.stats.name.as_str();
        if let Some(outage) = self.outage.take() {
            let backlog = self.queue.backlog();
            info!(
                sink,
                outage_s = outage.since.elapsed().as_secs_f64(),
                points_waiting = backlog.points,
                points_lost = backlog.lost_points,
                "writing works again"
            );
        }
        if let Some(points_lost) = self.queue.end_of_losses() {
            warn!(
                sink,
                points_lost, "the queue is empty again; points were lost while it was full"
            );
        }
    }

    /// Told once when writing begins to fail, and again when the fault changes to or from one that stays.
    fn failed(&mut self, fault: Option<Fault>, reason: &str) {
        self.stats.write_errors.add(1);
        let known = self.outage.as_ref().map(|outage| outage.fault);
        if known == Some(fault) {
            return;
        }
        let since = self
            .outage
            .take()
            .map_or_else(Instant::now, |outage| outage.since);
        self.outage = Some(Outage { since, fault });
        let sink = self.stats.name.as_str();
        if fault.is_none() {
            warn!(
                sink,
                reason, "cannot write; points are kept and tried again"
            );
        } else {
            error!(
                sink,
                reason,
                "cannot write until somebody acts; points are kept while the queue has room"
            );
        }
    }

    fn refused(&mut self, points: usize, reason: &str) {
        self.stats.points_dropped.add(points as u64);
        let refusals = &mut self.refusals;
        refusals.points += points;
        let told = refusals
            .told
            .is_some_and(|told| told.elapsed() < TELL_REFUSALS_EVERY);
        if !told {
            error!(
                sink = self.stats.name,
                points_lost = refusals.points,
                reason,
                "points were refused for good"
            );
            *refusals = Refusals {
                points: 0,
                told: Some(Instant::now()),
            };
        }
    }

    fn give_back(
        &self,
        payloads: impl IntoIterator<Item = Payload, IntoIter: DoubleEndedIterator>,
    ) {
        count_dropped(&self.stats, self.queue.give_back(payloads));
    }

    /// Waits; less when the agent is stopping, or begins to.
    async fn wait(&self, wait: Duration) {
        select! {
            () = sleep(wait) => {}
            () = self.queue.closed() => sleep(wait.min(self.pace.last_retry)).await,
        }
    }
}
