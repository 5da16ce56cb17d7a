//! What a line costs: the agent's encoder against the builder of `influxdb-line-protocol`, on the same values.
//!
//! `cargo run --release --example bench_encode`. Pairs of runs, one of each at a time; medians, and the middle half of
//! the ratios.
#![expect(clippy::print_stdout, reason = "it prints a table")]

use std::{collections::BTreeMap, hint::black_box, sync::Arc, time::Duration, time::Instant};

use agent_ebpf::histogram::{BUCKETS, bucket_bound_ns};
use cgflux::{
    container::{CgroupId, Container, Runtime},
    encode::{LineEncoder, Tagging},
    metrics::{Batch, Histogram, Sample, Subject, Value, catalog},
    shipment::Shipper,
    snapshot::Timestamp,
};
use influxdb_line_protocol::LineProtocolBuilder;

const CONTAINERS: u64 = 200;
const PAIRS: usize = 31;
const LINES_PER_CONTAINER: u64 = 2;

fn main() -> anyhow::Result<()> {
    for (title, with_histogram) in [("without buckets", false), ("with 24 buckets", true)] {
        let batch = batch(with_histogram);
        let tagging = Tagging::new("bench", &BTreeMap::new(), &[])?;
        let mut encoder = LineEncoder::new(tagging);
        let mut shipper = Shipper::new(Duration::ZERO);
        let mut pairs = Vec::with_capacity(PAIRS);
        for _ in 0..=PAIRS {
            let shipment = shipper.fold(&batch);
            let started = Instant::now();
            let ours: usize = shipment
                .iter()
                .flat_map(|shipment| encoder.encode(shipment))
                .map(|payload| payload.lines().len())
                .sum();
            let ours_us = us_per_line(started);
            let started = Instant::now();
            let theirs = black_box(with_builder(&batch)).len();
            pairs.push((ours_us, us_per_line(started)));
            black_box((ours, theirs));
        }
        // The first round escapes the tags and describes each container.
        pairs.remove(0);
        report(title, &pairs);
    }
    Ok(())
}

fn report(title: &str, pairs: &[(f64, f64)]) {
    let sorted = |value: fn(&(f64, f64)) -> f64| {
        let mut values: Vec<f64> = pairs.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let (ours, theirs) = (sorted(|pair| pair.0), sorted(|pair| pair.1));
    let ratios = sorted(|pair| pair.1 / pair.0);
    let at = |values: &[f64], quarter: usize| values[values.len() * quarter / 4];
    println!(
        "{title}: own encoder {:.2} us a line, builder {:.2} us, ratio {:.1} [{:.1} to {:.1}], {} pairs",
        at(&ours, 2),
        at(&theirs, 2),
        at(&ratios, 2),
        at(&ratios, 1),
        at(&ratios, 3),
        pairs.len(),
    );
}

fn us_per_line(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1e6 / (CONTAINERS * LINES_PER_CONTAINER) as f64
}

fn batch(with_histogram: bool) -> Batch {
    let subjects = (0..CONTAINERS).map(|index| {
        let container = Container {
            runtime: Runtime::Docker,
            name: format!("shop-web-{index}"),
            image: Some("registry:5000/shop/web:1.2".to_owned()),
            ..Container::host(CgroupId(index + 2))
        };
        Subject::new(Arc::new(container), true, samples(index, with_histogram))
    });
    Batch {
        taken: Timestamp {
            boot_ns: 1,
            wall_ns: 1_700_000_000_000_000_000,
        },
        interval: Duration::from_secs(1),
        subjects: subjects.collect(),
        host: Vec::new(),
        agent: Vec::new(),
        oom_kills: Vec::new(),
        other: None,
    }
}

fn samples(index: u64, with_histogram: bool) -> Vec<Sample> {
    let metrics = catalog::container();
    let sample = |metric: &'static catalog::Metric| {
        let value = match (metric.kind, metric.unit) {
            (catalog::Kind::Histogram, _) => Value::Histogram(Box::new(Histogram {
                buckets: [index * 1_000_003; BUCKETS],
                sum_ns: 0,
            })),
            (_, catalog::Unit::Cpus | catalog::Unit::Ratio) => {
                Value::Float(0.123_456_789 * (index + 1) as f64)
            }
            _ => Value::Integer(index * 1_234_567_890_123),
        };
        Sample::new(metric, value)
    };
    metrics
        .filter(|metric| with_histogram || metric.kind != catalog::Kind::Histogram)
        .map(sample)
        .collect()
}

/// The same tags and fields through the builder of the crate.
fn with_builder(batch: &Batch) -> Vec<u8> {
    let mut builder = LineProtocolBuilder::new();
    for subject in &batch.subjects {
        let samples = subject.samples();
        for measurement in ["container_cpu", "container_sched"] {
            let mut samples = samples
                .iter()
                .filter(|sample| sample.metric.measurement == measurement);
            let mut line = builder
                .measurement(measurement)
                .tag("container", &subject.container.name)
                .tag("host", "bench")
                .tag("image", "registry:5000/shop/web")
                .tag("runtime", subject.container.runtime.as_str())
                .field("first", integer(samples.next()));
            for sample in samples {
                let key = sample.metric.field;
                match &sample.value {
                    Value::Integer(value) => line = line.field(key, value.cast_signed()),
                    Value::Float(value) => line = line.field(key, *value),
                    Value::Histogram(histogram) => {
                        for (index, count) in histogram.buckets.iter().enumerate() {
                            let key = match bucket_bound_ns(index) {
                                Some(bound_ns) => format!("{key}_le_{bound_ns}ns"),
                                None => format!("{key}_count"),
                            };
                            line = line.field(&key, count.cast_signed());
                        }
                    }
                }
            }
            builder = line.timestamp(batch.taken.wall_ns).close_line();
        }
    }
    builder.build()
}

fn integer(sample: Option<&Sample>) -> i64 {
    match sample.map(|sample| &sample.value) {
        Some(Value::Integer(value)) => value.cast_signed(),
        _ => 0,
    }
}
