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

/// What a request asks for.
#[derive(Debug)]
pub(super) enum Asked {
    /// A number of its own, as JSON or as text.
    Number { as_json: bool },
    /// What is answered without counting.
    Else(Answer),
}

impl Port {
    /// Reads a request, of which nothing is kept: hyper reads on while it is answered, and needs another buffer for that
    /// where a header still stands in this one.
    pub(super) fn read(&self, request: &Request<Incoming>) -> Asked {
        self.stats.requests.add(1);
        let method = request.method();
        let is_asked = self.any_path || (method == Method::GET && request.uri().path() == "/");
        if is_asked {
            let as_json = wants_json(request);
            return Asked::Number { as_json };
        }
        Asked::Else(if request.uri().path() != "/" {
            let hint = "there is nothing here: GET / counts\n";
            said(StatusCode::NOT_FOUND, hint)
        } else if method == Method::HEAD {
            typed(StatusCode::OK, TEXT, Bytes::new())
        } else {
            let hint = "only GET counts, and HEAD is answered\n";
            let mut answer = said(StatusCode::METHOD_NOT_ALLOWED, hint);
            let allowed = HeaderValue::from_static("GET, HEAD");
            answer.headers_mut().insert(header::ALLOW, allowed);
            answer
        })
    }

    /// Answers what was asked for on this thread.
    pub(super) async fn answer(&self, asked: Asked, thread: usize) -> Answer {
        let as_json = match asked {
            Asked::Number { as_json } => as_json,
            Asked::Else(answer) => return answer,
        };
        match self.counter.hit(thread).await {
            Ok(hits) => number(hits, as_json),
            Err(refusal) => refuse(&refusal, as_json),
        }
    }
}

fn number(hits: i64, as_json: bool) -> Answer {
    if as_json {
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

fn refuse(refusal: &Refusal, as_json: bool) -> Answer {
    let text = refusal.text(Instant::now());
    let status = refusal.status();
    let mut answer = if as_json {
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
