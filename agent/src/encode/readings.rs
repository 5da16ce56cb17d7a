//! Samples as others count: one number a container, over its devices and over its peers.

use super::known::Extra;
use crate::metrics::{Metric, Sample, Value, network};

/// Samples of one container, or of the host as a whole.
#[derive(Clone, Copy)]
pub(super) struct Readings<'a>(pub(super) &'a [Sample]);

impl<'a> Readings<'a> {
    /// The value of an integer `metric` that has no label.
    pub(super) fn integer(self, metric: &Metric) -> Option<u64> {
        integer(self.of(metric).next()?)
    }

    /// The value of a float `metric`.
    pub(super) fn float(self, metric: &Metric) -> Option<f64> {
        match self.of(metric).next()?.value {
            Value::Float(value) => Some(value),
            Value::Integer(_) | Value::Histogram(_) => None,
        }
    }

    /// The sum of several metrics without labels; unknown if one of them is.
    pub(super) fn sum_of(self, metrics: &[&Metric]) -> Option<u64> {
        metrics.iter().try_fold(0, |sum: u64, metric| {
            Some(sum.saturating_add(self.integer(metric)?))
        })
    }

    /// The sum over all devices.
    pub(super) fn on_devices(self, metric: &Metric) -> Option<u64> {
        sum(self.of(metric))
    }

    /// The sum over all peers but those in the container's own namespace: what goes through an interface that others
    /// than Linux's loopback see.
    pub(super) fn on_networks(self, metric: &Metric) -> Option<u64> {
        let is_loopback =
            |it: &&Sample| it.labels.iter().any(|(_, peer)| peer == network::LOOPBACK);
        sum(self.of(metric).filter(|it| !is_loopback(it)))
    }

    /// The values of an integer `metric`, each with its labels.
    pub(super) fn each(self, metric: &Metric) -> impl Iterator<Item = (&'a Extra, u64)> {
        self.of(metric)
            .filter_map(|sample| Some((sample.labels.as_slice(), integer(sample)?)))
    }

    fn of(self, metric: &Metric) -> impl Iterator<Item = &'a Sample> {
        self.0
            .iter()
            .filter(move |it| std::ptr::eq(it.metric, metric))
    }
}

fn integer(sample: &Sample) -> Option<u64> {
    match sample.value {
        Value::Integer(value) => Some(value),
        Value::Float(_) | Value::Histogram(_) => None,
    }
}

/// The value of one of the labels.
pub(super) fn label<'a>(labels: &'a Extra, name: &str) -> Option<&'a str> {
    let mut labels = labels.iter();
    labels
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.as_ref())
}

/// `None` of nothing: no device is not zero bytes.
fn sum<'a>(samples: impl Iterator<Item = &'a Sample>) -> Option<u64> {
    samples.filter_map(integer).reduce(u64::saturating_add)
}
