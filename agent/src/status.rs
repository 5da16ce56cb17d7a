//! How delivery stands: for the API and the page as JSON, for the service manager as one line.
//!
//! Reasons are in the words of the other side, so both forms treat them as hostile: JSON escapes them, the line shows
//! nothing of them that a terminal would act on.

use std::{
    sync::atomic::Ordering,
    time::{Duration, UNIX_EPOCH},
};

use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    encode::intake::Reason,
    loss::LossReason,
    metrics::{Batch, Sample},
    self_stats::{Account, Failing, SelfStats, SinkStats, SocketStats},
    text::printable,
};

/// A sink that works is behind when its oldest point is of longer ago; until then it is only under way.
const BEHIND_NS: i64 = 15_000_000_000;

/// Most bytes of a reason in the line; the API has all of it.
const MAX_REASON_BYTES: usize = 120;

/// How all sinks stand at one moment.
#[derive(Debug)]
pub struct Status {
    now_ns: i64,
    sinks: Vec<SinkStatus>,
    socket: Option<Json>,
}

/// How one sink stands.
#[derive(Debug)]
struct SinkStatus {
    name: String,
    account: Account,
    last_ack_ns: Option<i64>,
    state: State,
}

/// What it comes to.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// What is offered arrives.
    Ok,
    /// What has been waiting is being written.
    Waiting,
    /// Writing fails; points wait.
    Failing,
}

impl Status {
    /// How the sinks stand now, in nanoseconds since the Unix epoch.
    pub fn of(stats: &SelfStats, now_ns: i64) -> Self {
        let (sinks, socket) = stats.deliveries();
        Self {
            now_ns,
            sinks: sinks.iter().map(|it| SinkStatus::of(it, now_ns)).collect(),
            socket: socket.map(|it| socket_json(&it)),
        }
    }

    /// `{"taken":…,"machine":…,"shed":[…],"sinks":[{"name":…,"state":"ok",…}],"socket":{…}}`; the hash of the machine's
    /// id and the families that the budget has shed are those of the latest batch. Times are nanoseconds since the Unix
    /// epoch; what there is none of is null, reasons that never were are left out.
    pub fn json(&self, latest: &Batch) -> String {
        let machine = latest.agent.iter().find_map(|it| label(it, "machine"));
        let is_shed = |it: &&Sample| label(it, "state") == Some("shed");
        let shed = latest.agent.iter().filter(is_shed);
        json!({
            "taken": self.now_ns,
            "machine": machine,
            "shed": shed.filter_map(|it| label(it, "family")).collect::<Vec<_>>(),
            "sinks": self.sinks.iter().map(SinkStatus::json).collect::<Vec<_>>(),
            "socket": self.socket,
        })
        .to_string()
    }

    /// `influxdb: ok; file: failing since 2026-01-02T03:04:05Z (no space), 12 points wait, 3 lost`
    pub fn line(&self) -> String {
        if self.sinks.is_empty() {
            return "no sinks".to_owned();
        }
        let sinks: Vec<String> = self.sinks.iter().map(SinkStatus::line).collect();
        sinks.join("; ")
    }
}

impl SinkStatus {
    fn of(stats: &SinkStats, now_ns: i64) -> Self {
        let account = stats.account();
        let oldest_ns = account.waiting.oldest_ns;
        let is_behind = oldest_ns.is_some_and(|it| now_ns.saturating_sub(it) > BEHIND_NS);
        let state = match account.failing {
            Some(_) => State::Failing,
            None if is_behind => State::Waiting,
            None => State::Ok,
        };
        let last_ack_ns = stats.last_ack_wall_ns.load(Ordering::Relaxed);
        Self {
            name: stats.name.clone(),
            account,
            last_ack_ns: Some(last_ack_ns).filter(|it| *it > 0),
            state,
        }
    }

    fn json(&self) -> Json {
        let Account {
            points_sent,
            points_lost,
            waiting,
            failing,
        } = &self.account;
        let lost = LossReason::ALL.iter().zip(points_lost);
        let lost = lost.map(|(reason, points)| (reason.as_str(), *points));
        json!({
            "name": self.name,
            "state": self.state,
            "failing": failing.as_ref().map(|it| json!({ "since": it.since_ns, "reason": it.reason })),
            "points_sent": points_sent,
            "points_lost": counts(lost),
            "waiting": {
                "batches": waiting.batches,
                "points": waiting.points,
                "bytes": waiting.bytes,
                "oldest": waiting.oldest_ns,
            },
            "spool_bytes": waiting.file_bytes,
            "last_ack": self.last_ack_ns,
        })
    }

    fn line(&self) -> String {
        let Account {
            points_lost,
            waiting,
            failing,
            ..
        } = &self.account;
        let stands = failing
            .as_ref()
            .map_or_else(|| "ok".to_owned(), failing_line);
        let waits = (self.state != State::Ok).then(|| format!("{} points wait", waiting.points));
        let lost: u64 = points_lost.iter().sum();
        let lost = (lost > 0).then(|| format!("{lost} lost"));
        let parts: Vec<String> = [Some(stands), waits, lost].into_iter().flatten().collect();
        format!("{}: {}", self.name, parts.join(", "))
    }
}

fn failing_line(failing: &Failing) -> String {
    let since = u64::try_from(failing.since_ns).map_or(Duration::ZERO, Duration::from_nanos);
    let since = humantime::format_rfc3339_seconds(UNIX_EPOCH + since);
    let end = failing.reason.floor_char_boundary(MAX_REASON_BYTES);
    let reason = printable(&failing.reason[..end]);
    format!("failing since {since} ({reason})")
}

fn socket_json(socket: &SocketStats) -> Json {
    let refused = Reason::ALL.map(|it| (it.as_str(), socket.lines_refused(it).get()));
    json!({
        "requests": socket.requests.get(),
        "requests_refused": socket.requests_refused.get(),
        "lines_taken": socket.lines_taken.get(),
        "lines_refused": counts(refused),
    })
}

/// Counts by word, without those of nothing.
fn counts<'a>(counts: impl IntoIterator<Item = (&'a str, u64)>) -> Map<String, Json> {
    let counts = counts.into_iter().filter(|(_, count)| *count > 0);
    counts
        .map(|(word, count)| (word.to_owned(), count.into()))
        .collect()
}

fn label<'a>(sample: &'a Sample, name: &str) -> Option<&'a str> {
    let found = sample.labels.iter().find(|(label, _)| *label == name);
    found.map(|(_, value)| value.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        encode::fixture::tick_of,
        metrics::{Value, catalog},
        self_stats::Waiting,
    };

    const SECOND_NS: i64 = 1_000_000_000;

    fn waiting(points: u64, oldest_s: i64) -> Waiting {
        Waiting {
            points,
            oldest_ns: Some(oldest_s * SECOND_NS),
            ..Waiting::default()
        }
    }

    #[test]
    fn what_is_under_way_is_ok_and_what_stays_longer_waits() {
        let stats = SelfStats::default();
        let db = stats.sink("db");
        let line = |oldest_s| {
            db.publish(1, |_| 0, waiting(12, oldest_s));
            Status::of(&stats, 100 * SECOND_NS).line()
        };
        assert_eq!(line(99), "db: ok");
        assert_eq!(line(50), "db: ok, 12 points wait");
        assert_eq!(Status::of(&SelfStats::default(), 0).line(), "no sinks");
    }

    #[test]
    fn a_hostile_reason_stays_one_short_line_and_is_whole_in_json() {
        let stats = SelfStats::default();
        let db = stats.sink("db");
        let reason = format!("503 a\nREADY=1\u{1b}[2J \u{202e}\"<b>{}", "é".repeat(200));
        db.publish(
            7,
            |it| u64::from(it == LossReason::Aged) * 3,
            waiting(12, 1),
        );
        db.fails(Some(Failing {
            since_ns: 60 * SECOND_NS,
            reason: reason.clone(),
        }));
        stats.socket().lines_taken.add(4);
        let status = Status::of(&stats, 100 * SECOND_NS);
        let line = status.line();
        assert!(
            line.starts_with("db: failing since 1970-01-01T00:01:00Z (503 a\\n"),
            "{line}"
        );
        assert!(line.ends_with("), 12 points wait, 3 lost"), "{line}");
        assert!(!line.contains(crate::text::is_unprintable), "{line}");
        assert!(line.len() < 300, "{line}");

        let mut batch = tick_of(1, Vec::new());
        let one = |metric| Sample::new(metric, Value::Integer(1));
        batch.agent = vec![
            one(&catalog::AGENT_MACHINE).labelled("machine", "f7c5"),
            one(&catalog::AGENT_FAMILY_STATE)
                .labelled("family", "pressure")
                .labelled("state", "shed"),
            one(&catalog::AGENT_FAMILY_STATE)
                .labelled("family", "space")
                .labelled("state", "off"),
        ];
        let told: Json = serde_json::from_str(&status.json(&batch)).unwrap();
        assert_eq!(
            told,
            json!({
                "taken": 100 * SECOND_NS,
                "machine": "f7c5",
                "shed": ["pressure"],
                "sinks": [{
                    "name": "db",
                    "state": "failing",
                    "failing": { "since": 60 * SECOND_NS, "reason": reason },
                    "points_sent": 7,
                    "points_lost": { "aged": 3 },
                    "waiting": { "batches": 0, "points": 12, "bytes": 0, "oldest": SECOND_NS },
                    "spool_bytes": null,
                    "last_ack": null,
                }],
                "socket": {
                    "requests": 0,
                    "requests_refused": 0,
                    "lines_taken": 4,
                    "lines_refused": {},
                },
            })
        );
    }
}
