//! Ticks as the live stream tells them.

use serde::Serialize;

use super::{Who, samples::Groups, text};
use crate::{
    live::{Tick, TickEntry},
    metrics::{Metric, Sample, Subject, Value, catalog, integer, network::LOOPBACK},
};

/// What the latest tick tells beside the rates that history has.
pub struct Now<'a> {
    /// Entries, of which memory in use and the totals of disks and network are told.
    pub subjects: &'a [Subject],
    /// Of the host as a whole.
    pub machine: &'a [Sample],
    /// Of the agent itself.
    pub agent: &'a [Sample],
}

/// One tick for the live stream:
/// `{"t":ms,"new":[who…],"v":[[cgroup,cpus,waiting]…],"r":[[cgroup,memory,disk,network]…],"machine":{…},"agent":{…}}`.
/// `new` introduces the entries that `told`, the tick sent before in order of cgroup id, does not have or has by another
/// name; `v` has all entries, so one that is missing has ended. `r` is the memory in use in bytes, and the bytes so far
/// to and from disks, and over the network but for loopback.
pub fn tick(tick: &Tick, told: &[TickEntry], now: Option<&Now<'_>>) -> String {
    let is_new = |entry: &&TickEntry| {
        let at = told.binary_search_by_key(&entry.container.cgroup, |it| it.container.cgroup);
        let known = at.ok().and_then(|at| told.get(at));
        known.is_none_or(|known| known.container != entry.container)
    };
    text(&TickText {
        t: tick.wall_ns / 1_000_000,
        new: tick
            .entries
            .iter()
            .filter(is_new)
            .map(|entry| Who::new(&entry.container))
            .collect(),
        v: tick
            .entries
            .iter()
            .map(|entry| (entry.container.cgroup.0, entry.cpus, entry.waiting))
            .collect(),
        r: now.map(|now| resources(now.subjects)),
        machine: now.map(|now| Groups(now.machine)),
        agent: now.map(|now| Groups(now.agent)),
    })
}

fn resources(subjects: &[Subject]) -> Vec<Resources> {
    let live = subjects.iter().filter(|subject| subject.alive);
    let mut resources: Vec<Resources> = live
        .map(|subject| {
            let samples = subject.samples();
            (
                subject.container.cgroup.0,
                integer(&samples, &catalog::MEMORY_USAGE),
                total(&samples, DISK_BYTES),
                total(&samples, NETWORK_BYTES),
            )
        })
        .collect();
    // Who never used a disk has no sample of it.
    if resources.iter().any(|(_, _, disks, _)| disks.is_some()) {
        for (_, _, disks, _) in &mut resources {
            disks.get_or_insert(0);
        }
    }
    resources
}

static DISK_BYTES: [&Metric; 2] = [&catalog::READ_BYTES, &catalog::WRITE_BYTES];

static NETWORK_BYTES: [&Metric; 2] = [&catalog::NET_RX_BYTES, &catalog::NET_TX_BYTES];

/// All that these metrics tell, loopback left out.
fn total(samples: &[Sample], metrics: [&Metric; 2]) -> Option<u64> {
    let is_loopback = |sample: &Sample| sample.labels.iter().any(|(_, value)| value == LOOPBACK);
    let its = samples
        .iter()
        .filter(|it| metrics.contains(&it.metric) && !is_loopback(it));
    let values = its.filter_map(|it| match it.value {
        Value::Integer(value) => Some(value),
        Value::Float(_) | Value::Histogram(_) => None,
    });
    values.reduce(u64::saturating_add)
}

/// An entry, its memory in use, and its totals of disks and network, in bytes.
type Resources = (u64, Option<u64>, Option<u64>, Option<u64>);

#[derive(Serialize)]
struct TickText<'a> {
    t: i64,
    new: Vec<Who<'a>>,
    v: Vec<(u64, Option<f32>, Option<f32>)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r: Option<Vec<Resources>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    machine: Option<Groups<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<Groups<'a>>,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::encode::{
        fixture::{container, rates, subject_of},
        json::tests::parsed,
    };

    #[test]
    fn a_tick_introduces_only_who_is_new_or_renamed() {
        let tick_with = |names: &[(u64, &str)]| {
            let entry = |&(cgroup, name): &(u64, &str)| TickEntry {
                container: Arc::new(container(cgroup, name)),
                cpus: Some(0.25),
                waiting: None,
            };
            Tick {
                wall_ns: 5_000_000_000,
                entries: names.iter().map(entry).collect(),
            }
        };
        let first = tick_with(&[(1, "a"), (3, "c")]);
        let second = tick_with(&[(1, "a"), (2, "b"), (3, "d")]);
        let text = parsed(&tick(&second, &first.entries, None));
        assert_eq!(text["t"], 5000);
        let new: Vec<_> = text["new"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|it| &it["name"])
            .collect();
        assert_eq!(new, ["b", "d"]);
        assert_eq!(
            text["v"],
            json!([[1, 0.25, null], [2, 0.25, null], [3, 0.25, null]])
        );
        assert!(text.get("agent").is_none() && text.get("r").is_none());
        let now = Now {
            subjects: &[],
            machine: &[],
            agent: &rates(1.0, 2.0),
        };
        let text = parsed(&tick(&second, &first.entries, Some(&now)));
        assert_eq!(text["agent"]["cpu"]["usage_cpus"], 1.0);
    }

    #[test]
    fn the_latest_tick_tells_memory_and_bytes_of_disks_and_network_without_loopback() {
        let of = |metric, value| Sample::new(metric, Value::Integer(value));
        let samples = vec![
            of(&catalog::MEMORY_USAGE, 5),
            of(&catalog::READ_BYTES, 10).labelled("device", "sda"),
            of(&catalog::WRITE_BYTES, 20).labelled("device", "sda"),
            of(&catalog::READ_BYTES, 40).labelled("device", "sdb"),
            of(&catalog::NET_RX_BYTES, 100).labelled("peer", "outside"),
            of(&catalog::NET_RX_BYTES, 200).labelled("peer", "loopback"),
            of(&catalog::NET_TX_BYTES, 400).labelled("peer", "host"),
        ];
        let subjects = [
            subject_of(container(7, "web"), samples),
            subject_of(container(8, "db"), vec![of(&catalog::MEMORY_USAGE, 0)]),
            subject_of(container(9, "unknown"), Vec::new()),
        ];
        let now = Now {
            subjects: &subjects,
            machine: &[],
            agent: &[],
        };
        let empty = Tick {
            wall_ns: 0,
            entries: Vec::new(),
        };
        let text = parsed(&tick(&empty, &[], Some(&now)));
        assert_eq!(
            text["r"],
            json!([[7, 5, 70, 500], [8, 0, 0, null], [9, null, 0, null]])
        );
    }
}
