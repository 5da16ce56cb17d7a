//! What one sink did.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicI64, Ordering},
};

use super::{Counter, integer};
use crate::{
    loss::LossReason,
    metrics::{Sample, catalog},
};

/// What one sink did.
#[derive(Debug)]
pub struct SinkStats {
    /// The sink's name in the configuration.
    pub name: String,
    /// Writes that failed and were tried again.
    pub write_errors: Counter,
    /// Bytes of the bodies sent, failed attempts included.
    pub bytes_sent: Counter,
    /// When the last write was acknowledged, in nanoseconds since the Unix epoch; 0 before the first.
    pub last_ack_wall_ns: AtomicI64,
    account: Mutex<Account>,
}

/// What became of the points that a sink was offered; it survives restarts where the sink has a spool.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Points that the other side acknowledged.
    pub points_sent: u64,
    /// Points that will never arrive, in the order of [`LossReason::ALL`].
    pub points_lost: [u64; LossReason::ALL.len()],
    /// What waits.
    pub waiting: Waiting,
    /// Since when and why writing fails, if it does.
    pub failing: Option<Failing>,
}

/// What a sink was offered and has not delivered.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Waiting {
    /// Batches.
    pub batches: u64,
    /// Points in them.
    pub points: u64,
    /// Bytes they take, compressed.
    pub bytes: u64,
    /// Bytes of all files they are kept in; absent where they are kept in memory alone.
    pub file_bytes: Option<u64>,
    /// Bytes that these files may have together; absent with them.
    pub file_limit_bytes: Option<u64>,
    /// The time of the oldest point, in nanoseconds since the Unix epoch; absent where nothing waits.
    pub oldest_ns: Option<i64>,
}

/// Writing fails.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failing {
    /// Since when, in nanoseconds since the Unix epoch.
    pub since_ns: i64,
    /// Why, in the other side's words.
    pub reason: String,
}

impl SinkStats {
    /// Stats of a sink that has done nothing yet.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            write_errors: Counter::default(),
            bytes_sent: Counter::default(),
            last_ack_wall_ns: AtomicI64::new(0),
            account: Mutex::default(),
        }
    }

    /// Makes known what became of points: how many were sent, how many lost for each reason, what waits.
    pub fn publish(&self, points_sent: u64, lost: impl Fn(LossReason) -> u64, waiting: Waiting) {
        let mut account = self.locked();
        account.points_sent = points_sent;
        account.points_lost = LossReason::ALL.map(lost);
        account.waiting = waiting;
    }

    /// Writing fails from now on, or goes on failing; or works again.
    pub fn fails(&self, failing: Option<Failing>) {
        let mut account = self.locked();
        let since_ns = account.failing.as_ref().map(|it| it.since_ns);
        account.failing = failing.map(|failing| Failing {
            since_ns: since_ns.unwrap_or(failing.since_ns),
            ..failing
        });
    }

    /// Points that the other side acknowledged.
    pub fn points_sent(&self) -> u64 {
        self.locked().points_sent
    }

    /// Points that will never arrive, for whatever reason.
    pub fn points_lost(&self) -> u64 {
        self.locked().points_lost.iter().sum()
    }

    /// What waits.
    pub fn waiting(&self) -> Waiting {
        self.locked().waiting.clone()
    }

    /// Since when and why writing fails, if it does.
    pub fn failing(&self) -> Option<Failing> {
        self.locked().failing.clone()
    }

    /// All of these as they are at one moment.
    pub fn account(&self) -> Account {
        self.locked().clone()
    }

    fn locked(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn samples(&self) -> Vec<Sample> {
        let Account {
            points_sent,
            points_lost,
            waiting,
            failing,
        } = self.account();
        let time = |wall_ns: i64| u64::try_from(wall_ns).ok().filter(|ns| *ns > 0);
        let acknowledged = time(self.last_ack_wall_ns.load(Ordering::Relaxed));
        let values = [
            (&catalog::SINK_SENT, Some(points_sent)),
            (&catalog::SINK_DROPPED, Some(points_lost.iter().sum())),
            (&catalog::SINK_ERRORS, Some(self.write_errors.get())),
            (&catalog::SINK_BYTES, Some(self.bytes_sent.get())),
            (&catalog::SINK_LAST_ACK, acknowledged),
            (&catalog::SINK_FAILING, Some(failing.is_some().into())),
            (&catalog::SINK_WAITING_BATCHES, Some(waiting.batches)),
            (&catalog::SINK_WAITING_POINTS, Some(waiting.points)),
            (&catalog::SINK_WAITING_BYTES, Some(waiting.bytes)),
            (&catalog::SINK_OLDEST, waiting.oldest_ns.and_then(time)),
            (&catalog::SINK_SPOOL_BYTES, waiting.file_bytes),
            (&catalog::SINK_SPOOL_LIMIT, waiting.file_limit_bytes),
        ];
        let of_sink = |sample: Sample| sample.labelled("sink", self.name.clone());
        let values = values.into_iter();
        let values = values.filter_map(|(metric, value)| Some(of_sink(integer(metric, value?))));
        let lost = LossReason::ALL.iter().zip(points_lost);
        // A reason that never was would be a series for nothing.
        let lost = lost
            .filter(|(_, points)| *points > 0)
            .map(|(reason, points)| {
                of_sink(integer(&catalog::SINK_LOST, points)).labelled("reason", reason.as_str())
            });
        values.chain(lost).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::SelfStats, *};

    #[test]
    fn each_sink_tells_its_own_counts_and_no_acknowledgement_before_the_first() {
        let stats = SelfStats::default();
        stats.ticks_skipped.add(3);
        let db = stats.sink("db");
        let waiting = Waiting {
            points: 4,
            ..Waiting::default()
        };
        let lost = |reason| u64::from(reason == LossReason::Evicted) * 2;
        db.publish(7, lost, waiting);
        db.last_ack_wall_ns.store(9, Ordering::Relaxed);
        stats.sink("file").fails(Some(Failing {
            since_ns: 1,
            reason: "away".to_owned(),
        }));
        let told: Vec<String> = stats
            .samples()
            .iter()
            .map(|it| {
                let labels = it.labels.iter().map(|(_, value)| value.as_ref());
                let labels = labels.collect::<String>();
                format!("{} {labels} {:?}", it.metric.field, it.value)
            })
            .collect();
        assert_eq!(
            told,
            [
                "ticks_skipped  Integer(3)",
                "points_sent db Integer(7)",
                "points_dropped db Integer(2)",
                "write_errors db Integer(0)",
                "bytes_sent db Integer(0)",
                "last_ack_ns db Integer(9)",
                "failing db Integer(0)",
                "waiting_batches db Integer(0)",
                "waiting_points db Integer(4)",
                "waiting_bytes db Integer(0)",
                "points_lost dbevicted Integer(2)",
                "points_sent file Integer(0)",
                "points_dropped file Integer(0)",
                "write_errors file Integer(0)",
                "bytes_sent file Integer(0)",
                "failing file Integer(1)",
                "waiting_batches file Integer(0)",
                "waiting_points file Integer(0)",
                "waiting_bytes file Integer(0)",
            ]
        );
    }
}
