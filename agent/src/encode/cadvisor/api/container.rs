//! `ContainerInfo` of v1, and what every answer about containers is made of: a [`View`].

use serde::Serialize;

use super::{
    super::moment::Moment,
    Disks,
    spec::{Identity, Limits, Spec},
    stats::Stats,
    time::Time,
};
use crate::container::Container;

/// A container as an object below another one names it.
#[derive(Clone, Debug, Serialize)]
pub struct Reference {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'static str>,
}

impl Reference {
    /// By its path alone.
    pub fn to(path: &str) -> Self {
        Self::with(path, Identity::default())
    }

    fn with(path: &str, identity: Identity) -> Self {
        Self {
            id: identity.id,
            name: path.to_owned(),
            aliases: identity.aliases,
            namespace: identity.namespace,
        }
    }
}

/// Who is asked about: an entry, or the host as a whole.
#[derive(Clone, Copy, Debug)]
pub enum Viewed<'a> {
    /// An entry.
    Entry(&'a Container),
    /// The host as a whole.
    Host {
        /// Its swap space.
        swap_bytes: u64,
    },
}

/// What is known of one of them at the time of a request.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// Who it is.
    pub of: Viewed<'a>,
    /// When it was made: of the host, when it booted.
    pub created: Option<Time>,
    /// What it is limited to.
    pub limits: Limits,
    /// What there was last; it may be older than what is asked for.
    pub latest: &'a Moment,
    /// What is asked for, oldest first.
    pub moments: &'a [Moment],
}

impl View<'_> {
    /// Its name: the path of its cgroup.
    pub fn path(&self) -> &str {
        match self.of {
            Viewed::Entry(container) => &container.path,
            Viewed::Host { .. } => "/",
        }
    }

    pub(super) fn identity(&self) -> Identity {
        match self.of {
            Viewed::Entry(container) => Identity::of(container),
            Viewed::Host { .. } => Identity::default(),
        }
    }

    pub(super) fn spec(&self) -> Spec {
        match self.of {
            Viewed::Entry(container) => {
                Spec::of(container, self.created, &self.limits, self.latest)
            }
            Viewed::Host { swap_bytes } => {
                Spec::of_host(self.created, &self.limits, swap_bytes, self.latest)
            }
        }
    }
}

/// An answer of `containers`, `subcontainers` and `docker`.
#[derive(Clone, Debug, Serialize)]
pub struct ContainerInfo {
    #[serde(flatten)]
    reference: Reference,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subcontainers: Vec<Reference>,
    spec: Spec,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stats: Vec<Stats>,
}

impl ContainerInfo {
    /// One container with its moments; `subcontainers` are those right below it.
    pub fn of(view: &View<'_>, subcontainers: Vec<Reference>, disks: &dyn Disks) -> Self {
        let moments = view.moments.iter();
        Self {
            reference: Reference::with(view.path(), view.identity()),
            subcontainers,
            spec: view.spec(),
            stats: moments.map(|moment| Stats::of(moment, disks)).collect(),
        }
    }
}
