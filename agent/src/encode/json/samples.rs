//! Samples by family and field.

use std::collections::BTreeMap;

use agent_ebpf::histogram::{BUCKETS, bucket_bound_ns};
use serde::{Serialize, Serializer, ser::SerializeMap as _};

use crate::metrics::{Histogram, Sample, Subject, Value};

/// Samples by family, then by field.
pub(super) struct Groups<'a>(pub(super) &'a [Sample]);

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
pub(super) struct SubjectGroups<'a>(pub(super) &'a Subject);

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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        encode::{
            fixture::tick_of,
            json::{batch, tests::parsed},
        },
        metrics::catalog,
    };

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
}
