//! The live stream: one server-sent event a tick, to a bounded number of watchers.
//!
//! The format is that of the HTML standard: <https://html.spec.whatwg.org/multipage/server-sent-events.html>. First
//! comes `hello`, then a `tick` for each tick of the recent past, then one as each happens. A tick's id is its time;
//! a watcher that comes back with `Last-Event-ID`, or `?since=` where a script cannot set that header, is told what
//! it missed. A watcher that reads slowly is told the same ticks later: what waits for it is one event and the
//! history, which is there anyway.
//!
//! `hello` is `{"host":name,"cpus":n,"interval_ms":n,"ticks":n,"version":v}`; `ticks` is how many the agent keeps. A tick
//! is an object. What is not known is absent or null, never zero; entries go by their cgroup id; times are Unix time.
//!
//! | key | value |
//! |---|---|
//! | `t` | when it was taken, in milliseconds |
//! | `new` | who the entries are that the tick before did not have or had by another name: `{"cgroup","id","short_id","name","kind","runtime","image","namespace","pod","path","project","service","unit","slice","labels"}` |
//! | `v` | `[cgroup, CPUs used, tasks waiting for a CPU]` of each entry, both means over the tick; one that is missing has ended |
//! | `r` | `[cgroup, memory, disk, network]` of each entry: bytes in use, and bytes so far to and from disks, and over the network but for loopback; with the newest tick only, as the next two |
//! | `machine`, `agent` | samples of the host and of the agent by family and field, as in `/api/v1/containers` |
//! | `d` | with `?detail=all`, or `?detail=` and cgroup ids with commas between them: an object for each of these that is known; see below |
//!
//! Those of `d`, in which the cgroup id 0 stands for the whole host: all entries together, and the memory it has:
//!
//! | key | value |
//! |---|---|
//! | `cgroup` | which entry |
//! | `throttled` | seconds its tasks were throttled, per second; in the ticks in which its files were read; not of the whole host |
//! | `cpu_limit` | CPUs it may use |
//! | `memory`, `working_set`, `memory_limit` | bytes |
//! | `disk` | `[read, written]` in bytes per second |
//! | `net` | `{"loopback":[received, sent],"host":[…],"outside":[…]}` in bytes per second |
//! | `wait` | run-queue waits that ended in the tick: `[bucket, count]` for each bucket of [`agent_ebpf::histogram`] that is not empty |
//! | `block` | the same of reads and writes, by the time from their making to their end |
//! | `preemptors` | who ran while its tasks waited, the one that took most first: `{"cgroup","name","waiting"}` of each, its tasks that waited on average while that one ran; with `families.preemption` |
//!
//! Details are kept for fewer ticks than the rest where there are many entries; of older ticks `d` is empty.

use std::time::Duration;

use futures_util::stream;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{self, HeaderValue},
};
use tokio::{sync::watch, time::timeout};

use super::{
    Context,
    reply::{self, Body},
    watcher::Watcher,
};
use crate::{
    container::CgroupId,
    encode::json,
    live::{Detail, Live, TickEntry},
    metrics::{Metric, Sample, catalog},
};

/// What the page shows of the host as a whole; all of it would be more than the ticks themselves.
static OF_HOST: [&Metric; 3] = [
    &catalog::HOST_LOAD_1,
    &catalog::HOST_MEM_TOTAL,
    &catalog::HOST_MEM_AVAILABLE,
];

const EVENT_STREAM: &str = "text/event-stream";
/// About so many points of the past are told to a newcomer: ten minutes of 100 containers, one of 1,000.
const REPLAYED_POINTS: usize = 60_000;
/// Of more entries than this, all can be asked for.
const DETAILED_ENTRIES: usize = 16;
/// A comment is sent when there was nothing to say for so long, so that both sides notice a dead connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// `/api/v1/live`
pub(super) fn stream(
    context: &Context,
    request: &Request<Incoming>,
    stop: watch::Receiver<bool>,
) -> Response<Body> {
    if request.method() == Method::HEAD {
        return reply::whole(StatusCode::OK, EVENT_STREAM, "");
    }
    let detail = match Asked::of(request.uri().query()) {
        Ok(detail) => detail,
        Err(problem) => return reply::refusal(StatusCode::BAD_REQUEST, &problem),
    };
    let watcher = match Watcher::admit(context, stop) {
        Ok(watcher) => watcher,
        Err(reason) => {
            let mut refusal = reply::refusal(StatusCode::SERVICE_UNAVAILABLE, &reason);
            let later = HeaderValue::from_static("10");
            refusal.headers_mut().insert(header::RETRY_AFTER, later);
            return refusal;
        }
    };
    let told = Told {
        hello: Some(greeting(context)),
        telling: Telling {
            sent_ns: start(&context.live, last_seen(request)),
            sent: Vec::new(),
            detail,
        },
        watcher,
    };
    reply::streamed(EVENT_STREAM, stream::unfold(told, Told::next))
}

/// What the stream has told so far.
struct Told {
    hello: Option<String>,
    telling: Telling,
    watcher: Watcher,
}

impl Told {
    /// The next event; `None` at the end.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        if let Some(hello) = self.hello.take() {
            return Some((hello.into(), self));
        }
        let telling = &mut self.telling;
        let next = self.watcher.next(|live| telling.next(live));
        let event = match timeout(KEEP_ALIVE, next).await {
            Ok(told) => {
                let (wall_ns, data) = told?;
                format!("id: {wall_ns}\nevent: tick\ndata: {data}\n\n").into()
            }
            Err(_) => Bytes::from_static(b":\n\n"),
        };
        Some((event, self))
    }
}

/// What one watcher was told, whoever that is.
pub(crate) struct Telling {
    /// The time of the last tick told, or where to start.
    sent_ns: i64,
    /// The entries of the last tick told.
    sent: Vec<TickEntry>,
    detail: Asked,
}

impl Telling {
    /// Of all that is kept, with all details.
    pub(crate) fn of_everything() -> Self {
        Self {
            sent_ns: i64::MIN,
            sent: Vec::new(),
            detail: Asked::All,
        }
    }

    /// The next tick, with its time in nanoseconds; `None` until there is one.
    pub(crate) fn next(&mut self, live: &Live) -> Option<(i64, String)> {
        let tick = live.tick_after(self.sent_ns)?;
        let latest = live.latest();
        let latest = latest.filter(|batch| batch.taken.wall_ns == tick.wall_ns);
        let machine = latest.as_ref().map_or_else(Vec::new, |batch| {
            let is_shown = |it: &&Sample| OF_HOST.iter().any(|shown| *it.metric == **shown);
            batch.host.iter().filter(is_shown).cloned().collect()
        });
        let now = latest.as_ref().map(|batch| json::Now {
            subjects: &batch.subjects,
            machine: &machine,
            agent: batch.agent_but_hourly(),
        });
        let details = self.detail.details(live, tick.wall_ns);
        let data = json::tick(&tick, &self.sent, now.as_ref(), details.as_deref());
        self.sent_ns = tick.wall_ns;
        self.sent = tick.entries;
        Some((tick.wall_ns, data))
    }
}

/// Of which entries details are told.
#[derive(Debug, PartialEq)]
enum Asked {
    None,
    All,
    Of(Vec<CgroupId>),
}

impl Asked {
    /// `detail=` in a query; fails, saying why, for what it cannot be.
    fn of(query: Option<&str>) -> Result<Self, String> {
        let mut pairs = query.unwrap_or_default().split('&');
        let Some(detail) = pairs.find_map(|pair| pair.strip_prefix("detail=")) else {
            return Ok(Self::None);
        };
        if detail == "all" {
            return Ok(Self::All);
        }
        let ids: Result<Vec<CgroupId>, _> = detail
            .split(',')
            .map(|id| id.parse().map(CgroupId))
            .collect();
        match ids {
            Ok(ids) if ids.len() <= DETAILED_ENTRIES => Ok(Self::Of(ids)),
            _ => Err(format!(
                "detail is `all` or up to {DETAILED_ENTRIES} cgroup ids with commas between them"
            )),
        }
    }

    fn details(&self, live: &Live, wall_ns: i64) -> Option<Vec<Detail>> {
        match self {
            Self::None => None,
            Self::All => Some(live.details(wall_ns, |_| true)),
            Self::Of(ids) => Some(live.details(wall_ns, |id| ids.contains(&id))),
        }
    }
}

/// `hello`, and how soon to come back.
fn greeting(context: &Context) -> String {
    let settings = &context.settings;
    let data = hello(
        &settings.host,
        settings.cpus,
        settings.interval,
        context.live.ticks(),
    );
    format!("retry: 2000\nevent: hello\ndata: {data}\n\n")
}

/// What does not change while the agent runs.
pub(crate) fn hello(host: &str, cpus: usize, interval: Duration, ticks: usize) -> String {
    let data = serde_json::json!({
        "host": host,
        "cpus": cpus,
        "interval_ms": interval.as_millis(),
        "ticks": ticks,
        "version": env!("CARGO_PKG_VERSION"),
    });
    data.to_string()
}

/// The last tick the watcher has, as it says.
fn last_seen(request: &Request<Incoming>) -> Option<i64> {
    let header = request.headers().get("last-event-id");
    let header = header.and_then(|id| id.to_str().ok()?.parse().ok());
    header.or_else(|| since(request.uri().query()))
}

/// `since=` in a query, in nanoseconds since the Unix epoch.
pub(super) fn since(query: Option<&str>) -> Option<i64> {
    let mut pairs = query?.split('&');
    pairs.find_map(|pair| pair.strip_prefix("since=")?.parse().ok())
}

/// The tick after which to start. A watcher from the future saw another clock and starts anew.
fn start(live: &Live, since: Option<i64>) -> i64 {
    let earliest = live.replay_start(REPLAYED_POINTS);
    let newest = live.latest().map_or(i64::MIN, |batch| batch.taken.wall_ns);
    match since {
        Some(since) if since <= newest => since.max(earliest),
        _ => earliest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_asked_for_by_id_or_all_together() {
        let of = |ids: &[u64]| Ok(Asked::Of(ids.iter().copied().map(CgroupId).collect()));
        assert_eq!(Asked::of(None), Ok(Asked::None));
        assert_eq!(Asked::of(Some("since=5")), Ok(Asked::None));
        assert_eq!(Asked::of(Some("since=5&detail=all")), Ok(Asked::All));
        assert_eq!(Asked::of(Some("detail=7")), of(&[7]));
        assert_eq!(Asked::of(Some("detail=0,7,8&since=5")), of(&[0, 7, 8]));
        let many = "1,".repeat(DETAILED_ENTRIES);
        for refused in ["", "web", "7,", "-1", &format!("{many}1")] {
            let problem = Asked::of(Some(&format!("detail={refused}"))).unwrap_err();
            assert!(problem.contains("all"), "{refused}: {problem}");
        }
    }
}
