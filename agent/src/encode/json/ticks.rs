//! Ticks as the live stream tells them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Who, details::DetailText, samples::Groups, text};
use crate::{
    container::Container,
    live::{Detail, Tick, TickEntry},
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

/// One tick for the live stream, as `http/live.rs` describes it. `told` is the tick sent before, in order of cgroup id;
/// `details` are those of the entries that were asked for, if any were.
pub fn tick(
    tick: &Tick,
    told: &[TickEntry],
    now: Option<&Now<'_>>,
    details: Option<&[Detail]>,
) -> String {
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
            .map(|entry| Newcomer::new(&entry.container))
            .collect(),
        v: tick
            .entries
            .iter()
            .map(|entry| (entry.container.cgroup.0, entry.cpus, entry.waiting))
            .collect(),
        r: now.map(|now| resources(now.subjects)),
        d: details.map(|details| details.iter().map(DetailText::new).collect()),
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

/// Who an entry is, and what it is found and grouped by.
#[derive(Serialize)]
struct Newcomer<'a> {
    #[serde(flatten)]
    who: Who<'a>,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slice: Option<&'a str>,
    labels: &'a BTreeMap<String, String>,
}

impl<'a> Newcomer<'a> {
    fn new(container: &'a Container) -> Self {
        Self {
            who: Who::new(container),
            path: &container.path,
            project: container.project(),
            service: container.service(),
            unit: container.unit(),
            slice: container.slice(),
            labels: &container.labels,
        }
    }
}

#[derive(Serialize)]
struct TickText<'a> {
    t: i64,
    new: Vec<Newcomer<'a>>,
    v: Vec<(u64, Option<f32>, Option<f32>)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r: Option<Vec<Resources>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    d: Option<Vec<DetailText>>,
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
        json::{details::tests::everything, tests::parsed},
    };

    fn tick_with(names: &[(u64, &str)]) -> Tick {
        let entry = |&(cgroup, name): &(u64, &str)| TickEntry {
            container: Arc::new(container(cgroup, name)),
            cpus: Some(0.25),
            waiting: None,
        };
        Tick {
            wall_ns: 5_000_000_000,
            entries: names.iter().map(entry).collect(),
        }
    }

    #[test]
    fn a_tick_introduces_only_who_is_new_or_renamed() {
        let first = tick_with(&[(1, "a"), (3, "c")]);
        let second = tick_with(&[(1, "a"), (2, "b"), (3, "d")]);
        let text = parsed(&tick(&second, &first.entries, None, None));
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
        let text = parsed(&tick(&second, &first.entries, Some(&now), None));
        assert_eq!(text["agent"]["cpu"]["usage_cpus"], 1.0);
    }

    #[test]
    fn a_newcomer_comes_with_what_it_is_found_and_grouped_by_and_details_if_asked_for() {
        let mut there = tick_with(&[(7, "web")]);
        let web = Arc::make_mut(&mut there.entries[0].container);
        let project = "com.docker.compose.project".to_owned();
        web.labels.insert(project, "shop".to_owned());
        web.path = "/system.slice/docker-7.scope".to_owned();
        let asked_for = [everything().0];
        let text = parsed(&tick(&there, &[], None, Some(&asked_for)));
        let new = &text["new"][0];
        assert_eq!(
            (&new["project"], &new["unit"], &new["slice"]),
            (
                &json!("shop"),
                &json!("docker-7.scope"),
                &json!("system.slice")
            )
        );
        assert_eq!(new["path"], "/system.slice/docker-7.scope");
        assert_eq!(new["labels"], json!({"com.docker.compose.project": "shop"}));
        assert!(new.get("service").is_none(), "absent, not null: {new}");
        assert_eq!(text["d"], json!([everything().1]));
        let text = parsed(&tick(&there, &[], None, None));
        assert!(text.get("d").is_none());
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
        let text = parsed(&tick(&empty, &[], Some(&now), None));
        assert_eq!(
            text["r"],
            json!([[7, 5, 70, 500], [8, 0, 0, null], [9, null, 0, null]])
        );
    }
}
