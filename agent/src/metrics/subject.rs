//! One entry of a batch: who it is and what its samples are.

use std::{borrow::Cow, sync::Arc};

use super::{Metric, Sample, Value, catalog, samples};
use crate::{
    container::Container,
    snapshot::{Span, TakerTotal, Totals},
};

/// One entry and its samples.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Who it is.
    pub container: Arc<Container>,
    /// Whether it still runs. Of an ended one this is the last word: its final values.
    pub alive: bool,
    samples: Samples,
}

#[derive(Clone, Debug)]
enum Samples {
    /// Made of these counters whenever they are asked for. In most ticks nobody asks, and they would take more than
    /// twice as much room.
    Of(Span),
    Given(Vec<Sample>),
}

impl Subject {
    /// An entry with these samples.
    pub fn new(container: Arc<Container>, alive: bool, samples: Vec<Sample>) -> Self {
        Self {
            container,
            alive,
            samples: Samples::Given(samples),
        }
    }

    /// An entry with the samples of what was counted for it.
    pub(crate) fn of(container: Arc<Container>, span: Span) -> Self {
        Self {
            container,
            alive: span.after.alive,
            samples: Samples::Of(span),
        }
    }

    /// Its samples, in catalog order; a metric that this kernel does not give is not among them.
    pub fn samples(&self) -> Cow<'_, [Sample]> {
        match &self.samples {
            Samples::Of(span) => Cow::Owned(samples(span)),
            Samples::Given(samples) => Cow::Borrowed(samples),
        }
    }

    /// What was counted for it; `None` of one that was given samples.
    pub(crate) fn totals(&self) -> Option<&Totals> {
        match &self.samples {
            Samples::Of(span) => Some(&span.after.totals),
            Samples::Given(_) => None,
        }
    }

    /// The value of an integer `metric`, if this subject has it.
    pub fn integer(&self, metric: &Metric) -> Option<u64> {
        integer(&self.samples(), metric)
    }

    /// CPUs used since the tick before: [`catalog::CPU_RATE`].
    pub fn cpus(&self) -> Option<f64> {
        match &self.samples {
            Samples::Of(span) => span.cpus(),
            Samples::Given(samples) => float(samples, &catalog::CPU_RATE),
        }
    }

    /// Who took the CPU from it: those told by name, who took most of late first, each with what
    /// [`catalog::PREEMPTION_WAITING`] is since the tick before.
    pub fn takers(&self) -> impl Iterator<Item = (&TakerTotal, Option<f64>)> {
        let span = match &self.samples {
            Samples::Of(span) => Some(span),
            Samples::Given(_) => None,
        };
        span.into_iter().flat_map(|span| {
            let totals = span.after.totals.preemption.iter();
            let takers = totals.flat_map(|totals| &totals.takers);
            takers.map(|taker| (taker, span.share_of(taker.waited.grown_ns)))
        })
    }

    /// Tasks that waited for a CPU on average since the tick before: [`catalog::RUNQ_WAIT_RATE`].
    pub fn waiting(&self) -> Option<f64> {
        match &self.samples {
            Samples::Of(span) => span.waiting(),
            Samples::Given(samples) => float(samples, &catalog::RUNQ_WAIT_RATE),
        }
    }
}

/// The value of an integer `metric` among `samples`.
pub(crate) fn integer(samples: &[Sample], metric: &Metric) -> Option<u64> {
    match value(samples, metric)? {
        Value::Integer(value) => Some(*value),
        Value::Float(_) | Value::Histogram(_) => None,
    }
}

fn float(samples: &[Sample], metric: &Metric) -> Option<f64> {
    match value(samples, metric)? {
        Value::Float(value) => Some(*value),
        Value::Integer(_) | Value::Histogram(_) => None,
    }
}

fn value<'a>(samples: &'a [Sample], metric: &Metric) -> Option<&'a Value> {
    samples
        .iter()
        .find(|sample| std::ptr::eq(sample.metric, metric))
        .map(|sample| &sample.value)
}
