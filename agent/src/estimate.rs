//! What a configuration will write, before it writes anything.

use std::collections::BTreeSet;

use agent_ebpf::cpu::{WAIT_BUCKETS, wait_bucket_bound_ns};

use crate::{
    config::{Config, Sink},
    metrics::{
        Metric,
        catalog::{self, Kind, Unit},
    },
};

/// Digits of a nanosecond timestamp, until 2286.
const TIMESTAMP_DIGITS: usize = 19;
/// Length of a container's name, an image, a label's value: what Compose and registries make of ordinary names.
const NAME_LENGTH: usize = 20;

/// What all sinks are sent for a number of containers.
///
/// Each container, and the host, has one series per measurement of the catalog, and one line in each per shipment:
/// `lines/s = (containers + 1) × measurements ÷ sink interval`. A line's length follows from its names, the usual
/// number of digits for each unit, and the tags asked for. Starts, exits, hourly descriptions and the agent's own
/// few lines come on top.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Containers assumed.
    pub containers: u32,
    /// Measurements that each of them has.
    pub measurements: Vec<&'static str>,
    /// Series in each database.
    pub series: u64,
    /// Bytes of one container's lines in one shipment, uncompressed.
    pub bytes_per_entry: u64,
    /// What each sink is sent.
    pub sinks: Vec<SinkEstimate>,
}

/// What one sink is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct SinkEstimate {
    /// Its name.
    pub name: String,
    /// Lines a second, on average.
    pub lines_per_second: f64,
    /// Bytes a day, uncompressed.
    pub bytes_per_day: f64,
}

impl Estimate {
    /// What `config` writes for `containers`.
    pub fn of(config: &Config, containers: u32) -> Self {
        let measurements: BTreeSet<&str> = catalog::CONTAINER
            .iter()
            .map(|metric| metric.measurement)
            .collect();
        let entries = u64::from(containers) + 1;
        let series = entries * measurements.len() as u64;
        let tags = tags_length(config);
        let bytes_per_entry = measurements
            .iter()
            .map(|measurement| line_length(measurement, tags) as u64)
            .sum();
        let sink = |sink: &Sink| {
            let shipments_per_second = 1.0 / sink.interval.as_secs_f64();
            SinkEstimate {
                name: sink.name.clone(),
                lines_per_second: series as f64 * shipments_per_second,
                bytes_per_day: (entries * bytes_per_entry) as f64 * shipments_per_second * 86_400.0,
            }
        };
        Self {
            containers,
            series,
            bytes_per_entry,
            sinks: config.sinks.iter().map(sink).collect(),
            measurements: measurements.into_iter().collect(),
        }
    }

    /// The estimate in words, one line a sink.
    pub fn text(&self) -> String {
        let Self {
            containers,
            series,
            measurements,
            ..
        } = self;
        let measurements = measurements.join(", ");
        let mut lines = vec![format!(
            "With {containers} containers and the host: {series} series ({measurements}).",
        )];
        for sink in &self.sinks {
            lines.push(format!(
                "Sink {}: {:.1} lines/s, {} a day before compression.",
                sink.name,
                sink.lines_per_second,
                bytes(sink.bytes_per_day),
            ));
        }
        if self.sinks.is_empty() {
            lines.push("No sink: nothing is written, the live page shows all.".to_owned());
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

/// `,key=value` for each tag of a container.
fn tags_length(config: &Config) -> usize {
    let tag = |key: &str, value: usize| 2 + key.len() + value;
    let own = tag("container", NAME_LENGTH)
        + tag("host", config.host.len())
        + tag("image", NAME_LENGTH)
        + tag("runtime", "docker".len());
    let fixed: usize = config
        .tags
        .iter()
        .map(|(key, value)| tag(key, value.len()))
        .sum();
    let labels: usize = config
        .labels
        .allow
        .iter()
        .map(|label| tag(label, NAME_LENGTH))
        .sum();
    own + fixed + labels
}

/// `measurement,tags fields timestamp` and the line's end.
fn line_length(measurement: &str, tags: usize) -> usize {
    let of_line = catalog::CONTAINER
        .iter()
        .filter(|metric| metric.measurement == measurement);
    // Each field brings a comma, but for the first, where the space stands.
    let fields: usize = of_line.map(|metric| 1 + field_length(metric)).sum();
    measurement.len() + tags + fields + 1 + TIMESTAMP_DIGITS + 1
}

/// `name=value` with the type's suffix; for a histogram all of its fields.
fn field_length(metric: &Metric) -> usize {
    if metric.kind != Kind::Histogram {
        return metric.field.len() + 1 + value_length(metric.unit);
    }
    let bucket = |index| match wait_bucket_bound_ns(index) {
        Some(bound_ns) => format!("{}_le_{bound_ns}ns=", metric.field).len(),
        None => format!("{}_count=", metric.field).len(),
    };
    let names: usize = (0..WAIT_BUCKETS).map(bucket).sum();
    names + WAIT_BUCKETS * value_length(Unit::Count) + WAIT_BUCKETS - 1
}

/// Usual length of a value with its suffix: totals of a container that has run for some days.
fn value_length(unit: Unit) -> usize {
    match unit {
        Unit::Nanoseconds => 15,
        Unit::Bytes => 12,
        Unit::Count | Unit::Microseconds => 8,
        Unit::Cpus | Unit::Ratio | Unit::Seconds => 11,
    }
}

fn bytes(count: f64) -> String {
    let scaled = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let scaled = scaled.iter().find(|(size, _)| count >= *size);
    let (size, unit) = scaled.unwrap_or(&(1.0, "bytes"));
    format!("{:.1} {unit}", count / size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::fixture::resolved;

    fn estimate(text: &str, containers: u32) -> Estimate {
        Estimate::of(&resolved(text).config, containers)
    }

    #[test]
    fn every_entry_has_a_line_per_measurement_and_shipment() {
        let estimate = estimate("[sinks.stdout]\ninterval = \"5s\"", 99);
        assert_eq!(estimate.measurements, ["container_cpu", "container_sched"]);
        assert_eq!(estimate.series, 200);
        let sink = &estimate.sinks[0];
        assert!((sink.lines_per_second - 40.0).abs() < 1e-9, "{sink:?}");
        let per_day = estimate.bytes_per_entry as f64 * 100.0 * 86_400.0 / 5.0;
        assert!((sink.bytes_per_day - per_day).abs() < 1.0, "{sink:?}");
    }

    #[test]
    fn a_line_is_as_long_as_a_usual_one() {
        let line = "container_cpu,container=shop-web-frontend-01,host=node-1,image=library/nginx-alpine,runtime=docker \
                    usage_ns=834512345678901i,user_ns=61234567890123i,system_ns=22112345678901i,periods=1234567i,\
                    throttled_periods=12345i,throttled_ns=1234567890123i,quota_us=150000i,period_us=100000i,\
                    usage_cpus=0.01234567,usage_cpus_max=0.98765432 1790000000000000000\n";
        let estimated = line_length("container_cpu", tags_length_of_nothing_else()) as f64;
        let off = (estimated / line.len() as f64 - 1.0).abs();
        assert!(off < 0.1, "estimated {estimated}, usual {}", line.len());
    }

    fn tags_length_of_nothing_else() -> usize {
        ",container=shop-web-frontend-01,host=node-1,image=library/nginx-alpine,runtime=docker"
            .len()
    }

    #[test]
    fn tags_make_lines_longer_by_their_text() {
        let plain = estimate("", 1).bytes_per_entry;
        let tagged = estimate("[tags]\ndc = \"fra1\"", 1).bytes_per_entry;
        assert_eq!(tagged - plain, 2 * ",dc=fra1".len() as u64);
    }

    #[test]
    fn the_text_says_what_each_sink_gets() {
        let text = estimate("[sinks.stdout]", 50).text();
        let mut lines = text.lines();
        assert_eq!(
            lines.next(),
            Some("With 50 containers and the host: 102 series (container_cpu, container_sched).")
        );
        let sink = lines.next().expect("a sink");
        assert!(sink.starts_with("Sink stdout: 10.2 lines/s, "), "{sink}");
        assert_eq!(lines.next(), None);
        assert!(estimate("", 50).text().contains("nothing is written"));
    }
}
