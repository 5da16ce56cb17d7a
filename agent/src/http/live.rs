//! The live stream: one server-sent event a tick, to a bounded number of watchers.
//!
//! The format is that of the HTML standard: <https://html.spec.whatwg.org/multipage/server-sent-events.html>. First
//! comes `hello`, then a `tick` for each tick of the recent past, then one as each happens. A tick's id is its time;
//! a watcher that comes back with `Last-Event-ID`, or `?since=` where a script cannot set that header, is told what
//! it missed. A watcher that reads slowly is told the same ticks later: what waits for it is one event and the
//! history, which is there anyway.

use std::{sync::Arc, time::Duration};

use futures_util::stream;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{self, HeaderValue},
};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::sleep,
};

use super::{
    Context,
    reply::{self, Body},
};
use crate::{
    encode::json,
    live::{Live, TickEntry},
    metrics::{Batch, Metric, Sample, catalog},
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
    let Ok(permit) = Arc::clone(&context.watchers).try_acquire_owned() else {
        let limit = context.settings.watchers;
        let reason = format!("there are {limit} live watchers already (http.watchers)");
        let mut refusal = reply::refusal(StatusCode::SERVICE_UNAVAILABLE, &reason);
        let later = HeaderValue::from_static("10");
        refusal.headers_mut().insert(header::RETRY_AFTER, later);
        return refusal;
    };
    let watcher = Watcher {
        hello: Some(hello(context)),
        sent_ns: start(&context.live, last_seen(request)),
        sent: Vec::new(),
        batches: context.live.subscribe(),
        live: Arc::clone(&context.live),
        stop,
        _permit: permit,
    };
    reply::streamed(EVENT_STREAM, stream::unfold(watcher, Watcher::next))
}

struct Watcher {
    hello: Option<String>,
    /// The time of the last tick sent, or where to start.
    sent_ns: i64,
    /// The entries of the last tick sent.
    sent: Vec<TickEntry>,
    live: Arc<Live>,
    batches: watch::Receiver<Option<Arc<Batch>>>,
    stop: watch::Receiver<bool>,
    _permit: OwnedSemaphorePermit,
}

impl Watcher {
    /// The next event; `None` when the server or the collector stops.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        if let Some(hello) = self.hello.take() {
            return Some((hello.into(), self));
        }
        loop {
            if *self.stop.borrow() {
                return None;
            }
            // Marked as seen before looking, so that a tick published in between wakes us again.
            self.batches.mark_unchanged();
            if let Some(event) = self.tick() {
                return Some((event.into(), self));
            }
            tokio::select! {
                changed = self.batches.changed() => changed.ok()?,
                stopped = self.stop.changed() => stopped.ok()?,
                () = sleep(KEEP_ALIVE) => return Some((Bytes::from_static(b":\n\n"), self)),
            }
        }
    }

    fn tick(&mut self) -> Option<String> {
        let tick = self.live.tick_after(self.sent_ns)?;
        let latest = self.live.latest();
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
        let data = json::tick(&tick, &self.sent, now.as_ref());
        let event = format!("id: {}\nevent: tick\ndata: {data}\n\n", tick.wall_ns);
        self.sent_ns = tick.wall_ns;
        self.sent = tick.entries;
        Some(event)
    }
}

/// What does not change while the agent runs, and how soon to come back.
fn hello(context: &Context) -> String {
    let settings = &context.settings;
    let data = serde_json::json!({
        "host": settings.host,
        "cpus": settings.cpus,
        "interval_ms": settings.interval.as_millis(),
        "ticks": context.live.ticks(),
        "version": env!("CARGO_PKG_VERSION"),
    });
    format!("retry: 2000\nevent: hello\ndata: {data}\n\n")
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
