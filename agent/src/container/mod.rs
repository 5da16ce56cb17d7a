//! Who a cgroup is: the accounted things and their names.
//!
//! The key is the kernel's cgroup id; names, images and labels are joined to it and never replace it. Reading the
//! places where names stand (runtime state files, APIs) is left to `host`; this module is values only.

mod cgroup_path;
mod directory;
mod exit;
mod groups;
mod image;
mod selection;
mod series_guard;

pub use cgroup_path::{Identity, identify, user_of};
pub use directory::{Directory, Placement};
pub use exit::Exit;
pub use image::image_repository;
pub use selection::{Rule, RuleError, Selection, Share};

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

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
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
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
    /// Not one entry, but all that the operator's rules leave out.
    Other,
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
    /// All that the operator's rules leave out.
    Other,
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
            Self::Other => "other",
            Self::Host => "host",
        }
    }

    /// What kind of thing this runtime's entries are.
    pub fn kind(self) -> Kind {
        match self {
            Self::Other => Kind::Other,
            Self::Host => Kind::Host,
            Self::Cgroup => Kind::Cgroup,
            Self::Systemd => Kind::Unit,
            _ => Kind::Container,
        }
    }
}

/// What a runtime says of one of its containers, as far as it says it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RuntimeInfo {
    /// The runtime, where it tells more than the path does.
    pub runtime: Option<Runtime>,
    /// The runtime's full id, where the path does not have it.
    pub id: Option<String>,
    /// The container's name; of a Kubernetes container the name within its pod.
    pub name: Option<String>,
    /// Image reference.
    pub image: Option<String>,
    /// Kubernetes namespace.
    pub namespace: Option<String>,
    /// Name of the Kubernetes pod.
    pub pod: Option<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
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
    /// The first task seen to be moved into it, in the host's numbering: of a container its init.
    pub pid: Option<u32>,
    /// How its main process ended, once it did.
    pub exit: Exit,
    /// Kubernetes namespace.
    pub namespace: Option<String>,
    /// Kubernetes pod name, or the pod's uid as long as the name is unknown; of Podman the pod's id.
    pub pod: Option<String>,
    /// Labels as the runtime states them. Hostile input.
    pub labels: BTreeMap<String, String>,
    /// Under which series it is published, by the operator's rules and bound; of the host it is always the host's.
    #[serde(skip)]
    pub share: Share,
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
            pid: None,
            exit: Exit::default(),
            namespace: None,
            pod: None,
            labels: BTreeMap::new(),
            share: Share::Own,
        }
    }

    /// What stands for all that the operator's rules and bound leave out. It is no cgroup's.
    pub fn other() -> Self {
        Self {
            path: String::new(),
            runtime: Runtime::Other,
            name: "_other".to_owned(),
            ..Self::host(CgroupId(0))
        }
    }

    /// Under which series it is published.
    pub fn share(&self) -> Share {
        match self.kind() {
            Kind::Host => Share::Host,
            _ => self.share,
        }
    }

    /// What kind of thing it is.
    pub fn kind(&self) -> Kind {
        self.runtime.kind()
    }

    /// The first twelve characters of the runtime's id, the form people type.
    pub fn short_id(&self) -> Option<&str> {
        self.id.as_deref().map(short)
    }
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
