//! The counter's port: which requests count, and what they are answered.
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | 200 and the number; 503, 504 or 500 and why there is none |
//! | `HEAD /` | 200, and nothing is counted |
//! | another method | 405 |
//! | another path | 404; with `--any-path` the same as `/`, whatever the method |

use std::{sync::Arc, time::Instant};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{self, HeaderValue},
};

use super::{counter::Counter, refusal::Refusal, stats::Stats};

/// What every answer is.
pub(super) type Answer = Response<Full<Bytes>>;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Answers requests to the counter.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) counter: Arc<Counter>,
    pub(super) stats: Arc<Stats>,
    /// Every path and method counts, as with the first counter.
    pub(super) any_path: bool,
}

impl Port {
    /// Answers a request that came to this thread.
    pub(super) async fn answer(&self, request: Request<Incoming>, thread: usize) -> Answer {
        self.stats.requests.add(1);
        let method = request.method();
        if !self.any_path {
            if request.uri().path() != "/" {
                return said(
                    StatusCode::NOT_FOUND,
                    "there is nothing here: GET / counts\n",
                );
            }
            if method == Method::HEAD {
                return typed(StatusCode::OK, TEXT, Bytes::new());
            }
            if method != Method::GET {
                let mut answer = said(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "only GET counts, and HEAD is answered\n",
                );
                let allowed = HeaderValue::from_static("GET, HEAD");
                answer.headers_mut().insert(header::ALLOW, allowed);
                return answer;
            }
        }
        let wants_json = wants_json(&request);
        match self.counter.hit(thread).await {
            Ok(hits) => number(hits, wants_json),
            Err(refusal) => refuse(&refusal, wants_json),
        }
    }
}

fn number(hits: i64, wants_json: bool) -> Answer {
    if wants_json {
        return typed(
            StatusCode::OK,
            JSON,
            format!("{{\"hits\":{hits}}}\n").into(),
        );
    }
    let mut buffer = itoa::Buffer::new();
    let text = Bytes::copy_from_slice(buffer.format(hits).as_bytes());
    typed(StatusCode::OK, TEXT, text)
}

fn refuse(refusal: &Refusal, wants_json: bool) -> Answer {
    let text = refusal.text(Instant::now());
    let status = refusal.status();
    let mut answer = if wants_json {
        let body = serde_json::json!({ "error": refusal.word(), "text": text });
        typed(status, JSON, format!("{body}\n").into())
    } else {
        said(status, format!("{text}\n"))
    };
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let soon = HeaderValue::from_static("1");
        answer.headers_mut().insert(header::RETRY_AFTER, soon);
    }
    answer
}

/// One line of text.
pub(super) fn said(status: StatusCode, line: impl Into<Bytes>) -> Answer {
    typed(status, TEXT, line.into())
}

/// An answer that nobody keeps.
pub(super) fn typed(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn wants_json(request: &Request<Incoming>) -> bool {
    let accept = request.headers().get(header::ACCEPT);
    accept.is_some_and(|it| it.as_bytes().starts_with(b"application/json"))
}
