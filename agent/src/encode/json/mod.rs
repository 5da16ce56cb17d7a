//! A batch → JSON, for the API and the live page.
//!
//! Every name and label goes through `serde_json`, so hostile ones stay text. Numbers keep the units of the catalog;
//! what the kernel does not give is absent, never zero. Integers are exact; JavaScript rounds those above 2⁵³.

mod details;
mod events;
mod samples;
mod ticks;

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use serde_json::json;

pub use events::events;
pub(crate) use samples::family;
pub use ticks::{Now, tick};

use crate::{
    container::{Container, Kind},
    live::{Detail, Point},
    metrics::{Batch, Subject},
    snapshot::TakerTotal,
};
use details::HistoryText;
use samples::{Groups, SubjectGroups};

/// `{"taken":…,"interval_ns":…,"host":…,"containers":[…],"machine":{…},"agent":{…}}`: all of a batch. `host` is the
/// host's name, `machine` what it uses and has as a whole. An entry whose waits are dealt out has
/// `"preemptors":[{"cgroup":…,"name":…,"wait_ns":…,"waiting":…}]`, who took most of late first. Times are nanoseconds
/// since the Unix epoch.
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

/// One entry as in [`batch`], with its points as `"history":{"taken":[…],"usage_cpus":[…],"runq_waiting":[…],…}`: further
/// columns are those of `details`, called as in [`tick`].
pub fn subject(subject: &Subject, points: &[Point], details: &[(i64, Detail)]) -> String {
    text(&WithHistory {
        subject: SubjectText::new(subject),
        history: HistoryText::new(points, details),
    })
}

/// A refusal: `{"error":reason}`, with `"matches":[…]` where several entries fit.
pub fn error(reason: &str, matches: &[Arc<Container>]) -> String {
    if matches.is_empty() {
        return text(&json!({ "error": reason }));
    }
    let matches: Vec<_> = matches.iter().map(|it| Who::new(it)).collect();
    text(&json!({ "error": reason, "matches": matches }))
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
    #[serde(skip_serializing_if = "Vec::is_empty")]
    preemptors: Vec<TakerText<'a>>,
    #[serde(flatten)]
    samples: SubjectGroups<'a>,
}

/// Who ran while tasks of an entry waited.
#[derive(Serialize)]
struct TakerText<'a> {
    cgroup: u64,
    name: &'a str,
    wait_ns: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<f64>,
}

impl<'a> SubjectText<'a> {
    fn new(subject: &'a Subject) -> Self {
        Self {
            who: Who::new(&subject.container),
            path: &subject.container.path,
            labels: &subject.container.labels,
            alive: subject.alive,
            preemptors: subject.takers().map(TakerText::new).collect(),
            samples: SubjectGroups(subject),
        }
    }
}

impl<'a> TakerText<'a> {
    fn new((taker, waiting): (&'a TakerTotal, Option<f64>)) -> Self {
        Self {
            cgroup: taker.cgroup.0,
            name: &taker.name,
            wait_ns: taker.waited.total_ns,
            waiting,
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

    use agent_ebpf::histogram::BUCKETS;

    use super::*;
    use crate::{
        encode::fixture::{HOSTILE, container, every_sample, subject_of, tick_of},
        metrics::{
            catalog,
            host::{self, tests::everything},
        },
    };

    pub(super) fn parsed(text: &str) -> Json {
        from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
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
}
