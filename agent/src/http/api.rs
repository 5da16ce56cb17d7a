//! The JSON API and `/metrics`: the latest batch, as it is.

use std::sync::Arc;

use futures_util::stream;
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{self, HeaderValue},
};
use percent_encoding::percent_decode_str;

use super::{
    Context, live, negotiation,
    reply::{self, Body},
};
use crate::{
    container::{CgroupId, Container},
    encode::{json, prometheus::Exposition},
    metrics::{Batch, Subject},
    status::Status,
};

/// How many of the entries that fit an ambiguous id are listed.
const MATCHES_LISTED: usize = 10;

/// `/api/v1/containers`
pub(super) fn containers(context: &Context) -> Response<Body> {
    match context.live.latest() {
        Some(batch) => reply::json(StatusCode::OK, json::batch(&batch, &context.settings.host)),
        None => nothing_yet(),
    }
}

/// `/api/v1/containers/{wanted}`
pub(super) fn container(context: &Context, wanted: &str) -> Response<Body> {
    let Some(batch) = context.live.latest() else {
        return nothing_yet();
    };
    let wanted = percent_decode_str(wanted).decode_utf8_lossy();
    let ended = context.live.ended();
    let ended = ended.iter().rev().map(|it| &*it.last);
    match find(&wanted, &batch, ended) {
        Found::One(subject) => {
            let cgroup = subject.container.cgroup;
            let points = context.live.points(cgroup);
            let details = context.live.details_of(cgroup);
            reply::json(StatusCode::OK, json::subject(subject, &points, &details))
        }
        Found::None => {
            let reason =
                format!("no container has the name, id, start of an id or cgroup id {wanted:?}");
            reply::refusal(StatusCode::NOT_FOUND, &reason)
        }
        Found::Several(matches) => {
            let reason = format!("{wanted:?} is the start of several ids");
            reply::json(StatusCode::CONFLICT, json::error(&reason, &matches))
        }
    }
}

/// `/api/v1/events`, or `/api/v1/events?since=` for those after a time.
pub(super) fn events(context: &Context, query: Option<&str>) -> Response<Body> {
    let since_ns = live::since(query).unwrap_or(i64::MIN);
    let events = context.live.events_after(since_ns);
    reply::json(StatusCode::OK, json::events(&events))
}

/// `/api/v1/status`
pub(super) fn status(context: &Context) -> Response<Body> {
    let Some(latest) = context.live.latest() else {
        return nothing_yet();
    };
    // The latest batch tells which time it is at some time since boot.
    let age_ns = (context.clock)().saturating_sub(latest.taken.boot_ns);
    let age_ns = i64::try_from(age_ns).unwrap_or(i64::MAX);
    let now_ns = latest.taken.wall_ns.saturating_add(age_ns);
    let status = Status::of(&context.stats, now_ns);
    reply::json(StatusCode::OK, status.json(&latest))
}

/// `/metrics`, or with `?names=` and `?families=` a part of it; in the format that the `Accept` header likes best.
pub(super) fn metrics(context: &Context, request: &Request<Incoming>) -> Response<Body> {
    let asked = request.uri().query().unwrap_or_default();
    let choice = match context.settings.metrics.asked(asked) {
        Ok(choice) => choice,
        Err(problem) => return reply::refusal(StatusCode::BAD_REQUEST, &problem),
    };
    let Some(batch) = context.live.latest() else {
        return nothing_yet();
    };
    let finals_ns = i64::try_from(context.settings.finals.as_nanos()).unwrap_or(i64::MAX);
    let since_ns = batch.taken.wall_ns.saturating_sub(finals_ns);
    let ended = context.live.ended().into_iter();
    let ended = ended.filter(|it| it.wall_ns >= since_ns).map(|it| it.last);
    let format = negotiation::format(request.headers());
    let chunks = Exposition::new(&batch, ended, &context.labels, choice, format);
    let chunks = stream::iter(chunks.map(Bytes::from));
    let mut answer = reply::streamed(format.content_type(), chunks);
    let by_accept = HeaderValue::from_static("accept");
    answer.headers_mut().insert(header::VARY, by_accept);
    answer
}

fn nothing_yet() -> Response<Body> {
    let reason = "nothing has been collected yet";
    let mut refusal = reply::refusal(StatusCode::SERVICE_UNAVAILABLE, reason);
    let soon = HeaderValue::from_static("1");
    refusal.headers_mut().insert(header::RETRY_AFTER, soon);
    refusal
}

enum Found<'a> {
    One(&'a Subject),
    None,
    Several(Vec<Arc<Container>>),
}

/// The entry meant by a name, a full id, a cgroup id or the start of an id, in this order; live ones before ended
/// ones, of these the one that ended last.
fn find<'a>(
    wanted: &str,
    batch: &'a Batch,
    ended: impl Iterator<Item = &'a Subject> + Clone,
) -> Found<'a> {
    let live = batch.subjects.iter().filter(|subject| subject.alive);
    let all = live.chain(ended);
    let cgroup = wanted.parse().ok().map(CgroupId);
    let exactly: [&dyn Fn(&Container) -> bool; 3] = [
        &|it| it.name == wanted,
        &|it| it.id.as_deref() == Some(wanted),
        &|it| Some(it.cgroup) == cgroup,
    ];
    for fits in exactly {
        if let Some(subject) = all.clone().find(|subject| fits(&subject.container)) {
            return Found::One(subject);
        }
    }
    let starts = |it: &&Subject| {
        let id = it.container.id.as_deref();
        !wanted.is_empty() && id.is_some_and(|id| id.starts_with(wanted))
    };
    let mut matches = all.filter(starts);
    let Some(first) = matches.next() else {
        return Found::None;
    };
    let others: Vec<_> = matches.take(MATCHES_LISTED - 1).collect();
    if others.is_empty() {
        return Found::One(first);
    }
    let several = std::iter::once(first).chain(others);
    Found::Several(several.map(|it| Arc::clone(&it.container)).collect())
}
