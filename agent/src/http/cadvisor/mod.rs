//! cAdvisor's REST API: which question is answered by what.
//!
//! | route | since | answer | file |
//! |---|---|---|---|
//! | `/api/`, `/api/vX.Y` | | what there is | `mod.rs` |
//! | `/api/v1.x/machine`, `/api/v2.x/machine` | 1.0, 2.0 | what the machine has | `facts.rs` |
//! | `/api/v1.x/containers/PATH` | 1.0 | a container | `containers.rs` |
//! | `/api/v1.x/subcontainers/PATH` | 1.1 | it and all below it | `containers.rs` |
//! | `/api/v1.x/docker[/NAME]` | 1.2 | Docker's containers | `containers.rs` |
//! | `/api/v1.x/events/PATH`, `/api/v2.x/events/PATH` | 1.3, 2.0 | what happened | `events.rs` |
//! | `/api/v2.x/version`, `attributes`, `storage` | 2.0 | facts | `facts.rs` |
//! | `/api/v2.x/{stats,spec,summary,ps,appmetrics}/PATH` | 2.0 | containers | `containers.rs`, `facts.rs` |
//! | `/api/v2.1/machinestats` | 2.1 | the host as a whole | `containers.rs` |
//! | `/validate/` | | what the agent makes of the machine | `facts.rs` |
//! | `/containers/…`, `/docker/…`, `/podman/…` | | the live page | `page/` |
//!
//! Errors are those of cAdvisor: status 500 with a line of text, 400 for a question that is not whole. README, "cAdvisor's
//! API", lists what differs and why. `/api/v1/…`, without a point, is our own.
//!
//! Nothing here waits for the collector or holds it up. Answers about several containers are made container by container
//! while they are sent; what takes files of `/proc` and `/sys` is read on a thread beside, by two at a time.

pub mod around;
mod ask;
mod containers;
mod events;
mod facts;
mod go;
mod recorder;
mod tree;

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, future, stream};
use http_body_util::{BodyExt as _, Limited};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{self, HeaderValue},
};
use serde::Serialize;
use tokio::{
    sync::{Semaphore, watch},
    time::timeout,
};

use self::{around::Around, ask::Parameters, tree::Tree};
use super::{
    Context, page,
    reply::{self, Body},
};
use crate::recent::Recent;
pub use recorder::Recorder;

/// Of a question's body. cAdvisor's own client sends some 100 bytes.
const MOST_BODY_BYTES: usize = 4 << 10;

/// Threads that read files for answers at a time; further questions wait.
const READERS: usize = 2;

const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

/// What is asked for in each version, in cAdvisor's order of versions.
const VERSIONS: [(&str, &[&str]); 6] = [
    ("v1.0", &["containers", "machine"]),
    ("v1.1", &["containers", "machine", "subcontainers"]),
    (
        "v1.2",
        &["containers", "docker", "machine", "subcontainers"],
    ),
    (
        "v1.3",
        &["containers", "docker", "events", "machine", "subcontainers"],
    ),
    (
        "v2.0",
        &[
            "appmetrics",
            "attributes",
            "events",
            "machine",
            "ps",
            "spec",
            "stats",
            "storage",
            "summary",
            "version",
        ],
    ),
    (
        "v2.1",
        &[
            "appmetrics",
            "attributes",
            "events",
            "machine",
            "machinestats",
            "ps",
            "spec",
            "stats",
            "storage",
            "summary",
            "version",
        ],
    ),
];

/// What this API is answered from, beside what all are.
pub(super) struct State {
    pub(super) recent: Arc<Recent>,
    pub(super) around: Arc<dyn Around>,
    /// One permit a thread that reads files.
    readers: Arc<Semaphore>,
}

impl State {
    pub(super) fn new(recent: Arc<Recent>, around: Arc<dyn Around>) -> Self {
        Self {
            recent,
            around,
            readers: Arc::new(Semaphore::new(READERS)),
        }
    }
}

/// A refusal with its text; cAdvisor's are all of status 500 but where a question is not whole.
struct Refusal(StatusCode, String);

type Answer = Result<Response<Body>, Refusal>;

fn refused(text: impl Into<String>) -> Refusal {
    Refusal(StatusCode::INTERNAL_SERVER_ERROR, text.into())
}

/// Whether questions to a path may have a body.
pub(super) fn takes_body(path: &str) -> bool {
    let Some(path) = path.strip_prefix("/api/v1.") else {
        return false;
    };
    let asked = path.split('/').nth(1);
    matches!(asked, Some("containers" | "subcontainers" | "docker"))
}

/// cAdvisor's pages.
fn is_page(path: &str) -> bool {
    ["/containers", "/docker", "/podman"].iter().any(|it| {
        let rest = path.strip_prefix(it);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// Answers a question to this API, or to one of cAdvisor's pages; `path` is without the server's prefix.
pub(super) async fn answer(
    context: Arc<Context>,
    path: &str,
    request: Request<Incoming>,
    stop: watch::Receiver<bool>,
) -> Response<Body> {
    match answered(context, path, request, stop).await {
        Ok(answer) => answer,
        // As Go's `http.Error` ends it.
        Err(Refusal(status, text)) => reply::whole(status, TEXT, text + "\n"),
    }
}

async fn answered(
    context: Arc<Context>,
    path: &str,
    request: Request<Incoming>,
    stop: watch::Receiver<bool>,
) -> Answer {
    if is_page(path) {
        return Ok(page::below(path, &request));
    }
    let path = ask::decoded(path);
    match path.as_str() {
        "/api" | "/validate" => return Ok(moved(&path)),
        "/validate/" => return facts::validation(context).await,
        _ => {}
    }
    let bad = |text| Err(Refusal(StatusCode::BAD_REQUEST, text));
    let question = path.strip_prefix("/api/").unwrap_or_default();
    if question.is_empty() {
        let names = VERSIONS.map(|(name, _)| name).join(",");
        return bad(format!("Supported API versions: {names}"));
    }
    let (version, rest) = question.split_once('/').unwrap_or((question, ""));
    let Some((version, types)) = VERSIONS.iter().find(|(name, _)| *name == version) else {
        let text = format!("unsupported API version {}", go::quoted(version));
        return Err(refused(text));
    };
    let (asked, arguments) = match rest.split_once('/') {
        Some((asked, arguments)) => (asked, arguments.split('/').collect()),
        None => (rest, Vec::new()),
    };
    if asked.is_empty() {
        let text = format!("Supported request types: {}", go::quoted(&types.join(",")));
        return bad(text);
    }
    let parameters = Parameters::of(request.uri().query());
    if version.starts_with("v2.") {
        // Before what is asked for is looked at, as in cAdvisor.
        let options = ask::Options::of(&parameters).map_err(refused)?;
        if types.contains(&asked) {
            return v2(
                context,
                version,
                asked,
                &arguments,
                &options,
                &parameters,
                stop,
            )
            .await;
        }
    } else if types.contains(&asked) {
        return v1(context, asked, &arguments, &parameters, request, stop).await;
    }
    Err(refused(format!(
        "unknown request type {}",
        go::quoted(asked)
    )))
}

async fn v1(
    context: Arc<Context>,
    asked: &str,
    arguments: &[&str],
    parameters: &Parameters,
    request: Request<Incoming>,
    stop: watch::Receiver<bool>,
) -> Answer {
    let path = go::joined(arguments.iter().copied());
    match asked {
        "machine" => return facts::machine(context).await,
        "events" => return events::answer(&context, path, parameters, stop),
        _ => {}
    }
    let body = body(request, context.settings.limits.silence.headers).await?;
    let span = ask::span(&body).map_err(refused)?;
    let tree = tree(&context)?;
    match asked {
        "containers" => containers::one(&context, tree, path, span).await,
        "subcontainers" => containers::all_below(&context, tree, &path, span),
        _ => containers::of_docker(&context, tree, arguments, span),
    }
}

/// What a question says in its body; one that does not come within `longest` is no question.
async fn body(request: Request<Incoming>, longest: Duration) -> Result<Bytes, Refusal> {
    let body = Limited::new(request.into_body(), MOST_BODY_BYTES).collect();
    let Ok(body) = timeout(longest, body).await else {
        let reason = "the body of the request did not come in time";
        return Err(Refusal(StatusCode::REQUEST_TIMEOUT, reason.to_owned()));
    };
    let unread = |error| refused(format!("unable to decode the json value: {error}"));
    Ok(body.map_err(unread)?.to_bytes())
}

async fn v2(
    context: Arc<Context>,
    version: &str,
    asked: &str,
    arguments: &[&str],
    options: &ask::Options,
    parameters: &Parameters,
    stop: watch::Receiver<bool>,
) -> Answer {
    let path = go::joined(arguments.iter().copied());
    match asked {
        "version" => Ok(json(&crate::encode::cadvisor::VERSION)),
        "attributes" => facts::attributes(context).await,
        "machine" => facts::machine(context).await,
        "storage" => facts::storage(context, parameters).await,
        "events" => events::answer(&context, path, parameters, stop),
        "ps" => facts::processes(context, &path, options).await,
        "machinestats" => containers::machine(&context, tree(&context)?, options).await,
        "summary" => containers::summary(&context, tree(&context)?, &path, options),
        "spec" => containers::spec(&context, tree(&context)?, &path, options),
        "appmetrics" => containers::custom(&tree(&context)?, &path, options),
        _ if version == "v2.0" => containers::stats_2_0(&context, tree(&context)?, &path, options),
        _ => containers::stats_2_1(&context, tree(&context)?, &path, options),
    }
}

/// The entries of the latest batch; somebody cares for moments from now on.
fn tree(context: &Context) -> Result<Tree, Refusal> {
    context.cadvisor.recent.ask((context.clock)());
    let batch = context.live.latest();
    batch
        .map(Tree::of)
        .ok_or_else(|| refused("nothing has been collected yet"))
}

fn json(value: &impl Serialize) -> Response<Body> {
    reply::json(StatusCode::OK, text(value))
}

/// What is to be written has no map with keys that are no texts, and so cannot fail.
fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// An answer made while it is sent, between `open` and `close`: a piece for each of `paths`, on a thread beside. A client
/// that takes its time holds no thread. What cannot be made to its end ends without `close`, so nobody takes it for whole.
fn pieces(
    context: &Arc<Context>,
    open: &'static str,
    paths: Vec<String>,
    piece: impl Fn(&str) -> String + Send + Sync + 'static,
    close: &'static str,
) -> Response<Body> {
    let (context, piece) = (Arc::clone(context), Arc::new(piece));
    let each = stream::iter(paths.into_iter().enumerate()).then(move |(place, path)| {
        let (context, piece) = (Arc::clone(&context), Arc::clone(&piece));
        async move {
            let separator = if place == 0 { "" } else { "," };
            let made = beside(&context, move |_| format!("{separator}{}", piece(&path)));
            made.await.ok().map(Bytes::from)
        }
    });
    let end = |text: &'static str| stream::iter([Some(Bytes::from_static(text.as_bytes()))]);
    let whole = end(open).chain(each).chain(end(close));
    let made = whole
        .take_while(|it| future::ready(it.is_some()))
        .filter_map(future::ready);
    reply::streamed("application/json", made)
}

/// Runs what reads files on a thread beside; of these there are a few, whatever becomes of those who asked.
async fn beside<T: Send + 'static>(
    context: &Arc<Context>,
    read: impl FnOnce(&Context) -> T + Send + 'static,
) -> Result<T, Refusal> {
    let ended = |_| refused("the agent stops");
    let readers = Arc::clone(&context.cadvisor.readers);
    let permit = readers.acquire_owned().await.map_err(ended)?;
    let context = Arc::clone(context);
    let reading = tokio::task::spawn_blocking(move || {
        // With the thread, not with the question: a client that gives up does not end what was begun.
        let _permit = permit;
        read(&context)
    });
    reading
        .await
        .map_err(|error| refused(format!("the machine cannot be read: {error}")))
}

/// As Go's `ServeMux` sends to the same path with a slash. It is relative: a proxy may have taken something off its front.
fn moved(path: &str) -> Response<Body> {
    let name = path.trim_start_matches('/');
    let text = format!("<a href=\"{name}/\">Moved Permanently</a>.\n\n");
    let mut answer = reply::whole(StatusCode::MOVED_PERMANENTLY, HTML, text);
    if let Ok(location) = HeaderValue::from_str(&format!("{name}/")) {
        answer.headers_mut().insert(header::LOCATION, location);
    }
    answer
}
