//! What stands under cAdvisor's names, by what of ours is known; the same in both formats.

use std::collections::BTreeSet;

use super::*;
use crate::{
    container::{CgroupId, Container},
    encode::{
        fixture::{alive_or_not, container, subject_of, tick_of},
        prometheus::{
            Format,
            oracle::{self, Scrape},
            tests::scrape,
        },
    },
    metrics::{Batch, Subject},
};

fn cadvisors(batch: &Batch, ended: &[Subject], query: &str) -> Scrape {
    let query = format!("names=cadvisor&{query}");
    let [plain, open] = [Format::Text, Format::OpenMetrics].map(|format| {
        let labels = ["com.example/tier"];
        let text = scrape(batch, ended.to_vec(), &labels, &query, format);
        oracle::read(&text, format).unwrap()
    });
    assert_eq!(plain.lines, open.lines);
    plain
}

fn samples(values: &[(&'static Metric, u64)]) -> Vec<Sample> {
    let values = values.iter();
    values
        .map(|(metric, value)| Sample::new(metric, Value::Integer(*value)))
        .collect()
}

/// An entry at this path that is called so, too.
fn at(path: &str, samples: Vec<Sample>) -> Subject {
    let mut container = container(path.len() as u64, path);
    container.path = path.to_owned();
    subject_of(container, samples)
}

#[track_caller]
fn assert_told(scrape: &Scrape, name: &str, expected: &[(&str, f64)]) {
    let labels = |line: &oracle::Line| {
        let labels = line.labels.iter();
        let labels: Vec<String> = labels
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        labels.join(" ")
    };
    let lines = scrape.of(name);
    let told: Vec<(String, f64)> = lines.iter().map(|it| (labels(it), it.value)).collect();
    let told: Vec<(&str, f64)> = told
        .iter()
        .map(|(it, value)| (it.as_str(), *value))
        .collect();
    assert_eq!(told, expected, "{name}");
}

#[test]
fn a_container_has_its_cgroups_path_and_the_labels_that_are_allowed() {
    let values = [
        (&catalog::CPU_USAGE, 1_500_000_000),
        (&catalog::CPU_PERIODS, 5),
        (&catalog::CPU_PERIOD, 100_000),
        (&catalog::WORKING_SET, 8),
        (&catalog::MEMORY_LIMIT, 10),
        (&catalog::PIDS, 3),
    ];
    let mut web = container(7, "web");
    web.path = "/docker/abc".to_owned();
    web.image = Some("nginx:1".to_owned());
    for (key, value) in [("com.example/tier", "front"), ("secret", "x")] {
        web.labels.insert(key.to_owned(), value.to_owned());
    }
    let batch = tick_of(5, vec![subject_of(web, samples(&values))]);
    let read = cadvisors(&batch, &[], "");
    let tier = "container_label_com_example_tier=front";
    let labels = format!("{tier} id=/docker/abc image=nginx:1 name=web");
    let with_cpu = format!("{tier} cpu=total id=/docker/abc image=nginx:1 name=web");
    for (name, labels, value) in [
        ("container_cpu_usage_seconds_total", &with_cpu, 1.5),
        ("container_spec_cpu_period", &labels, 100_000.0),
        ("container_memory_working_set_bytes", &labels, 8.0),
        ("container_spec_memory_limit_bytes", &labels, 10.0),
        ("container_spec_memory_swap_limit_bytes", &labels, 0.0),
        ("container_threads_max", &labels, 0.0),
    ] {
        assert_told(&read, name, &[(labels, value)]);
    }
    assert_told(
        &read,
        "container_last_seen",
        &[(&labels, 5.0), ("id=/", 5.0)],
    );
    for absent in [
        // There is no quota.
        "container_cpu_cfs_periods_total",
        "container_spec_cpu_quota",
        // Nobody measured it.
        "container_memory_rss",
        "container_network_receive_bytes_total",
    ] {
        assert_told(&read, absent, &[]);
    }
    assert!(read.names().iter().all(|it| !it.starts_with("cgflux_")));
}

#[test]
fn what_a_quota_did_is_told_where_there_is_one() {
    let limited = samples(&[
        (&catalog::CPU_PERIODS, 5),
        (&catalog::CPU_THROTTLED, 2_000_000_000),
        (&catalog::CPU_QUOTA, 50_000),
        (&catalog::MEMORY_USAGE, 1),
    ]);
    let batch = tick_of(5, vec![at("/a", limited)]);
    let read = cadvisors(&batch, &[], "families=cpu");
    let labels = "id=/a name=/a";
    for (name, value) in [
        ("container_cpu_cfs_periods_total", 5.0),
        ("container_cpu_cfs_throttled_seconds_total", 2.0),
        ("container_spec_cpu_quota", 50_000.0),
    ] {
        assert_told(&read, name, &[(labels, value)]);
    }
    assert_told(&read, "container_memory_usage_bytes", &[]);
}

#[test]
fn disks_have_their_nodes_and_peers_are_added_up() {
    let labelled = |metric, value, name, label: &'static str| {
        Sample::new(metric, Value::Integer(value)).labelled(name, label)
    };
    let values = vec![
        labelled(&catalog::READ_BYTES, 1024, "device", "vda"),
        labelled(&catalog::READ_TIME, 500_000_000, "device", "vda"),
        labelled(&catalog::WRITE_BYTES, 7, "device", "259:1"),
        labelled(&catalog::NET_RX_BYTES, 100, "peer", "loopback"),
        labelled(&catalog::NET_RX_BYTES, 10, "peer", "host"),
        labelled(&catalog::NET_RX_BYTES, 1, "peer", "outside"),
    ];
    let read = cadvisors(&tick_of(5, vec![at("/a", values)]), &[], "");
    let vda = "device=/dev/vda id=/a name=/a";
    let nameless = "device=259:1 id=/a name=/a";
    for (name, labels, value) in [
        ("container_fs_reads_bytes_total", vda, 1024.0),
        ("container_fs_writes_bytes_total", nameless, 7.0),
        ("container_fs_sector_reads_total", vda, 2.0),
        ("container_fs_read_seconds_total", vda, 0.5),
        (
            "container_network_receive_bytes_total",
            "id=/a interface=_all name=/a",
            11.0,
        ),
    ] {
        assert_told(&read, name, &[(labels, value)]);
    }
    let usage = [
        ("device=/dev/vda id=/a name=/a operation=Read", 1024.0),
        ("device=259:1 id=/a name=/a operation=Write", 7.0),
    ];
    assert_told(&read, "container_blkio_device_usage_total", &usage);
    assert_told(&read, "container_fs_io_time_seconds_total", &[]);
}

#[test]
fn the_root_is_the_whole_host_and_not_what_is_in_no_entry() {
    let rest = samples(&[(&catalog::CPU_USAGE, 1), (&catalog::MEMORY_USAGE, 1)]);
    let rest = subject_of(Container::host(CgroupId(1)), rest);
    let mut batch = tick_of(5, vec![rest]);
    batch.host = samples(&[
        (&catalog::HOST_CPU_USER, 3_000_000_000),
        (&catalog::HOST_CPU_NICE, 1_000_000_000),
        (&catalog::HOST_CPU_SYSTEM, 2_000_000_000),
        (&catalog::HOST_CPU_STEAL, 500_000_000),
        (&catalog::HOST_MEM_TOTAL, 100),
        (&catalog::HOST_MEM_FREE, 40),
        (&catalog::HOST_CPUS, 2),
    ]);
    for (interface, value) in [("lo", 1), ("docker0", 2), ("eth0", 3)] {
        let sample = Sample::new(&catalog::HOST_NET_TX_PACKETS, Value::Integer(value));
        batch.host.push(sample.labelled("interface", interface));
    }
    // Two subvolumes of one device.
    for mount in ["/", "/home"] {
        let sample = Sample::new(&catalog::HOST_FS_SIZE, Value::Integer(7));
        let sample = sample.labelled("mount", mount);
        batch.host.push(sample.labelled("device", "/dev/vda1"));
    }
    let read = cadvisors(&batch, &[], "");
    let eth0 = "id=/ interface=eth0";
    for (name, labels, value) in [
        ("container_cpu_usage_seconds_total", "cpu=total id=/", 6.5),
        ("container_cpu_user_seconds_total", "id=/", 4.0),
        ("container_memory_usage_bytes", "id=/", 60.0),
        ("container_spec_memory_limit_bytes", "id=/", 100.0),
        ("container_network_transmit_packets_total", eth0, 3.0),
        ("container_fs_limit_bytes", "device=/dev/vda1 id=/", 7.0),
        ("machine_cpu_cores", "", 2.0),
        ("machine_memory_bytes", "", 100.0),
        ("container_scrape_error", "", 0.0),
    ] {
        assert_told(&read, name, &[(labels, value)]);
    }
}

#[test]
fn a_cgroup_above_others_is_told_without_what_is_counted_apart() {
    let entry = |path| {
        at(
            path,
            samples(&[
                (&catalog::CPU_USAGE, 1),
                (&catalog::MEMORY_USAGE, 5),
                (&catalog::PAGE_FAULTS, 6),
            ]),
        )
    };
    let ended = alive_or_not(false, entry("/a/x/y"));
    let batch = tick_of(5, ["/a", "/a-b", "/b"].map(entry).into());
    let read = cadvisors(&batch, &[ended], "");
    let ids = |name| -> Vec<&str> { read.of(name).iter().map(|it| it.label("id")).collect() };
    let apart = ids("container_cpu_usage_seconds_total");
    assert_eq!(apart, ["/a-b", "/b", "/a/x/y"]);
    let together = ids("container_memory_usage_bytes");
    assert_eq!(together, ["/a", "/a-b", "/b"]);
    let faults = read.of("container_memory_failures_total");
    let of_a = faults.iter().filter(|it| it.label("id") == "/a");
    let scopes: Vec<&str> = of_a.map(|it| it.label("scope")).collect();
    assert_eq!(scopes, ["hierarchy"]);
}

#[test]
fn no_name_stands_in_the_table_twice_and_names_say_which_type_it_is() {
    let names: BTreeSet<&str> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(names.len(), RULES.len());
    for rule in RULES {
        let is_total = rule.name.ends_with("_total");
        let is_odd = ["container_memory_failcnt", "container_fs_inodes_total"].contains(&rule.name);
        assert!(
            is_odd || is_total == (rule.kind == Kind::Counter),
            "{}",
            rule.name
        );
        assert!(rule.help.ends_with('.'), "{}", rule.name);
    }
}

const README: &str = include_str!("../../../../../README.md");

#[test]
fn the_readme_has_this_table() {
    let mut table = String::new();
    for rule in RULES {
        let labels: BTreeSet<String> = rule.parts.iter().flat_map(labels_of).collect();
        let labels: Vec<String> = labels.into_iter().collect();
        let made_of = |is_of_host: bool| {
            let is_its = |part: &&Part| match part.term.metric() {
                Some(metric) => (metric.family() == Some(Family::Host)) == is_of_host,
                None => is_of_host == rule.is_global,
            };
            let mut terms: Vec<String> = rule.parts.iter().filter(is_its).map(words).collect();
            terms.dedup();
            match &terms[..] {
                [] => "–".to_owned(),
                terms => terms.join("; "),
            }
        };
        let line = format!(
            "| `{}` | {:?} | {} | {} | {} |\n",
            rule.name,
            rule.kind,
            labels.join(", "),
            made_of(false),
            made_of(true)
        );
        table.push_str(&line);
    }
    assert!(
        README.contains(&table),
        "README.md lacks this table:\n{table}"
    );
}

/// The labels beside those of the entry.
fn labels_of(part: &Part) -> Vec<String> {
    let by = match part.by {
        By::Nothing => None,
        By::Disk | By::Filesystem => Some("`device`"),
        By::Interface => Some("`interface`"),
    };
    let fixed = part.labels.iter().map(|(name, _)| format!("`{name}`"));
    fixed.chain(by.map(ToOwned::to_owned)).collect()
}

fn words(part: &Part) -> String {
    let of = |metric: &Metric| format!("`{}.{}`", metric.measurement, metric.field);
    match &part.term {
        Term::Of(metric) | Term::AsIs(metric) => of(metric),
        Term::Sectors(metric) => format!("{} / 512", of(metric)),
        Term::Where(metric, _) => format!("{} where there is a quota", of(metric)),
        Term::OrZero(metric, _) => format!("{} or 0", of(metric)),
        Term::Sum(metrics) => metrics
            .iter()
            .map(|it| of(it))
            .collect::<Vec<_>>()
            .join(" + "),
        Term::Difference(metric, less) => format!("{} − {}", of(metric), of(less)),
        Term::Peers(metric) => format!("{} but of `loopback`", of(metric)),
        Term::Taken => "time of the last reading".to_owned(),
        Term::Constant(value) => value.to_string(),
    }
}
