//! Answers and the headers every one of them carries.

use std::convert::Infallible;

use futures_util::{Stream, StreamExt as _};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Response, StatusCode,
    body::{Bytes, Frame},
    header::{self, HeaderName, HeaderValue},
};

use crate::encode::json;

pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Everything the page needs comes from here and nothing else may be run, embedded or framed.
const SECURITY: [(HeaderName, HeaderValue); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// A body that is there in whole.
pub(super) fn body(body: impl Into<Bytes>) -> Body {
    Full::new(body.into()).boxed_unsync()
}

/// Lets a page name the place on this server that its addresses start from.
pub(super) fn allow_base(response: &mut Response<Body>) {
    let policy = HeaderValue::from_static(
        "default-src 'self'; object-src 'none'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'",
    );
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
}

/// A whole answer.
pub(super) fn whole(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Body> {
    typed(status, content_type, self::body(body))
}

/// An answer that is made while it is sent.
pub(super) fn streamed(
    content_type: &'static str,
    chunks: impl Stream<Item = Bytes> + Send + 'static,
) -> Response<Body> {
    let frames = chunks.map(|chunk| Ok(Frame::data(chunk)));
    let body = StreamBody::new(frames).boxed_unsync();
    typed(StatusCode::OK, content_type, body)
}

/// JSON.
pub(super) fn json(status: StatusCode, text: String) -> Response<Body> {
    whole(status, "application/json", text)
}

/// Nothing to say but that it went well.
pub(super) fn empty() -> Response<Body> {
    let mut response = finish(Full::default().boxed_unsync());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// It is elsewhere, for ever: at this path.
pub(super) fn moved(path: &str) -> Response<Body> {
    let mut response = finish(Full::default().boxed_unsync());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    if let Ok(path) = HeaderValue::from_str(path) {
        response.headers_mut().insert(header::LOCATION, path);
    }
    response
}

/// A refusal with its reason, as JSON.
pub(super) fn refusal(status: StatusCode, reason: &str) -> Response<Body> {
    json(status, json::error(reason, &[]))
}

fn typed(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = finish(body);
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    response
}

/// Answers are the state of one moment: nobody keeps them unless the caller says otherwise.
fn finish(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.extend(SECURITY);
    response
}
