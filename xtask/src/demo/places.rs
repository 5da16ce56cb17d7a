//! Where the demo's things lie. Touches no file.

use std::path::{Path, PathBuf};

use crate::tree::Tree;

/// Sockets and the lock: a path of a socket holds 107 bytes, and whoever runs the counter must reach it, whatever folder
/// the tree is in.
pub(super) const RUNTIME: &str = "/run/cgflux-demo";

/// Where the counter and the load hand in their points.
pub(super) const POINTS: &str = "/run/cgflux-demo/points.sock";

/// Held by the supervisor as long as it lives. One for the machine: so are the ports.
pub(super) const LOCK: &str = "/run/cgflux-demo/lock";

/// The cgroup that the services' own are in.
pub(super) const CGROUP: &str = "cgflux-demo";

/// The demo's folder below `target/run`.
#[derive(Clone, Debug)]
pub(super) struct Places {
    folder: PathBuf,
}

impl Places {
    pub(super) fn of(tree: &Tree) -> Self {
        Self {
            folder: tree.run().join("demo"),
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What runs, as the supervisor last saw it.
    pub(super) fn state(&self) -> PathBuf {
        self.folder.join("state.json")
    }

    /// What a service, or the supervisor, has said since it was first started.
    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }

    /// What a service keeps.
    pub(super) fn data(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// The cgroup of a service, below every hierarchy's root.
pub(super) fn cgroup(name: &str) -> String {
    format!("{CGROUP}/{name}")
}
