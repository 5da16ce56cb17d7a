//! Shipments → line protocol, in the native schema.
//!
//! Few, wide measurements: one line per container and measurement, totals as `i` fields named by the catalog.
//! `container_info` describes a container in string fields, `container_event` marks its start, its exit and kills in it,
//! `host_*` are the host as a whole, `agent_self` is the agent's own. A histogram becomes cumulative bucket fields and a
//! count; its sum is a metric of its own.

use agent_ebpf::histogram::bucket_bound_ns;

use super::{
    Payload, Tagging,
    known::Known,
    line::{Line, Page},
};
use crate::{
    container::{Exit, Kind},
    metrics::{Sample, Value, catalog},
    shipment::{Description, Event, EventKind, Point, Shipment},
};

/// Encodes the shipments of one sink.
#[derive(Debug)]
pub struct LineEncoder {
    tagging: Tagging,
    known: Known,
    page: Page,
}

impl LineEncoder {
    /// An encoder that puts the tags of `tagging` on every point.
    pub fn new(tagging: Tagging) -> Self {
        Self {
            tagging,
            known: Known::default(),
            page: Page::default(),
        }
    }

    /// The lines of a shipment.
    pub fn encode(&mut self, shipment: &Shipment<'_>) -> Vec<Payload> {
        for description in &shipment.descriptions {
            self.description(description);
        }
        for event in &shipment.events {
            self.event(event);
        }
        for point in &shipment.points {
            self.point(point);
        }
        self.host(shipment);
        self.agent(shipment);
        self.known.shipped(shipment);
        self.page.finish()
    }

    fn description(&mut self, description: &Description<'_>) {
        let container = description.container;
        let tags = self.tagging.of_container(container, []);
        let mut line = self.page.line("container_info", &tags);
        line.string("cgroup", &container.path);
        line.integer("cgroup_id", container.cgroup.0);
        if let Some(id) = container.short_id() {
            line.string("id", id);
        }
        if let Some(image) = &container.image {
            line.string("image_ref", image);
        }
        line.string("kind", kind_word(container.kind()));
        line.end(description.wall_ns);
    }

    fn event(&mut self, event: &Event<'_>) {
        let container = event.container;
        let word = match event.kind {
            EventKind::Start => "start",
            EventKind::Exit { .. } => "exit",
            EventKind::Oom(_) => "oom",
        };
        let tags = self.tagging.of_container(container, [("event", word)]);
        let mut line = self.page.line("container_event", &tags);
        line.integer("cgroup_id", container.cgroup.0);
        if let Some(id) = container.short_id() {
            line.string("id", id);
        }
        match event.kind {
            EventKind::Start => {}
            EventKind::Exit { usage_ns, exit } => fill_exit(&mut line, usage_ns, exit),
            EventKind::Oom(kill) => {
                line.string("comm", &kill.comm);
                line.integer("pid", u64::from(kill.pid));
            }
        }
        line.end(event.wall_ns);
    }

    fn point(&mut self, point: &Point<'_>) {
        let container = &point.subject.container;
        let its_samples = point.subject.samples();
        let texts = self
            .known
            .of(container, || self.tagging.of_container(container, []));
        let samples = || its_samples.iter().chain(&point.peak);
        each_line(samples, |first| {
            let with_labels;
            let tags = if first.labels.is_empty() {
                texts.plain()
            } else {
                with_labels = self.tagging.of_container(container, labels(first));
                &with_labels
            };
            let line = self.page.line(first.metric.measurement, tags);
            fill(line, samples(), first, point.wall_ns);
        });
        if point.last {
            self.known.forget(container.cgroup);
        }
    }

    /// A storage server has hundreds of disks, so its samples are not searched: those of one line stand together.
    fn host(&mut self, shipment: &Shipment<'_>) {
        for samples in shipment.host.chunk_by(share_line) {
            let Some(first) = samples.first() else {
                continue;
            };
            let tags = self.tagging.of_no_container(labels(first));
            let line = self.page.line(first.metric.measurement, &tags);
            fill(line, samples.iter(), first, shipment.wall_ns);
        }
    }

    fn agent(&mut self, shipment: &Shipment<'_>) {
        let samples = || shipment.agent.iter();
        each_line(samples, |first| {
            let tags = self.tagging.of_no_container(labels(first));
            let line = self.page.line(first.metric.measurement, &tags);
            fill(line, samples(), first, shipment.wall_ns);
        });
    }
}

/// Calls `write` once per line that the samples make, with the first sample of each line.
fn each_line<'a, I>(samples: impl Fn() -> I, mut write: impl FnMut(&'a Sample))
where
    I: Iterator<Item = &'a Sample>,
{
    let mut written: Vec<&Sample> = Vec::with_capacity(4);
    for sample in samples() {
        if !written.iter().any(|first| share_line(first, sample)) {
            written.push(sample);
            write(sample);
        }
    }
}

fn share_line(one: &Sample, other: &Sample) -> bool {
    one.metric.measurement == other.metric.measurement && one.labels == other.labels
}

fn labels(sample: &Sample) -> impl Iterator<Item = (&str, &str)> {
    let labels = sample.labels.iter();
    labels.map(|(key, value)| (*key, value.as_ref()))
}

/// Writes all samples that share the line of `first`, and ends it.
fn fill<'a>(
    mut line: Line<'_>,
    samples: impl Iterator<Item = &'a Sample>,
    first: &Sample,
    wall_ns: i64,
) {
    for sample in samples.filter(|sample| share_line(first, sample)) {
        let key = sample.metric.field;
        match &sample.value {
            Value::Integer(value) => line.integer(key, *value),
            Value::Float(value) => line.float(key, *value),
            Value::Histogram(histogram) => {
                let mut count = 0_u64;
                for (index, bucket) in histogram.buckets.iter().enumerate() {
                    count = count.saturating_add(*bucket);
                    match bucket_bound_ns(index) {
                        Some(bound_ns) => line.bucket(key, bound_ns, count),
                        None => line.count(key, count),
                    }
                }
            }
        }
    }
    line.end(wall_ns);
}

/// What is known of a container's end.
fn fill_exit(line: &mut Line<'_>, usage_ns: Option<u64>, exit: Exit) {
    let Exit { code, signal, oom } = exit;
    if let Some(code) = code {
        line.signed("exit_code", code);
    }
    if let Some(oom) = oom {
        line.boolean("oom", oom);
    }
    if let Some(signal) = signal {
        line.signed("signal", signal);
    }
    if let Some(usage_ns) = usage_ns {
        line.integer(catalog::CPU_USAGE.field, usage_ns);
    }
}

fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Container => "container",
        Kind::Unit => "unit",
        Kind::Cgroup => "cgroup",
        Kind::Other => "other",
        Kind::Host => "host",
    }
}
