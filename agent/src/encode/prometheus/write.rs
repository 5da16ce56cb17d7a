//! Lines of the two formats that Prometheus reads. Values are converted to base units here, integers without a detour
//! through floating point.
//!
//! Text format 0.0.4: <https://prometheus.io/docs/instrumenting/exposition_formats/>. OpenMetrics 1.0:
//! <https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md>.

use std::fmt::{self, Write as _};

use agent_ebpf::histogram::bucket_bound_ns;

use super::cadvisor::Series;
use crate::metrics::{
    Histogram, Sample, Value,
    catalog::{Kind, Unit},
};

/// A format that Prometheus reads.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Format {
    /// Text, version 0.0.4.
    #[default]
    Text,
    /// OpenMetrics, version 1.0.
    OpenMetrics,
}

/// What stands before the lines of one name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    pub(super) name: &'a str,
    pub(super) kind: Kind,
    pub(super) help: &'a str,
}

impl Format {
    /// Its media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// What stands at the very end.
    pub(super) fn end(self) -> &'static str {
        match self {
            Self::Text => "",
            Self::OpenMetrics => "# EOF\n",
        }
    }
}

impl Head<'_> {
    pub(super) fn write(&self, text: &mut String, format: Format) -> fmt::Result {
        let help = self.help.replace('\\', r"\\").replace('\n', r"\n");
        let Self { name, kind, .. } = *self;
        match format {
            Format::Text => {
                let kind = match kind {
                    Kind::Counter => "counter",
                    Kind::Gauge => "gauge",
                    Kind::Histogram => "histogram",
                };
                writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}")
            }
            Format::OpenMetrics => {
                // A counter's lines have the suffix, its family has not. One whose name cannot have it is of no type.
                let (family, kind) = match (kind, name.strip_suffix("_total")) {
                    (Kind::Counter, Some(family)) => (family, "counter"),
                    (Kind::Counter, None) => (name, "unknown"),
                    (Kind::Gauge, _) => (name, "gauge"),
                    (Kind::Histogram, _) => (name, "histogram"),
                };
                writeln!(text, "# TYPE {family} {kind}")?;
                let last = family.rsplit('_').next().unwrap_or_default();
                let unit = ["seconds", "bytes", "ratio"].iter().find(|it| **it == last);
                if let Some(unit) = unit {
                    writeln!(text, "# UNIT {family} {unit}")?;
                }
                writeln!(text, "# HELP {family} {}", help.replace('"', "\\\""))
            }
        }
    }
}

/// The lines of a sample of ours; `labels` is the entry's label text.
pub(super) fn sample(text: &mut String, sample: &Sample, labels: &str) -> fmt::Result {
    let name = sample.metric.prometheus;
    let mut all = labels.to_owned();
    for (key, value) in &sample.labels {
        label(&mut all, key, &[value]);
    }
    match &sample.value {
        Value::Histogram(it) => histogram(text, name, &all, it),
        value => {
            let number = Number(value, sample.metric.unit);
            writeln!(text, "{name}{} {number}", Braces(&all))
        }
    }
}

/// The line of a series of cAdvisor's; `labels` is the entry's label text.
pub(super) fn series(
    text: &mut String,
    name: &str,
    series: &Series<'_>,
    labels: &str,
) -> fmt::Result {
    let mut all = labels.to_owned();
    if let Some((name, value)) = &series.by {
        label(&mut all, name, value);
    }
    for (name, value) in series.labels {
        label(&mut all, name, &[value]);
    }
    let value = Value::Integer(series.value);
    let number = Number(&value, series.unit);
    writeln!(text, "{name}{} {number}", Braces(&all))
}

/// One more label; its value is that of the pieces one after the other.
pub(super) fn label(text: &mut String, name: &str, value: &[&str]) {
    if !text.is_empty() {
        text.push(',');
    }
    text.push_str(name);
    text.push_str("=\"");
    for character in value.iter().flat_map(|piece| piece.chars()) {
        match character {
            '\\' => text.push_str(r"\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str(r"\n"),
            other => text.push(other),
        }
    }
    text.push('"');
}

/// Cumulative buckets. Waits are whole nanoseconds and the bounds exclusive, so a wait of exactly a bound is counted
/// one bucket late; nobody can tell.
fn histogram(text: &mut String, name: &str, labels: &str, histogram: &Histogram) -> fmt::Result {
    let comma = if labels.is_empty() { "" } else { "," };
    let mut count = 0;
    for (at, bucket) in histogram.buckets.iter().enumerate() {
        count += bucket;
        write!(text, "{name}_bucket{{{labels}{comma}le=\"")?;
        match bucket_bound_ns(at) {
            Some(bound_ns) => write!(text, "{}", Decimal(bound_ns, 9))?,
            None => text.push_str("+Inf"),
        }
        writeln!(text, "\"}} {count}")?;
    }
    let sum = Decimal(histogram.sum_ns, 9);
    let braces = Braces(labels);
    writeln!(
        text,
        "{name}_sum{braces} {sum}\n{name}_count{braces} {count}"
    )
}

/// A label text between braces, or nothing.
struct Braces<'a>(&'a str);

impl fmt::Display for Braces<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "" => Ok(()),
            labels => write!(f, "{{{labels}}}"),
        }
    }
}

/// A value in base units.
struct Number<'a>(&'a Value, Unit);

impl fmt::Display for Number<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            (Value::Integer(value), Unit::Nanoseconds) => Decimal(*value, 9).fmt(f),
            (Value::Integer(value), Unit::Microseconds) => Decimal(*value, 6).fmt(f),
            (Value::Integer(value), _) => value.fmt(f),
            (Value::Float(value), Unit::Nanoseconds) => (value / 1e9).fmt(f),
            (Value::Float(value), Unit::Microseconds) => (value / 1e6).fmt(f),
            (Value::Float(value), _) => value.fmt(f),
            (Value::Histogram(_), _) => Ok(()),
        }
    }
}

/// An integer divided by a power of ten, exactly, without trailing zeros.
pub(super) struct Decimal(pub(super) u64, pub(super) usize);

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(value, digits) = *self;
        let padded = format!("{value:0>width$}", width = digits + 1);
        let (whole, part) = padded.split_at(padded.len() - digits);
        match part.trim_end_matches('0') {
            "" => f.write_str(whole),
            part => write!(f, "{whole}.{part}"),
        }
    }
}
