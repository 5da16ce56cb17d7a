//! The live page: a few files in the binary, nothing from elsewhere, nothing to build.
//!
//! No name of a container is ever written into them; the script gets names from the API and inserts them as text.

mod assets;

use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{self, HeaderValue},
};

use super::{
    negotiation,
    reply::{self, Body},
};
use assets::{Asset, Served};

/// Names in a path; a longer one is nobody's.
const DEEPEST: usize = 64;

/// The asset at `path`, or that there is none. Browsers keep it and ask each time whether it is still the same.
pub(super) fn asset(path: &str, request: &Request<Incoming>) -> Response<Body> {
    match assets::all().find(|(asset, _)| asset.path == path) {
        Some((asset, served)) => sent(asset, served, request),
        None => reply::refusal(StatusCode::NOT_FOUND, "there is no such page"),
    }
}

/// The page at a path below the root, as cAdvisor's own pages are: its parts and the API are found from there by a base.
/// Nothing of the path but its depth gets into the text; the script reads it from the address. `path` is as it was sent:
/// to a browser, too, an escaped slash parts nothing.
pub(super) fn below(path: &str, request: &Request<Incoming>) -> Response<Body> {
    const HEAD: &str = "<head>\n";
    let mut response = asset(assets::PAGE.path, request);
    if response.status() == StatusCode::OK {
        let up = "../".repeat(path.matches('/').count().saturating_sub(1).min(DEEPEST));
        let up = if up.is_empty() { "./" } else { &up };
        let base = format!("{HEAD}<base href=\"{up}\">\n");
        *response.body_mut() = reply::body(assets::PAGE.text.replacen(HEAD, &base, 1));
        response.headers_mut().remove(header::CONTENT_ENCODING);
    }
    reply::allow_base(&mut response);
    response
}

fn sent(asset: &Asset, served: &Served, request: &Request<Incoming>) -> Response<Body> {
    let asked = request.headers();
    let known = asked.get(header::IF_NONE_MATCH);
    let known = known.and_then(|tags| tags.to_str().ok());
    let tag = served.tag.as_ref().and_then(|tag| tag.to_str().ok());
    let is_known = known
        .zip(tag)
        .is_some_and(|(known, tag)| known.contains(tag));
    let is_packed = !served.packed.is_empty() && negotiation::takes_gzip(asked);
    let mut response = if is_known {
        reply::whole(StatusCode::NOT_MODIFIED, asset.content_type, "")
    } else if is_packed {
        reply::whole(
            StatusCode::OK,
            asset.content_type,
            Bytes::clone(&served.packed),
        )
    } else {
        reply::whole(StatusCode::OK, asset.content_type, asset.text)
    };
    let headers = response.headers_mut();
    if is_packed && !is_known {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Some(tag) = &served.tag {
        headers.insert(header::ETAG, tag.clone());
    }
    response
}
