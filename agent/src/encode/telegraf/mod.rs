//! Shipments → line protocol as Telegraf writes what its input `docker` gathers, with that input's default options: one
//! line a container for CPU, memory, network and block I/O each, summed over processors, interfaces and devices.
//!
//! Names and types are those of `plugins/inputs/docker` (github.com/influxdata/telegraf; seen beside 1.36.4, of the same
//! container), as its output for InfluxDB writes them: an unsigned number as an `i` field. The full id is a field, not a
//! tag. What is not known here is left out: `server_version`, `restart_count`, `started_at`, errors and drops of
//! interfaces, pages by list. What differs in meaning:
//!
//! - Traffic is what the container's sockets sent and received, IP headers included, not what its interface carried.
//! - What Docker tells on cgroup v1 only stands on v2 too: `rss` and `cache`, which are anonymous memory and page cache,
//!   `max_usage`, and block I/O of all kinds as `…_total`.
//! - `container_status` is `running`, also of what is paused, and `exited` on the last point.
//! - Containers of other runtimes than Docker are written alike, and so is all else that has a series of its own.
//!
//! What is counted as the host's has no place in this schema, nor have events, nor what the agent says of itself.

mod fields;

use std::borrow::Cow;

pub(super) use fields::FIELDS;

use super::{
    Payload, Tagging,
    known::{Extra, Known, Texts},
    line::{Line, Page},
    readings::{Readings, label},
    tags::{Tags, unique},
};
use crate::{
    config::Schema,
    container::{Container, Kind},
    metrics::catalog,
    shipment::{Point, Shipment},
};

/// Tags that its points have, or may have in a database that Telegraf writes too.
pub(super) const TAGS: [&str; 11] = [
    "container_image",
    "container_name",
    "container_status",
    "container_version",
    "cpu",
    "device",
    "engine_host",
    "host",
    "network",
    "server_version",
    "source",
];

const TOTAL_CPU: &Extra = &[("cpu", Cow::Borrowed("cpu-total"))];
const ALL_NETWORKS: &Extra = &[("network", Cow::Borrowed("total"))];
const ALL_DEVICES: &Extra = &[("device", Cow::Borrowed("total"))];

/// Encodes the shipments of one sink.
#[derive(Debug)]
pub struct TelegrafEncoder {
    tagging: Tagging,
    known: Known,
    page: Page,
    /// The host's memory, which limits what has no limit of its own; not every shipment tells it.
    host_memory_bytes: Option<u64>,
}

impl TelegrafEncoder {
    /// An encoder that puts the tags of `tagging` on every point.
    pub fn new(tagging: Tagging) -> Self {
        Self {
            tagging: tagging.in_words_of(Schema::Telegraf),
            known: Known::default(),
            page: Page::default(),
            host_memory_bytes: None,
        }
    }

    /// The lines of a shipment.
    pub fn encode(&mut self, shipment: &Shipment<'_>) -> Vec<Payload> {
        let host = Readings(shipment.host);
        let memory_bytes = host.integer(&catalog::HOST_MEM_TOTAL);
        self.host_memory_bytes = memory_bytes.or(self.host_memory_bytes);
        let system_ns = fields::system_cpu(host);
        for point in &shipment.points {
            self.point(point, system_ns);
        }
        self.engine(shipment);
        self.known.shipped(shipment);
        self.page.finish()
    }

    fn point(&mut self, point: &Point<'_>, system_ns: Option<u64>) {
        let container = &point.subject.container;
        if container.kind() == Kind::Host {
            return;
        }
        let is_running = point.subject.alive;
        if !is_running {
            // Its tags are others from here on.
            self.known.forget(container.cgroup);
        }
        let tags = |extra: &Extra| tags(&self.tagging, container, is_running, extra);
        let mut lines = Lines {
            page: &mut self.page,
            texts: self.known.of(container, || tags(&[])),
            tags,
            container,
            wall_ns: point.wall_ns,
        };
        let samples = point.subject.samples();
        let readings = Readings(&samples);
        if container.kind() == Kind::Container {
            lines.status(is_running);
        }
        lines.write("docker_container_mem", &[], |line| {
            fields::memory(line, readings, self.host_memory_bytes);
        });
        lines.write("docker_container_cpu", TOTAL_CPU, |line| {
            fields::cpu(line, readings, system_ns);
        });
        lines.write("docker_container_net", ALL_NETWORKS, |line| {
            fields::network(line, readings);
        });
        lines.write("docker_container_blkio", ALL_DEVICES, |line| {
            fields::block_io(line, readings);
        });
        if point.last {
            self.known.forget(container.cgroup);
        }
    }

    /// What is known of the engine as a whole: containers of every runtime count.
    fn engine(&mut self, shipment: &Shipment<'_>) {
        let host = Readings(shipment.host);
        let entries = Readings(shipment.agent).each(&catalog::AGENT_ENTRIES);
        let containers = entries
            .filter(|(labels, _)| label(labels, "kind") == Some("container"))
            .map(|(_, count)| count);
        let mut tags = Tags::default();
        tags.push("engine_host", self.tagging.host());
        tags.push("host", self.tagging.host());
        let tags = self.tagging.finish(tags, None);
        let mut line = self.page.line("docker", &tags);
        line.known("memory_total", host.integer(&catalog::HOST_MEM_TOTAL));
        line.known("n_containers_running", containers.last());
        line.known("n_cpus", host.integer(&catalog::HOST_CPUS));
        line.end(shipment.wall_ns);
    }
}

/// The lines of one container's point.
struct Lines<'a, T> {
    page: &'a mut Page,
    texts: &'a mut Texts,
    tags: T,
    container: &'a Container,
    wall_ns: i64,
}

impl<T: Fn(&Extra) -> String> Lines<'_, T> {
    /// Writes that there is the container, and what is known of its main process.
    fn status(&mut self, is_running: bool) {
        let tags = self.texts.plain();
        let mut line = self.page.line("docker_container_status", tags);
        fields::status(&mut line, self.container, is_running);
        fields::identity(&mut line, self.container);
        line.end(self.wall_ns);
    }

    /// Writes a line of numbers, and whose they are. Without a number there is none.
    fn write(&mut self, measurement: &str, extra: &Extra, fill: impl FnOnce(&mut Line<'_>)) {
        let tags = self.texts.with(extra, || (self.tags)(extra));
        let mut line = self.page.line(measurement, tags);
        fill(&mut line);
        if !line.is_empty() {
            fields::identity(&mut line, self.container);
        }
        line.end(self.wall_ns);
    }
}

fn tags(tagging: &Tagging, container: &Container, is_running: bool, extra: &Extra) -> String {
    let mut tags = Tags::default();
    tags.push("container_name", unique(&container.name, container.cgroup));
    let status = if is_running { "running" } else { "exited" };
    tags.push("container_status", status);
    tags.push("engine_host", tagging.host());
    tags.push("host", tagging.host());
    let image = container.image.as_deref().map(name_and_version);
    let image = image
        .into_iter()
        .flat_map(|(name, version)| [("container_image", name), ("container_version", version)]);
    tags.extend(image.chain(extra.iter().map(|(key, value)| (*key, value.as_ref()))));
    tagging.finish(tags, Some(container))
}

/// An image reference as Telegraf parts it (`ParseImage`, internal/docker/docker.go), digests included: whose series
/// goes on from Telegraf's own is to have the same tags.
pub(super) fn name_and_version(image: &str) -> (&str, &str) {
    let registry = image.find('/').filter(|slash| {
        let first = &image[..*slash];
        first == "localhost" || first.contains(['.', ':'])
    });
    let path = registry.map_or(0, |slash| slash + 1);
    match image[path..].rfind(':') {
        Some(colon) => (&image[..path + colon], &image[path + colon + 1..]),
        None => (image, "unknown"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_parted_as_telegraf_does() {
        // github.com/influxdata/telegraf, internal/docker/docker_test.go.
        for (image, parted) in [
            ("postgres", ("postgres", "unknown")),
            ("postgres:latest", ("postgres", "latest")),
            ("coreos/etcd", ("coreos/etcd", "unknown")),
            ("coreos/etcd:latest", ("coreos/etcd", "latest")),
            ("quay.io/postgres", ("quay.io/postgres", "unknown")),
            (
                "quay.io:4443/coreos/etcd",
                ("quay.io:4443/coreos/etcd", "unknown"),
            ),
            (
                "quay.io:4443/coreos/etcd:latest",
                ("quay.io:4443/coreos/etcd", "latest"),
            ),
            ("localhost/etcd:1", ("localhost/etcd", "1")),
            ("redis@sha256:0a1b", ("redis@sha256", "0a1b")),
            ("", ("", "unknown")),
        ] {
            assert_eq!(name_and_version(image), parted, "image={image}");
        }
    }
}
