//! What is measured on a usual host, as far as its size matters. Pure.

use std::{sync::Arc, time::Duration};

use agent_ebpf::histogram::BUCKETS;

use crate::{
    config::Config,
    container::{CgroupId, Container, Runtime},
    metrics::{
        Batch, Histogram, Metric, Sample, Subject, Value,
        catalog::{self, Family, Kind, Resolution, Unit},
        network, preemption,
    },
    snapshot::Timestamp,
};

/// Length of a container's name, an image, a label's value: what Compose and registries make of ordinary names.
const NAME_LENGTH: usize = 20;

/// What the host as a whole usually has, one series each: a few disks, interfaces and filesystems.
const DEVICES: [(&str, &[&str]); 3] = [
    ("host_disk", &["sda", "dm-0"]),
    ("host_net", &["lo", "eth0", "docker0"]),
    ("host_fs", &["/", "/boot"]),
];

/// One container with every metric, and what the agent says of itself.
pub(super) fn batch(config: &Config) -> Batch {
    let name = || "x".repeat(NAME_LENGTH);
    let labels = config.labels.allow.iter();
    let container = Container {
        name: name(),
        id: Some("0".repeat(64)),
        pid: Some(123_456),
        image: Some(name()),
        runtime: Runtime::Docker,
        labels: labels.map(|label| (label.clone(), name())).collect(),
        ..Container::host(CgroupId(1))
    };
    let families = config.collect.families;
    let samples = catalog::container()
        // The shipper adds it.
        .filter(|metric| **metric != catalog::CPU_RATE_MAX)
        .filter(|metric| families.cover(metric))
        .flat_map(|metric| {
            let sample = sample(metric);
            if network::is_by_peer(metric) {
                network::by_peer(&sample).collect()
            } else if preemption::is_by_taker(metric) {
                let by = |at| sample.clone().labelled("by", format!("{}{at}", name()));
                (0..preemption::MOST_LINES).map(by).collect()
            } else {
                vec![sample]
            }
        });
    Batch {
        taken: Timestamp {
            boot_ns: 0,
            wall_ns: 1_790_000_000_000_000_000,
        },
        interval: Duration::from_secs(1),
        subjects: vec![Subject::new(Arc::new(container), true, samples.collect())],
        host: if families.has(Family::Host) {
            host_samples()
        } else {
            Vec::new()
        },
        agent: own_samples(config),
        oom_kills: Vec::new(),
        other: None,
    }
}

/// One sample of each metric of the host as a whole, and of devices as many as there usually are.
fn host_samples() -> Vec<Sample> {
    let metrics: Vec<&'static Metric> = catalog::host().collect();
    let mut samples = Vec::new();
    for of_one in metrics.chunk_by(|one, other| one.measurement == other.measurement) {
        let of_one = || of_one.iter().map(|metric| sample(metric));
        let measurement = of_one().next().map(|it| it.metric.measurement);
        match DEVICES.iter().find(|(of, _)| Some(*of) == measurement) {
            None => samples.extend(of_one()),
            Some((_, names)) => samples.extend(
                names
                    .iter()
                    .flat_map(|name| of_one().map(|it| it.labelled("device", *name))),
            ),
        }
    }
    samples
}

/// Totals of a container that has run for some days.
pub(super) fn sample(metric: &'static Metric) -> Sample {
    let value = match (metric.kind, metric.unit) {
        (Kind::Histogram, _) => {
            let mut buckets = [0; BUCKETS];
            buckets[0] = 1_234_567;
            Value::Histogram(Box::new(Histogram { buckets, sum_ns: 0 }))
        }
        (_, Unit::Nanoseconds) => Value::Integer(1_234_567_890_123),
        (_, Unit::Bytes) => Value::Integer(123_456_789),
        (_, Unit::Count | Unit::Microseconds) => Value::Integer(123_456),
        // A quotient, so with all the digits that a float has.
        (_, Unit::Cpus | Unit::Ratio | Unit::Seconds) => Value::Float(1.0 / 60.0),
    };
    let sample = Sample::new(metric, value);
    match metric.measurement {
        // Most use one disk.
        "container_io" => sample.labelled("device", "sda"),
        _ => sample,
    }
}

/// One point of what has no label, and one for each kind of entry, loss and sink.
fn own_samples(config: &Config) -> Vec<Sample> {
    let mut samples = Vec::new();
    let often = catalog::agent().filter(|it| it.resolution != Resolution::Hourly);
    // A sink that loses nothing has no points of that.
    let often = often.filter(|it| **it != catalog::SINK_LOST);
    for metric in often {
        let sample = sample(metric);
        if *metric == catalog::AGENT_ENTRIES {
            let kinds = ["container", "unit", "cgroup"].into_iter();
            samples.extend(kinds.map(|kind| sample.clone().labelled("kind", kind)));
        } else if *metric == catalog::AGENT_LOSSES {
            let reasons = catalog::LOSS_REASONS.into_iter();
            samples.extend(reasons.map(|reason| sample.clone().labelled("reason", reason)));
        } else if metric.prometheus.starts_with("cgflux_sink_") {
            let sinks = config.sinks.iter();
            samples.extend(sinks.map(|sink| sample.clone().labelled("sink", sink.name.clone())));
        } else {
            samples.push(sample);
        }
    }
    samples
}
