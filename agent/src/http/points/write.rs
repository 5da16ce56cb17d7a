//! One write: its body is read, its lines are taken and handed over, its answer says what became of them.

use std::sync::Arc;

use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
};
use tokio::task::spawn_blocking;

use super::{
    Clock, Context, Handover, MAX_BODY_BYTES,
    body::{self, Encoding},
    pace::Pace,
    refusal::Refusal,
};
use crate::{
    encode::intake::{Intake, Precision, Refused},
    http::reply::{self, Body},
    self_stats::SocketStats,
};

/// `POST /write`
pub(super) async fn answer(
    context: &Context,
    request: Request<Incoming>,
    uid: u32,
) -> Response<Body> {
    context.stats.requests.add(1);
    match take(context, request).await {
        Ok((points, refused)) => {
            let not_taken = refused.lines();
            tracing::debug!(uid, lines = points, not_taken, "a write of another process");
            match refused.told(points) {
                None => reply::empty(),
                Some(told) => reply::refusal(StatusCode::BAD_REQUEST, &told),
            }
        }
        Err(Refusal { status, reason }) => {
            context.stats.requests_refused.add(1);
            tracing::debug!(uid, %status, reason, "a write of another process is refused");
            let mut refusal = reply::refusal(status, &reason);
            if status == StatusCode::SERVICE_UNAVAILABLE {
                let soon = HeaderValue::from_static("1");
                refusal.headers_mut().insert(header::RETRY_AFTER, soon);
            }
            refusal
        }
    }
}

/// Takes what can be taken of a request; tells how many lines that is, and what is refused.
async fn take(context: &Context, request: Request<Incoming>) -> Result<(usize, Refused), Refusal> {
    let precision = precision(request.uri().query());
    let encoding = body::encoding(request.headers());
    let permit = context.bodies.try_acquire();
    // A body that is of no use is read all the same: who is still sending would not read the answer.
    let is_of_use = precision.is_ok() && encoding.is_ok() && permit.is_ok();
    let kept = if is_of_use { MAX_BODY_BYTES } else { 0 };
    let body = body::read(
        request.into_body(),
        kept,
        context.settings.limits.silence.headers,
    )
    .await;
    let (precision, encoding) = (precision?, encoding?);
    let Ok(_permit) = permit else {
        return Err(Refusal::for_now("too many requests at one time"));
    };
    let body = body?;
    let mut door = Arc::clone(&context.door).lock_owned().await;
    // A thousand lines are milliseconds of work, which would hold up whatever else this thread serves.
    let passing = spawn_blocking(move || door.pass(body, encoding, precision));
    passing.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a write of another process failed");
        let reason = "the write failed; the agent's log says why";
        Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, reason))
    })
}

/// Where lines come in, one request after the other, so that they are handed over in the order of their times.
pub(super) struct Door {
    pace: Pace,
    intake: Intake,
    handover: Handover,
    stats: Arc<SocketStats>,
    clock: Clock,
}

impl Door {
    pub(super) fn new(
        bytes_per_second: u64,
        intake: Intake,
        handover: Handover,
        stats: Arc<SocketStats>,
        clock: Clock,
    ) -> Self {
        Self {
            pace: Pace::new(bytes_per_second),
            intake,
            handover,
            stats,
            clock,
        }
    }

    fn pass(
        &mut self,
        body: Vec<u8>,
        encoding: Encoding,
        precision: Precision,
    ) -> Result<(usize, Refused), Refusal> {
        let body = body::unpack(body, encoding)?;
        let now = (self.clock)();
        if !self.pace.allows(body.len() as u64, now.boot_ns) {
            return Err(Refusal::for_now("too many bytes a second"));
        }
        let taken = self.intake.take(&body, precision, now);
        let taken = taken.map_err(|too_long| {
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, too_long.to_string())
        })?;
        let points = taken.points();
        (self.handover)(taken.payloads).map_err(Refusal::for_now)?;
        self.stats.lines_taken.add(points as u64);
        self.stats.refuse(&taken.refused);
        Ok((points, taken.refused))
    }
}

/// The unit of the times, by the query; nanoseconds unless it says so.
fn precision(query: Option<&str>) -> Result<Precision, Refusal> {
    let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    match pairs.find(|(key, _)| key == "precision") {
        Some((_, word)) if !word.is_empty() => Precision::of(&word).ok_or_else(|| {
            let reason = format!("invalid precision {word:?}: write one of ns, u, us, ms, s, m, h");
            Refusal::new(StatusCode::BAD_REQUEST, reason)
        }),
        _ => Ok(Precision::default()),
    }
}
