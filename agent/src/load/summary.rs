//! A run as JSON. Names and units stay as they are; what is new is added.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    expect::Judgement,
    numbers::Verdict,
    outcome::Outcome,
    report::Run,
    window::{Fault, Latencies, Met},
};

/// The name of this form.
pub(super) const SCHEMA: &str = "cgflux-load/1";

/// The percentiles that are told, as they are named and as parts of 1.
pub(super) const PERCENTILES: [(&str, f64); 8] = [
    ("p50", 0.5),
    ("p75", 0.75),
    ("p90", 0.9),
    ("p95", 0.95),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("p99.99", 0.9999),
    ("max", 1.0),
];

/// A run.
#[derive(Debug, Serialize)]
pub(super) struct Summary<'a> {
    schema: &'static str,
    version: &'static str,
    run: &'a str,
    target: &'a str,
    /// `closed` or `open`.
    #[serde(rename = "loop")]
    pace: &'static str,
    connections: usize,
    threads: usize,
    /// By the wall clock, in nanoseconds since 1970.
    started_ns: i64,
    ended_ns: i64,
    stopped: bool,
    elapsed_s: f64,
    /// Requests a second that were asked for; null in a closed loop.
    target_rate: Option<f64>,
    /// OK replies a second.
    rate: f64,
    sent: u64,
    ok: u64,
    /// Faults, and replies of 400 and above.
    errors: u64,
    unsent: u64,
    unanswered: u64,
    statuses: &'a BTreeMap<u16, u64>,
    faults: &'a BTreeMap<Fault, Met>,
    /// Open loop: from when a request was due. Closed loop: from when it was sent.
    latency_us: Distribution,
    /// Open loop: from when it was sent.
    service_us: Option<Distribution>,
    connections_opened: u64,
    bytes_read: u64,
    cpu_us_per_request: Option<f64>,
    /// Of the busiest thread: parts of 1.
    busy: f64,
    waiting_for_cpu: f64,
    sent_late: u64,
    client_bound: Vec<String>,
    counter: Option<&'a Verdict>,
    expectations: &'a [Judgement],
}

/// Latencies in microseconds.
#[derive(Debug, Serialize)]
struct Distribution {
    count: u64,
    min: u64,
    mean: f64,
    #[serde(flatten)]
    percentiles: BTreeMap<&'static str, u64>,
}

impl Distribution {
    fn of(latencies: &Latencies) -> Self {
        Self {
            count: latencies.histogram.len(),
            min: latencies.histogram.min().min(latencies.max_us),
            mean: latencies.histogram.mean(),
            percentiles: PERCENTILES
                .iter()
                .map(|&(name, part)| (name, of_part(latencies, part)))
                .collect(),
        }
    }
}

/// A percentile in microseconds; the largest exactly.
pub(super) fn of_part(latencies: &Latencies, part: f64) -> u64 {
    if part < 1.0 {
        latencies.at(part)
    } else {
        latencies.max_us
    }
}

impl<'a> Summary<'a> {
    pub(super) fn of(run: &'a Run, outcome: &'a Outcome, expectations: &'a [Judgement]) -> Self {
        let total = &outcome.total;
        let (busy, waiting_for_cpu) = outcome.busiest();
        Self {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            run: &run.name,
            target: &run.target,
            pace: if outcome.is_open() { "open" } else { "closed" },
            connections: run.connections,
            threads: run.threads,
            started_ns: outcome.wall_ns.0,
            ended_ns: outcome.wall_ns.1,
            stopped: outcome.is_stopped,
            elapsed_s: outcome.elapsed.as_secs_f64(),
            target_rate: outcome.target_rate,
            rate: outcome.rate(),
            sent: total.sent,
            ok: total.ok,
            errors: total.errors(),
            unsent: outcome.unsent,
            unanswered: outcome.unanswered,
            statuses: &total.statuses,
            faults: &total.faults,
            latency_us: Distribution::of(&total.latency),
            service_us: outcome.is_open().then(|| Distribution::of(&total.service)),
            connections_opened: total.connected,
            bytes_read: total.bytes,
            cpu_us_per_request: outcome.cpu_us_per_request(),
            busy,
            waiting_for_cpu,
            sent_late: total.sent_late,
            client_bound: outcome.client_bound(),
            counter: outcome.counter.as_ref(),
            expectations,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::outcome::fixture, *};

    #[test]
    fn the_form_is_as_documented() {
        let run = Run {
            name: "r".to_owned(),
            target: "http://127.0.0.1/".to_owned(),
            pace: String::new(),
            connections: 1,
            threads: 1,
        };
        let outcome = fixture();
        let json = serde_json::to_value(Summary::of(&run, &outcome, &[])).unwrap();
        assert_eq!(json["schema"], SCHEMA);
        assert_eq!(
            (&json["loop"], &json["ok"], &json["errors"]),
            (&"open".into(), &100.into(), &0.into())
        );
        assert_eq!(
            (&json["latency_us"]["max"], &json["service_us"]["p99.9"]),
            (&100_000.into(), &1_000.into())
        );
        assert_eq!(json["statuses"]["200"], 100);
        assert!(json["counter"].is_null() && json["client_bound"].as_array().unwrap().is_empty());
    }
}
