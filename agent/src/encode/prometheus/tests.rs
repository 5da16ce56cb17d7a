//! What a scrape says, under either vocabulary and in either format, and that nothing in a name can break it.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use proptest::prelude::*;

use super::{
    write::{Decimal, label},
    *,
};
use crate::{
    encode::fixture::{HOSTILE, alive_or_not, container, every_sample, subject_of, tick_of},
    metrics::{
        Histogram, Value, catalog,
        host::{self, tests::everything},
    },
};

/// Under our names, in text format.
fn text(batch: &Batch, ended: Vec<Subject>, labels: &[&str]) -> String {
    scrape(batch, ended, labels, "names=cgflux", Format::Text)
}

/// What a scrape with this query says.
pub(super) fn scrape(
    batch: &Batch,
    ended: Vec<Subject>,
    labels: &[&str],
    query: &str,
    format: Format,
) -> String {
    let labels: Vec<_> = labels.iter().map(ToString::to_string).collect();
    let labels = AllowedLabels::new(&labels);
    let ended: Vec<_> = ended.into_iter().map(Arc::new).collect();
    let choice = Choice::default().asked(query).unwrap();
    Exposition::new(batch, ended.into_iter(), &labels, choice, format).collect()
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
    let chunks: Vec<_> = Exposition::new(
        &batch,
        std::iter::empty(),
        &AllowedLabels::default(),
        Choice::default(),
        Format::Text,
    )
    .collect();
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

/// A tick in which names, images, labels and devices are hostile.
fn hostile_tick() -> Batch {
    let subjects = HOSTILE.iter().zip(1..).map(|(name, cgroup)| {
        let mut container = container(cgroup, name);
        container.path = format!("/{name}");
        container.image = Some((*name).to_owned());
        let label = ("tier".to_owned(), (*name).to_owned());
        container.labels.extend([label]);
        subject_of(container, every_sample())
    });
    let mut batch = tick_of(5, subjects.collect());
    let root = crate::container::CgroupId(1);
    batch
        .subjects
        .push(subject_of(Container::host(root), every_sample()));
    batch.host = host::samples(&everything(HOSTILE));
    batch.agent = catalog::agent()
        .map(|metric| Sample::new(metric, Value::Integer(7)))
        .collect();
    batch
}

#[test]
fn hostile_names_are_read_back_as_they_were_in_both_vocabularies_and_formats() {
    let batch = hostile_tick();
    for format in [Format::Text, Format::OpenMetrics] {
        let text = scrape(&batch, Vec::new(), &["tier"], "", format);
        let read = oracle::read(&text, format).unwrap();
        for metric in catalog::host().chain(catalog::agent()) {
            assert!(text.contains(metric.prometheus), "{}", metric.prometheus);
        }
        for (name, label) in [
            ("cgflux_container_cpu_usage_seconds_total", "name"),
            ("cgflux_container_cpu_usage_seconds_total", "image"),
            ("container_cpu_usage_seconds_total", "name"),
            ("container_cpu_usage_seconds_total", "image"),
            ("container_memory_rss", "container_label_tier"),
        ] {
            let lines = read.of(name);
            for hostile in HOSTILE {
                let found = lines.iter().filter(|it| it.label(label) == *hostile);
                assert_eq!(found.count(), 1, "{name} {label} {hostile:?}");
            }
        }
    }
}

/// Complaints of promtool that are about cAdvisor's own names.
const CADVISORS_OWN: &[&str] = &[
    "cadvisor_version_info label names should be written in 'snake_case' not 'camelCase'",
    r#"container_fs_inodes_total non-counter metrics should not have "_total" suffix"#,
    r#"container_memory_failcnt counter metrics should have "_total" suffix"#,
];

#[test]
fn promtool_complains_of_nothing_but_of_names_that_are_cadvisors() {
    let batch = hostile_tick();
    for (query, expected) in [
        ("names=cgflux", &[][..]),
        ("names=cadvisor", CADVISORS_OWN),
        ("", CADVISORS_OWN),
    ] {
        let text = scrape(&batch, Vec::new(), &["tier"], query, Format::Text);
        let Some(said) = promtool(&text) else {
            println!("SKIP promtool is not installed");
            return;
        };
        let complaints: BTreeSet<&str> = said.lines().collect();
        assert_eq!(complaints, expected.iter().copied().collect(), "{query}");
    }
}

/// What promtool says of a scrape; `None` if it is not here.
fn promtool(text: &str) -> Option<String> {
    let checking = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut promtool = checking.ok()?;
    // A promtool that gives up early closes the pipe; what it says then is worth more than that error.
    let all_read = promtool
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .is_ok();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(all_read, "{said}");
    Some(said.into_owned())
}

#[test]
fn openmetrics_tells_families_units_and_the_end() {
    let samples = [
        &catalog::CPU_USAGE,
        &catalog::LIMIT_EVENTS,
        &catalog::MEMORY_USAGE,
    ]
    .map(|metric| Sample::new(metric, Value::Integer(1)));
    let batch = tick_of(5, vec![subject_of(container(7, "web"), samples.into())]);
    let text = scrape(
        &batch,
        Vec::new(),
        &[],
        "names=cadvisor",
        Format::OpenMetrics,
    );
    for line in [
        "# TYPE container_cpu_usage_seconds counter\n# UNIT container_cpu_usage_seconds seconds\n",
        "# TYPE container_memory_failcnt unknown\n",
        "# TYPE container_memory_usage_bytes gauge\n# UNIT container_memory_usage_bytes bytes\n",
        "\ncontainer_cpu_usage_seconds_total{",
        "\ncontainer_memory_failcnt{",
    ] {
        assert!(text.contains(line), "{line} is not in:\n{text}");
    }
    assert!(text.ends_with("\n# EOF\n"));
    assert!(!text.contains("_created"));
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
        label(&mut text, "name", &[&value]);
        let inner = text.strip_prefix("name=\"").and_then(|it| it.strip_suffix('"')).unwrap();
        let back = inner.replace(r"\\", "\u{1}").replace("\\\"", "\"").replace(r"\n", "\n").replace('\u{1}', "\\");
        prop_assume!(!value.contains('\u{1}'));
        prop_assert_eq!(back, value);
        prop_assert!(!inner.contains('\n'));
    }

    #[test]
    fn whatever_the_names_are_every_line_is_read_back(
        names in proptest::collection::vec("\\PC{0,12}|[\\\\\"\n\r{}=, ]{0,8}", 1..6),
        keys in proptest::collection::vec(".{0,6}", 0..4),
        value: u64,
    ) {
        let of_name = |(name, cgroup): (&String, u64)| {
            let mut container = container(cgroup, name);
            container.path = format!("/{cgroup}/{name}");
            container.image = Some(name.clone());
            container.labels = keys.iter().map(|key| (key.clone(), name.clone())).collect();
            let read = Sample::new(&catalog::READ_BYTES, Value::Integer(value));
            let samples = vec![
                Sample::new(&catalog::CPU_USAGE, Value::Integer(value)),
                read.labelled("device", name.clone()),
            ];
            subject_of(container, samples)
        };
        let mut batch = tick_of(5, names.iter().zip(1..).map(of_name).collect());
        let devices: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        batch.host = host::samples(&everything(&devices.into_iter().collect::<Vec<_>>()));
        let allowed: Vec<&str> = keys.iter().map(String::as_str).collect();
        for format in [Format::Text, Format::OpenMetrics] {
            let text = scrape(&batch, Vec::new(), &allowed, "", format);
            let read = oracle::read(&text, format).map_err(TestCaseError::fail)?;
            let usage = read.of("container_cpu_usage_seconds_total");
            prop_assert_eq!(usage.len(), names.len() + 1);
            for (name, cgroup) in names.iter().zip(1..) {
                let path = format!("/{cgroup}/{name}");
                let line = usage.iter().find(|it| it.label("id") == path);
                prop_assert_eq!(line.map(|it| it.label("name")), Some(&**name));
            }
        }
    }
}
