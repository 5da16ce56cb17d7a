//! The second port, for probes and numbers: what is asked here neither counts nor shares the counter's way.
//!
//! | route | answer |
//! |---|---|
//! | `/healthz` | 200 while the process answers |
//! | `/readyz` | 200 while Redis answers and the process does not end; else 503 and why |
//! | `/metrics` | for Prometheus |
//! | `/stats` | the same and more, as JSON |

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use hyper::{
    Method, Request, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
};
use tokio::sync::Notify;

use super::{
    answer::{Answer, said, typed},
    counter::Counter,
    standing::Standing,
    stats::Stats,
};

/// A Redis that has not answered for longer is not ready.
const FRESH: Duration = Duration::from_secs(2);

/// Answers probes.
#[derive(Debug)]
pub(super) struct Admin {
    pub(super) counter: Arc<Counter>,
    pub(super) stats: Arc<Stats>,
    /// As of the last second.
    pub(super) standing: Mutex<Arc<Standing>>,
    /// The process ends.
    pub(super) draining: AtomicBool,
    /// Somebody wants to know now whether Redis is back.
    pub(super) poke: Arc<Notify>,
}

impl Admin {
    pub(super) fn answer(&self, request: &Request<Incoming>) -> Answer {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut answer = said(
                StatusCode::METHOD_NOT_ALLOWED,
                "only GET is answered here\n",
            );
            let allowed = HeaderValue::from_static("GET, HEAD");
            answer.headers_mut().insert(header::ALLOW, allowed);
            return answer;
        }
        match request.uri().path() {
            "/healthz" => said(StatusCode::OK, "ok\n"),
            "/readyz" => self.ready(),
            "/metrics" => {
                let content_type = HeaderValue::from_static("text/plain; version=0.0.4");
                typed(StatusCode::OK, content_type, self.now().prometheus().into())
            }
            "/stats" => {
                let content_type = HeaderValue::from_static("application/json");
                typed(StatusCode::OK, content_type, self.now().json().into())
            }
            _ => said(
                StatusCode::NOT_FOUND,
                "here are /healthz, /readyz, /metrics and /stats\n",
            ),
        }
    }

    fn ready(&self) -> Answer {
        if let Some(outage) = self.counter.outage() {
            self.poke.notify_waiters();
            let why = format!("not ready: {}\n", outage.text(Instant::now()));
            return said(StatusCode::SERVICE_UNAVAILABLE, why);
        }
        let is_fresh = self.stats.answer_age().is_some_and(|age| age < FRESH);
        if self.draining.load(Ordering::Relaxed) {
            said(StatusCode::SERVICE_UNAVAILABLE, "not ready: it ends\n")
        } else if is_fresh {
            said(StatusCode::OK, "ready\n")
        } else {
            let why = "not ready: redis has not answered for two seconds\n";
            said(StatusCode::SERVICE_UNAVAILABLE, why)
        }
    }

    fn now(&self) -> Arc<Standing> {
        Arc::clone(&self.standing.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
