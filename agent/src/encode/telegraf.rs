//! Shipments → line protocol as Telegraf writes what its input `docker` gathers, with that input's default options: one
//! line a container for CPU, memory, network and block I/O each, summed over processors, interfaces and devices.
//!
//! Names and types are those of `plugins/inputs/docker` (github.com/influxdata/telegraf, 1.36), as its output for
//! InfluxDB writes them: an unsigned number as an `i` field. The full id is a field, not a tag. What of it is not known
//! here is left out: `server_version`, `restart_count`, `started_at`, errors and drops of interfaces, pages by list.
//! What differs in meaning:
//!
//! - Traffic is what the container's sockets sent and received, IP headers included, not what its interface carried.
//! - What Docker tells on cgroup v1 only stands on v2 too: `rss` and `cache`, which are anonymous memory and page cache,
//!   `max_usage`, and block I/O of all kinds as `…_total`.
//! - `container_status` is `running`, also of what is paused, and `exited` on the last point.
//! - Containers of other runtimes than Docker are written alike, and so is all else that has a series of its own.
//!
//! What is counted as the host's has no place in this schema, nor have events, nor what the agent says of itself.

use std::borrow::Cow;

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
    metrics::{Metric, catalog},
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

/// Fields of its points.
pub(super) const FIELDS: [&str; 33] = [
    "cache",
    "container_id",
    "exitcode",
    "fail_count",
    "io_service_bytes_recursive_read",
    "io_service_bytes_recursive_total",
    "io_service_bytes_recursive_write",
    "io_serviced_recursive_read",
    "io_serviced_recursive_total",
    "io_serviced_recursive_write",
    "limit",
    "max_usage",
    "memory_total",
    "n_containers_running",
    "n_cpus",
    "oomkilled",
    "pgfault",
    "pgmajfault",
    "pid",
    "rss",
    "rx_bytes",
    "rx_packets",
    "throttling_periods",
    "throttling_throttled_periods",
    "throttling_throttled_time",
    "tx_bytes",
    "tx_packets",
    "usage",
    "usage_in_kernelmode",
    "usage_in_usermode",
    "usage_percent",
    "usage_system",
    "usage_total",
];

/// What Docker reckons as the system's CPU time: the first seven columns of `/proc/stat` (github.com/moby/moby,
/// `daemon/stats_unix.go`, `getSystemCPUUsage`).
const SYSTEM_CPU: [&Metric; 7] = [
    &catalog::HOST_CPU_USER,
    &catalog::HOST_CPU_NICE,
    &catalog::HOST_CPU_SYSTEM,
    &catalog::HOST_CPU_IDLE,
    &catalog::HOST_CPU_IOWAIT,
    &catalog::HOST_CPU_IRQ,
    &catalog::HOST_CPU_SOFTIRQ,
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
        let system_ns = host.sum_of(&SYSTEM_CPU);
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
            lines.write("docker_container_status", &[], |line| {
                status(line, container, is_running);
            });
        }
        lines.write("docker_container_mem", &[], |line| {
            memory(line, readings, self.host_memory_bytes);
        });
        lines.write("docker_container_cpu", TOTAL_CPU, |line| {
            cpu(line, readings, system_ns);
        });
        lines.write("docker_container_net", ALL_NETWORKS, |line| {
            network(line, readings);
        });
        lines.write("docker_container_blkio", ALL_DEVICES, |line| {
            block_io(line, readings);
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
    /// Writes a line, and whose it is. Without a field there is none.
    fn write(&mut self, measurement: &str, extra: &Extra, fill: impl FnOnce(&mut Line<'_>)) {
        let tags = self.texts.with(extra, || (self.tags)(extra));
        let mut line = self.page.line(measurement, tags);
        fill(&mut line);
        if let Some(id) = &self.container.id
            && !line.is_empty()
        {
            line.string("container_id", id);
        }
        line.end(self.wall_ns);
    }
}

fn status(line: &mut Line<'_>, container: &Container, is_running: bool) {
    if is_running {
        line.known("pid", container.pid.map(u64::from));
        return;
    }
    if let Some(code) = container.exit.code {
        line.signed("exitcode", code);
    }
    if let Some(oom) = container.exit.oom {
        line.boolean("oomkilled", oom);
    }
}

/// Docker tells the host's memory as the limit of what has none, or a higher one; and of the limit's failures on cgroup
/// v2 those that nothing could be done about (github.com/moby/moby, `daemon/stats_unix.go`).
fn memory(line: &mut Line<'_>, readings: Readings<'_>, host_bytes: Option<u64>) {
    let used_bytes = readings.integer(&catalog::WORKING_SET);
    let own_limit_bytes = readings.integer(&catalog::MEMORY_LIMIT);
    let limit_bytes = own_limit_bytes.into_iter().chain(host_bytes).min();
    let failures = readings.integer(&catalog::OOM_EVENTS);
    line.known("cache", readings.integer(&catalog::FILE));
    line.known(
        "fail_count",
        failures.or_else(|| readings.integer(&catalog::LIMIT_EVENTS)),
    );
    line.known("max_usage", readings.integer(&catalog::MEMORY_PEAK));
    line.known("pgfault", readings.integer(&catalog::PAGE_FAULTS));
    line.known("pgmajfault", readings.integer(&catalog::MAJOR_FAULTS));
    line.known("rss", readings.integer(&catalog::ANON));
    if let Some(used_bytes) = used_bytes {
        line.integer("usage", used_bytes);
        line.known("limit", limit_bytes);
        if let Some(limit_bytes) = limit_bytes {
            // Not finite without a limit, and then left out.
            let percent = used_bytes as f64 / limit_bytes as f64 * 100.0;
            line.float("usage_percent", percent);
        }
    }
}

fn cpu(line: &mut Line<'_>, readings: Readings<'_>, system_ns: Option<u64>) {
    let usage_ns = readings.integer(&catalog::CPU_USAGE);
    for (key, metric) in [
        ("throttling_periods", &catalog::CPU_PERIODS),
        (
            "throttling_throttled_periods",
            &catalog::CPU_THROTTLED_PERIODS,
        ),
        ("throttling_throttled_time", &catalog::CPU_THROTTLED),
        ("usage_in_kernelmode", &catalog::CPU_SYSTEM),
        ("usage_in_usermode", &catalog::CPU_USER),
    ] {
        line.known(key, readings.integer(metric));
    }
    if let Some(cpus) = readings.float(&catalog::CPU_RATE) {
        line.float("usage_percent", cpus * 100.0);
    }
    line.known("usage_system", usage_ns.and(system_ns));
    line.known("usage_total", usage_ns);
}

fn network(line: &mut Line<'_>, readings: Readings<'_>) {
    for (key, metric) in [
        ("rx_bytes", &catalog::NET_RX_BYTES),
        ("rx_packets", &catalog::NET_RX_PACKETS),
        ("tx_bytes", &catalog::NET_TX_BYTES),
        ("tx_packets", &catalog::NET_TX_PACKETS),
    ] {
        line.known(key, readings.on_networks(metric));
    }
}

fn block_io(line: &mut Line<'_>, readings: Readings<'_>) {
    let of = |metric| readings.on_devices(metric);
    // As cgroup v1 adds them up; what does not tell of discards counts none.
    let total = |read: Option<u64>, write: Option<u64>, discard: Option<u64>| {
        let read_and_written = read?.saturating_add(write?);
        Some(read_and_written.saturating_add(discard.unwrap_or(0)))
    };
    let (read_bytes, write_bytes) = (of(&catalog::READ_BYTES), of(&catalog::WRITE_BYTES));
    let (reads, writes) = (of(&catalog::READS), of(&catalog::WRITES));
    let all_bytes = total(read_bytes, write_bytes, of(&catalog::DISCARD_BYTES));
    let all = total(reads, writes, of(&catalog::DISCARDS));
    for (key, value) in [
        ("io_service_bytes_recursive_read", read_bytes),
        ("io_service_bytes_recursive_total", all_bytes),
        ("io_service_bytes_recursive_write", write_bytes),
        ("io_serviced_recursive_read", reads),
        ("io_serviced_recursive_total", all),
        ("io_serviced_recursive_write", writes),
    ] {
        line.known(key, value);
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
