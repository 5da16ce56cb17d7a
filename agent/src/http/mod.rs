//! The HTTP servers. That of the page is here: where it listens, who may ask, which route answers; that of other
//! processes' points is in `points`. How connections are served is the same for both: `serving`.
//!
//! A request of the page's server passes, in this order: the limits on connections (`serving`), TLS (`doors`), the name
//! it is addressed to (`guard`), the prefix, the route (`routes`, the table of all), and who asks (`access`).
//!
//! Everything is answered from [`Live`] and [`SelfStats`]; nothing here reads the kernel or waits for the collector.

mod access;
mod api;
mod attempts;
pub mod cadvisor;
mod doors;
mod guard;
mod health;
pub(crate) mod live;
mod negotiation;
mod page;
pub mod points;
mod reply;
mod routes;
pub(crate) mod serving;
mod socket_file;
#[cfg(test)]
mod tests;
mod watcher;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
};
use tokio::sync::{Semaphore, watch};

use access::Verdict;
use attempts::Attempts;
use cadvisor::around::{Around, Nothing};
pub use doors::{Certificate, Door, Place};
use doors::{Doors, Peer};
use reply::Body;
use serving::Bodies;
pub use serving::{Beyond, Limits, Silence};
pub use socket_file::{SettingNames, SocketError, SocketFile, Wanted};

use crate::{
    accounts::{Accounts, Credentials},
    encode::prometheus::AllowedLabels,
    live::Live,
    metrics::choice::Choice,
    recent::Recent,
    self_stats::{Denied, HttpStats, SelfStats},
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
    /// What all paths begin with, as behind a proxy: empty, or `/name` without a slash at its end.
    pub prefix: String,
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
            prefix: String::new(),
            labels: Vec::new(),
            metrics: Choice::default(),
            finals: Duration::from_mins(1),
            watchers: 32,
            limits: Limits {
                per_client: 64,
                beyond: Beyond::MakesRoom,
                silence: SILENCE,
                ..Limits::of(256)
            },
        }
    }
}

/// Scrapers keep their connections from one scrape to the next; headers come soon or never.
const SILENCE: Silence = Silence {
    idle: Duration::from_secs(75),
    headers: Duration::from_secs(10),
};

/// Reads `CLOCK_BOOTTIME` in nanoseconds; tests pass their own.
pub type BootClock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Who may ask; may be replaced while requests come. `None`: whoever reaches the server.
pub type Allowed = watch::Receiver<Option<Arc<Accounts>>>;

/// The server, ready to run.
pub struct Server {
    context: Context,
}

/// What a request is answered from.
struct Context {
    settings: Settings,
    labels: AllowedLabels,
    live: Arc<Live>,
    stats: Arc<SelfStats>,
    http_stats: Arc<HttpStats>,
    clock: BootClock,
    guard: guard::Guard,
    allowed: Allowed,
    attempts: Attempts,
    /// One permit a live watcher.
    watchers: Arc<Semaphore>,
    cadvisor: cadvisor::State,
}

impl Server {
    /// A server that answers from `live` and `stats` whoever is `allowed` to ask, and knows nothing of the machine around
    /// it.
    pub fn new(
        settings: Settings,
        allowed: Allowed,
        live: Arc<Live>,
        stats: Arc<SelfStats>,
        clock: BootClock,
    ) -> Self {
        Self {
            context: Context {
                labels: AllowedLabels::new(&settings.labels),
                guard: guard::Guard::new(&settings.hosts),
                watchers: Arc::new(Semaphore::new(settings.watchers)),
                http_stats: stats.http(),
                attempts: Attempts::default(),
                settings,
                allowed,
                live,
                stats,
                clock,
                cadvisor: cadvisor::State::new(Arc::new(Recent::new(false)), Arc::new(Nothing)),
            },
        }
    }

    /// The same that tells by cAdvisor's API what is around it, and what `recent` has of the last minutes.
    #[must_use]
    pub fn with_cadvisor(mut self, recent: Arc<Recent>, around: Arc<dyn Around>) -> Self {
        self.context.cadvisor = cadvisor::State::new(recent, around);
        self
    }

    /// Serves whoever comes in by `doors` until `stop` says true or its sender is gone, then lets answers under way finish
    /// within [`Limits::drain`]. Returns how many connections had to be cut.
    pub async fn run(self, doors: Vec<Door>, stop: watch::Receiver<bool>) -> usize {
        let context = Arc::new(self.context);
        let limits = context.settings.limits;
        let stopping = stop.clone();
        let doors = Doors::new(doors, Arc::clone(&context.http_stats));
        let answer = move |request: Request<Incoming>, peer| {
            answer(Arc::clone(&context), request, peer, stopping.clone())
        };
        serving::run(doors, limits, Bodies::Large, stop, answer).await
    }
}

/// Answers, or says why not. It takes no await but for cAdvisor's API: all else there is to say is in memory.
async fn answer(
    context: Arc<Context>,
    request: Request<Incoming>,
    peer: Peer,
    stop: watch::Receiver<bool>,
) -> Response<Body> {
    let (route, path) = match passed(&context, &request, peer) {
        Ok(passed) => passed,
        Err(refusal) => return refusal,
    };
    let answer = route.answer(&routes::Asked {
        context: &context,
        request: &request,
        path,
        stop: &stop,
    });
    if let Some(answer) = answer {
        return answer;
    }
    let path = path.to_owned();
    cadvisor::answer(context, &path, request, stop).await
}

/// The route of a request that may be answered, and its path without the prefix.
#[expect(
    clippy::result_large_err,
    reason = "the refusal is the answer and moves on as it is"
)]
fn passed<'r>(
    context: &Context,
    request: &'r Request<Incoming>,
    peer: Peer,
) -> Result<(&'static routes::Route, &'r str), Response<Body>> {
    let local = match peer {
        Peer::Tcp { local, .. } if context.allowed.borrow().is_none() => Some(local),
        Peer::Tcp { .. } | Peer::Unix => None,
    };
    context.guard.check(request, local).inspect_err(|_| {
        context.http_stats.denied(Denied::Host).add(1);
    })?;
    let Some(path) = request.uri().path().strip_prefix(&context.settings.prefix) else {
        return Err(routes::nowhere(&context.settings.prefix));
    };
    if path.is_empty() {
        return Err(reply::moved(&format!("{}/", context.settings.prefix)));
    }
    if !path.starts_with('/') {
        return Err(routes::nowhere(&context.settings.prefix));
    }
    let route = routes::find(path);
    admit(context, route, request, peer)?;
    Ok((route, path))
}

/// Lets a request pass by who asks, or says why not.
#[expect(
    clippy::result_large_err,
    reason = "the refusal is the answer and moves on as it is"
)]
fn admit(
    context: &Context,
    route: &routes::Route,
    request: &Request<Incoming>,
    peer: Peer,
) -> Result<(), Response<Body>> {
    let Peer::Tcp { client, .. } = peer else {
        return Ok(());
    };
    let accounts = context.allowed.borrow().clone();
    let credentials = || match request.headers().get(header::AUTHORIZATION) {
        Some(value) => value
            .to_str()
            .map_or(Credentials::Unreadable, Credentials::of_header),
        None => Credentials::None,
    };
    let (reason, refusal) = match access::judge(route.need(), accounts.as_deref(), credentials) {
        Verdict::Answer => return Ok(()),
        Verdict::Unknown => {
            let reason = "this server asks who you are: send a token, as `Authorization: Bearer`, or as the password \
                          of your name";
            (Denied::NoToken, unauthorized(reason))
        }
        Verdict::Wrong => {
            let attempt = context.attempts.wrong(client, Instant::now());
            if attempt.is_told {
                tracing::warn!(
                    %client,
                    "a client brings a wrong token; `cgflux_http_requests_denied_total` counts how often that happens"
                );
            }
            if attempt.is_too_many {
                (Denied::Attempts, too_many())
            } else {
                let reason = "no such name and token; `cgflux auth add` makes one";
                (Denied::WrongToken, unauthorized(reason))
            }
        }
        Verdict::Lacks(role) => {
            let reason = format!("the role {} may not ask for this", role.as_str());
            (Denied::Role, reply::refusal(StatusCode::FORBIDDEN, &reason))
        }
    };
    context.http_stats.denied(reason).add(1);
    Err(refusal)
}

/// Names both ways; a browser asks for name and password then, and a program knows what to do by the first.
fn unauthorized(reason: &str) -> Response<Body> {
    let mut refusal = reply::refusal(StatusCode::UNAUTHORIZED, reason);
    for way in [
        "Bearer realm=\"cgflux\"",
        "Basic realm=\"cgflux\", charset=\"UTF-8\"",
    ] {
        let way = HeaderValue::from_static(way);
        refusal.headers_mut().append(header::WWW_AUTHENTICATE, way);
    }
    refusal
}

fn too_many() -> Response<Body> {
    let reason = "too many wrong tokens; come again in a minute, or with the right one";
    let mut refusal = reply::refusal(StatusCode::TOO_MANY_REQUESTS, reason);
    let headers = refusal.headers_mut();
    headers.insert(
        header::RETRY_AFTER,
        HeaderValue::from(attempts::WINDOW.as_secs()),
    );
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    refusal
}
