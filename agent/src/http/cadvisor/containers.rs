//! Answers about containers: chosen first, so that what is refused is refused whole, then made one by one while they are
//! sent.

use std::sync::Arc;

use hyper::{Response, StatusCode};
use serde::Serialize;

use super::{
    super::Context,
    Answer, Refusal,
    ask::{Options, Span},
    beside, go, json, pieces, refused, text,
    tree::Tree,
};
use crate::{
    encode::cadvisor::{
        Moment, ROOT,
        api::{
            ContainerInfo, ContainerV2, DerivedStats, KnownDisks, MachineStats, Reference, SpecV2,
            StatsV2_0, Time, View, Viewed,
        },
        has_own_network,
    },
    http::reply::{self, Body},
    metrics::{catalog, integer},
};

/// `containers` of v1.
pub(super) async fn one(context: &Arc<Context>, tree: Tree, path: String, span: Span) -> Answer {
    if !tree.has(&path) {
        let path = go::quoted(&path);
        return Err(refused(format!(
            "failed to get container {path} with error: unknown container {path}"
        )));
    }
    let maker = Maker::new(context, tree, span);
    let info = beside(context, move |_| text(&maker.info(&path))).await?;
    Ok(reply::json(StatusCode::OK, info))
}

/// `subcontainers` of v1.
pub(super) fn all_below(context: &Arc<Context>, tree: Tree, path: &str, span: Span) -> Answer {
    let paths = tree.with_all_below(path);
    if paths.is_empty() {
        let path = go::quoted(path);
        return Err(refused(format!(
            "failed to get subcontainers for container {path} with error: no containers found"
        )));
    }
    let maker = Maker::new(context, tree, span);
    let info = move |path: &str| text(&maker.info(path));
    Ok(pieces(context, "[", paths, info, "]"))
}

/// `docker` of v1.
pub(super) fn of_docker(
    context: &Arc<Context>,
    tree: Tree,
    arguments: &[&str],
    span: Span,
) -> Answer {
    const DOCKER: &str = "docker";
    let paths = match arguments {
        [] | [""] => tree.of_namespace(DOCKER),
        [name] => {
            let found = tree.in_namespace(DOCKER, name).map_err(|error| {
                let name = go::quoted(name);
                refused(format!(
                    "failed to get Docker container {name} with error: {error}"
                ))
            })?;
            vec![found]
        }
        several => {
            let several = several.join(" ");
            return Err(refused(format!(
                "unknown request for Docker container [{several}]"
            )));
        }
    };
    let maker = Maker::new(context, tree, span);
    Ok(keyed(context, paths, move |path| maker.info(path)))
}

/// `stats` of 2.0.
pub(super) fn stats_2_0(
    context: &Arc<Context>,
    tree: Tree,
    path: &str,
    options: &Options,
) -> Answer {
    let paths = chosen(&tree, path, options)?;
    let maker = Maker::new(context, tree, options.span.clone());
    Ok(keyed(context, paths, move |path| {
        maker.view(path, |view| StatsV2_0::all_of(view, &maker.disks()))
    }))
}

/// `stats` of 2.1, which has no word for the host as a whole: `machinestats` has.
pub(super) fn stats_2_1(
    context: &Arc<Context>,
    tree: Tree,
    path: &str,
    options: &Options,
) -> Answer {
    let mut paths = chosen(&tree, path, options)?;
    paths.retain(|path| path != ROOT);
    let maker = Maker::new(context, tree, options.span.clone());
    Ok(keyed(context, paths, move |path| {
        maker.view(path, |view| ContainerV2::of(view, &maker.disks()))
    }))
}

/// `machinestats` of 2.1.
pub(super) async fn machine(context: &Arc<Context>, tree: Tree, options: &Options) -> Answer {
    let maker = Maker::new(context, tree, options.span.clone());
    let stats = move |_: &_| {
        maker.view(ROOT, |view| {
            text(&MachineStats::all_of(view.moments, &maker.disks()))
        })
    };
    Ok(reply::json(StatusCode::OK, beside(context, stats).await?))
}

/// `spec` of v2.
pub(super) fn spec(context: &Arc<Context>, tree: Tree, path: &str, options: &Options) -> Answer {
    let paths = chosen(&tree, path, options)?;
    let maker = Maker::new(context, tree, Span::last(0));
    Ok(keyed(context, paths, move |path| {
        maker.view(path, SpecV2::of)
    }))
}

/// `summary` of v2.
pub(super) fn summary(context: &Arc<Context>, tree: Tree, path: &str, options: &Options) -> Answer {
    let paths = chosen(&tree, path, options)?;
    let maker = Maker::new(context, tree, Span::last(-1));
    Ok(keyed(context, paths, move |path| {
        maker.view(path, |view| DerivedStats::of(view.moments))
    }))
}

/// `appmetrics` of v2: there are none. As in cAdvisor the answer goes by the name asked for.
pub(super) fn custom(tree: &Tree, path: &str, options: &Options) -> Answer {
    chosen(tree, path, options)?;
    let none: serde_json::Map<_, _> = [(path.to_owned(), serde_json::json!({}))]
        .into_iter()
        .collect();
    Ok(json(&none))
}

/// The paths of the containers that a question to v2 means.
pub(super) fn chosen(tree: &Tree, path: &str, options: &Options) -> Result<Vec<String>, Refusal> {
    match (options.namespace, options.is_recursive) {
        (None, false) if tree.has(path) => Ok(vec![path.to_owned()]),
        (None, false) => Err(refused(format!("unknown container {}", go::quoted(path)))),
        (None, true) => {
            let paths = tree.with_all_below(path);
            let unknown = || refused(format!("unknown container: {}", go::quoted(path)));
            (!paths.is_empty()).then_some(paths).ok_or_else(unknown)
        }
        (Some(namespace), false) => {
            let name = path.trim_start_matches('/');
            let found = tree.in_namespace(namespace, name).map_err(refused)?;
            Ok(vec![found])
        }
        (Some(namespace), true) if path == ROOT => Ok(tree.of_namespace(namespace)),
        (Some(namespace), true) => Err(refused(format!(
            "invalid request for {namespace} container {} with subcontainers",
            go::quoted(path)
        ))),
    }
}

/// An object with one value for each of the containers, by their paths.
fn keyed<T: Serialize>(
    context: &Arc<Context>,
    paths: Vec<String>,
    value: impl Fn(&str) -> T + Send + Sync + 'static,
) -> Response<Body> {
    let entry = move |path: &str| format!("{}:{}", text(&path), text(&value(path)));
    pieces(context, "{", paths, entry, "}")
}

/// Makes the answers about one container after the other.
struct Maker {
    context: Arc<Context>,
    tree: Tree,
    span: Span,
}

impl Maker {
    fn new(context: &Arc<Context>, tree: Tree, span: Span) -> Self {
        Self {
            context: Arc::clone(context),
            tree,
            span,
        }
    }

    fn info(&self, path: &str) -> ContainerInfo {
        let children = self.tree.children(path);
        let children = children.into_iter().map(Reference::to).collect();
        self.view(path, |view| {
            ContainerInfo::of(view, children, &self.disks())
        })
    }

    /// For one container: its moments name the same few disks again and again.
    fn disks(&self) -> KnownDisks<'_> {
        KnownDisks::by(&*self.context.cadvisor.around)
    }

    /// Shows what is known of the container at `path`, which is there.
    fn view<T>(&self, path: &str, show: impl FnOnce(&View<'_>) -> T) -> T {
        let state = &self.context.cadvisor;
        let latest = self.latest(path);
        let mut moments = state.recent.of(self.tree.key(path));
        let is_newer = moments
            .last()
            .is_none_or(|kept| kept.wall_ns < latest.wall_ns);
        if is_newer {
            moments.push(latest.clone());
        }
        let host = &self.tree.batch.host;
        let (of, created_ns) = match self.tree.entry(path) {
            Some(subject) => (
                Viewed::Entry(&subject.container),
                state.around.started_ns(path),
            ),
            None => (
                Viewed::Host {
                    swap_bytes: integer(host, &catalog::HOST_SWAP_TOTAL).unwrap_or(0),
                },
                integer(host, &catalog::HOST_BOOT_TIME).and_then(|ns| i64::try_from(ns).ok()),
            ),
        };
        show(&View {
            of,
            created: created_ns.map(Time),
            limits: state.around.limits(path),
            latest: &latest,
            moments: self.span.of(&moments),
        })
    }

    fn latest(&self, path: &str) -> Moment {
        let batch = &self.tree.batch;
        let wall_ns = batch.taken.wall_ns;
        let Some(subject) = self.tree.entry(path) else {
            return Moment::of_host(&batch.host, wall_ns);
        };
        let interfaces = if has_own_network(subject) {
            self.context.cadvisor.around.interfaces(&subject.container)
        } else {
            Vec::new()
        };
        Moment::of_entry(
            subject,
            wall_ns,
            interfaces,
            self.tree.is_above_others(path),
        )
    }
}
