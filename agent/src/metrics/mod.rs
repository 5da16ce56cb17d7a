//! What is published: one [`Batch`] per tick, rendered by every output alike.

mod block_io;
pub mod catalog;
pub mod choice;
mod cpu;
pub mod host;
mod memory;
pub mod network;
mod oom;
mod other;
mod pids;
pub mod preemption;
mod pressure;
mod remainder;
mod space;
mod subject;

use std::{borrow::Cow, sync::Arc, time::Duration};

use agent_ebpf::histogram::BUCKETS;

use crate::{
    container::{CgroupId, Container},
    snapshot::{Entry, Interval, OomKill, Span, Timestamp, Totals},
};
pub use catalog::Metric;
pub use other::Other;
pub(crate) use remainder::Remainder;
pub use subject::Subject;
pub(crate) use subject::integer;

/// All that one tick has to say.
#[derive(Clone, Debug)]
pub struct Batch {
    /// When the counters were read.
    pub taken: Timestamp,
    /// The time since the batch before; zero for the first.
    pub interval: Duration,
    /// One per entry: containers, units, other cgroups, and the host.
    pub subjects: Vec<Subject>,
    /// What the host as a whole uses and has, without a container; samples of one line stand together.
    pub host: Vec<Sample>,
    /// What the agent says of itself, without a container; what is shipped hourly comes last.
    pub agent: Vec<Sample>,
    /// Processes killed for want of memory since the batch before, oldest first.
    pub oom_kills: Vec<OomKill>,
    /// What has no series of its own by the operator's rules, added up; `None` where there is nothing.
    pub other: Option<Subject>,
}

/// One value of one metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Which metric.
    pub metric: &'static Metric,
    /// Its value, in the metric's unit.
    pub value: Value,
    /// What tells several samples of one metric apart, as in `source="cgroup file"`; empty for most.
    pub labels: Vec<(&'static str, Cow<'static, str>)>,
}

/// A value in its metric's unit.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// An integer: nanoseconds, bytes, a count.
    Integer(u64),
    /// A ratio or a rate; always finite.
    Float(f64),
    /// Non-cumulative buckets and the sum of what was observed, both lifetime totals.
    Histogram(Box<Histogram>),
}

/// A log2 histogram of nanoseconds; bounds by [`agent_ebpf::histogram::bucket_bound_ns`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Histogram {
    /// Observations per bucket, not cumulative.
    pub buckets: [u64; BUCKETS],
    /// Sum of all observations, in nanoseconds.
    pub sum_ns: u64,
}

impl Sample {
    /// A sample without labels.
    pub fn new(metric: &'static Metric, value: Value) -> Self {
        Self {
            metric,
            value,
            labels: Vec::new(),
        }
    }

    /// How much could not be recorded, for one of [`catalog::LOSS_REASONS`].
    pub(crate) fn lost(reason: &'static str, count: u64) -> Self {
        debug_assert!(catalog::LOSS_REASONS.contains(&reason), "{reason}");
        Self::new(&catalog::AGENT_LOSSES, Value::Integer(count)).labelled("reason", reason)
    }

    /// Samples of the integers that are known.
    fn integers<const N: usize>(
        values: [(&'static Metric, Option<u64>); N],
    ) -> impl Iterator<Item = Self> {
        values
            .into_iter()
            .filter_map(|(metric, value)| Some(Self::new(metric, Value::Integer(value?))))
    }

    /// The same with one more label.
    #[must_use]
    pub fn labelled(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.labels.push((name, value.into()));
        self
    }
}

/// Totals alone as samples, of something that is no entry any more.
pub fn totals(totals: Totals) -> Vec<Sample> {
    let entry = Entry {
        cgroup: CgroupId(0),
        alive: false,
        totals,
    };
    samples(&Span::without_rates(entry))
}

/// Room for the samples of an entry without block I/O.
const MOST_ENTRIES_SAMPLES: usize = 64;

/// All samples of one entry, in catalog order.
fn samples(span: &Span) -> Vec<Sample> {
    let mut samples = Vec::with_capacity(MOST_ENTRIES_SAMPLES);
    cpu::add(&mut samples, span);
    preemption::add(&mut samples, span);
    let totals = &span.after.totals;
    block_io::add(&mut samples, &totals.block_io);
    network::add(&mut samples, &totals.network);
    memory::add(&mut samples, &totals.memory);
    oom::add(&mut samples, &totals.oom);
    pressure::add(&mut samples, &totals.pressure);
    pids::add(&mut samples, &totals.pids);
    space::add(&mut samples, &totals.space);
    samples
}

impl Batch {
    /// What the agent says of itself, but for what is shipped hourly.
    pub fn agent_but_hourly(&self) -> &[Sample] {
        let is_often = |sample: &Sample| sample.metric.resolution != catalog::Resolution::Hourly;
        &self.agent[..self.agent.partition_point(is_often)]
    }

    /// Joins an interval's counters with the names of their entries; what the host and the agent say of themselves is yet
    /// to be added.
    /// An entry that `resolve` does not know is left out, and the number of those left out is returned beside the
    /// batch.
    pub fn assemble(
        interval: Interval,
        resolve: impl Fn(CgroupId) -> Option<Arc<Container>>,
    ) -> (Self, u64) {
        let mut nameless = 0;
        let mut subjects = Vec::with_capacity(interval.spans.len());
        for span in interval.spans {
            match resolve(span.after.cgroup) {
                Some(container) => subjects.push(Subject::of(container, span)),
                None => nameless += 1,
            }
        }
        let batch = Self {
            taken: interval.taken,
            interval: interval.length,
            subjects,
            host: Vec::new(),
            agent: Vec::new(),
            oom_kills: Vec::new(),
            other: None,
        };
        (batch, nameless)
    }
}

#[cfg(test)]
mod tests {
    use super::{Metric, Sample, Value};

    /// Claims that these are samples of the integers from 1 on, one for each of the metrics in their order.
    pub(super) fn assert_counts_through(
        metrics: impl Iterator<Item = &'static Metric>,
        samples: &[Sample],
    ) {
        let expected: Vec<Sample> = metrics
            .zip(1..)
            .map(|(metric, value)| Sample::new(metric, Value::Integer(value)))
            .collect();
        assert_eq!(samples, expected);
    }
}
