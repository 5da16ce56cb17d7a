//! The server for other processes' points: the writing part of InfluxDB 1.x's API on a unix socket.
//!
//! | route | answer |
//! |---|---|
//! | `POST /write`, `POST /api/v2/write` | 204 when every line was taken; 400 names the refused ones, the others are taken; 503 when there is no room now, and none is |
//! | `GET /ping` | 204 |
//! | `GET /healthz` | 200 |
//!
//! Who may connect is what the permissions of the socket's file say ([`SocketFile`]). The database, the retention policy
//! and credentials in a request are not looked at: where points go is said by the sinks. Lines are taken by
//! [`Intake`]; where they are taken to is the caller's [`Handover`].

mod body;
mod file;
mod pace;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderName, HeaderValue},
};
use tokio::{
    net::UnixListener,
    sync::{Semaphore, watch},
};

use super::{
    health,
    reply::{self, Body},
    serving::{self, Limits},
};
use crate::{
    encode::{
        Payload,
        intake::{Intake, Precision, Refused},
    },
    self_stats::SocketStats,
    snapshot::Timestamp,
};
pub use file::{SocketError, SocketFile};
use pace::Pace;

/// Most bytes of a body, as it comes and unpacked.
pub const MAX_BODY_BYTES: usize = 1 << 20;

/// What the server needs to know.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Connections at a time; further ones wait in the kernel's backlog.
    pub connections: usize,
    /// Bodies in memory at a time; further ones are told to come again.
    pub bodies: usize,
    /// Unpacked bytes a second, on average over some seconds; a request counts as 1 KiB at least. What is beyond is told
    /// to come again.
    pub bytes_per_second: u64,
    /// How long a client may take to send the headers, and again to send the body.
    pub read_timeout: Duration,
    /// How long a client may take nothing of an answer.
    pub write_timeout: Duration,
    /// How long answers under way may take after the stop.
    pub drain: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connections: 64,
            bodies: 16,
            bytes_per_second: 4 << 20,
            read_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(10),
            drain: Duration::from_secs(3),
        }
    }
}

/// Takes payloads into delivery, all of them or none; then it says why.
pub type Handover = Arc<dyn Fn(Vec<Payload>) -> Result<(), &'static str> + Send + Sync>;

/// Reads both clocks; tests pass their own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The server, ready to run.
pub struct Server {
    context: Arc<Context>,
}

struct Context {
    settings: Settings,
    intake: Mutex<Intake>,
    pace: Mutex<Pace>,
    /// One permit a body in memory.
    bodies: Semaphore,
    handover: Handover,
    stats: Arc<SocketStats>,
    clock: Clock,
}

impl Server {
    /// A server that hands on what `intake` takes.
    pub fn new(
        settings: Settings,
        intake: Intake,
        handover: Handover,
        stats: Arc<SocketStats>,
        clock: Clock,
    ) -> Self {
        Self {
            context: Arc::new(Context {
                intake: Mutex::new(intake),
                pace: Mutex::new(Pace::new(settings.bytes_per_second)),
                bodies: Semaphore::new(settings.bodies),
                settings,
                handover,
                stats,
                clock,
            }),
        }
    }

    /// Serves until `stop` says true or its sender is gone, then lets answers under way finish within
    /// [`Settings::drain`]. Returns how many connections had to be cut.
    pub async fn run(self, listener: UnixListener, stop: watch::Receiver<bool>) -> usize {
        let context = self.context;
        let limits = Limits {
            connections: context.settings.connections,
            read_timeout: context.settings.read_timeout,
            write_timeout: context.settings.write_timeout,
            drain: context.settings.drain,
        };
        let answer = move |request, uid| answer(Arc::clone(&context), request, uid);
        serving::run(listener, limits, stop, answer).await
    }
}

async fn answer(context: Arc<Context>, request: Request<Incoming>, uid: u32) -> Response<Body> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    match request.uri().path() {
        "/write" | "/api/v2/write" if request.method() == Method::POST => {
            write(&context, request, uid).await
        }
        "/write" | "/api/v2/write" => not_allowed("POST"),
        "/ping" if is_read => ping(),
        "/healthz" if is_read => health::alive(),
        "/ping" | "/healthz" => not_allowed("GET, HEAD"),
        _ => {
            let reason = "there is nothing here: points are written to /write";
            reply::refusal(StatusCode::NOT_FOUND, reason)
        }
    }
}

async fn write(context: &Context, request: Request<Incoming>, uid: u32) -> Response<Body> {
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

/// Why nothing of a request is taken.
struct Refusal {
    status: StatusCode,
    reason: String,
}

impl Refusal {
    fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self {
            status,
            reason: reason.into(),
        }
    }

    /// It may be tried again as it is.
    fn for_now(reason: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, reason)
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
    let body = body::read(request.into_body(), kept, context.settings.read_timeout).await;
    let (precision, encoding) = (precision?, encoding?);
    let Ok(_permit) = permit else {
        return Err(Refusal::for_now("too many requests at one time"));
    };
    let body = body::unpack(body?, encoding)?;
    let now = (context.clock)();
    let mut pace = context.pace.lock().unwrap_or_else(PoisonError::into_inner);
    if !pace.allows(body.len() as u64, now.boot_ns) {
        return Err(Refusal::for_now("too many bytes a second"));
    }
    drop(pace);
    // Held until they are handed over, so that they stay in the order of their times.
    let mut intake = context
        .intake
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let taken = intake
        .take(&body, precision, now)
        .map_err(|too_long| Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, too_long.to_string()))?;
    let points = taken.points();
    (context.handover)(taken.payloads).map_err(Refusal::for_now)?;
    context.stats.lines_taken.add(points as u64);
    context.stats.refuse(&taken.refused);
    Ok((points, taken.refused))
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

/// What clients of InfluxDB ask first; some want to see a version.
fn ping() -> Response<Body> {
    const VERSION: HeaderName = HeaderName::from_static("x-influxdb-version");
    let mut answer = reply::empty();
    let version = HeaderValue::from_static(concat!("cgflux-", env!("CARGO_PKG_VERSION")));
    answer.headers_mut().insert(VERSION, version);
    answer
}

fn not_allowed(methods: &'static str) -> Response<Body> {
    let reason = format!("only {methods} is answered here");
    let mut refusal = reply::refusal(StatusCode::METHOD_NOT_ALLOWED, &reason);
    let allowed = HeaderValue::from_static(methods);
    refusal.headers_mut().insert(header::ALLOW, allowed);
    refusal
}
