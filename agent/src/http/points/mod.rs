//! The server for other processes' points: the writing part of InfluxDB 1.x's API on a unix socket.
//!
//! | route | answer |
//! |---|---|
//! | `POST /write`, `POST /api/v2/write` | 204 when every line was taken; 400 names the refused ones, the others are taken; 503 when there is no room now, and none is |
//! | `GET /ping` | 204 |
//! | `GET /healthz` | 200 |
//!
//! Who may connect is what the permissions of the socket's file say ([`SocketFile`](super::SocketFile)). The database, the retention policy
//! and credentials in a request are not looked at: where points go is said by the sinks. Lines are taken by
//! [`Intake`]; where they are taken to is the caller's [`Handover`].

mod body;
mod pace;
mod refusal;
#[cfg(test)]
mod tests;
mod write;

use std::sync::Arc;

use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderName, HeaderValue},
};
use tokio::{
    net::UnixListener,
    sync::{Mutex, Semaphore, watch},
};

use super::{
    health,
    reply::{self, Body},
    serving::{self, Bodies, Limits},
};
use crate::{
    encode::{Payload, intake::Intake},
    self_stats::SocketStats,
    snapshot::Timestamp,
};
use write::Door;

/// Most bytes of a body, as it comes and unpacked.
pub const MAX_BODY_BYTES: usize = 1 << 20;

/// What the server needs to know.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// What connections may take; [`Limits::silence`] of headers is for the body once more.
    pub limits: Limits,
    /// Bodies in memory at a time; further ones are told to come again.
    pub bodies: usize,
    /// Unpacked bytes a second, on average over some seconds; a request counts as 1 KiB at least. What is beyond is told
    /// to come again.
    pub bytes_per_second: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::of(64),
            bodies: 16,
            bytes_per_second: 4 << 20,
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
    /// One permit a body in memory.
    bodies: Semaphore,
    /// One request at a time passes it; the others wait here.
    door: Arc<Mutex<Door>>,
    stats: Arc<SocketStats>,
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
        let door = Door::new(
            settings.bytes_per_second,
            intake,
            handover,
            Arc::clone(&stats),
            clock,
        );
        Self {
            context: Arc::new(Context {
                bodies: Semaphore::new(settings.bodies),
                door: Arc::new(Mutex::new(door)),
                settings,
                stats,
            }),
        }
    }

    /// Serves until `stop` says true or its sender is gone, then lets answers under way finish within
    /// [`Limits::drain`]. Returns how many connections had to be cut.
    pub async fn run(self, listener: UnixListener, stop: watch::Receiver<bool>) -> usize {
        let context = self.context;
        let limits = context.settings.limits;
        let answer = move |request, uid| answer(Arc::clone(&context), request, uid);
        serving::run(listener, limits, Bodies::Small, stop, answer).await
    }
}

async fn answer(context: Arc<Context>, request: Request<Incoming>, uid: u32) -> Response<Body> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    match request.uri().path() {
        "/write" | "/api/v2/write" if request.method() == Method::POST => {
            write::answer(&context, request, uid).await
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
