//! One tick, and who it is about.

use std::collections::BTreeMap;

use agent_ebpf::histogram::BUCKETS;
use serde::Deserialize;

use super::{
    host::{Agent, Machine},
    indulgent::or_default,
    list::{List, bounded},
    row::Row,
};

/// What does not change while the agent runs.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct Hello {
    /// The host's name.
    pub host: String,
    /// Its CPUs; 0 where it is not told.
    pub cpus: u32,
    /// Time between two ticks; 0 where it is not told.
    pub interval_ms: u64,
    /// The agent's version.
    pub version: String,
}

/// Who an entry is, as far as it is told.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct Who {
    /// Its cgroup's id, by which all else refers to it.
    pub cgroup: u64,
    /// Its name.
    pub name: String,
    /// `container`, `unit`, `cgroup`, `other` or `host`.
    pub kind: String,
    /// What made it.
    pub runtime: String,
    /// The runtime's full id.
    pub id: Option<String>,
    /// As much of it as people are shown.
    pub short_id: Option<String>,
    /// Image reference.
    pub image: Option<String>,
    /// Kubernetes namespace.
    pub namespace: Option<String>,
    /// Kubernetes pod.
    pub pod: Option<String>,
    /// Path of its cgroup.
    pub path: Option<String>,
    /// Compose project.
    pub project: Option<String>,
    /// Compose service.
    pub service: Option<String>,
    /// systemd unit.
    pub unit: Option<String>,
    /// systemd slice.
    pub slice: Option<String>,
    /// Labels as the runtime states them.
    pub labels: BTreeMap<String, String>,
}

/// All entries at one moment.
#[derive(Clone, Debug, Deserialize)]
pub struct Tick {
    /// When, in milliseconds since the Unix epoch.
    #[serde(rename = "t")]
    pub wall_ms: i64,
    /// Entries that the ticks before did not have, or had by another name.
    #[serde(default, deserialize_with = "bounded")]
    pub new: Vec<Who>,
    /// CPUs used and tasks that waited, of all entries.
    #[serde(default, rename = "v", deserialize_with = "bounded")]
    rates: Vec<Row<2>>,
    /// Memory in use, and totals of disks and network, in bytes.
    #[serde(default, rename = "r", deserialize_with = "bounded")]
    totals: Vec<Row<3>>,
    /// More of the entries that were asked for.
    #[serde(default, rename = "d", deserialize_with = "bounded")]
    pub details: Vec<Detail>,
    /// Of the host as a whole; with some ticks.
    #[serde(default, deserialize_with = "or_default")]
    pub machine: Option<Machine>,
    /// Of the agent itself; with some ticks.
    #[serde(default, deserialize_with = "or_default")]
    pub agent: Option<Agent>,
}

/// CPUs used and tasks that waited on average, of one entry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Whose.
    pub cgroup: u64,
    /// CPUs used.
    pub cpus: Option<f64>,
    /// Tasks that waited for a CPU on average.
    pub waiting: Option<f64>,
}

/// Memory in use, and what went over disks and network so far, of one entry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Totals {
    /// Whose.
    pub cgroup: u64,
    /// Memory in use.
    pub memory_bytes: Option<f64>,
    /// From and to all disks.
    pub disk_bytes: Option<f64>,
    /// From and to all peers but loopback.
    pub net_bytes: Option<f64>,
}

/// More of one entry, over this tick.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct Detail {
    /// Whose.
    pub cgroup: u64,
    /// Seconds that its tasks were throttled, per second.
    pub throttled: Option<f64>,
    /// CPUs that it may use; unknown where there is no limit.
    pub cpu_limit: Option<f64>,
    /// Memory that cannot be taken back at once, in bytes.
    pub working_set: Option<f64>,
    /// Memory that it may use, in bytes; unknown where there is no limit.
    pub memory_limit: Option<f64>,
    /// Bytes per second read and written.
    #[serde(deserialize_with = "or_default")]
    pub disk: Option<Flow>,
    /// Bytes per second over the network, by where the other end is.
    #[serde(deserialize_with = "or_default")]
    pub net: Option<Peers>,
    /// Waits for a CPU that ended.
    #[serde(deserialize_with = "or_default")]
    pub wait: Histogram,
    /// Block I/O that ended, by its latency.
    #[serde(deserialize_with = "or_default")]
    pub block: Histogram,
    /// Who ran while it waited, the one that took most first; unknown where nobody keeps account of it.
    #[serde(deserialize_with = "or_default")]
    pub preemptors: Option<Preemptors>,
}

/// How many fell into each bucket of `agent_ebpf::histogram`; only buckets that have any.
pub type Histogram = List<(usize, u64), BUCKETS>;

/// Five are told by name, and some words stand for others.
pub type Preemptors = List<Preemptor, 16>;

/// Bytes per second received and sent, or read and written.
pub type Flow = (f64, f64);

/// What goes over the network, by where the other end is.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct Peers {
    /// In the same network namespace.
    pub loopback: Option<Flow>,
    /// On this host.
    pub host: Option<Flow>,
    /// Elsewhere.
    pub outside: Option<Flow>,
}

/// Somebody that ran while another one waited.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct Preemptor {
    /// Whose tasks.
    pub cgroup: u64,
    /// What it is called.
    pub name: String,
    /// Tasks that waited on average while it ran.
    pub waiting: f64,
}

impl Who {
    /// Memory that it takes, in bytes.
    pub fn size(&self) -> usize {
        let known = [
            &self.id,
            &self.short_id,
            &self.image,
            &self.namespace,
            &self.pod,
            &self.path,
            &self.project,
            &self.service,
            &self.unit,
            &self.slice,
        ];
        let labels = self.labels.iter();
        let texts: usize = [&self.name, &self.kind, &self.runtime]
            .into_iter()
            .chain(known.into_iter().flatten())
            .map(String::len)
            .chain(labels.map(|(key, value)| 2 * size_of::<String>() + key.len() + value.len()))
            .sum();
        size_of::<Self>() + texts
    }
}

impl Tick {
    /// CPUs and waiting tasks; who is missing here has ended.
    pub fn rates(&self) -> impl Iterator<Item = Rates> {
        self.rates.iter().map(|row| {
            let [cpus, waiting] = row.numbers;
            Rates {
                cgroup: row.cgroup,
                cpus,
                waiting,
            }
        })
    }

    /// Memory, and totals of disks and network.
    pub fn totals(&self) -> impl Iterator<Item = Totals> {
        self.totals.iter().map(|row| {
            let [memory_bytes, disk_bytes, net_bytes] = row.numbers;
            Totals {
                cgroup: row.cgroup,
                memory_bytes,
                disk_bytes,
                net_bytes,
            }
        })
    }
}

impl Detail {
    /// Bytes per second to and from all peers but loopback.
    pub fn net_total(&self) -> Option<f64> {
        let Peers { host, outside, .. } = self.net?;
        let others = [host, outside].into_iter().flatten();
        others
            .map(|(received, sent)| received + sent)
            .reduce(|sum, it| sum + it)
    }
}
