//! Shipments → line protocol as cAdvisor's InfluxDB driver writes it: one measurement a value, each with one integer
//! field `value`.
//!
//! Names are those of `cmd/internal/storage/influxdb` (github.com/google/cadvisor, 0.37 and later). Of the driver's faults
//! none is copied:
//!
//! - The four points of `memory_failure` differ in their tags. Both scopes have the same number, which is of the cgroup
//!   and all below it: cAdvisor's own numbers are the same on cgroup v2.
//! - Traffic is summed over interfaces, of which the driver writes the first alone: its points have no tag to tell
//!   interfaces apart, and a container's traffic is counted at its sockets anyway. Of the host the sum leaves out what
//!   cAdvisor leaves out.
//! - Filesystems are the host's and stand under `/`; no container has the numbers of a disk that it shares.
//! - Labels become tags only if `labels.allow` names them.
//!
//! What the driver has no name for is called as in cAdvisor's other outputs: `cpu_cfs_*`, `fs_reads`, `fs_reads_bytes`,
//! `fs_writes`, `fs_writes_bytes`, `memory_limit`, `oom_events`, `rx_packets`, `tx_packets`, `threads`, `threads_max`.
//! What is not known here is left out: `cpu_usage_per_cpu`, `load_average`, a container's `memory_mapped_file` and
//! errors of its interfaces, huge pages, performance counters.

use std::borrow::Cow;

use super::{
    host::{self, Filesystem},
    named,
    numbers::Number,
};
use crate::{
    config::Schema,
    container::{Container, Kind},
    encode::{
        Payload, Tagging,
        known::{Extra, Known},
        line::Page,
        readings::Readings,
        tags::{Tags, unique},
    },
    metrics::{Metric, catalog},
    shipment::{Point, Shipment},
};

/// Tags that its points have, or may have in a database that cAdvisor writes too.
pub(in crate::encode) const TAGS: [&str; 7] = [
    "container_name",
    "device",
    "failure_type",
    "instance",
    "machine",
    "scope",
    "type",
];

/// The one field of every point.
pub(in crate::encode) const FIELD: &str = "value";

/// What a container or the host as a whole has one number of.
const VALUES: [(&str, Number); 18] = [
    ("cpu_usage_total", Number::CpuTotal),
    ("cpu_usage_user", Number::CpuUser),
    ("cpu_usage_system", Number::CpuSystem),
    ("cpu_cfs_periods", Number::CfsPeriods),
    ("cpu_cfs_throttled_periods", Number::CfsThrottledPeriods),
    ("cpu_cfs_throttled_time", Number::CfsThrottledTime),
    ("memory_usage", Number::MemoryUsage),
    ("memory_max_usage", Number::MemoryMaxUsage),
    ("memory_cache", Number::MemoryCache),
    ("memory_rss", Number::MemoryRss),
    ("memory_swap", Number::MemorySwap),
    ("memory_mapped_file", Number::MemoryMappedFile),
    ("memory_working_set", Number::MemoryWorkingSet),
    ("memory_limit", Number::MemoryLimit),
    ("memory_failcnt", Number::MemoryFailcnt),
    ("oom_events", Number::OomEvents),
    ("threads", Number::Threads),
    ("threads_max", Number::ThreadsMax),
];

/// What is summed over a container's peers.
const TRAFFIC: [(&str, &Metric); 4] = [
    ("rx_bytes", &catalog::NET_RX_BYTES),
    ("rx_packets", &catalog::NET_RX_PACKETS),
    ("tx_bytes", &catalog::NET_TX_BYTES),
    ("tx_packets", &catalog::NET_TX_PACKETS),
];

/// The same of the host's interfaces, which know of errors.
const HOST_TRAFFIC: [(&str, &Metric); 6] = [
    ("rx_bytes", &catalog::HOST_NET_RX_BYTES),
    ("rx_errors", &catalog::HOST_NET_RX_ERRORS),
    ("rx_packets", &catalog::HOST_NET_RX_PACKETS),
    ("tx_bytes", &catalog::HOST_NET_TX_BYTES),
    ("tx_errors", &catalog::HOST_NET_TX_ERRORS),
    ("tx_packets", &catalog::HOST_NET_TX_PACKETS),
];

/// What a container has a number of for each device.
const DEVICES: [(&str, &Metric); 4] = [
    ("fs_reads", &catalog::READS),
    ("fs_reads_bytes", &catalog::READ_BYTES),
    ("fs_writes", &catalog::WRITES),
    ("fs_writes_bytes", &catalog::WRITE_BYTES),
];

/// The same of the host.
const HOST_DEVICES: [(&str, &Metric); 4] = [
    ("fs_reads", &catalog::HOST_DISK_READS),
    ("fs_reads_bytes", &catalog::HOST_DISK_READ_BYTES),
    ("fs_writes", &catalog::HOST_DISK_WRITES),
    ("fs_writes_bytes", &catalog::HOST_DISK_WRITE_BYTES),
];

/// Encodes the shipments of one sink.
#[derive(Debug)]
pub struct CadvisorEncoder {
    tagging: Tagging,
    known: Known,
    page: Page,
}

impl CadvisorEncoder {
    /// An encoder that puts the tags of `tagging` on every point.
    pub fn new(tagging: Tagging) -> Self {
        Self {
            tagging: tagging.in_words_of(Schema::Cadvisor),
            known: Known::default(),
            page: Page::default(),
        }
    }

    /// The lines of a shipment.
    pub fn encode(&mut self, shipment: &Shipment<'_>) -> Vec<Payload> {
        for point in &shipment.points {
            if point.subject.container.kind() != Kind::Host {
                self.point(point);
            }
        }
        self.host(shipment);
        self.known.shipped(shipment);
        self.page.finish()
    }

    fn point(&mut self, point: &Point<'_>) {
        let container = &point.subject.container;
        let name = name(container);
        let tags = |extra: &Extra| tags(&self.tagging, &name, Some(container), extra);
        let texts = self.known.of(container, || tags(&[]));
        let samples = point.subject.samples();
        let readings = Readings(&samples);
        let mut write = |measurement: &str, extra: &Extra, value: Option<u64>| {
            if let Some(value) = value {
                let tags = texts.with(extra, || tags(extra));
                write_value(&mut self.page, measurement, tags, value, point.wall_ns);
            }
        };
        for (measurement, number) in VALUES {
            write(measurement, &[], number.of_entry(readings));
        }
        for (measurement, metric) in TRAFFIC {
            write(measurement, &[], readings.on_networks(metric));
        }
        for (measurement, metric) in DEVICES {
            for (device, value) in readings.each(metric) {
                write(measurement, device, Some(value));
            }
        }
        for (extra, metric) in failures(&catalog::PAGE_FAULTS, &catalog::MAJOR_FAULTS) {
            write("memory_failure", &extra, readings.integer(metric));
        }
        if point.last {
            self.known.forget(container.cgroup);
        }
    }

    fn host(&mut self, shipment: &Shipment<'_>) {
        let readings = Readings(shipment.host);
        let mut write = |measurement: &str, extra: &Extra, value: Option<u64>| {
            if let Some(value) = value {
                let tags = tags(&self.tagging, host::NAME, None, extra);
                write_value(&mut self.page, measurement, &tags, value, shipment.wall_ns);
            }
        };
        for (measurement, number) in VALUES {
            write(measurement, &[], number.of_host(readings));
        }
        for (measurement, metric) in HOST_TRAFFIC {
            write(measurement, &[], host::on_interfaces(readings, metric));
        }
        for (measurement, metric) in HOST_DEVICES {
            for (device, value) in readings.each(metric) {
                write(measurement, device, Some(value));
            }
        }
        for (extra, metric) in failures(&catalog::HOST_PAGE_FAULTS, &catalog::HOST_MAJOR_FAULTS) {
            write("memory_failure", &extra, readings.integer(metric));
        }
        for Filesystem {
            device,
            limit_bytes,
            usage_bytes,
            ..
        } in host::filesystems(shipment.host)
        {
            let extra = |what| {
                [
                    ("device", Cow::Owned(device.to_owned())),
                    ("type", Cow::Borrowed(what)),
                ]
            };
            write("fs_limit", &extra("limit"), Some(limit_bytes));
            write("fs_usage", &extra("usage"), usage_bytes);
        }
    }
}

/// The four points of `memory_failure`.
fn failures<'a>(faults: &'a Metric, major: &'a Metric) -> [(Failure, &'a Metric); 4] {
    let failure = |failure_type, scope| {
        [
            ("failure_type", Cow::Borrowed(failure_type)),
            ("scope", Cow::Borrowed(scope)),
        ]
    };
    [
        (failure("pgfault", "container"), faults),
        (failure("pgfault", "hierarchical"), faults),
        (failure("pgmajfault", "container"), major),
        (failure("pgmajfault", "hierarchical"), major),
    ]
}

type Failure = [(&'static str, Cow<'static, str>); 2];

fn write_value(page: &mut Page, measurement: &str, tags: &str, value: u64, wall_ns: i64) {
    let mut line = page.line(measurement, tags);
    line.integer(FIELD, value);
    line.end(wall_ns);
}

fn tags(tagging: &Tagging, name: &str, container: Option<&Container>, extra: &Extra) -> String {
    let mut tags = Tags::default();
    tags.push("container_name", name);
    tags.push("machine", tagging.host());
    tags.extend(extra.iter().map(|(key, value)| (*key, value.as_ref())));
    tagging.finish(tags, container)
}

/// A container's name, and the path of any other cgroup.
fn name(container: &Container) -> Cow<'_, str> {
    let name = named(container);
    let unique = unique(name, container.cgroup);
    if container.kind() == Kind::Container && name.starts_with('/') {
        // It could pass for another cgroup, or for the host.
        Cow::Owned(format!("{unique}.{}", container.cgroup))
    } else {
        unique
    }
}
