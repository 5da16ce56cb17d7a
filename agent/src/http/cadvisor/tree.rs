//! Whom a question is about: the entries of a batch as the tree of cgroups that cAdvisor sees, and by their runtimes' names.

use std::{collections::BTreeMap, sync::Arc};

use super::go;
use crate::{
    container::CgroupId,
    encode::cadvisor::{self, ROOT, api::Identity},
    metrics::{Batch, Subject},
};

/// The entries that live, by path.
pub(super) struct Tree {
    pub(super) batch: Arc<Batch>,
    /// Places in the batch; `None` is the host as a whole.
    by_path: BTreeMap<String, Option<usize>>,
}

impl Tree {
    pub(super) fn of(batch: Arc<Batch>) -> Self {
        let subjects = batch.subjects.iter().enumerate();
        let shown = subjects.filter(|(_, it)| it.alive && cadvisor::shows(&it.container));
        let mut by_path: BTreeMap<_, _> = shown
            .map(|(at, it)| (it.container.path.clone(), Some(at)))
            .collect();
        by_path.insert(ROOT.to_owned(), None);
        Self { batch, by_path }
    }

    /// The entry at `path`; `None` for the host as a whole, too, and for what is not there.
    pub(super) fn entry(&self, path: &str) -> Option<&Subject> {
        let at = (*self.by_path.get(path)?)?;
        self.batch.subjects.get(at)
    }

    /// Whether there is anything at `path`.
    pub(super) fn has(&self, path: &str) -> bool {
        self.by_path.contains_key(path)
    }

    /// `path` and all below it, as far as they are there.
    pub(super) fn with_all_below(&self, path: &str) -> Vec<String> {
        let own = self
            .by_path
            .get_key_value(path)
            .map(|(path, _)| path.as_str());
        own.into_iter()
            .chain(self.below(path))
            .map(str::to_owned)
            .collect()
    }

    /// Those right below `path`: with none of the others in between.
    pub(super) fn children(&self, path: &str) -> Vec<&str> {
        let is_right_below = |it: &&str| {
            let inner = ancestors(it).take_while(|above| above.len() > path.len());
            !inner.into_iter().any(|above| self.has(above))
        };
        self.below(path).filter(is_right_below).collect()
    }

    /// Whether others are below it.
    pub(super) fn is_above_others(&self, path: &str) -> bool {
        self.below(path).next().is_some()
    }

    /// All of a runtime's.
    pub(super) fn of_namespace(&self, namespace: &str) -> Vec<String> {
        let names = self.names_in(namespace);
        let mut paths: Vec<_> = names.map(|(path, _)| path.to_owned()).collect();
        paths.dedup();
        paths
    }

    /// The one of a runtime's that a name, an id, or the start of one of them means.
    pub(super) fn in_namespace(&self, namespace: &str, name: &str) -> Result<String, String> {
        let called = self.names_in(namespace).find(|(_, alias)| alias == name);
        if let Some((path, _)) = called {
            return Ok(path.to_owned());
        }
        let mut meant: Vec<_> = self
            .names_in(namespace)
            .filter(|(_, alias)| alias.starts_with(name))
            .map(|(path, _)| path)
            .collect();
        meant.dedup();
        match meant.as_slice() {
            [path] => Ok((*path).to_owned()),
            [] => {
                // Docker and Podman.
                let (first, rest) = namespace.split_at(1);
                let runtime = format!("{}{rest}", first.to_ascii_uppercase());
                Err(format!(
                    "unable to find {runtime} container {}",
                    go::quoted(name)
                ))
            }
            _ => Err(format!(
                "unable to find container. Container {} is not unique",
                go::quoted(name)
            )),
        }
    }

    /// Under which id the moments of what is at `path` are kept: those of the host as a whole under the root's.
    pub(super) fn key(&self, path: &str) -> CgroupId {
        match self.entry(path) {
            Some(subject) => subject.container.cgroup,
            None => host_key(&self.batch),
        }
    }

    fn names_in(&self, namespace: &str) -> impl Iterator<Item = (&str, String)> {
        self.by_path.keys().flat_map(move |path| {
            let identity = self.entry(path).map(|it| Identity::of(&it.container));
            let identity = identity.filter(|it| it.namespace == Some(namespace));
            let aliases = identity.map_or_else(Vec::new, |it| it.aliases);
            aliases.into_iter().map(move |alias| (path.as_str(), alias))
        })
    }

    fn below(&self, path: &str) -> impl Iterator<Item = &str> {
        let folder = format!("{}/", path.trim_end_matches('/'));
        let from = self.by_path.range(folder.clone()..);
        from.map(|(path, _)| path.as_str())
            .take_while(move |path| path.starts_with(&folder))
            .filter(|path| *path != ROOT)
    }
}

/// Under which id the moments of the host as a whole are kept.
pub(super) fn host_key(batch: &Batch) -> CgroupId {
    let mut subjects = batch.subjects.iter();
    let host = subjects.find(|it| it.container.path == ROOT);
    host.map_or(CgroupId(0), |it| it.container.cgroup)
}

/// The paths above one, the nearest first, without the root.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(above(path), |it| above(it))
}

fn above(path: &str) -> Option<&str> {
    let (above, _) = path.rsplit_once('/')?;
    (!above.is_empty()).then_some(above)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        container::{Container, Runtime},
        encode::fixture::{container, subject_of, tick_of},
    };

    fn cgroup(id: u64, path: &str) -> Container {
        Container {
            path: path.to_owned(),
            name: path.to_owned(),
            runtime: Runtime::Cgroup,
            ..Container::host(CgroupId(id))
        }
    }

    fn tree() -> Tree {
        let entries = [
            Container::host(CgroupId(1)),
            cgroup(2, "/docker"),
            container(0xaaaa, "web"),
            container(0xaaab, "web-2"),
            cgroup(3, "/docker.old"),
            cgroup(4, "/a/b"),
            cgroup(5, "/a/b/c"),
        ];
        let subjects = entries.map(|it| subject_of(it, Vec::new()));
        Tree::of(Arc::new(tick_of(1, subjects.into())))
    }

    #[test]
    fn the_tree_is_that_of_the_paths() {
        let tree = tree();
        assert_eq!(tree.children("/"), ["/a/b", "/docker", "/docker.old"]);
        assert_eq!(tree.children("/docker").len(), 2);
        assert!(tree.children("/docker.old").is_empty());
        assert_eq!(tree.with_all_below("/").len(), 7);
        assert_eq!(tree.with_all_below("/a"), ["/a/b", "/a/b/c"]);
        assert!(tree.with_all_below("/dock").is_empty());
        assert!(tree.is_above_others("/a/b") && !tree.is_above_others("/a/b/c"));
        assert!(tree.has("/") && !tree.has("/a"));
        assert_eq!(tree.key("/"), CgroupId(1));
    }

    #[test]
    fn a_container_goes_by_name_id_and_the_start_of_either() {
        let tree = tree();
        let found = |name: &str| tree.in_namespace("docker", name);
        let web = format!("/docker/{:064x}", 0xaaaa);
        assert_eq!(found("web"), Ok(web.clone()));
        assert_eq!(found(&format!("{:064x}", 0xaaaa)), Ok(web));
        assert!(found("web-").is_ok());
        for name in ["we", "", "00"] {
            let error = format!("unable to find container. Container \"{name}\" is not unique");
            assert_eq!(found(name), Err(error));
        }
        let error = "unable to find Docker container \"x\"";
        assert_eq!(found("x"), Err(error.to_owned()));
        assert_eq!(tree.of_namespace("docker").len(), 2);
        assert!(tree.of_namespace("podman").is_empty());
    }
}
