//! What the API says.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value as Json};

/// `/api/v1/containers`: one tick.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Batch {
    /// When the counters were read, in nanoseconds since the Unix epoch.
    pub(crate) taken: i64,
    /// The time since the batch before.
    pub(crate) interval_ns: i64,
    pub(crate) containers: Vec<Entry>,
    agent: Map<String, Json>,
    machine: Map<String, Json>,
}

/// One entry of a batch: a container, a unit, another cgroup, the host.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Entry {
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) path: String,
    pub(crate) alive: bool,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    /// The samples, by family and field.
    #[serde(flatten)]
    pub(crate) families: Map<String, Json>,
}

impl Batch {
    /// The entry of the container with this full id.
    pub(crate) fn container(&self, id: &str) -> Option<&Entry> {
        self.containers
            .iter()
            .find(|entry| entry.id.as_deref() == Some(id))
    }

    /// The entry of the cgroup with this path.
    pub(crate) fn at(&self, path: &str) -> Option<&Entry> {
        self.containers.iter().find(|entry| entry.path == path)
    }

    /// What the agent says of itself, by the field's name in the catalog.
    #[track_caller]
    pub(crate) fn agent(&self, field: &str) -> u64 {
        let value = self.agent.get("agent_self").and_then(|it| it.get(field));
        value
            .and_then(Json::as_u64)
            .unwrap_or_else(|| panic!("no {field} in {:?}", self.agent))
    }

    /// The same of a field that stands once for each value of `label`.
    #[track_caller]
    pub(crate) fn agent_with(&self, field: &str, label: &str, value: &str) -> u64 {
        let samples = self.agent.get("agent_self").and_then(|it| it.get(field));
        let samples = samples.and_then(Json::as_array).into_iter().flatten();
        let sample = samples
            .filter(|sample| sample["labels"][label] == value)
            .find_map(|sample| sample["value"].as_u64());
        sample.unwrap_or_else(|| panic!("no {field}{{{label}={value}}} in {:?}", self.agent))
    }

    /// What the host as a whole has of a family, by the field's name in the catalog; `None` where it is not told.
    pub(crate) fn machine(&self, family: &str, field: &str) -> Option<u64> {
        self.machine.get(family)?.get(field)?.as_u64()
    }

    /// The same of a field that stands once for each value of `label`.
    pub(crate) fn machine_with(
        &self,
        family: &str,
        field: &str,
        label: (&str, &str),
    ) -> Option<u64> {
        let samples = self.machine.get(family)?.get(field)?.as_array()?;
        let is_it = |sample: &&Json| sample["labels"][label.0] == label.1;
        samples.iter().find(is_it)?["value"].as_u64()
    }

    /// What was lost for `reason` since the agent started.
    #[track_caller]
    pub(crate) fn losses(&self, reason: &str) -> u64 {
        self.agent_with("losses", "reason", reason)
    }
}

impl Entry {
    /// A total of the CPU family by the field's name in the catalog; `None` where this source does not give it.
    pub(crate) fn total(&self, field: &str) -> Option<u64> {
        self.value("cpu", field)
    }

    /// An integer of any family, as the API names it.
    pub(crate) fn value(&self, family: &str, field: &str) -> Option<u64> {
        self.families.get(family)?.get(field)?.as_u64()
    }

    /// The same of a total that must be there.
    #[track_caller]
    pub(crate) fn expect(&self, field: &str) -> u64 {
        self.total(field)
            .unwrap_or_else(|| panic!("no {field} in {self:?}"))
    }

    /// Nanoseconds that its tasks waited while `by` ran; `None` where that is not told.
    pub(crate) fn waited_for(&self, by: &str) -> Option<u64> {
        let all = self.waited_by_taker()?;
        let its = all.iter().find(|(taker, _)| taker == by);
        its.map(|(_, ns)| *ns)
    }

    /// All of it, by who ran.
    pub(crate) fn waited_by_taker(&self) -> Option<Vec<(String, u64)>> {
        let samples = self
            .families
            .get("preemption")?
            .get("wait_ns")?
            .as_array()?;
        let one = |sample: &Json| {
            let by = sample["labels"]["by"].as_str()?;
            Some((by.to_owned(), sample["value"].as_u64()?))
        };
        samples.iter().map(one).collect()
    }

    /// A total of block I/O on this device.
    pub(crate) fn io(&self, device: &str, field: &str) -> Option<u64> {
        self.io_value(device, field)?.as_u64()
    }

    /// The same of any kind.
    pub(crate) fn io_value(&self, device: &str, field: &str) -> Option<&Json> {
        let samples = self.families.get("io")?.get(field)?.as_array()?;
        let mut samples = samples.iter();
        let sample = samples.find(|sample| sample["labels"]["device"] == device)?;
        Some(&sample["value"])
    }

    /// The devices that it did any block I/O on.
    pub(crate) fn io_devices(&self) -> BTreeSet<&str> {
        let fields = self.families.get("io").and_then(Json::as_object);
        let samples = fields
            .into_iter()
            .flatten()
            .filter_map(|(_, it)| it.as_array());
        let devices = samples.flatten().map(|it| &it["labels"]["device"]);
        devices.filter_map(Json::as_str).collect()
    }

    /// A total of the network family; `None` where this source does not give it.
    pub(crate) fn network(&self, field: &str) -> Option<u64> {
        self.families.get("net")?.get(field)?.as_u64()
    }

    /// A total of the network family that stands once for each kind of peer.
    pub(crate) fn network_with(&self, field: &str, peer: &str) -> Option<u64> {
        let samples = self.families.get("net")?.get(field)?.as_array()?;
        let mut samples = samples.iter();
        let sample = samples.find(|sample| sample["labels"]["peer"] == peer)?;
        sample["value"].as_u64()
    }

    /// CPU time used since the cgroup was made, in nanoseconds.
    #[track_caller]
    pub(crate) fn usage_ns(&self) -> u64 {
        self.expect("usage_ns")
    }
}
