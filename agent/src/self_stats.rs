//! What the agent says of itself: late ticks, lost events, dropped points, failed writes.
//!
//! Counters are plain atomics that any part may raise; nothing reads them back but the tick that publishes them.

use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use crate::{
    encode::intake::{Reason, Refused},
    loss::LossReason,
    metrics::{Metric, Sample, Value, catalog},
};

/// A counter that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `count`.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// What has been added so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

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

    fn samples(&self) -> Vec<Sample> {
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

/// What came in by the socket for other processes' points.
#[derive(Debug, Default)]
pub struct SocketStats {
    /// Requests to write, good and bad.
    pub requests: Counter,
    /// Those of which nothing was looked at: a bound was hit, or they could not be read.
    pub requests_refused: Counter,
    /// Lines handed to the sinks.
    pub lines_taken: Counter,
    lines_refused: [Counter; Reason::ALL.len()],
}

impl SocketStats {
    /// Counts lines that were not taken.
    pub fn refuse(&self, refused: &Refused) {
        for (reason, count) in refused.by_reason() {
            self.lines_refused(reason).add(count as u64);
        }
    }

    /// How many lines were not taken for this reason.
    pub fn lines_refused(&self, reason: Reason) -> &Counter {
        &self.lines_refused[reason as usize]
    }

    fn samples(&self) -> impl Iterator<Item = Sample> {
        let whole = [
            (&catalog::SOCKET_REQUESTS, &self.requests),
            (&catalog::SOCKET_REQUESTS_REFUSED, &self.requests_refused),
            (&catalog::SOCKET_LINES_TAKEN, &self.lines_taken),
        ];
        let whole = whole.map(|(metric, counter)| integer(metric, counter.get()));
        let refused = Reason::ALL.into_iter().zip(&self.lines_refused);
        let refused = refused.map(|(reason, counter)| {
            integer(&catalog::SOCKET_LINES_REFUSED, counter.get())
                .labelled("reason", reason.as_str())
        });
        whole.into_iter().chain(refused)
    }
}

/// Why a connection of the page's server was cut, or not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cut {
    /// The client had as many as it may.
    Client,
    /// Others needed the room, and it was this client who had been waited for the longest.
    Room,
    /// The client asked, or took an answer, too slowly.
    Slow,
    /// What came was no HTTP, or had too many headers or too long ones.
    Malformed,
    /// No TLS came about.
    Tls,
}

/// Why a request was refused before its route was asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Denied {
    /// It was addressed to a name that is not ours.
    Host,
    /// It brought no token.
    NoToken,
    /// It brought one that is nobody's.
    WrongToken,
    /// The same, of a client that had brought many.
    Attempts,
    /// It was not for its role.
    Role,
}

impl Cut {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Client,
        Self::Room,
        Self::Slow,
        Self::Malformed,
        Self::Tls,
    ];

    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Room => "room",
            Self::Slow => "slow",
            Self::Malformed => "malformed",
            Self::Tls => "tls",
        }
    }
}

impl Denied {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Host,
        Self::NoToken,
        Self::WrongToken,
        Self::Attempts,
        Self::Role,
    ];

    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::NoToken => "no_token",
            Self::WrongToken => "wrong_token",
            Self::Attempts => "attempts",
            Self::Role => "role",
        }
    }
}

/// Who comes to the page's server, and who is turned away.
#[derive(Debug, Default)]
pub struct HttpStats {
    open: AtomicU64,
    cut: [Counter; Cut::ALL.len()],
    denied: [Counter; Denied::ALL.len()],
}

impl HttpStats {
    /// A connection has begun.
    pub fn opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    /// One that had begun has ended.
    pub fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Connections that are open.
    pub fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Connections cut or not taken for this reason.
    pub fn cut(&self, why: Cut) -> &Counter {
        &self.cut[why as usize]
    }

    /// Requests refused for this reason.
    pub fn denied(&self, why: Denied) -> &Counter {
        &self.denied[why as usize]
    }

    fn samples(&self) -> Vec<Sample> {
        let counted = |metric, counter: &Counter, reason| {
            // A reason that never was would be a series for nothing.
            let count = counter.get();
            (count > 0).then(|| integer(metric, count).labelled("reason", reason))
        };
        let cut = Cut::ALL.into_iter();
        let cut = cut.filter_map(|why| counted(&catalog::HTTP_CUT, self.cut(why), why.as_str()));
        let denied = Denied::ALL.into_iter();
        let denied =
            denied.filter_map(|why| counted(&catalog::HTTP_DENIED, self.denied(why), why.as_str()));
        let open = integer(&catalog::HTTP_CONNECTIONS, self.open());
        [open].into_iter().chain(cut).chain(denied).collect()
    }
}

/// What all parts did.
#[derive(Debug, Default)]
pub struct SelfStats {
    /// Collections left out because the one before was late.
    pub ticks_skipped: Counter,
    /// Each sink's counters; locked to add a sink and to read all.
    sinks: Mutex<Vec<Arc<SinkStats>>>,
    /// Set where there is such a socket.
    socket: OnceLock<Arc<SocketStats>>,
    /// Set where there is a page.
    http: OnceLock<Arc<HttpStats>>,
}

impl SelfStats {
    /// Registers a sink and returns its counters.
    pub fn sink(&self, name: &str) -> Arc<SinkStats> {
        let stats = Arc::new(SinkStats::new(name));
        self.sinks().push(Arc::clone(&stats));
        stats
    }

    /// The counters of the socket for other processes' points, told from now on.
    pub fn socket(&self) -> Arc<SocketStats> {
        Arc::clone(self.socket.get_or_init(Arc::default))
    }

    /// The counters of the page's server, told from now on.
    pub fn http(&self) -> Arc<HttpStats> {
        Arc::clone(self.http.get_or_init(Arc::default))
    }

    /// What is told of each sink and, where there is one, of the socket.
    pub fn deliveries(&self) -> (Vec<Arc<SinkStats>>, Option<Arc<SocketStats>>) {
        (self.sinks().clone(), self.socket.get().cloned())
    }

    /// All counters as samples.
    pub fn samples(&self) -> Vec<Sample> {
        let mut samples = vec![integer(
            &catalog::AGENT_TICKS_SKIPPED,
            self.ticks_skipped.get(),
        )];
        samples.extend(self.sinks().iter().flat_map(|sink| sink.samples()));
        samples.extend(self.socket.get().into_iter().flat_map(|it| it.samples()));
        samples.extend(self.http.get().into_iter().flat_map(|it| it.samples()));
        samples
    }

    fn sinks(&self) -> MutexGuard<'_, Vec<Arc<SinkStats>>> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn integer(metric: &'static Metric, value: u64) -> Sample {
    Sample::new(metric, Value::Integer(value))
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn the_socket_tells_every_reason_and_nothing_where_there_is_none() {
        let stats = SelfStats::default();
        let told = |stats: &SelfStats| stats.samples().len();
        let without = told(&stats);
        stats.socket().lines_taken.add(3);
        assert_eq!(stats.socket().lines_taken.get(), 3);
        assert_eq!(told(&stats), without + 3 + Reason::ALL.len());
    }

    #[test]
    fn the_page_tells_its_connections_and_of_reasons_those_that_were() {
        let stats = SelfStats::default();
        let http = stats.http();
        http.opened();
        http.opened();
        http.closed();
        http.cut(Cut::Slow).add(2);
        http.denied(Denied::Role).add(3);
        let told = stats.samples();
        let told: Vec<_> = told[1..]
            .iter()
            .map(|it| (it.metric.field, it.labels.len(), it.value.clone()))
            .collect();
        assert_eq!(
            told,
            [
                ("http_connections", 0, Value::Integer(1)),
                ("http_cut", 1, Value::Integer(2)),
                ("http_denied", 1, Value::Integer(3)),
            ]
        );
    }
}
