//! What happened: the last events at once, or those to come line by line until the client leaves.

use std::sync::Arc;

use futures_util::stream;
use hyper::{
    StatusCode,
    body::Bytes,
    header::{self, HeaderValue},
};
use tokio::sync::watch;

use super::{
    super::Context,
    Answer, Refusal,
    ask::{EventQuery, Parameters},
    json, refused, text,
};
use crate::{
    encode::cadvisor::api::Event,
    http::{reply, watcher::Watcher},
};

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
    let full = |reason| Refusal(StatusCode::SERVICE_UNAVAILABLE, reason);
    let watcher = Watcher::admit(context, stop).map_err(full)?;
    let latest = context.live.latest();
    let told = Told {
        query,
        until_ns: latest.map_or(i64::MIN, |batch| batch.taken.wall_ns),
        watcher,
    };
    let mut answer = reply::streamed("application/json", stream::unfold(told, Told::next));
    // A proxy that waits for more would keep back what happened.
    let unbuffered = HeaderValue::from_static("no-store, no-transform");
    answer
        .headers_mut()
        .insert(header::CACHE_CONTROL, unbuffered);
    Ok(answer)
}

/// What a stream has told so far.
struct Told {
    query: EventQuery,
    /// The time of the last batch whose events were told.
    until_ns: i64,
    watcher: Watcher,
}

impl Told {
    /// The next events, a line each; `None` at the end.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        let (query, until_ns) = (&self.query, &mut self.until_ns);
        let lines = self.watcher.next(|live| {
            let events = live.events_after(*until_ns);
            *until_ns = events.last()?.wall_ns;
            let events = events.iter().flat_map(Event::all_of);
            let wanted = events.filter(|event| query.wants(event));
            let lines: String = wanted.map(|event| text(&event) + "\n").collect();
            (!lines.is_empty()).then_some(lines)
        });
        let lines = lines.await?;
        Some((lines.into(), self))
    }
}
