//! What a daemon says of its containers → a batch, as far as tables and lines need it.
//!
//! The inverse of `encode::json::batch`. Fields that this version does not know are passed over, so a newer daemon is
//! understood too.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::Deserialize;
use serde_json::Value as Json;

use crate::{
    container::{CgroupId, Container, Exit, Runtime, Share},
    encode::json::family,
    metrics::{
        Batch, Histogram, Metric, Sample, Subject, Value,
        catalog::{self, Kind},
    },
    snapshot::Timestamp,
};

/// The answer is not in the form of this version.
#[derive(Debug, thiserror::Error)]
#[error("its answer is not in a form that this version knows; is it another version?")]
pub struct AnswerError(#[from] serde_json::Error);

/// The batch that `text` tells of. Its boot clock is not told: the wall clock, which the daemon never lets go
/// backwards, stands for it. What the daemon says of itself and of
/// the host as a whole is left out.
pub(super) fn batch(text: &str) -> Result<Batch, AnswerError> {
    let answer: Answer = serde_json::from_str(text)?;
    Ok(Batch {
        taken: Timestamp {
            boot_ns: u64::try_from(answer.taken).unwrap_or_default(),
            wall_ns: answer.taken,
        },
        interval: Duration::from_nanos(answer.interval_ns),
        subjects: answer
            .containers
            .into_iter()
            .map(Entry::into_subject)
            .collect(),
        host: Vec::new(),
        agent: Vec::new(),
        oom_kills: Vec::new(),
        other: None,
    })
}

#[derive(Deserialize)]
struct Answer {
    taken: i64,
    interval_ns: u64,
    containers: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    cgroup: u64,
    path: String,
    runtime: Runtime,
    id: Option<String>,
    name: String,
    image: Option<String>,
    namespace: Option<String>,
    pod: Option<String>,
    labels: BTreeMap<String, String>,
    alive: bool,
    /// Families of samples, and fields that are told again by others.
    #[serde(flatten)]
    families: BTreeMap<String, Json>,
}

impl Entry {
    fn into_subject(self) -> Subject {
        let samples = catalog::container().filter_map(|metric| {
            let value = self.families.get(family(metric.measurement))?;
            Some(Sample::new(
                metric,
                value_of(metric, value.get(metric.field)?)?,
            ))
        });
        let container = Container {
            cgroup: CgroupId(self.cgroup),
            path: self.path,
            runtime: self.runtime,
            id: self.id,
            name: self.name,
            image: self.image,
            pid: None,
            exit: Exit::default(),
            namespace: self.namespace,
            pod: self.pod,
            labels: self.labels,
            share: Share::Own,
        };
        Subject::new(Arc::new(container), self.alive, samples.collect())
    }
}

/// `None` for a value that is not of the metric's kind, as another version may have it.
fn value_of(metric: &Metric, value: &Json) -> Option<Value> {
    if metric.kind == Kind::Histogram {
        let counts = value.get("counts")?.as_array()?.iter();
        let counts: Vec<u64> = counts.map_while(Json::as_u64).collect();
        return Some(Value::Histogram(Box::new(Histogram {
            buckets: counts.try_into().ok()?,
            sum_ns: value.get("sum_ns")?.as_u64()?,
        })));
    }
    match value.as_u64() {
        Some(integer) => Some(Value::Integer(integer)),
        None => value.as_f64().map(Value::Float),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::{
        fixture::{HOSTILE, container, every_sample, subject_of, tick_of},
        json,
    };

    #[test]
    fn a_batch_comes_back_as_it_was_told() {
        let subjects = HOSTILE.iter().zip(1..).map(|(name, cgroup)| {
            let mut container = container(cgroup, name);
            container.image = Some((*name).to_owned());
            container
                .labels
                .insert((*name).to_owned(), (*name).to_owned());
            subject_of(container, every_sample())
        });
        let mut told = tick_of(5, subjects.collect());
        told.subjects[0].alive = false;
        let back = batch(&json::batch(&told, "box")).expect("understood");
        assert_eq!(back.taken, told.taken);
        assert_eq!(back.interval, told.interval);
        assert_eq!(back.subjects.len(), told.subjects.len());
        for (back, told) in back.subjects.iter().zip(&told.subjects) {
            assert_eq!(back.container, told.container);
            assert_eq!((back.alive, back.samples()), (told.alive, told.samples()));
        }
    }

    #[test]
    fn what_this_version_does_not_know_is_passed_over() {
        let mut told: Json = serde_json::from_str(&json::batch(
            &tick_of(5, vec![subject_of(container(1, "web"), every_sample())]),
            "box",
        ))
        .expect("JSON");
        told["novelty"] = 1.into();
        let web = &mut told["containers"][0];
        web["memory"] = serde_json::json!({"usage_bytes": 1});
        web["cpu"]["novelty"] = "x".into();
        web["cpu"]["runq_wait"]["counts"] = serde_json::json!([1, 2]);
        let back = batch(&told.to_string()).expect("understood");
        assert_eq!(back.subjects[0].samples().len(), every_sample().len() - 1);
    }

    #[test]
    fn another_form_is_an_error() {
        for text in [
            "",
            "{}",
            r#"{"taken": 1, "interval_ns": 1, "containers": [{}]}"#,
        ] {
            assert!(batch(text).is_err(), "{text}");
        }
    }
}
