//! Story test of sums: with a sample of each kind nothing is lost or doubled, whatever series an entry is in.

use std::{sync::Arc, time::Duration};

use agent_ebpf::histogram::BUCKETS;

use super::{Shipment, Shipper};
use crate::{
    container::{CgroupId, Container, Rule, Runtime, Selection},
    encode::fixture::alive_or_not,
    metrics::{
        Batch, Histogram, Other, Sample, Subject, Value,
        catalog::{self, Families},
    },
    snapshot::Timestamp,
};

const SECOND_NS: u64 = 1_000_000_000;

/// All that an entry tells: `totals` of each total, `now` of what goes up and down.
fn samples(totals: u64, now: u64) -> Vec<Sample> {
    let integer = |metric, value| Sample::new(metric, Value::Integer(value));
    let histogram = |metric| {
        let mut buckets = [0; BUCKETS];
        (buckets[2], buckets[5]) = (totals, 3 * totals);
        let sum_ns = 1_000 * totals;
        Sample::new(
            metric,
            Value::Histogram(Box::new(Histogram { buckets, sum_ns })),
        )
    };
    let read = |device| integer(&catalog::READ_BYTES, 512 * totals).labelled("device", device);
    let received = |peer| integer(&catalog::NET_RX_BYTES, 60 * totals).labelled("peer", peer);
    #[expect(clippy::cast_precision_loss, reason = "the numbers are small")]
    let cpus = now as f64 / 4.0;
    vec![
        integer(&catalog::CPU_USAGE, totals),
        Sample::new(&catalog::CPU_RATE, Value::Float(cpus)),
        histogram(&catalog::RUNQ_WAITS),
        read("vda"),
        histogram(&catalog::READ_LATENCY).labelled("device", "vda"),
        read("vdb"),
        received("host"),
        received("outside"),
        integer(&catalog::MEMORY_USAGE, 4096 * now),
        integer(&catalog::PIDS, now),
        integer(&catalog::MEMORY_LIMIT, 1 << 30),
    ]
}

/// What does not add up over entries: a limit is nobody else's.
fn is_limit(sample: &Sample) -> bool {
    *sample.metric == catalog::MEMORY_LIMIT
}

/// An entry for each way to be published, by the power of two that all it tells is a multiple of.
fn entries() -> Vec<(Arc<Container>, u64)> {
    let rules = Selection {
        exclude: vec![Rule::parse("job*").unwrap()],
        ..Selection::default()
    };
    [
        (Runtime::Host, "_host", 1),
        (Runtime::Systemd, "ssh.service", 2),
        (Runtime::Cgroup, "/misc", 4),
        (Runtime::Docker, "web", 8),
        (Runtime::Docker, "job-1", 16),
        (Runtime::Docker, "job-2", 32),
    ]
    .into_iter()
    .map(|(runtime, name, weight)| {
        let mut container = Container {
            runtime,
            name: name.to_owned(),
            ..Container::host(CgroupId(weight))
        };
        container.share = rules.share(&container, name);
        (Arc::new(container), weight)
    })
    .collect()
}

fn tick(second: u64, subjects: Vec<Subject>) -> Batch {
    Batch {
        taken: Timestamp {
            boot_ns: second * SECOND_NS,
            wall_ns: i64::try_from(second * SECOND_NS).unwrap(),
        },
        interval: Duration::from_secs(1),
        subjects,
        host: Vec::new(),
        agent: Vec::new(),
        oom_kills: Vec::new(),
        other: None,
    }
}

/// What a point tells, in the order of [`samples`].
fn told(shipment: &Shipment<'_>, name: &str) -> Vec<Sample> {
    let mut points = shipment.points.iter();
    let point = points.find(|it| it.subject.container.name == name);
    let told = point
        .unwrap_or_else(|| panic!("no {name}"))
        .subject
        .samples();
    let mut told: Vec<Sample> = told.iter().cloned().collect();
    let order = samples(1, 1);
    let place = |it: &Sample| {
        let same =
            |other: &Sample| std::ptr::eq(other.metric, it.metric) && other.labels == it.labels;
        order.iter().position(same)
    };
    told.sort_by_key(place);
    told
}

fn without_limit(totals: u64, now: u64) -> Vec<Sample> {
    let mut samples = samples(totals, now);
    samples.retain(|sample| !is_limit(sample));
    samples
}

#[test]
fn of_every_kind_of_sample_all_series_together_are_what_the_entries_told() {
    let (mut shipper, mut other) = (Shipper::new(Duration::from_secs(10)), Other::default());
    let entries = entries();
    // Totals grow with time; the last job ends in the midst of it.
    let at = |second: u64| {
        let living = entries
            .iter()
            .filter(|(_, weight)| second <= 5 || *weight < 32);
        let subjects = living.map(|(container, weight)| {
            let samples = samples(weight * (1 + second), *weight);
            let subject = Subject::new(Arc::clone(container), true, samples);
            alive_or_not(second < 5 || *weight < 32, subject)
        });
        tick(second, subjects.collect())
    };
    let mut shipped = 0;
    for second in 0..=20 {
        let mut batch = at(second);
        other.fold(&mut batch, Families::ALL);
        let Some(shipment) = shipper.fold(&batch).filter(|it| it.complete) else {
            continue;
        };
        shipped += 1;
        let grown = 1 + second;
        // What the ended job used stays in the sum; what it held does not.
        let (of_jobs, jobs_hold) = match second {
            0 => (16 + 32, 16 + 32),
            _ => (16 * grown + 32 * 6, 16),
        };
        assert_eq!(told(&shipment, "web"), samples(8 * grown, 8));
        // Of limits the host has its own.
        assert_eq!(told(&shipment, "_host"), samples(7 * grown, 7));
        assert_eq!(told(&shipment, "_other"), without_limit(of_jobs, jobs_hold));
        assert_eq!(shipment.points.len(), 3);
    }
    assert_eq!(shipped, 3);
}
