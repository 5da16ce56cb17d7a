//! cAdvisor's words: its two formats for InfluxDB, line protocol from its release 0.20.2 on and before it JSON for InfluxDB
//! 0.8, and the JSON of its API.
//!
//! In the formats a container goes by its name, any other cgroup by its path, and the host as a whole is `/`. What native points
//! call `_host`, the rest of the host, is a part of that and left out, as are events and what the agent says of itself.

pub mod api;
mod host;
mod influxdb08;
mod lines;
mod moment;
mod numbers;

pub(super) use host::{CACHE, CPU_SYSTEM, CPU_USED, CPU_USER, shows_interface};
pub use influxdb08::Influxdb08Encoder;
pub use lines::CadvisorEncoder;
pub(super) use lines::{FIELD, TAGS};
pub(super) use moment::ALL_INTERFACES;
pub use moment::{Moment, Part, PartKind, has_own_network};
pub use numbers::Number;

use crate::container::{Container, Kind, Share};

/// cAdvisor's name for the host as a whole.
pub const ROOT: &str = host::NAME;

/// What stands where cAdvisor tells its version.
pub const VERSION: &str = concat!("cgflux-", env!("CARGO_PKG_VERSION"));

/// Whether an entry stands under cAdvisor's names. `_host` does not: cAdvisor's `/` is everything, that is what is in no
/// other entry. Nor does `_other`, which is no cgroup.
pub fn shows(container: &Container) -> bool {
    !matches!(container.kind(), Kind::Host | Kind::Other) && container.share() != Share::Other
}

/// How a container or another cgroup is called.
fn named(container: &Container) -> &str {
    match container.kind() {
        Kind::Container | Kind::Other => &container.name,
        Kind::Unit | Kind::Cgroup | Kind::Host => &container.path,
    }
}
