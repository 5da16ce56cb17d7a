//! The table of routes: what is at which path, by which methods, and who may have it.
//!
//! | route | who | answer | file |
//! |---|---|---|---|
//! | `/healthz` | everybody | is it alive | `health.rs` |
//! | `/readyz` | scrape | does it measure | `health.rs` |
//! | `/metrics` | scrape | for Prometheus | `api.rs`, `negotiation.rs` |
//! | `/api/v1/containers` | view | the latest batch | `api.rs` |
//! | `/api/v1/containers/{id}` | view | one entry and its history | `api.rs` |
//! | `/api/v1/events` | view | what happened last | `api.rs` |
//! | `/api/v1/status` | view | how delivery stands | `api.rs` |
//! | `/api/v1/live` | view | a server-sent event each tick | `live.rs` |
//! | `/api/v1.0/…` to `/api/v2.1/…`, `/validate/`, `/containers/…`, `/docker/…`, `/podman/…` | view | as cAdvisor | `cadvisor/` |
//! | `/`, `/assets/…` | view | the live page and its parts | `page/` |

use std::sync::Arc;

use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
};
use tokio::sync::watch;

use super::{
    Context,
    access::Need,
    api, cadvisor, health, live, page,
    reply::{self, Body},
};
use crate::accounts::Role;

/// A request that passed.
pub(super) struct Asked<'a> {
    pub(super) context: &'a Arc<Context>,
    pub(super) request: &'a Request<Incoming>,
    /// Its path, without the server's prefix.
    pub(super) path: &'a str,
    /// Says when the server stops, for answers that have no end.
    pub(super) stop: &'a watch::Receiver<bool>,
}

/// One line of the table.
pub(super) struct Route {
    /// The path; with a slash at its end, everything below it.
    path: &'static str,
    methods: Methods,
    need: Need,
    /// `None` where cAdvisor's API answers.
    answer: Option<fn(&Asked<'_>) -> Response<Body>>,
}

/// What a route may be asked by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Methods {
    /// GET and HEAD.
    Get,
    /// And POST, where cAdvisor's clients send what they ask for in a body. It changes nothing.
    Cadvisors,
}

const SCRAPE: Need = Need::Role(Role::Scrape);
const VIEW: Need = Need::Role(Role::View);

/// The first one that fits answers.
static ROUTES: [Route; 20] = [
    Route::get("/healthz", Need::Nothing, |_| health::alive()),
    Route::get("/readyz", SCRAPE, |it| health::ready(it.context)),
    Route::get("/metrics", SCRAPE, |it| {
        api::metrics(it.context, it.request)
    }),
    Route::get("/api/v1/containers", VIEW, |it| api::containers(it.context)),
    Route::get("/api/v1/containers/", VIEW, |it| {
        let (_, wanted) = it.path.split_at("/api/v1/containers/".len());
        api::container(it.context, wanted)
    }),
    Route::get("/api/v1/events", VIEW, |it| {
        api::events(it.context, it.request.uri().query())
    }),
    Route::get("/api/v1/status", VIEW, |it| api::status(it.context)),
    Route::get("/api/v1/live", VIEW, |it| {
        live::stream(it.context, it.request, it.stop.clone())
    }),
    // Without a point the version is ours.
    Route::get("/api/v1", VIEW, |it| page::asset(it.path, it.request)),
    Route::get("/api/v1/", VIEW, |it| page::asset(it.path, it.request)),
    Route::cadvisors("/api"),
    Route::cadvisors("/api/"),
    Route::cadvisors("/validate"),
    Route::cadvisors("/validate/"),
    Route::cadvisors("/containers"),
    Route::cadvisors("/containers/"),
    Route::cadvisors("/docker"),
    Route::cadvisors("/docker/"),
    Route::cadvisors("/podman"),
    Route::cadvisors("/podman/"),
];

/// Everything else: the page, or nothing. Strangers are not told which.
static PAGE: Route = Route::get("/", VIEW, |it| page::asset(it.path, it.request));

/// The route of a path.
pub(super) fn find(path: &str) -> &'static Route {
    ROUTES.iter().find(|it| it.fits(path)).unwrap_or(&PAGE)
}

/// There is nothing outside the prefix.
pub(super) fn nowhere(prefix: &str) -> Response<Body> {
    let reason = format!("everything here is below {prefix}/ (http.prefix)");
    reply::refusal(StatusCode::NOT_FOUND, &reason)
}

impl Route {
    const fn get(path: &'static str, need: Need, answer: fn(&Asked<'_>) -> Response<Body>) -> Self {
        Self {
            path,
            methods: Methods::Get,
            need,
            answer: Some(answer),
        }
    }

    const fn cadvisors(path: &'static str) -> Self {
        Self {
            path,
            methods: Methods::Cadvisors,
            need: VIEW,
            answer: None,
        }
    }

    /// Who may have it.
    pub(super) fn need(&self) -> Need {
        self.need
    }

    /// Answers, or says by what method it may be asked; `None` where cAdvisor's API is to answer.
    pub(super) fn answer(&self, asked: &Asked<'_>) -> Option<Response<Body>> {
        let methods = self.methods.of(asked.path);
        if methods.contains(asked.request.method()) {
            return self.answer.map(|answer| answer(asked));
        }
        let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
        let reason = format!("only {} are answered", names.join(" and "));
        let mut refusal = reply::refusal(StatusCode::METHOD_NOT_ALLOWED, &reason);
        if let Ok(allowed) = HeaderValue::from_str(&names.join(", ")) {
            refusal.headers_mut().insert(header::ALLOW, allowed);
        }
        Some(refusal)
    }

    fn fits(&self, path: &str) -> bool {
        if self.path.ends_with('/') {
            path.starts_with(self.path)
        } else {
            path == self.path
        }
    }
}

impl Methods {
    /// By which methods a path of the route may be asked.
    fn of(self, path: &str) -> &'static [Method] {
        const ALL: [Method; 3] = [Method::GET, Method::HEAD, Method::POST];
        match self {
            Self::Cadvisors if cadvisor::takes_body(path) => &ALL,
            Self::Get | Self::Cadvisors => &ALL[..2],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_health_is_for_everybody_and_only_a_scrape_for_scrapers() {
        let of = |need: Need| {
            let routes = ROUTES.iter().filter(move |it| it.need == need);
            routes.map(|it| it.path).collect::<Vec<_>>()
        };
        assert_eq!(of(Need::Nothing), ["/healthz"]);
        assert_eq!(of(SCRAPE), ["/readyz", "/metrics"]);
        for path in [
            "/",
            "/assets/main.js",
            "/nothing",
            "/healthz/",
            "/metrics/x",
            "//metrics",
        ] {
            assert_eq!(find(path).need(), VIEW, "{path}");
        }
    }

    #[test]
    fn a_path_finds_its_route() {
        for (path, route) in [
            ("/api/v1/containers", "/api/v1/containers"),
            ("/api/v1/containers/web", "/api/v1/containers/"),
            ("/api/v1/containersweb", "/api/v1/"),
            ("/api/v1/live", "/api/v1/live"),
            ("/api/v1/lives", "/api/v1/"),
            ("/api/v1.0/containers", "/api/"),
            ("/docker/web", "/docker/"),
            ("/dockers", "/"),
        ] {
            assert_eq!(find(path).path, route, "{path}");
        }
    }
}
