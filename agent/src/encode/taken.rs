//! Which names have a meaning of their own in each schema, so that no static tag and no label may take them.

use super::{cadvisor, losses, telegraf};
use crate::{
    config::Schema,
    metrics::catalog::{self, Kind, Metric},
};

/// Tags of a container's points. `event` stands on `container_event` only; `by`, `device` and `peer` on preemption, block
/// I/O and network;
/// `namespace` and `pod` on Kubernetes only.
const CONTAINER_TAGS: [&str; 10] = [
    "by",
    "container",
    "device",
    "event",
    "host",
    "image",
    "namespace",
    "peer",
    "pod",
    "runtime",
];

/// Tags of the agent's own points; on those a static tag stands too.
const AGENT_TAGS: [&str; 9] = [
    "family",
    "kind",
    "machine",
    "measurement",
    "metric",
    "reason",
    "sink",
    "source",
    "state",
];

/// Tags of the points of the host as a whole; on those a static tag stands too.
const HOST_TAGS: [&str; 4] = ["device", "fstype", "interface", "mount"];

/// Fields of `container_info` and `container_event`, which the catalog does not list.
const CONTAINER_FIELDS: [&str; 10] = [
    "cgroup",
    "cgroup_id",
    "comm",
    "exit_code",
    "id",
    "image_ref",
    "kind",
    "oom",
    "pid",
    "signal",
];

/// Names that InfluxDB gives a meaning of its own.
pub(super) const RESERVED: [&str; 3] = ["_field", "_measurement", "time"];

/// Whether `key` is taken on any point of a schema.
pub(super) fn is_taken(schema: Schema, key: &str) -> bool {
    is_containers(schema, key)
        || match schema {
            Schema::Native => is_hosts(key) || is_agents(key),
            Schema::Telegraf | Schema::Cadvisor | Schema::Influxdb08 => false,
        }
}

/// Whether `key` is taken on the points of containers.
pub(super) fn is_containers(schema: Schema, key: &str) -> bool {
    match schema {
        Schema::Native => {
            CONTAINER_TAGS.contains(&key)
                || CONTAINER_FIELDS.contains(&key)
                || RESERVED.contains(&key)
                || is_field(key, catalog::container())
        }
        Schema::Telegraf => {
            telegraf::TAGS.contains(&key)
                || telegraf::FIELDS.contains(&key)
                || RESERVED.contains(&key)
        }
        Schema::Cadvisor => {
            cadvisor::TAGS.contains(&key) || key == cadvisor::FIELD || RESERVED.contains(&key)
        }
        // It carries neither static tags nor labels.
        Schema::Influxdb08 => false,
    }
}

/// Whether `key` is taken on the points of the host as a whole.
fn is_hosts(key: &str) -> bool {
    HOST_TAGS.contains(&key) || is_field(key, catalog::host())
}

/// Whether `key` is taken on the points of the agent itself.
fn is_agents(key: &str) -> bool {
    AGENT_TAGS.contains(&key) || losses::FIELDS.contains(&key) || is_field(key, catalog::agent())
}

fn is_field(key: &str, mut metrics: impl Iterator<Item = &'static Metric>) -> bool {
    metrics.any(|metric| {
        let rest = key.strip_prefix(metric.field);
        rest.is_some_and(|rest| match metric.kind {
            Kind::Histogram => rest.is_empty() || rest.starts_with("_le_") || rest == "_count",
            Kind::Counter | Kind::Gauge => rest.is_empty(),
        })
    })
}
