//! Small batches for the tests of whatever renders them.

use std::{sync::Arc, time::Duration};

use agent_ebpf::histogram::BUCKETS;

use crate::{
    container::{CgroupId, Container, Runtime},
    metrics::{
        Batch, Histogram, Sample, Subject, Value,
        catalog::{self, Kind, Unit},
    },
    snapshot::{Entry, Span, Timestamp, Totals},
};

/// Names somebody may give a container or a cgroup to break what shows them.
pub(crate) const HOSTILE: &[&str] = &[
    "<img src=x onerror=\"document.title='pwned'\">",
    "</script><script>document.title='pwned'</script>",
    "a\"} 1\ncgflux_fake_total 1",
    "back\\slash\\",
    "new\nline\r\n",
    "tab\tnull\0bell\u{7}",
    "comma,equals=space {brace}",
    "\u{202e}desrever\u{200b}",
    "größer 容器 🦀",
    "'; DROP TABLE containers; --",
    " ",
];

/// A Docker container whose id is `cgroup` in 64 hexadecimal digits.
pub(crate) fn container(cgroup: u64, name: &str) -> Container {
    let id = format!("{cgroup:064x}");
    Container {
        cgroup: CgroupId(cgroup),
        path: format!("/docker/{id}"),
        runtime: Runtime::Docker,
        id: Some(id),
        name: name.to_owned(),
        ..Container::host(CgroupId(cgroup))
    }
}

/// A live entry.
pub(crate) fn subject_of(container: Container, samples: Vec<Sample>) -> Subject {
    Subject::new(Arc::new(container), true, samples)
}

/// A live entry of which this was counted, without rates.
pub(crate) fn counted(container: Container, totals: Totals) -> Subject {
    let entry = Entry {
        cgroup: container.cgroup,
        alive: true,
        totals,
    };
    Subject::of(Arc::new(container), Span::without_rates(entry))
}

/// The same, alive or with its last word.
pub(crate) fn alive_or_not(alive: bool, mut subject: Subject) -> Subject {
    subject.alive = alive;
    subject
}

/// The two values the history keeps.
pub(crate) fn rates(cpus: f64, waiting: f64) -> Vec<Sample> {
    vec![
        Sample::new(&catalog::CPU_RATE, Value::Float(cpus)),
        Sample::new(&catalog::RUNQ_WAIT_RATE, Value::Float(waiting)),
    ]
}

/// One sample of each metric of the catalog.
pub(crate) fn every_sample() -> Vec<Sample> {
    let value = |kind, unit| match (kind, unit) {
        (Kind::Histogram, _) => Value::Histogram(Box::new(Histogram {
            buckets: [3; BUCKETS],
            sum_ns: 1_234_567_890,
        })),
        (_, Unit::Cpus | Unit::Ratio) => Value::Float(0.125),
        _ => Value::Integer(1_234_567_890),
    };
    let sample =
        |metric: &'static catalog::Metric| Sample::new(metric, value(metric.kind, metric.unit));
    catalog::container().map(sample).collect()
}

/// The batch of a tick at `seconds` on both clocks.
pub(crate) fn tick_of(seconds: u32, subjects: Vec<Subject>) -> Batch {
    let ns = u64::from(seconds) * 1_000_000_000;
    Batch {
        taken: Timestamp {
            boot_ns: ns,
            wall_ns: i64::from(seconds) * 1_000_000_000,
        },
        interval: Duration::from_secs(1),
        subjects,
        host: Vec::new(),
        agent: Vec::new(),
        oom_kills: Vec::new(),
        other: None,
    }
}
