//! Each field has one type for ever: a server refuses another one until its shard is full.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use agent_ebpf::histogram::BUCKETS;
use influxdb_line_protocol::{FieldValue, parse_lines};

use super::{batch, encoder_of, web};
use crate::{
    config::Schema,
    container::{Container, Exit},
    encode::{taken::is_taken, telegraf},
    metrics::{
        Histogram, Metric, Sample, Subject, Value,
        catalog::{self, Kind, Unit},
        network,
    },
    shipment::Shipper,
    snapshot::OomKill,
};

/// Measurement and field, and the type: `i`, `f`, `s` or `b`.
type Types = BTreeMap<(String, String), char>;

/// Those of Telegraf (plugins/inputs/docker/gatherers.go, `addMemoryMetrics` and those beside it; unsigned ones are
/// written as `i`).
const TELEGRAF: &[(&str, char, &str)] = &[
    ("docker", 'i', "memory_total n_containers_running n_cpus"),
    ("docker_container_status", 's', "container_id"),
    ("docker_container_status", 'i', "exitcode pid"),
    ("docker_container_status", 'b', "oomkilled"),
    ("docker_container_mem", 's', "container_id"),
    ("docker_container_mem", 'f', "usage_percent"),
    (
        "docker_container_mem",
        'i',
        "cache fail_count limit max_usage pgfault pgmajfault rss usage",
    ),
    ("docker_container_cpu", 's', "container_id"),
    ("docker_container_cpu", 'f', "usage_percent"),
    (
        "docker_container_cpu",
        'i',
        "throttling_periods throttling_throttled_periods throttling_throttled_time usage_in_kernelmode \
         usage_in_usermode usage_system usage_total",
    ),
    ("docker_container_net", 's', "container_id"),
    (
        "docker_container_net",
        'i',
        "rx_bytes rx_packets tx_bytes tx_packets",
    ),
    ("docker_container_blkio", 's', "container_id"),
    (
        "docker_container_blkio",
        'i',
        "io_service_bytes_recursive_read io_service_bytes_recursive_total io_service_bytes_recursive_write \
         io_serviced_recursive_read io_serviced_recursive_total io_serviced_recursive_write",
    ),
];

/// Measurements of cAdvisor's driver (cmd/internal/storage/influxdb/influxdb.go), and then ours in its style.
const CADVISOR: &str = "cpu_usage_total cpu_usage_system cpu_usage_user memory_usage memory_max_usage memory_cache \
    memory_rss memory_swap memory_mapped_file memory_working_set memory_failcnt memory_failure rx_bytes rx_errors \
    tx_bytes tx_errors fs_limit fs_usage \
    cpu_cfs_periods cpu_cfs_throttled_periods cpu_cfs_throttled_time fs_reads fs_reads_bytes fs_writes fs_writes_bytes \
    memory_limit oom_events rx_packets threads threads_max tx_packets";

/// Columns of 2014 (storage/influxdb/influxdb.go, cAdvisor 0.6.1).
const INFLUXDB08: &[(char, &str)] = &[
    ('s', "machine container_name fs_device"),
    (
        'i',
        "time sequence_number cpu_cumulative_usage memory_usage memory_working_set rx_bytes rx_errors tx_bytes tx_errors fs_limit \
         fs_usage",
    ),
];

/// Fields of native points that are no metrics.
const NATIVE: &[(&str, char, &str)] = &[
    ("container_info", 's', "cgroup id image_ref kind"),
    ("container_info", 'i', "cgroup_id"),
    ("container_event", 's', "comm id"),
    (
        "container_event",
        'i',
        "cgroup_id exit_code pid signal usage_ns",
    ),
    ("container_event", 'b', "oom"),
];

fn table(rows: &[(&str, char, &str)]) -> Types {
    let of = |&(measurement, kind, fields): &(&str, char, &str)| -> Vec<_> {
        let fields = fields.split_whitespace();
        fields
            .map(|field| ((measurement.to_owned(), field.to_owned()), kind))
            .collect()
    };
    rows.iter().flat_map(of).collect()
}

/// What the catalog says: a metric's unit settles its type.
fn native() -> Types {
    let mut types = table(NATIVE);
    for metric in catalog::all() {
        let key = |field: String| (metric.measurement.to_owned(), field);
        if metric.kind == Kind::Histogram {
            let bounds = (0..BUCKETS).filter_map(agent_ebpf::histogram::bucket_bound_ns);
            let buckets = bounds.map(|ns| format!("{}_le_{ns}ns", metric.field));
            types.extend(buckets.map(|field| (key(field), 'i')));
            types.insert(key(format!("{}_count", metric.field)), 'i');
        } else {
            let kind = if is_float(metric) { 'f' } else { 'i' };
            types.insert(key(metric.field.to_owned()), kind);
        }
    }
    types
}

fn is_float(metric: &Metric) -> bool {
    matches!(metric.unit, Unit::Cpus | Unit::Ratio | Unit::Seconds)
}

/// One sample of each of these metrics, labelled as it is in a batch.
fn samples(
    metrics: impl Iterator<Item = &'static Metric>,
    integer: u64,
    float: f64,
) -> Vec<Sample> {
    let sample = |metric: &'static Metric| {
        let value = match metric.kind {
            Kind::Histogram => Value::Histogram(Box::new(Histogram {
                buckets: [integer; BUCKETS],
                sum_ns: integer,
            })),
            _ if is_float(metric) => Value::Float(float),
            _ => Value::Integer(integer),
        };
        Sample::new(metric, value)
    };
    metrics
        .flat_map(|metric| {
            let sample = sample(metric);
            match metric.measurement {
                _ if network::is_by_peer(metric) => network::by_peer(&sample).collect(),
                _ if *metric == catalog::AGENT_ENTRIES => {
                    vec![sample.labelled("kind", "container")]
                }
                "container_io" | "host_disk" => vec![sample.labelled("device", "vda")],
                "host_net" => vec![sample.labelled("interface", "eth0")],
                "host_fs" => vec![
                    sample
                        .labelled("mount", "/")
                        .labelled("device", "/dev/vda1"),
                ],
                _ => vec![sample],
            }
        })
        .collect()
}

/// All lines that a schema has for these values: of a container that starts, loses a process and ends, of the host and
/// of the agent.
fn lines(schema: Schema, integer: u64, float: f64) -> Vec<String> {
    let mut encoder = encoder_of(schema, &[]);
    let mut shipper = Shipper::new(Duration::ZERO);
    let container = Container {
        pid: Some(1),
        exit: Exit {
            code: Some(-1),
            signal: Some(9),
            oom: Some(true),
        },
        ..web()
    };
    let of_container = || samples(catalog::container(), integer, float);
    let tick = |seconds: u64, subjects: Vec<Subject>| {
        let mut batch = batch(web(), Vec::new());
        batch.taken.boot_ns += seconds * 1_000_000_000;
        batch.taken.wall_ns += seconds.cast_signed() * 1_000_000_000;
        batch.subjects = subjects;
        batch.host = samples(catalog::host(), integer, float);
        batch.agent = samples(catalog::agent(), integer, float);
        batch
            .agent
            .sort_by_key(|it| it.metric.resolution == catalog::Resolution::Hourly);
        batch.oom_kills = vec![OomKill {
            entry: container.cgroup,
            pid: 7,
            comm: "sh".to_owned(),
        }];
        batch
    };
    let subject = |alive| Subject::new(Arc::new(container.clone()), alive, of_container());
    let ticks = [
        tick(0, Vec::new()),
        tick(1, vec![subject(true)]),
        tick(2, vec![subject(false)]),
    ];
    let mut lines = Vec::new();
    for tick in &ticks {
        let shipment = shipper.fold(tick).unwrap();
        for payload in encoder.encode(&shipment) {
            let text = String::from_utf8(payload.lines().to_vec()).unwrap();
            lines.extend(text.lines().map(str::to_owned));
        }
    }
    lines
}

/// Claims that a schema has these fields and no other, whatever their values are.
#[track_caller]
fn check(schema: Schema, expected: &Types, parse: impl Fn(&str, &mut Types)) {
    let mut seen = Types::new();
    for (integer, float) in [(0, 0.0), (1, 1.0), (u64::MAX, 1e300), (7, f64::NAN)] {
        for line in lines(schema, integer, float) {
            let mut types = Types::new();
            parse(&line, &mut types);
            for (key, kind) in types {
                let before = *seen.entry(key.clone()).or_insert(kind);
                assert_eq!(before, kind, "{key:?} has two types");
            }
        }
    }
    assert_eq!(&seen, expected, "{schema:?}");
}

fn parse_line(line: &str, types: &mut Types) {
    for line in parse_lines(line) {
        let line = line.unwrap();
        for (field, value) in &line.field_set {
            let kind = match value {
                FieldValue::I64(_) => 'i',
                FieldValue::F64(_) => 'f',
                FieldValue::String(_) => 's',
                FieldValue::Boolean(_) => 'b',
                FieldValue::U64(_) => 'u',
            };
            let key = (line.series.measurement.to_string(), field.to_string());
            types.insert(key, kind);
        }
    }
}

fn parse_row(line: &str, types: &mut Types) {
    let series: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(series["name"], "stats");
    let columns = series["columns"].as_array().unwrap();
    let row = series["points"][0].as_array().unwrap();
    assert_eq!(columns.len(), row.len());
    for (column, cell) in columns.iter().zip(row) {
        let kind = if cell.is_string() { 's' } else { 'i' };
        assert!(cell.is_string() || cell.is_i64(), "{cell}");
        types.insert(
            ("stats".to_owned(), column.as_str().unwrap().to_owned()),
            kind,
        );
    }
}

#[test]
fn no_tag_and_no_field_of_a_schema_can_be_an_operators_tag() {
    for schema in [Schema::Native, Schema::Telegraf, Schema::Cadvisor] {
        for text in lines(schema, 1, 1.0) {
            let line = parse_lines(&text).next().unwrap().unwrap();
            let tags = super::tags(&line).into_iter().map(|(key, _)| key);
            let fields = line.field_set.iter().map(|(key, _)| key.as_str());
            for key in tags.filter(|key| *key != "rack").chain(fields) {
                assert!(is_taken(schema, key), "{schema:?}: {key}");
            }
        }
    }
    let fields = table(TELEGRAF).into_keys().map(|(_, field)| field);
    let fields: BTreeSet<String> = fields.collect();
    let listed: BTreeSet<String> = telegraf::FIELDS.map(str::to_owned).into();
    assert_eq!(fields, listed);
}

#[test]
fn a_native_field_has_the_type_of_its_unit() {
    check(Schema::Native, &native(), parse_line);
}

#[test]
fn a_field_has_the_type_that_telegraf_gives_it() {
    check(Schema::Telegraf, &table(TELEGRAF), parse_line);
}

#[test]
fn a_value_of_cadvisor_is_an_integer() {
    let rows: Vec<_> = CADVISOR
        .split_whitespace()
        .map(|measurement| (measurement, 'i', "value"))
        .collect();
    check(Schema::Cadvisor, &table(&rows), parse_line);
}

#[test]
fn a_column_of_2014_is_a_name_or_an_integer() {
    let rows: Vec<_> = INFLUXDB08
        .iter()
        .map(|(kind, columns)| ("stats", *kind, *columns))
        .collect();
    check(Schema::Influxdb08, &table(&rows), parse_row);
}
