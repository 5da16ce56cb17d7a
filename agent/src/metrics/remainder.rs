//! What has no series of its own, added up so that sums close.
//!
//! Totals of entries that come and go are added up by what they grew: their sum never goes backwards, although the
//! entries end and take their totals with them.

use std::collections::HashMap;

use super::{Histogram, Sample, Subject, Value, catalog::Kind, preemption::is_by_taker};
use crate::container::CgroupId;

/// A sum over entries.
#[derive(Debug, Default)]
pub(crate) struct Remainder {
    /// All that was ever added, one sample for each metric and its labels.
    totals: Vec<Sample>,
    /// Each live entry's totals as they were when last added.
    counted: HashMap<CgroupId, Vec<Sample>>,
}

impl Remainder {
    /// Adds what the totals of an entry grew by since they were last added; all of them the first time.
    pub(crate) fn add(&mut self, subject: &Subject) {
        self.add_totals(subject.container.cgroup, &subject.samples());
    }

    fn add_totals(&mut self, cgroup: CgroupId, samples: &[Sample]) {
        let counted = self.counted.entry(cgroup).or_default();
        let counters = samples.iter().filter(|sample| is_total(sample));
        for (place, sample) in counters.enumerate() {
            let before = position(counted, sample, place).and_then(|at| counted.get(at));
            let Some(growth) = grown(before.map(|before| &before.value), &sample.value) else {
                continue;
            };
            let known = position(&self.totals, sample, place);
            match known.and_then(|at| self.totals.get_mut(at)) {
                Some(total) => add_value(&mut total.value, &growth),
                None => self.totals.push(Sample {
                    value: growth,
                    ..sample.clone()
                }),
            }
        }
        // What is not told now may be told again, when its family was off for a while: it must not count twice then.
        let now = totals(samples);
        let before = std::mem::replace(counted, now).into_iter().enumerate();
        for (place, before) in before {
            if position(counted, &before, place).is_none() {
                counted.push(before);
            }
        }
    }

    /// Adds totals of entries that ended before.
    pub(crate) fn begin_with(&mut self, ended: &[Sample]) {
        // No cgroup has this id.
        const ENDED: CgroupId = CgroupId(0);
        self.add_totals(ENDED, ended);
        self.forget(ENDED);
    }

    /// Takes the totals of an entry as added already: they were published as its own.
    pub(crate) fn skip(&mut self, subject: &Subject) {
        let cgroup = subject.container.cgroup;
        let samples = subject.samples();
        self.counted.insert(cgroup, totals(&samples));
        // Nothing more, but from now on there is a total of it.
        self.add_totals(cgroup, &samples);
    }

    /// Adds what an entry grew by, if it was among the entries, and lets it go: from now on it has its own series.
    pub(crate) fn release(&mut self, subject: &Subject) {
        let cgroup = subject.container.cgroup;
        if self.counted.contains_key(&cgroup) {
            self.add(subject);
            self.counted.remove(&cgroup);
        }
    }

    /// Forgets an ended entry; what it added stays.
    pub(crate) fn forget(&mut self, cgroup: CgroupId) {
        self.counted.remove(&cgroup);
    }

    /// The totals, and the sums of those gauges of `subjects` that add up.
    pub(crate) fn samples<'a>(&self, subjects: impl Iterator<Item = &'a Subject>) -> Vec<Sample> {
        let mut samples = self.totals.clone();
        add_gauges(&mut samples, subjects);
        samples
    }

    /// The same with what else the host itself has: one entry's limits are not the others'. A total that the host
    /// lacks is left out, since the sum over the others is not the rest's.
    pub(crate) fn samples_with<'a>(
        &self,
        host: &Subject,
        subjects: impl Iterator<Item = &'a Subject>,
    ) -> Vec<Sample> {
        let of_host = host.samples();
        let has_host = |sample: &&Sample| find(&of_host, sample).is_some();
        let mut samples: Vec<Sample> = self.totals.iter().filter(has_host).cloned().collect();
        add_gauges(&mut samples, subjects);
        samples.extend(
            of_host
                .iter()
                .filter(|it| !is_total(it) && !adds_up(it))
                .cloned(),
        );
        samples
    }
}

fn add_gauges<'a>(samples: &mut Vec<Sample>, subjects: impl Iterator<Item = &'a Subject>) {
    for subject in subjects {
        let its = subject.samples();
        for gauge in its.iter().filter(|sample| adds_up(sample)) {
            match samples.iter_mut().find(|sum| is_same(sum, gauge)) {
                Some(sum) => add_value(&mut sum.value, &gauge.value),
                None => samples.push(gauge.clone()),
            }
        }
    }
}

fn is_total(sample: &Sample) -> bool {
    matches!(sample.metric.kind, Kind::Counter | Kind::Histogram) && !is_by_taker(sample.metric)
}

/// Float gauges are rates of totals, so they add up as those do; of the others the catalog says so.
fn adds_up(sample: &Sample) -> bool {
    let is_rate = matches!(sample.value, Value::Float(_)) && !is_by_taker(sample.metric);
    sample.metric.kind == Kind::Gauge && (is_rate || sample.metric.adds_up)
}

fn is_same(one: &Sample, other: &Sample) -> bool {
    std::ptr::eq(one.metric, other.metric) && one.labels == other.labels
}

fn find<'a>(samples: &'a [Sample], wanted: &Sample) -> Option<&'a Sample> {
    samples.iter().find(|sample| is_same(sample, wanted))
}

/// Where the counterpart of `wanted` stands, which is mostly at `likely`: entries have much the same samples in the same
/// order.
fn position(samples: &[Sample], wanted: &Sample, likely: usize) -> Option<usize> {
    if samples.get(likely).is_some_and(|it| is_same(it, wanted)) {
        return Some(likely);
    }
    samples.iter().position(|it| is_same(it, wanted))
}

fn totals(samples: &[Sample]) -> Vec<Sample> {
    samples
        .iter()
        .filter(|sample| is_total(sample))
        .cloned()
        .collect()
}

/// How much more `after` is than `before`; `None` for values that do not add up.
fn grown(before: Option<&Value>, after: &Value) -> Option<Value> {
    Some(match (before, after) {
        (Some(Value::Integer(before)), Value::Integer(after)) => {
            Value::Integer(after.saturating_sub(*before))
        }
        (Some(Value::Histogram(before)), Value::Histogram(after)) => {
            let mut growth = after.clone();
            growth.sum_ns = growth.sum_ns.saturating_sub(before.sum_ns);
            for (count, before) in growth.buckets.iter_mut().zip(before.buckets) {
                *count = count.saturating_sub(before);
            }
            Value::Histogram(growth)
        }
        (None, Value::Integer(_) | Value::Histogram(_)) => after.clone(),
        _ => return None,
    })
}

fn add_value(sum: &mut Value, value: &Value) {
    match (sum, value) {
        (Value::Integer(sum), Value::Integer(value)) => *sum = sum.saturating_add(*value),
        (Value::Float(sum), Value::Float(value)) => *sum += value,
        (Value::Histogram(sum), Value::Histogram(value)) => add_histogram(sum, value),
        _ => {}
    }
}

fn add_histogram(sum: &mut Histogram, value: &Histogram) {
    sum.sum_ns = sum.sum_ns.saturating_add(value.sum_ns);
    for (count, value) in sum.buckets.iter_mut().zip(value.buckets) {
        *count = count.saturating_add(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::catalog;

    #[test]
    fn a_total_that_is_not_told_for_a_while_is_not_added_twice() {
        let forks = |value| Sample::new(&catalog::FORKS, Value::Integer(value));
        let execs = |value| Sample::new(&catalog::EXECS, Value::Integer(value));
        let mut sum = Remainder::default();
        let entry = CgroupId(7);
        sum.add_totals(entry, &[forks(10), execs(3)]);
        sum.add_totals(entry, &[execs(4)]);
        sum.add_totals(entry, &[execs(4)]);
        sum.add_totals(entry, &[forks(12), execs(5)]);
        let told = sum.samples(std::iter::empty());
        assert_eq!(told, [forks(12), execs(5)]);
    }
}
