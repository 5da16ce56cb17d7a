//! What a line costs: the agent's encoder against the builder of `influxdb-line-protocol`, on the same values.
//!
//! `cargo run --release --example bench_encode`. Pairs of runs, one of each at a time; medians, and the middle half of
//! the ratios.
#![expect(clippy::print_stdout, reason = "it prints a table")]

#[path = "shared/containers.rs"]
mod containers;
#[path = "shared/spread.rs"]
mod spread;

use std::{
    collections::BTreeMap,
    hint::black_box,
    time::{Duration, Instant},
};

use agent_ebpf::histogram::bucket_bound_ns;
use cgflux::{
    encode::{LineEncoder, Tagging},
    metrics::{Batch, Sample, Value},
    shipment::Shipper,
};
use influxdb_line_protocol::LineProtocolBuilder;

use spread::spread;

const CONTAINERS: u64 = 200;
const PAIRS: usize = 31;
const LINES_PER_CONTAINER: u64 = 2;

fn main() -> anyhow::Result<()> {
    for (title, with_histogram) in [("without buckets", false), ("with 24 buckets", true)] {
        let batch = containers::batch(CONTAINERS, 1, 1_700_000_000_000_000_000, with_histogram);
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
    let every = |value: fn(&(f64, f64)) -> f64| pairs.iter().map(value).collect();
    println!(
        "{title}: us a line, own encoder {}, builder {}, ratio {}, {} pairs",
        spread(every(|pair| pair.0), 2),
        spread(every(|pair| pair.1), 2),
        spread(every(|pair| pair.1 / pair.0), 1),
        pairs.len(),
    );
}

fn us_per_line(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1e6 / (CONTAINERS * LINES_PER_CONTAINER) as f64
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
