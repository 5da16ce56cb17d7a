//! A batch → JSON, for the API and the live page.
//!
//! Every name and label goes through `serde_json`, so hostile ones stay text. Numbers keep the units of the catalog;
//! what the kernel does not give is absent, never zero. Integers are exact; JavaScript rounds those above 2⁵³.

use std::{collections::BTreeMap, sync::Arc};

use agent_ebpf::histogram::{BUCKETS, bucket_bound_ns};
use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::json;

use crate::{
    container::{Container, Kind},
    live::{Event, EventKind, Point, Tick, TickEntry},
    metrics::{
        Batch, Histogram, Metric, Sample, Subject, Value, catalog, integer, network::LOOPBACK,
    },
};

/// `{"taken":…,"interval_ns":…,"host":…,"containers":[…],"machine":{…},"agent":{…}}`: all of a batch. `host` is the
/// host's name, `machine` what it uses and has as a whole. Times are nanoseconds since the Unix epoch.
pub fn batch(batch: &Batch, host: &str) -> String {
    text(&BatchText {
        taken: batch.taken.wall_ns,
        interval_ns: batch.interval.as_nanos(),
        host,
        containers: batch.subjects.iter().map(SubjectText::new).collect(),
        machine: Groups(&batch.host),
        agent: Groups(&batch.agent),
    })
}

/// One entry as in [`batch`], with its points as `"history":{"taken":[…],"usage_cpus":[…],"runq_waiting":[…]}`.
pub fn subject(subject: &Subject, points: &[Point]) -> String {
    text(&WithHistory {
        subject: SubjectText::new(subject),
        history: HistoryText {
            taken: points.iter().map(|point| point.wall_ns).collect(),
            usage_cpus: points.iter().map(|point| point.cpus).collect(),
            runq_waiting: points.iter().map(|point| point.waiting).collect(),
        },
    })
}

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

/// What happened, oldest first: `{"events":[{"taken":…,"event":"oom",who…,"pid":…,"comm":…}…]}`. An exit has
/// `usage_ns`, `exit_code`, `signal` and `oom`, as far as they are known.
pub fn events(events: &[Event]) -> String {
    let events: Vec<_> = events.iter().map(EventText::new).collect();
    text(&json!({ "events": events }))
}

/// A refusal: `{"error":reason}`, with `"matches":[…]` where several entries fit.
pub fn error(reason: &str, matches: &[Arc<Container>]) -> String {
    if matches.is_empty() {
        return text(&json!({ "error": reason }));
    }
    let matches: Vec<_> = matches.iter().map(|it| Who::new(it)).collect();
    text(&json!({ "error": reason, "matches": matches }))
}

#[derive(Serialize)]
struct EventText<'a> {
    taken: i64,
    event: &'static str,
    #[serde(flatten)]
    who: Who<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comm: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oom: Option<bool>,
}

impl<'a> EventText<'a> {
    fn new(event: &'a Event) -> Self {
        let text = Self {
            taken: event.wall_ns,
            event: "start",
            who: Who::new(&event.container),
            pid: None,
            comm: None,
            usage_ns: None,
            exit_code: None,
            signal: None,
            oom: None,
        };
        match &event.kind {
            EventKind::Start => text,
            EventKind::Oom(kill) => Self {
                event: "oom",
                pid: Some(kill.pid),
                comm: Some(&kill.comm),
                ..text
            },
            EventKind::Exit { usage_ns, exit } => Self {
                event: "exit",
                usage_ns: *usage_ns,
                exit_code: exit.code,
                signal: exit.signal,
                oom: exit.oom,
                ..text
            },
        }
    }
}

/// Who an entry is, without what only the API shows.
#[derive(Serialize)]
struct Who<'a> {
    cgroup: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    short_id: Option<&'a str>,
    name: &'a str,
    kind: Kind,
    runtime: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod: Option<&'a str>,
}

impl<'a> Who<'a> {
    fn new(container: &'a Container) -> Self {
        Self {
            cgroup: container.cgroup.0,
            id: container.id.as_deref(),
            short_id: container.short_id(),
            name: &container.name,
            kind: container.kind(),
            runtime: container.runtime.as_str(),
            image: container.image.as_deref(),
            namespace: container.namespace.as_deref(),
            pod: container.pod.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct SubjectText<'a> {
    #[serde(flatten)]
    who: Who<'a>,
    path: &'a str,
    labels: &'a BTreeMap<String, String>,
    alive: bool,
    #[serde(flatten)]
    samples: SubjectGroups<'a>,
}

impl<'a> SubjectText<'a> {
    fn new(subject: &'a Subject) -> Self {
        Self {
            who: Who::new(&subject.container),
            path: &subject.container.path,
            labels: &subject.container.labels,
            alive: subject.alive,
            samples: SubjectGroups(subject),
        }
    }
}

#[derive(Serialize)]
struct BatchText<'a> {
    taken: i64,
    interval_ns: u128,
    host: &'a str,
    containers: Vec<SubjectText<'a>>,
    machine: Groups<'a>,
    agent: Groups<'a>,
}

#[derive(Serialize)]
struct WithHistory<'a> {
    #[serde(flatten)]
    subject: SubjectText<'a>,
    history: HistoryText,
}

#[derive(Serialize)]
struct HistoryText {
    taken: Vec<i64>,
    usage_cpus: Vec<Option<f32>>,
    runq_waiting: Vec<Option<f32>>,
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

/// Samples by family, then by field.
struct Groups<'a>(&'a [Sample]);

impl Serialize for Groups<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut families: Vec<&str> = Vec::new();
        for sample in self.0 {
            let family = family(sample.metric.measurement);
            if !families.contains(&family) {
                families.push(family);
            }
        }
        let mut map = serializer.serialize_map(Some(families.len()))?;
        for family in families {
            map.serialize_entry(
                family,
                &Family {
                    family,
                    all: self.0,
                },
            )?;
        }
        map.end()
    }
}

/// A subject's samples, which are made when they are written.
struct SubjectGroups<'a>(&'a Subject);

impl Serialize for SubjectGroups<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Groups(&self.0.samples()).serialize(serializer)
    }
}

/// The samples of one family by field; of a field with labels an array of `{"labels":{…},"value":…}`.
struct Family<'a> {
    family: &'a str,
    all: &'a [Sample],
}

impl Serialize for Family<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let own = || {
            self.all
                .iter()
                .filter(|sample| family(sample.metric.measurement) == self.family)
        };
        let mut map = serializer.serialize_map(None)?;
        let mut written: Vec<&str> = Vec::new();
        for sample in own() {
            let field = sample.metric.field;
            if written.contains(&field) {
                continue;
            }
            written.push(field);
            if sample.labels.is_empty() {
                map.serialize_entry(field, &ValueText(&sample.value))?;
                continue;
            }
            let labelled: Vec<_> = own()
                .filter(|it| it.metric.field == field)
                .map(LabelledText)
                .collect();
            map.serialize_entry(field, &labelled)?;
        }
        map.end()
    }
}

struct LabelledText<'a>(&'a Sample);

impl Serialize for LabelledText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let labels: BTreeMap<_, _> = self.0.labels.iter().cloned().collect();
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("labels", &labels)?;
        map.serialize_entry("value", &ValueText(&self.0.value))?;
        map.end()
    }
}

struct ValueText<'a>(&'a Value);

impl Serialize for ValueText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Integer(value) => serializer.serialize_u64(*value),
            Value::Float(value) => serializer.serialize_f64(*value),
            Value::Histogram(histogram) => HistogramText::new(histogram).serialize(serializer),
        }
    }
}

/// Not cumulative; the last count has no bound.
#[derive(Serialize)]
struct HistogramText<'a> {
    bounds_ns: Vec<u64>,
    counts: &'a [u64; BUCKETS],
    sum_ns: u64,
}

impl<'a> HistogramText<'a> {
    fn new(histogram: &'a Histogram) -> Self {
        Self {
            bounds_ns: (0..BUCKETS).map_while(bucket_bound_ns).collect(),
            counts: &histogram.buckets,
            sum_ns: histogram.sum_ns,
        }
    }
}

/// The JSON name of a measurement's family: a container's CPU family fills two measurements in line protocol, the others
/// one.
pub(crate) fn family(measurement: &str) -> &str {
    match measurement {
        "container_cpu" | "container_sched" => "cpu",
        other => ["container_", "host_"]
            .into_iter()
            .find_map(|prefix| other.strip_prefix(prefix))
            .unwrap_or(other),
    }
}

/// No type here can fail to be written: keys are strings and nothing does I/O. Should one ever, the reader learns it.
fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| {
        let reason = format!("cannot write JSON: {error}");
        json!({ "error": reason }).to_string()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, from_str};

    use super::*;
    use crate::{
        container::{CgroupId, Exit},
        encode::fixture::{HOSTILE, container, every_sample, rates, subject_of, tick_of},
        metrics::host::{self, tests::everything},
        snapshot::OomKill,
    };

    fn parsed(text: &str) -> Json {
        from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    #[test]
    fn what_happened_is_told_with_hostile_names_as_text() {
        for name in HOSTILE {
            let event = |kind| Event {
                wall_ns: 7,
                container: Arc::new(container(7, name)),
                kind,
            };
            let kill = OomKill {
                entry: CgroupId(7),
                pid: 4711,
                comm: (*name).to_owned(),
            };
            let exit = EventKind::Exit {
                usage_ns: Some(5),
                exit: Exit::of_status(9, true),
            };
            let all = [EventKind::Start, EventKind::Oom(kill), exit].map(event);
            let told = parsed(&events(&all));
            let [start, oom, exit] = [0, 1, 2].map(|at| &told["events"][at]);
            assert_eq!(
                (&start["event"], &start["name"]),
                (&json!("start"), &json!(name))
            );
            assert_eq!((&oom["pid"], &oom["comm"]), (&json!(4711), &json!(name)));
            assert!(start.get("pid").is_none() && oom.get("oom").is_none());
            assert_eq!(
                (
                    &exit["exit_code"],
                    &exit["signal"],
                    &exit["oom"],
                    &exit["usage_ns"]
                ),
                (&json!(137), &json!(9), &json!(true), &json!(5))
            );
        }
    }

    #[test]
    fn an_entry_says_who_it_is_and_all_it_measured() {
        let mut web = container(7, "web");
        web.image = Some("nginx:1".to_owned());
        web.labels.insert("tier".to_owned(), "front".to_owned());
        let batch_of = tick_of(5, vec![subject_of(web, every_sample())]);
        let all = parsed(&batch(&batch_of, "box"));
        assert_eq!(all["taken"], 5_000_000_000_i64);
        assert_eq!(all["host"], "box");
        let web = &all["containers"][0];
        let id = format!("{:064x}", 7);
        assert_eq!(web["id"], id);
        assert_eq!(web["short_id"], id[..12]);
        assert_eq!(
            (&web["cgroup"], &web["name"], &web["kind"], &web["runtime"]),
            (
                &json!(7),
                &json!("web"),
                &json!("container"),
                &json!("docker")
            ),
        );
        assert_eq!(web["labels"]["tier"], "front");
        assert_eq!(web["alive"], true);
        for metric in catalog::container() {
            assert!(
                !web[family(metric.measurement)][metric.field].is_null(),
                "{}: {web}",
                metric.field
            );
        }
        assert_eq!(
            web["cpu"]["runq_wait"]["counts"].as_array().map(Vec::len),
            Some(BUCKETS)
        );
        assert_eq!(web["cpu"]["runq_wait"]["bounds_ns"][0], 1024);
        assert!(web.get("namespace").is_none(), "absent, not null: {web}");
    }

    #[test]
    fn hostile_names_and_labels_come_back_as_they_were() {
        for name in HOSTILE {
            let mut container = container(7, name);
            container
                .labels
                .insert((*name).to_owned(), (*name).to_owned());
            let batch_of = tick_of(5, vec![subject_of(container, Vec::new())]);
            let all = parsed(&batch(&batch_of, name));
            assert_eq!(all["host"], *name);
            assert_eq!(all["containers"][0]["name"], *name);
            assert_eq!(all["containers"][0]["labels"][*name], *name);
        }
    }

    #[test]
    fn the_host_as_a_whole_stands_beside_its_containers_whatever_its_devices_are_called() {
        let mut batch_of = tick_of(5, Vec::new());
        batch_of.host = host::samples(&everything(HOSTILE));
        let all = parsed(&batch(&batch_of, "box"));
        assert_eq!(all["host"], "box");
        for metric in catalog::host() {
            let family = metric.measurement.strip_prefix("host_");
            let value = &all["machine"][family.unwrap()][metric.field];
            assert!(!value.is_null(), "{}: {all}", metric.field);
        }
        let mounts = all["machine"]["fs"]["size_bytes"].as_array().unwrap();
        let mounts: Vec<_> = mounts.iter().map(|it| &it["labels"]["mount"]).collect();
        assert_eq!(mounts, HOSTILE);
    }

    #[test]
    fn samples_told_apart_by_labels_stand_in_an_array() {
        let mut batch_of = tick_of(5, Vec::new());
        for program in ["a", "b"] {
            let mut sample = Sample::new(&catalog::FORKS, Value::Integer(3));
            sample.labels.push(("program", program.into()));
            batch_of.agent.push(sample);
        }
        assert_eq!(
            parsed(&batch(&batch_of, ""))["agent"],
            json!({"cpu": {"forks": [
                {"labels": {"program": "a"}, "value": 3},
                {"labels": {"program": "b"}, "value": 3},
            ]}})
        );
    }

    #[test]
    fn history_has_a_column_a_value_and_null_where_there_is_none() {
        let point = |wall_ns, cpus| Point {
            wall_ns,
            cpus,
            waiting: None,
        };
        let points = [point(1, None), point(2, Some(0.5))];
        let web = parsed(&subject(
            &subject_of(container(7, "web"), Vec::new()),
            &points,
        ));
        let expected =
            json!({"taken": [1, 2], "usage_cpus": [null, 0.5], "runq_waiting": [null, null]});
        assert_eq!(web["history"], expected);
    }

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
