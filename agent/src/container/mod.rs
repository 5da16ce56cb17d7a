//! Who a cgroup is: the accounted things and their names.
//!
//! The key is the kernel's cgroup id; names, images and labels are joined to it and never replace it. Reading the
//! places where names stand (runtime state files, APIs) is left to `host`; this module is values only.

mod cgroup_path;

pub use cgroup_path::{Identity, identify, user_of};

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

/// Kernel id of a cgroup: the inode number of its directory (`kernfs_node.id`, `struct kernfs_node` in
/// include/linux/kernfs.h, Linux 5.5 and later). It is unique within one hierarchy and not reused while the machine
/// is up.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct CgroupId(pub u64);

impl fmt::Display for CgroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What made a cgroup, as far as its path tells.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Runtime {
    /// Docker Engine.
    Docker,
    /// Podman, rootful or rootless.
    Podman,
    /// containerd without Docker in front (`ctr`, nerdctl, Kubernetes with containerd).
    Containerd,
    /// CRI-O.
    Crio,
    /// A Kubernetes container whose runtime the path does not tell.
    Kubernetes,
    /// systemd-nspawn or another machine registered with systemd.
    Nspawn,
    /// LXC or Incus.
    Lxc,
    /// A systemd service or scope that is no container.
    Systemd,
    /// Any other cgroup.
    Cgroup,
    /// The host: all that is in no other entry.
    Host,
}

/// What kind of thing an entry is; decides what is shipped by default.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A container of some runtime.
    Container,
    /// A systemd service or scope.
    Unit,
    /// Another cgroup.
    Cgroup,
    /// The host entry.
    Host,
}

impl Runtime {
    /// The word used in tags, labels and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Containerd => "containerd",
            Self::Crio => "crio",
            Self::Kubernetes => "kubernetes",
            Self::Nspawn => "nspawn",
            Self::Lxc => "lxc",
            Self::Systemd => "systemd",
            Self::Cgroup => "cgroup",
            Self::Host => "host",
        }
    }

    /// What kind of thing this runtime's entries are.
    pub fn kind(self) -> Kind {
        match self {
            Self::Host => Kind::Host,
            Self::Cgroup => Kind::Cgroup,
            Self::Systemd => Kind::Unit,
            _ => Kind::Container,
        }
    }
}

/// One accounted thing: a container, a systemd unit, another cgroup, or the host.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Container {
    /// Its own cgroup in the accounting hierarchy; the host's is the root's.
    pub cgroup: CgroupId,
    /// Path of that cgroup below the hierarchy's root, starting with `/`. Hostile input: a user may choose it.
    pub path: String,
    /// What made it.
    pub runtime: Runtime,
    /// The runtime's own full id, never shortened.
    pub id: Option<String>,
    /// The name shown and shipped; unique among live entries of one host. Hostile input.
    pub name: String,
    /// Image reference as the runtime states it (`repo:tag` or a digest).
    pub image: Option<String>,
    /// Kubernetes namespace.
    pub namespace: Option<String>,
    /// Kubernetes pod name, or the pod's uid as long as the name is unknown.
    pub pod: Option<String>,
    /// Labels as the runtime states them. Hostile input.
    pub labels: BTreeMap<String, String>,
}

impl Container {
    /// The host entry, which takes what belongs to no other entry.
    pub fn host(root: CgroupId) -> Self {
        Self {
            cgroup: root,
            path: "/".to_owned(),
            runtime: Runtime::Host,
            id: None,
            name: "_host".to_owned(),
            image: None,
            namespace: None,
            pod: None,
            labels: BTreeMap::new(),
        }
    }

    /// What kind of thing it is.
    pub fn kind(&self) -> Kind {
        self.runtime.kind()
    }

    /// The first twelve characters of the runtime's id, the form people type.
    pub fn short_id(&self) -> Option<&str> {
        self.id.as_deref().map(|id| id.get(..12).unwrap_or(id))
    }
}
