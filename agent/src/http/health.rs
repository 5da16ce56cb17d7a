//! Probes: does the process answer, and does the collector still tick.

use hyper::{Response, StatusCode};

use super::{
    Context,
    reply::{self, Body},
};

const TEXT: &str = "text/plain; charset=utf-8";

/// Alive: this was answered. In cAdvisor's two letters, which some compare with.
pub(super) fn alive() -> Response<Body> {
    reply::whole(StatusCode::OK, TEXT, "ok")
}

/// Ready: there is a batch, and it is younger than three intervals.
pub(super) fn ready(context: &Context) -> Response<Body> {
    let Some(batch) = context.live.latest() else {
        let reason = "not ready: nothing has been collected yet\n";
        return reply::whole(StatusCode::SERVICE_UNAVAILABLE, TEXT, reason);
    };
    let age_ns = (context.clock)().saturating_sub(batch.taken.boot_ns);
    if u128::from(age_ns) < 3 * context.settings.interval.as_nanos() {
        return reply::whole(StatusCode::OK, TEXT, "ready\n");
    }
    let age_s = age_ns as f64 / 1e9;
    let reason = format!("not ready: the latest batch is {age_s:.1} s old\n");
    reply::whole(StatusCode::SERVICE_UNAVAILABLE, TEXT, reason)
}
