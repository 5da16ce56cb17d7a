//! What is kept for a year where somebody asks for roll-ups, and how it is summed up. Pure.

use crate::metrics::catalog::{self, Kind, Metric};

/// What is rolled up: what long-term charts of containers show.
pub(super) const MEASUREMENTS: [&str; 4] = [
    "container_cpu",
    "container_mem",
    "container_io",
    "container_net",
];

/// Over what time, as InfluxQL and Flux write it.
pub(super) const OVER: &str = "5m";

/// How one number is made of many.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Function {
    /// A total is as it was last.
    Last,
    /// A gauge is as it was on average.
    Mean,
    /// A peak is the highest.
    Max,
}

impl Function {
    pub(super) const ALL: [Self; 3] = [Self::Last, Self::Mean, Self::Max];

    /// Its name in InfluxQL and in Flux.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Mean => "mean",
            Self::Max => "max",
        }
    }

    /// Of a distribution there is none: it has too many fields.
    fn of(metric: &Metric) -> Option<Self> {
        match metric.kind {
            Kind::Histogram => None,
            Kind::Counter => Some(Self::Last),
            Kind::Gauge if std::ptr::eq(metric, &raw const catalog::CPU_RATE_MAX) => {
                Some(Self::Max)
            }
            Kind::Gauge => Some(Self::Mean),
        }
    }
}

/// The fields of a measurement, each with how it is summed up.
pub(super) fn fields(measurement: &str) -> impl Iterator<Item = (&'static str, Function)> {
    catalog::container()
        .filter(move |metric| metric.measurement == measurement)
        .filter_map(|metric| Some((metric.field, Function::of(metric)?)))
}
