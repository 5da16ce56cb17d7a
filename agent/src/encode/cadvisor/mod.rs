//! cAdvisor's two formats for InfluxDB: line protocol from its release 0.20.2 on, and before it JSON for InfluxDB 0.8.
//!
//! In both a container goes by its name, any other cgroup by its path, and the host as a whole is `/`. What native points
//! call `_host`, the rest of the host, is a part of that and left out, as are events and what the agent says of itself.

mod host;
mod influxdb08;
mod lines;

pub use influxdb08::Influxdb08Encoder;
pub use lines::CadvisorEncoder;
pub(super) use lines::{FIELD, TAGS};

use crate::container::{Container, Kind};

/// How a container or another cgroup is called.
fn named(container: &Container) -> &str {
    match container.kind() {
        Kind::Container | Kind::Other => &container.name,
        Kind::Unit | Kind::Cgroup | Kind::Host => &container.path,
    }
}
