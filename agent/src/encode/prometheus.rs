//! A batch → Prometheus text, format 0.0.4, in chunks.
//!
//! The format: <https://prometheus.io/docs/instrumenting/exposition_formats/>. Names, HELP and TYPE come from the
//! catalog; values are converted to base units here, integers without a detour through floating point. A metric
//! without a Prometheus name is left out.

use std::{
    collections::HashSet,
    fmt::{self, Write as _},
    sync::Arc,
};

use agent_ebpf::histogram::bucket_bound_ns;

use crate::{
    container::{Container, Share},
    metrics::{
        Batch, Histogram, Metric, Sample, Subject, Value,
        catalog::{Kind, Unit},
    },
};

/// Chunks are ended at the first line past this many bytes.
const CHUNK_BYTES: usize = 32 * 1024;

/// Container labels that become `container_label_<key>`, characters other than letters, digits and `_` replaced.
#[derive(Clone, Debug, Default)]
pub struct AllowedLabels(Vec<(String, String)>);

impl AllowedLabels {
    /// Allows `keys`. Of keys that become the same name the first one stays: a repeated label name would make the
    /// whole answer invalid.
    pub fn new(keys: &[String]) -> Self {
        let mut allowed: Vec<(String, String)> = Vec::new();
        for key in keys {
            let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
            let name = format!(
                "container_label_{}",
                key.chars().map(plain).collect::<String>()
            );
            if allowed.iter().all(|(_, taken)| *taken != name) {
                allowed.push((key.clone(), name));
            }
        }
        Self(allowed)
    }
}

/// The text of one scrape, made piece by piece as it is sent: at 1,000 containers the whole would be some 8 MB.
#[derive(Debug)]
pub struct Exposition {
    /// No two share a label text. Last comes what has none: the samples of the host as a whole and the agent's own.
    rows: Vec<Row>,
    families: Vec<&'static Metric>,
    /// The next line's family and row.
    family: usize,
    row: usize,
}

/// What stands under one label text.
#[derive(Debug)]
struct Row {
    labels: String,
    samples: Vec<Sample>,
}

impl Exposition {
    /// All live entries of `batch`, those that the rules leave out as one, the totals of the `ended` ones, and what host
    /// and agent say of themselves. Of entries with equal labels, as after a restart under the same name, the live one
    /// stays, then the one that comes last.
    pub fn new(
        batch: &Batch,
        ended: impl DoubleEndedIterator<Item = Arc<Subject>>,
        allowed: &AllowedLabels,
    ) -> Self {
        let mut rows = Vec::with_capacity(batch.subjects.len());
        let mut taken = HashSet::new();
        let mut add = |subject: &Subject| {
            let labels = labels(&subject.container, allowed);
            if taken.insert(labels.clone()) {
                let mut samples = subject.samples().into_owned();
                // The gauges of what ended are no longer true.
                samples.retain(|it| subject.alive || it.metric.kind != Kind::Gauge);
                rows.push(Row { labels, samples });
            }
        };
        let stands_alone = |it: &Subject| it.container.share() != Share::Other;
        let live = batch.subjects.iter().filter(|it| it.alive);
        live.filter(|it| stands_alone(it)).for_each(&mut add);
        batch.other.iter().for_each(&mut add);
        for subject in ended.rev().filter(|it| stands_alone(it)) {
            add(&subject);
        }
        rows.push(Row {
            labels: String::new(),
            samples: batch.host.iter().chain(&batch.agent).cloned().collect(),
        });
        Self {
            families: families(&rows),
            rows,
            family: 0,
            row: 0,
        }
    }
}

impl Iterator for Exposition {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut text = String::with_capacity(CHUNK_BYTES + 8 * 1024);
        while let Some(metric) = self.families.get(self.family).copied() {
            if self.row == 0 {
                write_head(&mut text, metric).ok()?;
            }
            if let Some(row) = self.rows.get(self.row) {
                write_samples(&mut text, metric, &row.samples, &row.labels).ok()?;
                self.row += 1;
            } else {
                self.row = 0;
                self.family += 1;
            }
            if text.len() >= CHUNK_BYTES {
                break;
            }
        }
        (!text.is_empty()).then_some(text)
    }
}

/// The metrics of all rows that have a Prometheus name, each name once.
fn families(rows: &[Row]) -> Vec<&'static Metric> {
    let mut families: Vec<&'static Metric> = Vec::new();
    for Sample { metric, .. } in rows.iter().flat_map(|row| &row.samples) {
        let known = |it: &&Metric| it.prometheus == metric.prometheus;
        if !metric.prometheus.is_empty() && !families.iter().any(known) {
            families.push(metric);
        }
    }
    families
}

fn write_head(text: &mut String, metric: &Metric) -> fmt::Result {
    let name = metric.prometheus;
    let kind = match metric.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    let help = metric.help.replace('\\', r"\\").replace('\n', r"\n");
    writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

/// The lines of `metric` among `samples`; `labels` is the entry's label text.
fn write_samples(
    text: &mut String,
    metric: &Metric,
    samples: &[Sample],
    labels: &str,
) -> fmt::Result {
    let name = metric.prometheus;
    for sample in samples.iter().filter(|it| it.metric.prometheus == name) {
        let mut all = labels.to_owned();
        for (key, value) in &sample.labels {
            push_label(&mut all, key, value);
        }
        match &sample.value {
            Value::Histogram(histogram) => write_histogram(text, name, &all, histogram)?,
            value if all.is_empty() => {
                writeln!(text, "{name} {}", Number(value, sample.metric.unit))?;
            }
            value => {
                writeln!(
                    text,
                    "{name}{{{all}}} {}",
                    Number(value, sample.metric.unit)
                )?;
            }
        }
    }
    Ok(())
}

/// Cumulative buckets. Waits are whole nanoseconds and the bounds exclusive, so a wait of exactly a bound is counted
/// one bucket late; nobody can tell.
fn write_histogram(
    text: &mut String,
    name: &str,
    labels: &str,
    histogram: &Histogram,
) -> fmt::Result {
    let comma = if labels.is_empty() { "" } else { "," };
    let mut count = 0;
    for (at, bucket) in histogram.buckets.iter().enumerate() {
        count += bucket;
        write!(text, "{name}_bucket{{{labels}{comma}le=\"")?;
        match bucket_bound_ns(at) {
            Some(bound_ns) => write!(text, "{}", Decimal(bound_ns, 9))?,
            None => text.push_str("+Inf"),
        }
        writeln!(text, "\"}} {count}")?;
    }
    let sum = Decimal(histogram.sum_ns, 9);
    let braces = if labels.is_empty() {
        String::new()
    } else {
        format!("{{{labels}}}")
    };
    writeln!(
        text,
        "{name}_sum{braces} {sum}\n{name}_count{braces} {count}"
    )
}

/// A value in base units.
struct Number<'a>(&'a Value, Unit);

impl fmt::Display for Number<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            (Value::Integer(value), Unit::Nanoseconds) => Decimal(*value, 9).fmt(f),
            (Value::Integer(value), Unit::Microseconds) => Decimal(*value, 6).fmt(f),
            (Value::Integer(value), _) => value.fmt(f),
            (Value::Float(value), Unit::Nanoseconds) => (value / 1e9).fmt(f),
            (Value::Float(value), Unit::Microseconds) => (value / 1e6).fmt(f),
            (Value::Float(value), _) => value.fmt(f),
            (Value::Histogram(_), _) => Ok(()),
        }
    }
}

/// An integer divided by a power of ten, exactly, without trailing zeros.
struct Decimal(u64, usize);

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(value, digits) = *self;
        let padded = format!("{value:0>width$}", width = digits + 1);
        let (whole, part) = padded.split_at(padded.len() - digits);
        match part.trim_end_matches('0') {
            "" => f.write_str(whole),
            part => write!(f, "{whole}.{part}"),
        }
    }
}

/// `id="…",name="…",…`, what is absent left out: to Prometheus an empty label is none.
fn labels(container: &Container, allowed: &AllowedLabels) -> String {
    let kind = match container.kind() {
        crate::container::Kind::Container => "container",
        crate::container::Kind::Unit => "unit",
        crate::container::Kind::Cgroup => "cgroup",
        crate::container::Kind::Other => "other",
        crate::container::Kind::Host => "host",
    };
    let mut text = String::with_capacity(160);
    let mut push = |name, value: Option<&str>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            push_label(&mut text, name, value);
        }
    };
    push("id", container.id.as_deref());
    push("name", Some(&container.name));
    push("image", container.image.as_deref());
    push("runtime", Some(container.runtime.as_str()));
    push("kind", Some(kind));
    push("namespace", container.namespace.as_deref());
    push("pod", container.pod.as_deref());
    for (key, name) in &allowed.0 {
        push(name, container.labels.get(key).map(String::as_str));
    }
    text
}

fn push_label(text: &mut String, name: &str, value: &str) {
    if !text.is_empty() {
        text.push(',');
    }
    text.push_str(name);
    text.push_str("=\"");
    for character in value.chars() {
        match character {
            '\\' => text.push_str(r"\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str(r"\n"),
            other => text.push(other),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write as _,
        process::{Command, Stdio},
    };

    use proptest::prelude::*;

    use super::*;
    use crate::{
        encode::fixture::{HOSTILE, alive_or_not, container, every_sample, subject_of, tick_of},
        metrics::{
            catalog,
            host::{self, tests::everything},
        },
    };

    fn text(batch: &Batch, ended: Vec<Subject>, labels: &[&str]) -> String {
        let labels: Vec<_> = labels.iter().map(ToString::to_string).collect();
        let ended: Vec<_> = ended.into_iter().map(Arc::new).collect();
        Exposition::new(batch, ended.into_iter(), &AllowedLabels::new(&labels)).collect()
    }

    fn usage(ns: u64) -> Vec<Sample> {
        vec![Sample::new(&catalog::CPU_USAGE, Value::Integer(ns))]
    }

    #[test]
    fn a_counter_of_nanoseconds_becomes_seconds_with_every_digit() {
        let mut web = container(7, "web");
        web.id = Some("abc".to_owned());
        web.image = Some("nginx:1".to_owned());
        web.labels
            .insert("com.example/tier".to_owned(), "front".to_owned());
        let batch = tick_of(5, vec![subject_of(web, usage(9_007_199_254_740_993))]);
        assert_eq!(
            text(
                &batch,
                Vec::new(),
                &["com.example/tier", "com_example_tier"]
            ),
            "# HELP cgflux_container_cpu_usage_seconds_total CPU time used since the cgroup was made, as the kernel charged it.\n\
             # TYPE cgflux_container_cpu_usage_seconds_total counter\n\
             cgflux_container_cpu_usage_seconds_total{id=\"abc\",name=\"web\",image=\"nginx:1\",runtime=\"docker\",kind=\"container\",container_label_com_example_tier=\"front\"} 9007199.254740993\n"
        );
    }

    #[test]
    fn buckets_add_up_and_end_in_infinity() {
        let mut buckets = [0; agent_ebpf::histogram::BUCKETS];
        buckets[0] = 2;
        buckets[1] = 3;
        buckets[agent_ebpf::histogram::BUCKETS - 1] = 1;
        let histogram = Histogram {
            buckets,
            sum_ns: 1_500_000_000,
        };
        let mut batch = tick_of(5, Vec::new());
        batch.agent = vec![Sample::new(
            &catalog::RUNQ_WAITS,
            Value::Histogram(Box::new(histogram)),
        )];
        let text = text(&batch, Vec::new(), &[]);
        let name = "cgflux_container_runq_wait_seconds";
        for line in [
            format!("{name}_bucket{{le=\"0.000001024\"}} 2"),
            format!("{name}_bucket{{le=\"0.000002048\"}} 5"),
            format!("{name}_bucket{{le=\"+Inf\"}} 6"),
            format!("{name}_sum 1.5"),
            format!("{name}_count 6"),
        ] {
            assert!(
                text.lines().any(|it| it == line),
                "{line} is not in:\n{text}"
            );
        }
    }

    #[test]
    fn of_an_ended_entry_only_totals_are_shown() {
        let batch = tick_of(5, Vec::new());
        let gone = subject_of(container(7, "gone"), every_sample());
        let text = text(&batch, vec![alive_or_not(false, gone)], &[]);
        assert!(
            text.contains("cgflux_container_cpu_usage_seconds_total{"),
            "{text}"
        );
        assert!(!text.contains("cgflux_container_cpu_usage_cpus{"), "{text}");
    }

    #[test]
    fn what_the_rules_leave_out_stands_there_as_one() {
        let left_out = |cgroup, name: &str| {
            let mut container = container(cgroup, name);
            container.share = Share::Other;
            subject_of(container, usage(1_000_000_000))
        };
        let mut batch = tick_of(5, vec![left_out(7, "web"), left_out(8, "db")]);
        batch.other = Some(subject_of(Container::other(), usage(2_000_000_000)));
        let text = text(&batch, vec![left_out(9, "gone")], &[]);
        let lines: Vec<&str> = text.lines().filter(|it| !it.starts_with('#')).collect();
        let labels = "name=\"_other\",runtime=\"other\",kind=\"other\"";
        let line = format!("cgflux_container_cpu_usage_seconds_total{{{labels}}} 2");
        assert_eq!(lines, [line]);
    }

    #[test]
    fn no_series_stands_there_twice() {
        let nameless = |cgroup, ns| {
            let mut container = container(cgroup, "again");
            container.id = None;
            subject_of(container, usage(ns))
        };
        let ended = vec![nameless(1, 1_000_000_000), nameless(2, 2_000_000_000)];
        let lines = |text: String| {
            text.lines()
                .filter(|it| !it.starts_with('#'))
                .map(ToOwned::to_owned)
                .collect::<Vec<_>>()
        };
        let only_ended = lines(text(&tick_of(5, Vec::new()), ended.clone(), &[]));
        assert!(
            matches!(&only_ended[..], [line] if line.ends_with(" 2")),
            "{only_ended:?}"
        );
        let live = tick_of(5, vec![nameless(3, 3_000_000_000)]);
        let with_live = lines(text(&live, ended, &[]));
        assert!(
            matches!(&with_live[..], [line] if line.ends_with(" 3")),
            "{with_live:?}"
        );
    }

    #[test]
    fn chunks_stay_small_and_lose_nothing() {
        let subjects = (1..=400)
            .map(|cgroup| subject_of(container(cgroup, &format!("c{cgroup}")), every_sample()))
            .collect();
        let batch = tick_of(5, subjects);
        let chunks: Vec<_> =
            Exposition::new(&batch, std::iter::empty(), &AllowedLabels::default()).collect();
        let longest = chunks.iter().map(String::len).max();
        assert!(
            longest < Some(CHUNK_BYTES + 8 * 1024),
            "longest={longest:?}"
        );
        let name = "cgflux_container_cpu_usage_seconds_total{";
        let lines = chunks
            .concat()
            .lines()
            .filter(|it| it.starts_with(name))
            .count();
        assert_eq!(lines, 400);
    }

    #[test]
    fn promtool_finds_nothing_to_complain_about() {
        let subjects = HOSTILE.iter().zip(1..).map(|(name, cgroup)| {
            let mut container = container(cgroup, name);
            container.image = Some((*name).to_owned());
            container
                .labels
                .insert("tier".to_owned(), (*name).to_owned());
            subject_of(container, every_sample())
        });
        let mut batch = tick_of(5, subjects.collect());
        batch.subjects.push(subject_of(
            Container::host(crate::container::CgroupId(1)),
            every_sample(),
        ));
        batch.host = host::samples(&everything(HOSTILE));
        let text = text(&batch, Vec::new(), &["tier"]);
        for metric in catalog::host() {
            assert!(text.contains(metric.prometheus), "{}", metric.prometheus);
        }
        let checking = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut promtool) = checking else {
            println!("SKIP promtool is not installed");
            return;
        };
        // A promtool that gives up early closes the pipe; what it says then is worth more than that error.
        let all_read = promtool
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .is_ok();
        let output = promtool.wait_with_output().unwrap();
        let said =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(
            all_read && output.status.success() && said.is_empty(),
            "{said}\n{text}"
        );
    }

    proptest! {
        #[test]
        fn decimals_are_exact(value: u64) {
            let text = Decimal(value, 9).to_string();
            let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
            let whole: u128 = whole.parse().unwrap();
            let part: u128 = format!("{part:0<9}").parse().unwrap();
            prop_assert_eq!(whole * 1_000_000_000 + part, u128::from(value));
            prop_assert!(!text.contains('.') || !text.ends_with('0'));
        }

        #[test]
        fn a_label_value_never_ends_early(value: String) {
            let mut text = String::new();
            push_label(&mut text, "name", &value);
            let inner = text.strip_prefix("name=\"").and_then(|it| it.strip_suffix('"')).unwrap();
            let back = inner.replace(r"\\", "\u{1}").replace("\\\"", "\"").replace(r"\n", "\n").replace('\u{1}', "\\");
            prop_assume!(!value.contains('\u{1}'));
            prop_assert_eq!(back, value);
            prop_assert!(!inner.contains('\n'));
        }
    }
}
