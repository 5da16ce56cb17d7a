//! What the agent would ship of many containers, all of them busy.

use std::{sync::Arc, time::Duration};

use agent_ebpf::histogram::BUCKETS;
use cgflux::{
    container::{CgroupId, Container, Runtime},
    metrics::{Batch, Histogram, Sample, Subject, Value, catalog},
    snapshot::Timestamp,
};

/// So many containers after `tick` seconds of counting. No two values are the same but for the buckets of one histogram,
/// which compresses worse than what containers at rest have.
pub(crate) fn batch(containers: u64, tick: u64, wall_ns: i64, with_histograms: bool) -> Batch {
    let subjects = (0..containers).map(|index| {
        let container = Container {
            runtime: Runtime::Docker,
            name: format!("shop-web-{index}"),
            image: Some("registry:5000/shop/web:1.2".to_owned()),
            ..Container::host(CgroupId(index + 2))
        };
        let samples = samples(index, tick, with_histograms);
        Subject::new(Arc::new(container), true, samples)
    });
    Batch {
        taken: Timestamp {
            boot_ns: tick * 1_000_000_000,
            wall_ns,
        },
        interval: Duration::from_secs(1),
        subjects: subjects.collect(),
        host: Vec::new(),
        agent: Vec::new(),
        oom_kills: Vec::new(),
        other: None,
    }
}

fn samples(index: u64, tick: u64, with_histograms: bool) -> Vec<Sample> {
    let metrics = catalog::container();
    let sample = |(at, metric): (usize, &'static catalog::Metric)| {
        let busy = noise(index, tick, at as u64);
        let total = index * 1_234_567_890 + tick * 1_000_000 + busy;
        let value = match (metric.kind, metric.unit) {
            (catalog::Kind::Histogram, _) => Value::Histogram(Box::new(Histogram {
                buckets: [total % 1_000_003; BUCKETS],
                sum_ns: 0,
            })),
            (_, catalog::Unit::Cpus | catalog::Unit::Ratio) => {
                Value::Float(busy as f64 / 1_000_000.0)
            }
            _ => Value::Integer(total),
        };
        Sample::new(metric, value)
    };
    metrics
        .filter(|metric| with_histograms || metric.kind != catalog::Kind::Histogram)
        .enumerate()
        .map(sample)
        .collect()
}

/// Below a million, and without a pattern that compression would find (the mixing step of `SplitMix64`).
fn noise(index: u64, tick: u64, at: u64) -> u64 {
    let mut mixed = (index << 40 | tick << 16 | at).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ (mixed >> 31)) % 1_000_000
}
