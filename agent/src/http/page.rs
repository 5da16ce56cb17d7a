//! The live page: a few files in the binary, nothing from elsewhere, nothing to build.
//!
//! No name of a container is ever written into them; the script gets names from the API and inserts them as text.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::LazyLock,
};

use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
};

use super::reply::{self, Body};

/// uPlot is not ours: `page/vendor/README.md`.
static ASSETS: [Asset; 6] = [
    Asset {
        path: "/",
        content_type: "text/html; charset=utf-8",
        text: include_str!("page/index.html"),
    },
    Asset {
        path: "/assets/live.js",
        content_type: JAVASCRIPT,
        text: include_str!("page/live.js"),
    },
    Asset {
        path: "/assets/style.css",
        content_type: CSS,
        text: include_str!("page/style.css"),
    },
    Asset {
        path: "/assets/icon.svg",
        content_type: "image/svg+xml",
        text: include_str!("page/icon.svg"),
    },
    Asset {
        path: "/assets/uplot.js",
        content_type: JAVASCRIPT,
        text: include_str!("page/vendor/uPlot.iife.min.js"),
    },
    Asset {
        path: "/assets/uplot.css",
        content_type: CSS,
        text: include_str!("page/vendor/uPlot.min.css"),
    },
];

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";

struct Asset {
    path: &'static str,
    content_type: &'static str,
    text: &'static str,
}

/// The asset at `path`, or that there is none. Browsers keep it and ask each time whether it is still the same.
pub(super) fn asset(path: &str, request: &Request<Incoming>) -> Response<Body> {
    static TAGS: LazyLock<Vec<String>> =
        LazyLock::new(|| ASSETS.iter().map(|asset| tag(asset.text)).collect());
    let found = ASSETS.iter().zip(&*TAGS).find(|(it, _)| it.path == path);
    let Some((asset, tag)) = found else {
        return reply::refusal(StatusCode::NOT_FOUND, "there is no such page");
    };
    let known = request.headers().get(header::IF_NONE_MATCH);
    let known = known.and_then(|tags| tags.to_str().ok());
    let mut response = if known.is_some_and(|tags| tags.contains(tag.as_str())) {
        reply::whole(StatusCode::NOT_MODIFIED, asset.content_type, "")
    } else {
        reply::whole(StatusCode::OK, asset.content_type, asset.text)
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// An entity tag that changes with the text.
fn tag(text: &str) -> String {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}
