//! The HTTP servers. That of the page is here: who may ask, which route answers; that of other processes' points is in
//! `points`. How connections are served is the same for both: `serving.rs`.
//!
//! | route | answer | file |
//! |---|---|---|
//! | `/`, `/assets/…` | the live page and its parts | `page.rs` |
//! | `/api/v1/containers` | the latest batch | `api.rs` |
//! | `/api/v1/containers/{id}` | one entry and its history | `api.rs` |
//! | `/api/v1/events` | what happened last | `api.rs` |
//! | `/api/v1/status` | how delivery stands | `api.rs` |
//! | `/api/v1/live` | a server-sent event each tick | `live.rs` |
//! | `/metrics` | for Prometheus | `api.rs`, `negotiation.rs` |
//! | `/healthz`, `/readyz` | probes | `health.rs` |
//!
//! Everything is answered from [`Live`] and [`SelfStats`]; nothing here reads the kernel or waits for the collector.

mod api;
mod guard;
mod health;
mod live;
mod negotiation;
mod page;
pub mod points;
mod reply;
pub(crate) mod serving;
#[cfg(test)]
mod tests;

use std::{net::IpAddr, sync::Arc, time::Duration};

use hyper::{Request, Response, body::Incoming};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
};

use serving::Bodies;
pub use serving::{Limits, Silence};

use crate::{
    encode::prometheus::AllowedLabels, live::Live, metrics::choice::Choice, self_stats::SelfStats,
};

/// What the server needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The host's name, shown on the page and in the API.
    pub host: String,
    /// The host's CPUs.
    pub cpus: usize,
    /// The collection interval. A latest batch older than three of them makes `/readyz` say no.
    pub interval: Duration,
    /// Names and addresses a request may address the server by, besides `localhost`, the loopback addresses and the
    /// address the connection came in on; a port in them is ignored.
    pub hosts: Vec<String>,
    /// Container labels that become labels on `/metrics`.
    pub labels: Vec<String>,
    /// What `/metrics` shows to a scrape that does not say.
    pub metrics: Choice,
    /// How long `/metrics` shows the final totals of an entry that ended; several scrape intervals.
    pub finals: Duration,
    /// Watchers of the live stream at a time; further ones are refused.
    pub watchers: usize,
    /// What connections may take.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host: String::new(),
            cpus: 1,
            interval: Duration::from_secs(1),
            hosts: Vec::new(),
            labels: Vec::new(),
            metrics: Choice::default(),
            finals: Duration::from_mins(1),
            watchers: 32,
            limits: Limits::of(256),
        }
    }
}

/// Reads `CLOCK_BOOTTIME` in nanoseconds; tests pass their own.
pub type BootClock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The server, ready to run.
pub struct Server {
    context: Arc<Context>,
}

/// What a request is answered from.
struct Context {
    settings: Settings,
    labels: AllowedLabels,
    live: Arc<Live>,
    stats: Arc<SelfStats>,
    clock: BootClock,
    guard: guard::Guard,
    /// One permit a live watcher.
    watchers: Arc<Semaphore>,
}

impl Server {
    /// A server that answers from `live` and `stats`.
    pub fn new(
        settings: Settings,
        live: Arc<Live>,
        stats: Arc<SelfStats>,
        clock: BootClock,
    ) -> Self {
        Self {
            context: Arc::new(Context {
                labels: AllowedLabels::new(&settings.labels),
                guard: guard::Guard::new(&settings.hosts),
                watchers: Arc::new(Semaphore::new(settings.watchers)),
                settings,
                live,
                stats,
                clock,
            }),
        }
    }

    /// Serves until `stop` says true or its sender is gone, then lets answers under way finish within
    /// [`Limits::drain`]. Returns how many connections had to be cut.
    pub async fn run(self, listener: TcpListener, stop: watch::Receiver<bool>) -> usize {
        let context = self.context;
        let limits = context.settings.limits;
        let stopping = stop.clone();
        let answer = move |request: Request<Incoming>, local| {
            let answer = answer(&context, &request, local, &stopping);
            async move { answer }
        };
        serving::run(listener, limits, Bodies::Large, stop, answer).await
    }
}

/// The route table. Answering takes no await: all there is to say is in memory.
fn answer(
    context: &Arc<Context>,
    request: &Request<Incoming>,
    local: IpAddr,
    stop: &watch::Receiver<bool>,
) -> Response<reply::Body> {
    if let Err(refusal) = context.guard.check(request, local) {
        return refusal;
    }
    match request.uri().path() {
        "/api/v1/containers" => api::containers(context),
        "/api/v1/events" => api::events(context, request.uri().query()),
        "/api/v1/status" => api::status(context),
        "/api/v1/live" => live::stream(context, request, stop.clone()),
        "/metrics" => api::metrics(context, request),
        "/healthz" => health::alive(),
        "/readyz" => health::ready(context),
        path => match path.strip_prefix("/api/v1/containers/") {
            Some(wanted) => api::container(context, wanted),
            None => page::asset(path, request),
        },
    }
}
