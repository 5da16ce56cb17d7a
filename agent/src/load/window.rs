//! What was counted over a while: by one worker since it last handed on, by all of them in a second, or in a run.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::Serialize;

/// The longest latency that is told apart from longer ones, in microseconds.
const MAX_US: u64 = 60_000_000;

/// What may become of a request but a reply.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fault {
    /// There was no connection to be had.
    Connect,
    /// No whole reply came within `--timeout`.
    Timeout,
    /// The connection failed.
    Reset,
    /// The target closed the connection before a whole reply.
    Closed,
    /// What came is not HTTP/1.1 as it should be.
    Protocol,
}

impl Fault {
    /// In one word.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Closed => "closed",
            Self::Protocol => "protocol",
        }
    }
}

/// How often a fault was met, and one of its reasons.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub(super) struct Met {
    /// How often.
    pub count: u64,
    /// In the words of one of them.
    pub example: String,
}

/// Latencies in microseconds.
#[derive(Clone, Debug)]
pub(super) struct Latencies {
    pub(super) histogram: Histogram<u64>,
    /// Exact, and beyond what the histogram tells apart.
    pub(super) max_us: u64,
}

/// Counts and latencies.
#[derive(Clone, Debug)]
pub(super) struct Window {
    /// Requests that were sent.
    pub(super) sent: u64,
    /// Replies with a status below 400.
    pub(super) ok: u64,
    /// Replies by status.
    pub(super) statuses: BTreeMap<u16, u64>,
    pub(super) faults: BTreeMap<Fault, Met>,
    /// From when the request was due to its reply; in a closed loop that is when it was sent.
    pub(super) latency: Latencies,
    /// From when it was sent; kept in an open loop alone.
    pub(super) service: Latencies,
    /// Requests that were sent late though a connection was free.
    pub(super) sent_late: u64,
    /// Connections that came about.
    pub(super) connected: u64,
    /// Bytes read.
    pub(super) bytes: u64,
    /// Requests that may have been acted upon without an answer, whether they count or not.
    pub(super) lost: u64,
    /// The counter's numbers as they came: connection, number.
    pub(super) numbers: Vec<(u32, Option<u64>)>,
}

impl Latencies {
    fn empty() -> Self {
        let histogram = Histogram::new_with_bounds(1, MAX_US, 3);
        let histogram = histogram.expect("these bounds are possible");
        Self {
            histogram,
            max_us: 0,
        }
    }

    fn record(&mut self, ns: u64) {
        let us = ns.div_ceil(1_000).max(1);
        self.histogram.saturating_record(us);
        self.max_us = self.max_us.max(us);
    }

    fn add(&mut self, other: &Self) {
        // Of the same bounds, which is all that can be wrong.
        self.histogram.add(&other.histogram).unwrap_or_default();
        self.max_us = self.max_us.max(other.max_us);
    }

    /// By quantile, in microseconds; 0 if there are none.
    pub(super) fn at(&self, quantile: f64) -> u64 {
        self.histogram.value_at_quantile(quantile).min(self.max_us)
    }
}

impl Window {
    pub(super) fn empty() -> Self {
        Self {
            sent: 0,
            ok: 0,
            statuses: BTreeMap::new(),
            faults: BTreeMap::new(),
            latency: Latencies::empty(),
            service: Latencies::empty(),
            sent_late: 0,
            connected: 0,
            bytes: 0,
            lost: 0,
            numbers: Vec::new(),
        }
    }

    /// A whole reply.
    pub(super) fn reply(&mut self, status: u16) {
        *self.statuses.entry(status).or_default() += 1;
        self.ok += u64::from(status < 400);
    }

    /// How long that took since it was due and, in an open loop, since it was sent.
    pub(super) fn took(&mut self, latency_ns: u64, service_ns: Option<u64>) {
        self.latency.record(latency_ns);
        if let Some(service_ns) = service_ns {
            self.service.record(service_ns);
        }
    }

    /// Something went wrong, for this reason.
    pub(super) fn fault(&mut self, fault: Fault, reason: impl FnOnce() -> String) {
        let met = self.faults.entry(fault).or_insert_with(|| Met {
            count: 0,
            example: reason(),
        });
        met.count += 1;
    }

    /// All that went wrong: faults, and replies of 400 and above.
    pub(super) fn errors(&self) -> u64 {
        let faults: u64 = self.faults.values().map(|met| met.count).sum();
        faults + self.replies() - self.ok
    }

    /// Whole replies, whatever their status.
    pub(super) fn replies(&self) -> u64 {
        self.statuses.values().sum()
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.ok += other.ok;
        for (&status, count) in &other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        for (&fault, met) in &other.faults {
            let sum = self.faults.entry(fault).or_insert_with(|| Met {
                count: 0,
                example: met.example.clone(),
            });
            sum.count += met.count;
        }
        self.latency.add(&other.latency);
        self.service.add(&other.service);
        self.sent_late += other.sent_late;
        self.connected += other.connected;
        self.bytes += other.bytes;
        self.lost += other.lost;
        self.numbers.extend_from_slice(&other.numbers);
    }

    /// Empties it without giving back its memory.
    pub(super) fn clear(&mut self) {
        for latencies in [&mut self.latency, &mut self.service] {
            latencies.histogram.reset();
            latencies.max_us = 0;
        }
        (self.sent, self.ok, self.sent_late, self.connected) = (0, 0, 0, 0);
        (self.bytes, self.lost) = (0, 0);
        self.statuses.clear();
        self.faults.clear();
        self.numbers.clear();
    }
}
