//! What happened: the last events at once, or those to come line by line until the client leaves.

use std::sync::Arc;

use futures_util::stream;
use hyper::{
    StatusCode,
    body::Bytes,
    header::{self, HeaderValue},
};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::{
    super::Context,
    Answer, Refusal,
    ask::{EventQuery, Parameters},
    json, refused, text,
};
use crate::{encode::cadvisor::api::Event, http::reply, live::Live, metrics::Batch};

/// `events` of v1.3 and v2.
pub(super) fn answer(
    context: &Arc<Context>,
    path: String,
    parameters: &Parameters,
    stop: watch::Receiver<bool>,
) -> Answer {
    let query = EventQuery::of(path, parameters);
    if query.is_stream {
        return stream(context, query, stop);
    }
    let events = context.live.events_after(i64::MIN);
    let events = events.iter().flat_map(Event::all_of);
    let wanted = events.filter(|event| query.wants(event)).collect();
    Ok(json(&query.latest(wanted)))
}

/// A stream is a watcher like those of the live stream, and there may be as many of both together.
fn stream(context: &Arc<Context>, query: EventQuery, stop: watch::Receiver<bool>) -> Answer {
    if query.has_times() {
        return Err(refused(
            "for a call to watch, request.StartTime and request.EndTime must be uninitialized",
        ));
    }
    let Ok(permit) = Arc::clone(&context.watchers).try_acquire_owned() else {
        let limit = context.settings.watchers;
        return Err(Refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("there are {limit} watchers already (http.watchers)"),
        ));
    };
    let batches = context.live.subscribe();
    let latest = context.live.latest();
    let watcher = Watcher {
        query,
        told_ns: latest.map_or(i64::MIN, |batch| batch.taken.wall_ns),
        live: Arc::clone(&context.live),
        batches,
        stop,
        _permit: permit,
    };
    let mut answer = reply::streamed("application/json", stream::unfold(watcher, Watcher::next));
    // A proxy that waits for more would keep back what happened.
    let unbuffered = HeaderValue::from_static("no-store, no-transform");
    answer
        .headers_mut()
        .insert(header::CACHE_CONTROL, unbuffered);
    Ok(answer)
}

struct Watcher {
    query: EventQuery,
    /// The time of the last batch whose events were told.
    told_ns: i64,
    live: Arc<Live>,
    batches: watch::Receiver<Option<Arc<Batch>>>,
    stop: watch::Receiver<bool>,
    _permit: OwnedSemaphorePermit,
}

impl Watcher {
    /// The next events, a line each; `None` when the server or the collector stops.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        loop {
            if *self.stop.borrow() {
                return None;
            }
            // Marked as seen before looking, so that a tick published in between wakes us again.
            self.batches.mark_unchanged();
            let lines = self.lines();
            if !lines.is_empty() {
                return Some((lines.into(), self));
            }
            tokio::select! {
                changed = self.batches.changed() => changed.ok()?,
                stopped = self.stop.changed() => stopped.ok()?,
            }
        }
    }

    fn lines(&mut self) -> String {
        let events = self.live.events_after(self.told_ns);
        if let Some(last) = events.last() {
            self.told_ns = last.wall_ns;
        }
        let events = events.iter().flat_map(Event::all_of);
        let wanted = events.filter(|event| self.query.wants(event));
        wanted.map(|event| text(&event) + "\n").collect()
    }
}
