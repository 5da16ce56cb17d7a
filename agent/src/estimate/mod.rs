//! What a configuration will write, before it writes anything.
//!
//! A container as they usually are goes through the encoder, and its lines are counted: so the estimate knows nothing
//! about lines that the encoder does not.

mod usual;

use std::{collections::BTreeMap, iter, time::Duration};

use crate::{
    config::{Config, Schema, Sink, SinkKind},
    encode::{Encoder, Tagging},
    metrics::{Batch, catalog},
    shipment::Shipper,
};

/// What all sinks are sent for a number of containers.
///
/// Each container, and at most the host, has one series per measurement, or one for each kind of peer where it tells
/// them apart, and one line in each per shipment; the host as a whole and the agent itself have some too:
/// `lines/s = ((containers + 1) × series + host + own) ÷ sink interval`. Starts, exits and hourly descriptions come on
/// top.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Containers assumed.
    pub containers: u32,
    /// Measurements that each of them has.
    pub measurements: Vec<String>,
    /// Series of the containers and the host in each database.
    pub series: u64,
    /// Series of the host as a whole.
    pub host_series: u64,
    /// Series of the agent itself.
    pub own_series: u64,
    /// Bytes of one container's lines in one shipment, uncompressed.
    pub bytes_per_entry: u64,
    /// Whether a sink is written in another schema than the native one, and so in other series.
    pub has_other_schemas: bool,
    /// What each sink is sent. One that writes the host as a whole to a database of its own stands here twice.
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
        let batch = usual::batch(config);
        let mut lines = Lines::of(&batch, tagging, Schema::Native);
        let own = lines.0.remove(catalog::AGENT_CPU.measurement);
        let own = own.unwrap_or_default();
        let host = lines.take_host();
        let lines_per_entry: u64 = lines.0.values().map(|it| it.lines).sum();
        let series = entries * lines_per_entry;
        let bytes_per_entry = lines.0.values().map(|it| it.bytes).sum();
        let rest = Size {
            lines: series + own.lines,
            bytes: entries * bytes_per_entry + own.bytes,
        };
        let sinks = config.sinks.iter().flat_map(|sink| {
            let sent = |name, size| SinkEstimate::of(name, size, sink.interval);
            let of_host =
                (has_host_database(sink) && host.lines > 0).then(|| sent(sink.host_name(), host));
            let size = match sink.schema {
                Schema::Native if of_host.is_some() => rest,
                Schema::Native => rest.and(host),
                other => size_in(other, &batch, tagging, containers),
            };
            iter::once(sent(sink.name.clone(), size)).chain(of_host)
        });
        Self {
            containers,
            series,
            host_series: host.lines,
            own_series: own.lines,
            bytes_per_entry,
            sinks: sinks.collect(),
            has_other_schemas: config.sinks.iter().any(|it| it.schema != Schema::Native),
            measurements: lines.0.into_keys().collect(),
        }
    }

    /// The estimate in words, one line a sink.
    pub fn text(&self) -> String {
        let Self {
            containers,
            series,
            host_series,
            own_series,
            measurements,
            has_other_schemas,
            ..
        } = self;
        let measurements = measurements.join(", ");
        let mut lines = vec![format!(
            "With {containers} containers and the host: {series} series ({measurements}); {host_series} of the host as a \
             whole, {own_series} of the agent's own.",
        )];
        if *has_other_schemas {
            lines.push("These are native series; other schemas have others.".to_owned());
        }
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

impl Size {
    fn and(self, other: Self) -> Self {
        Self {
            lines: self.lines + other.lines,
            bytes: self.bytes + other.bytes,
        }
    }
}

impl SinkEstimate {
    fn of(name: String, shipment: Size, interval: Duration) -> Self {
        let shipments_per_second = 1.0 / interval.as_secs_f64();
        Self {
            name,
            lines_per_second: shipment.lines as f64 * shipments_per_second,
            bytes_per_day: shipment.bytes as f64 * shipments_per_second * 86_400.0,
        }
    }
}

fn has_host_database(sink: &Sink) -> bool {
    match &sink.kind {
        SinkKind::Influxdb(influxdb) => influxdb.host_database.is_some(),
        SinkKind::Stdout | SinkKind::File { .. } | SinkKind::Unix { .. } | SinkKind::Udp { .. } => {
            false
        }
    }
}

impl Lines {
    /// Those of a shipment in the midst of life: without descriptions, starts and exits.
    fn of(batch: &Batch, tagging: &Tagging, schema: Schema) -> Self {
        let mut shipper = Shipper::new(Duration::ZERO);
        let mut encoder = Encoder::new(schema, tagging.clone());
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

    fn total(&self) -> Size {
        self.0.values().copied().fold(Size::default(), Size::and)
    }

    /// Those of the host as a whole, which are taken out.
    fn take_host(&mut self) -> Size {
        let of_host = catalog::host().filter_map(|metric| self.0.remove(metric.measurement));
        of_host.fold(Size::default(), Size::and)
    }
}

/// A shipment for so many containers in another schema than the native one. What is there without any container is there
/// once.
fn size_in(schema: Schema, batch: &Batch, tagging: &Tagging, containers: u32) -> Size {
    let of = |batch: &Batch| Lines::of(batch, tagging, schema).total();
    let without = of(&Batch {
        subjects: Vec::new(),
        ..batch.clone()
    });
    let with_one = of(batch);
    let times = |with_one: u64, without: u64| {
        without + u64::from(containers) * with_one.saturating_sub(without)
    };
    Size {
        lines: times(with_one.lines, without.lines),
        bytes: times(with_one.bytes, without.bytes),
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
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        config::fixture::resolved,
        encode::fixture::{container, subject_of, tick_of},
        metrics::{Histogram, Metric, Sample, Subject, Value, catalog::Families, network},
    };

    fn estimate(text: &str, containers: u32) -> Estimate {
        let resolved = resolved(text);
        let tagging = Tagging::of(&resolved).unwrap();
        Estimate::of(&resolved.config, &tagging, containers)
    }

    #[test]
    fn every_entry_has_a_line_per_measurement_and_shipment() {
        let text = "[families.preemption]\nenabled = true\n[sinks.stdout]\ninterval = \"5s\"";
        let estimate = estimate(text, 99);
        let measurements: BTreeSet<&str> = catalog::container().map(|it| it.measurement).collect();
        assert!(
            estimate.measurements.iter().eq(&measurements),
            "{estimate:?}"
        );
        // Of the network one for each of three peers, and one for what has none; one for each of eight who take the CPU.
        let series = 100 * (measurements.len() as u64 + 3 + 7);
        assert_eq!(estimate.series, series);
        let sink = &estimate.sinks[0];
        let lines = (series + estimate.host_series + estimate.own_series) as f64 / 5.0;
        assert!((sink.lines_per_second - lines).abs() < 1e-9, "{sink:?}");
    }

    /// A container that has been up for so many minutes and used so many seconds of CPU.
    fn ran(name: &str, image: &str, minutes: u64, cpu_s: u64, throttled: bool) -> Subject {
        let mut container = container(7, name);
        container.image = Some(image.to_owned());
        let turns = cpu_s * 801 + minutes * 63;
        let if_throttled = |value| if throttled { value } else { 0 };
        let rate = cpu_s as f64 / minutes as f64;
        let histogram = |observed: u64| {
            let mut left = observed;
            let buckets = std::array::from_fn(|_| {
                let here = left.div_ceil(2);
                left -= here;
                here
            });
            Value::Histogram(Box::new(Histogram { buckets, sum_ns: 0 }))
        };
        let (reads, writes) = (minutes * 3 + 210, minutes * 21);
        let value = |metric: &Metric| {
            Some(Value::Integer(match metric.field {
                "usage_ns" => cpu_s * 1_000_000_007,
                "user_ns" => cpu_s * 700_000_001,
                "system_ns" => cpu_s * 300_000_006,
                "periods" => if_throttled(minutes * 600),
                "throttled_periods" => if_throttled(cpu_s * 3),
                "throttled_ns" => if_throttled(cpu_s * 90_000_011),
                "quota_us" | "limit_bytes" | "swap_limit_bytes" if !throttled => return None,
                "quota_us" => 150_000,
                "period_us" => 100_000,
                "runq_wait_ns" => turns * 20_011,
                "voluntary_switches" => turns / 10 * 9,
                "involuntary_switches" | "migrations" => turns / 10,
                "forks" | "execs" | "exits" => minutes * 2,
                "rx_bytes" | "tx_bytes" => turns * 1_009,
                "rx_packets" | "tx_packets" => turns / 2,
                "unowned_rx_bytes" | "unowned_tx_bytes" => minutes * 56,
                "unowned_rx_packets" | "unowned_tx_packets" => minutes,
                "tcp_retransmits" | "tcp_failures" => turns / 5_000,
                "tcp_connects" | "tcp_accepts" => turns / 70,
                "usage_cpus" => return Some(Value::Float(rate / 61.0)),
                "runq_waiting" => return Some(Value::Float(rate / 7_001.0)),
                "runq_wait" => return Some(histogram(turns)),
                "read_bytes" => reads * 40_960,
                "write_bytes" => writes * 12_288,
                "reads" => reads,
                "writes" => writes,
                "flushes" => writes / 5,
                "read_ns" => reads * 320_007,
                "write_ns" => writes * 1_200_011,
                "flush_ns" => writes * 90_001,
                "read_device_ns" => reads * 290_003,
                "write_device_ns" => writes * 700_001,
                "read_latency" | "read_device_latency" => return Some(histogram(reads)),
                "write_latency" | "write_device_latency" => return Some(histogram(writes)),
                // The shipper adds the first, few containers have the others.
                "usage_cpus_max" | "high_bytes" | "irq_full_ns" => return None,
                "discard_bytes" | "discards" | "sock_bytes" | "swap_bytes" | "oom_events"
                | "pids_refused" | "high_events" => 0,
                field if field.ends_with("_bytes") => 9_000_011 + cpu_s * 1_009,
                "pgfault" => turns * 7,
                "pgmajfault" | "refaults" => cpu_s / 3,
                "max_events" => if_throttled(cpu_s),
                field if field.ends_with("_some_ns") || field.ends_with("_full_ns") => {
                    cpu_s * 3_000_000 + 45_000
                }
                "pids" | "pids_peak" => 17 + minutes % 90,
                "pids_limit" => 4_096,
                "inodes" | "inodes_free" => 16_449_536 - cpu_s,
                "oom_kills" => 0,
                other => panic!("no usual value for {other}"),
            }))
        };
        let usual = catalog::container().filter(|metric| Families::DEFAULT.cover(metric));
        let samples = usual.filter_map(|metric| {
            let sample = Sample {
                value: value(metric)?,
                ..usual::sample(metric)
            };
            Some(if network::is_by_peer(metric) {
                network::by_peer(&sample).collect()
            } else {
                vec![sample]
            })
        });
        subject_of(container, samples.flatten().collect())
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
            let lines = Lines::of(&tick_of(1, vec![subject]), &tagging, Schema::Native);
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
        let lines = plain.series / 2;
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
            "With 50 containers and the host: {} series ({}); {} of the host as a whole, {} of the agent's own.",
            estimate.series,
            estimate.measurements.join(", "),
            estimate.host_series,
            estimate.own_series,
        );
        assert_eq!(lines.next(), Some(first.as_str()));
        let sink = lines.next().expect("a sink");
        let all = estimate.series + estimate.host_series + estimate.own_series;
        let start = format!("Sink stdout: {:.1} lines/s, ", all as f64 / 10.0);
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

    #[test]
    fn each_schema_is_reckoned_by_its_own_lines() {
        let lines = |schema: &str, containers| -> Vec<f64> {
            let text = format!(
                "[sinks.influxdb]\nurl = \"http://a:1\"\nhost_database = \"nodes\"\ninterval = \"1s\"\nschema = \"{schema}\""
            );
            let sinks = estimate(&text, containers).sinks.into_iter();
            sinks.map(|it| it.lines_per_second).collect()
        };
        let native = lines("native", 9);
        for (schema, a_container, once) in [("telegraf", 5.0, 1.0), ("cadvisor", 29.0, 33.0)] {
            let [main, host] = lines(schema, 9)[..] else {
                panic!("a sink and its host's");
            };
            assert!((host - native[1]).abs() < 1e-9, "the host is native");
            assert!(
                (main - 9.0 * a_container - once).abs() < 1e-9,
                "{schema}: {main}"
            );
        }
        assert!(
            estimate("[sinks.stdout]\nschema = \"influxdb08\"", 9).sinks[0].lines_per_second > 1.0
        );
    }

    #[test]
    fn the_host_as_a_whole_is_reckoned_where_it_is_written() {
        let lines = |text: &str| -> Vec<(String, String)> {
            let sinks = estimate(text, 9).sinks.into_iter();
            sinks
                .map(|it| (it.name, format!("{:.0}", it.lines_per_second * 10.0)))
                .collect()
        };
        let sink = "[sinks.influxdb]\nurl = \"http://a:1\"\n";
        let of = |name: &str, lines: u64| (name.to_owned(), lines.to_string());
        let estimated = estimate(sink, 9);
        let (rest, host) = (
            estimated.series + estimated.own_series,
            estimated.host_series,
        );
        assert!(host > 0);
        assert_eq!(lines(sink), [of("influxdb", rest + host)]);
        assert_eq!(
            lines(&format!("{sink}host_database = \"nodemetrics\"")),
            [of("influxdb", rest), of("influxdb.host", host)]
        );
        let without =
            format!("{sink}host_database = \"nodemetrics\"\n[families.host]\nenabled = false");
        assert_eq!(lines(&without), [of("influxdb", rest)]);
    }
}
