//! What a configuration will write, before it writes anything.
//!
//! A container as they usually are goes through the encoder, and its lines are counted: so the estimate knows nothing
//! about lines that the encoder does not.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use agent_ebpf::cpu::WAIT_BUCKETS;

use crate::{
    config::{Config, Sink},
    container::{CgroupId, Container, Runtime},
    encode::{LineEncoder, Tagging},
    metrics::{
        Batch, Histogram, Metric, Sample, Subject, Value,
        catalog::{self, Kind, Unit},
    },
    shipment::Shipper,
    snapshot::Timestamp,
};

/// Length of a container's name, an image, a label's value: what Compose and registries make of ordinary names.
const NAME_LENGTH: usize = 20;

/// Reasons for losses that the agent publishes; one point each.
const LOSS_REASONS: usize = 10;

/// What all sinks are sent for a number of containers.
///
/// Each container, and the host, has one series per measurement, and one line in each per shipment; the agent itself
/// has some too: `lines/s = ((containers + 1) × measurements + own) ÷ sink interval`. Starts, exits and hourly
/// descriptions come on top.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Containers assumed.
    pub containers: u32,
    /// Measurements that each of them has.
    pub measurements: Vec<String>,
    /// Series of the containers and the host in each database.
    pub series: u64,
    /// Series of the agent itself.
    pub own_series: u64,
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
    /// What `config`, whose tags are `tagging`, writes for `containers`.
    pub fn of(config: &Config, tagging: &Tagging, containers: u32) -> Self {
        let entries = u64::from(containers) + 1;
        let mut lines = Lines::of(&usual_batch(config), tagging);
        let own = lines.0.remove(catalog::AGENT_CPU.measurement);
        let own = own.unwrap_or_default();
        let series = entries * lines.0.len() as u64;
        let bytes_per_entry = lines.0.values().map(|it| it.bytes).sum();
        let sink = |sink: &Sink| {
            let shipments_per_second = 1.0 / sink.interval.as_secs_f64();
            let bytes = entries * bytes_per_entry + own.bytes;
            SinkEstimate {
                name: sink.name.clone(),
                lines_per_second: (series + own.lines) as f64 * shipments_per_second,
                bytes_per_day: bytes as f64 * shipments_per_second * 86_400.0,
            }
        };
        Self {
            containers,
            series,
            own_series: own.lines,
            bytes_per_entry,
            sinks: config.sinks.iter().map(sink).collect(),
            measurements: lines.0.into_keys().collect(),
        }
    }

    /// The estimate in words, one line a sink.
    pub fn text(&self) -> String {
        let Self {
            containers,
            series,
            own_series,
            measurements,
            ..
        } = self;
        let measurements = measurements.join(", ");
        let mut lines = vec![format!(
            "With {containers} containers and the host: {series} series ({measurements}); {own_series} of the agent's \
             own.",
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

/// How many lines and bytes each measurement has in one shipment.
struct Lines(BTreeMap<String, Size>);

#[derive(Clone, Copy, Debug, Default)]
struct Size {
    lines: u64,
    bytes: u64,
}

impl Lines {
    /// Those of a shipment in the midst of life: without descriptions, starts and exits.
    fn of(batch: &Batch, tagging: &Tagging) -> Self {
        let mut shipper = Shipper::new(Duration::ZERO);
        let mut encoder = LineEncoder::new(tagging.clone());
        shipper.fold(batch);
        let payloads = shipper
            .fold(batch)
            .map(|shipment| encoder.encode(&shipment));
        let mut measurements: BTreeMap<String, Size> = BTreeMap::new();
        for payload in payloads.iter().flatten() {
            let text = String::from_utf8_lossy(payload.lines());
            for line in text.split_inclusive('\n') {
                let measurement = line.split([',', ' ']).next().unwrap_or_default();
                let size = measurements.entry(measurement.to_owned()).or_default();
                size.lines += 1;
                size.bytes += line.len() as u64;
            }
        }
        Self(measurements)
    }
}

/// One container with every metric, and what the agent says of itself.
fn usual_batch(config: &Config) -> Batch {
    let name = || "x".repeat(NAME_LENGTH);
    let labels = config.labels.allow.iter();
    let container = Container {
        name: name(),
        image: Some(name()),
        runtime: Runtime::Docker,
        labels: labels.map(|label| (label.clone(), name())).collect(),
        ..Container::host(CgroupId(1))
    };
    let samples = catalog::container()
        // The shipper adds it.
        .filter(|metric| **metric != catalog::CPU_RATE_MAX)
        .map(usual_sample);
    Batch {
        taken: Timestamp {
            boot_ns: 0,
            wall_ns: 1_790_000_000_000_000_000,
        },
        interval: Duration::from_secs(1),
        subjects: vec![Subject {
            container: Arc::new(container),
            alive: true,
            samples: samples.collect(),
        }],
        agent: own_samples(&config.sinks),
        oom_kills: Vec::new(),
        other: None,
    }
}

/// Totals of a container that has run for some days.
fn usual_sample(metric: &'static Metric) -> Sample {
    let value = match (metric.kind, metric.unit) {
        (Kind::Histogram, _) => {
            let mut buckets = [0; WAIT_BUCKETS];
            buckets[0] = 1_234_567;
            Value::Histogram(Box::new(Histogram { buckets, sum_ns: 0 }))
        }
        (_, Unit::Nanoseconds) => Value::Integer(1_234_567_890_123),
        (_, Unit::Bytes) => Value::Integer(123_456_789),
        (_, Unit::Count | Unit::Microseconds) => Value::Integer(123_456),
        // A quotient, so with all the digits that a float has.
        (_, Unit::Cpus | Unit::Ratio | Unit::Seconds) => Value::Float(1.0 / 60.0),
    };
    Sample::new(metric, value)
}

/// One point of what has no label, and one for each kind of entry, loss, metric with a source, and sink.
fn own_samples(sinks: &[Sink]) -> Vec<Sample> {
    let of_sinks = [
        &catalog::SINK_SENT,
        &catalog::SINK_DROPPED,
        &catalog::SINK_ERRORS,
        &catalog::SINK_BYTES,
        &catalog::SINK_LAST_ACK,
    ];
    let mut samples = Vec::new();
    for metric in catalog::agent() {
        let sample = usual_sample(metric);
        if *metric == catalog::AGENT_ENTRIES {
            let kinds = ["container", "unit", "cgroup"].into_iter();
            samples.extend(kinds.map(|kind| sample.clone().labelled("kind", kind)));
        } else if *metric == catalog::AGENT_LOSSES {
            let reasons = (0..LOSS_REASONS).map(|reason| format!("{reason:-<15}"));
            samples.extend(reasons.map(|reason| sample.clone().labelled("reason", &reason)));
        } else if *metric == catalog::AGENT_METRIC_SOURCE {
            let described =
                catalog::container().filter_map(|of| Some((of.field, of.sources.first()?)));
            samples.extend(described.map(|(field, source)| {
                let sample = sample.clone().labelled("metric", field);
                sample.labelled("source", source.as_str())
            }));
        } else if of_sinks.contains(&metric) {
            let sinks = sinks.iter();
            samples.extend(sinks.map(|sink| sample.clone().labelled("sink", &sink.name)));
        } else {
            samples.push(sample);
        }
    }
    samples
}

fn bytes(count: f64) -> String {
    let scaled = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let scaled = scaled.iter().find(|(size, _)| count >= *size);
    let (size, unit) = scaled.unwrap_or(&(1.0, "bytes"));
    format!("{:.1} {unit}", count / size)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        config::fixture::resolved,
        encode::fixture::{container, subject_of, tick_of},
    };

    fn estimate(text: &str, containers: u32) -> Estimate {
        let resolved = resolved(text);
        let tagging = Tagging::of(&resolved).unwrap();
        Estimate::of(&resolved.config, &tagging, containers)
    }

    #[test]
    fn every_entry_has_a_line_per_measurement_and_shipment() {
        let estimate = estimate("[sinks.stdout]\ninterval = \"5s\"", 99);
        let measurements: BTreeSet<&str> = catalog::container().map(|it| it.measurement).collect();
        assert!(
            estimate.measurements.iter().eq(&measurements),
            "{estimate:?}"
        );
        let series = 100 * measurements.len() as u64;
        assert_eq!(estimate.series, series);
        let sink = &estimate.sinks[0];
        let lines = (series + estimate.own_series) as f64 / 5.0;
        assert!((sink.lines_per_second - lines).abs() < 1e-9, "{sink:?}");
    }

    /// A container that has been up for so many minutes and used so many seconds of CPU.
    fn ran(name: &str, image: &str, minutes: u64, cpu_s: u64, throttled: bool) -> Subject {
        let mut container = container(7, name);
        container.image = Some(image.to_owned());
        let turns = cpu_s * 801 + minutes * 63;
        let if_throttled = |value| if throttled { value } else { 0 };
        let rate = cpu_s as f64 / minutes as f64;
        let value = |metric: &Metric| {
            Some(Value::Integer(match metric.field {
                "usage_ns" => cpu_s * 1_000_000_007,
                "user_ns" => cpu_s * 700_000_001,
                "system_ns" => cpu_s * 300_000_006,
                "periods" => if_throttled(minutes * 600),
                "throttled_periods" => if_throttled(cpu_s * 3),
                "throttled_ns" => if_throttled(cpu_s * 90_000_011),
                "quota_us" if !throttled => return None,
                "quota_us" => 150_000,
                "period_us" => 100_000,
                "runq_wait_ns" => turns * 20_011,
                "voluntary_switches" => turns / 10 * 9,
                "involuntary_switches" | "migrations" => turns / 10,
                "forks" | "execs" | "exits" => minutes * 2,
                "usage_cpus" => return Some(Value::Float(rate / 61.0)),
                "runq_waiting" => return Some(Value::Float(rate / 7_001.0)),
                "runq_wait" => {
                    let mut left = turns;
                    let buckets = std::array::from_fn(|_| {
                        let here = left.div_ceil(2);
                        left -= here;
                        here
                    });
                    let histogram = Histogram { buckets, sum_ns: 0 };
                    return Some(Value::Histogram(Box::new(histogram)));
                }
                "oom_kills" => 0,
                // The shipper adds it.
                "usage_cpus_max" => return None,
                other => panic!("no usual value for {other}"),
            }))
        };
        let samples =
            catalog::container().filter_map(|metric| Some(Sample::new(metric, value(metric)?)));
        subject_of(container, samples.collect())
    }

    #[test]
    fn ordinary_containers_are_estimated_within_a_fifth() {
        let containers = [
            ran("db", "postgres:17", 57_600, 111_600, false),
            ran(
                "shop-frontend-1",
                "registry.example/shop/frontend:2.4",
                2_880,
                5_400,
                true,
            ),
            ran("sidecar", "envoyproxy/envoy:v1.33", 12_960, 72, false),
            ran(
                "monitoring-grafana-1",
                "grafana/grafana",
                144_000,
                14_400,
                false,
            ),
            ran(
                "ci-runner-7f9c",
                "ghcr.io/actions/actions-runner:latest",
                30,
                1_440,
                true,
            ),
        ];
        let estimated = estimate("", 1).bytes_per_entry as f64;
        let tagging = Tagging::of(&resolved("")).unwrap();
        for subject in containers {
            let name = subject.container.name.clone();
            let lines = Lines::of(&tick_of(1, vec![subject]), &tagging);
            let real: u64 = lines.0.values().map(|size| size.bytes).sum();
            let off = estimated / real as f64 - 1.0;
            assert!(
                off.abs() < 0.2,
                "{name}: estimated {estimated}, real {real}"
            );
        }
    }

    #[test]
    fn tags_make_lines_longer_by_their_text() {
        let plain = estimate("", 1);
        let tagged = estimate("[tags]\ndc = \"fra1\"", 1).bytes_per_entry;
        let lines = plain.measurements.len() as u64;
        assert_eq!(
            tagged - plain.bytes_per_entry,
            lines * ",dc=fra1".len() as u64
        );
    }

    #[test]
    fn the_text_says_what_each_sink_gets() {
        let estimate = estimate("[sinks.stdout]", 50);
        let text = estimate.text();
        let mut lines = text.lines();
        let first = format!(
            "With 50 containers and the host: {} series ({}); {} of the agent's own.",
            51 * estimate.measurements.len(),
            estimate.measurements.join(", "),
            estimate.own_series,
        );
        assert_eq!(lines.next(), Some(first.as_str()));
        let sink = lines.next().expect("a sink");
        let per_second = (estimate.series + estimate.own_series) as f64 / 10.0;
        let start = format!("Sink stdout: {per_second:.1} lines/s, ");
        assert!(sink.starts_with(&start), "{sink}");
        assert_eq!(lines.next(), None);
        assert!(
            Estimate::of(
                &resolved("").config,
                &Tagging::of(&resolved("")).unwrap(),
                50
            )
            .text()
            .contains("nothing is written")
        );
    }
}
