//! What is encoded, read back by InfluxDB's own parser in Rust.

mod golden;
mod names;
mod types;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use agent_ebpf::histogram::BUCKETS;
use influxdb_line_protocol::{FieldValue, ParsedLine, parse_lines};
use proptest::{option, prelude::*};

use super::{
    Encoder, Tagging,
    escape::{clean_string, clean_tag},
};
use crate::{
    config::Schema,
    container::{CgroupId, Container, Runtime, image_repository},
    metrics::{Batch, Histogram, Sample, Subject, Value, catalog, host},
    shipment::Shipper,
    snapshot::{Filesystem, Machine, Timestamp},
};

const WALL_NS: i64 = 1_700_000_000_123_456_789;

fn web() -> Container {
    Container {
        path: "/docker/0123456789abcdef".to_owned(),
        runtime: Runtime::Docker,
        id: Some("0123456789abcdef".to_owned()),
        name: "web".to_owned(),
        image: Some("registry:5000/shop/web:1.2".to_owned()),
        labels: BTreeMap::from([("tier".to_owned(), "front".to_owned())]),
        ..Container::host(CgroupId(4711))
    }
}

fn batch(container: Container, samples: Vec<Sample>) -> Batch {
    Batch {
        taken: Timestamp {
            boot_ns: 1,
            wall_ns: WALL_NS,
        },
        interval: Duration::ZERO,
        subjects: vec![Subject::new(Arc::new(container), true, samples)],
        host: Vec::new(),
        agent: Vec::new(),
        oom_kills: Vec::new(),
        other: None,
    }
}

fn encode(encoder: &mut Encoder, batch: &Batch) -> String {
    let mut shipper = Shipper::new(Duration::from_secs(10));
    let payloads = encoder.encode(&shipper.fold(batch).unwrap());
    let lines = payloads.iter().flat_map(|payload| payload.lines().to_vec());
    String::from_utf8(lines.collect()).unwrap()
}

fn encoder(labels: &[String]) -> Encoder {
    encoder_of(Schema::Native, labels)
}

fn encoder_of(schema: Schema, labels: &[String]) -> Encoder {
    let tags = BTreeMap::from([("rack".to_owned(), "r 1".to_owned())]);
    Encoder::new(schema, Tagging::new("box", &tags, labels).unwrap())
}

fn integer(metric: &'static catalog::Metric, value: u64) -> Sample {
    Sample::new(metric, Value::Integer(value))
}

#[test]
fn the_native_schema() {
    let samples = vec![
        integer(&catalog::CPU_USAGE, 42),
        integer(&catalog::VOLUNTARY_SWITCHES, 7),
        Sample::new(&catalog::CPU_RATE, Value::Float(2.0)),
    ];
    let mut batch = batch(web(), samples);
    batch.agent = vec![
        Sample {
            labels: vec![("sink", "db 1".into())],
            ..integer(&catalog::FORKS, 3)
        },
        Sample {
            labels: vec![("sink", "db 2".into())],
            ..integer(&catalog::FORKS, 4)
        },
    ];
    let text = encode(&mut encoder(&["tier".to_owned()]), &batch);
    let tags =
        r"container=web,host=box,image=registry:5000/shop/web,rack=r\ 1,runtime=docker,tier=front";
    let expected = [
        format!(
            "container_info,{tags} cgroup=\"/docker/0123456789abcdef\",cgroup_id=4711i,\
             id=\"0123456789ab\",image_ref=\"registry:5000/shop/web:1.2\",kind=\"container\""
        ),
        format!("container_cpu,{tags} usage_ns=42i,usage_cpus=2.0,usage_cpus_max=2.0"),
        format!("container_sched,{tags} voluntary_switches=7i"),
        r"container_sched,host=box,rack=r\ 1,sink=db\ 1 forks=3i".to_owned(),
        r"container_sched,host=box,rack=r\ 1,sink=db\ 2 forks=4i".to_owned(),
    ];
    let expected = expected.map(|line| format!("{line} {WALL_NS}\n"));
    assert_eq!(text, expected.concat());
}

#[test]
fn a_histogram_is_cumulative_and_its_count_is_all() {
    let mut buckets = [0; BUCKETS];
    (buckets[0], buckets[1], buckets[BUCKETS - 1]) = (2, 3, 5);
    let value = Value::Histogram(Box::new(Histogram {
        buckets,
        sum_ns: 99,
    }));
    let batch = batch(web(), vec![Sample::new(&catalog::RUNQ_WAITS, value)]);
    let text = encode(&mut encoder(&[]), &batch);
    let line = parse_lines(&text).last().unwrap().unwrap();
    assert_eq!(line.field_set.len(), BUCKETS);
    for (field, count) in [
        ("runq_wait_le_1024ns", 2),
        ("runq_wait_le_2048ns", 5),
        ("runq_wait_le_4294967296ns", 5),
        ("runq_wait_count", 10),
    ] {
        assert_eq!(
            line.field_value(field),
            Some(&FieldValue::I64(count)),
            "{field}"
        );
    }
}

#[test]
fn tags_follow_a_container_that_changed() {
    let mut encoder = encoder(&[]);
    let samples = || vec![integer(&catalog::CPU_USAGE, 1)];
    let before = encode(&mut encoder, &batch(web(), samples()));
    let renamed = Container {
        name: "shop".to_owned(),
        ..web()
    };
    let after = encode(&mut encoder, &batch(renamed, samples()));
    assert!(before.contains("container_cpu,container=web,"), "{before}");
    assert!(after.contains("container_cpu,container=shop,"), "{after}");
}

#[test]
fn measurements_and_fields_of_the_catalog_need_no_escape() {
    for metric in catalog::all() {
        for name in [metric.measurement, metric.field] {
            let plain =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
            assert!(!name.is_empty() && name.bytes().all(plain), "name={name:?}");
        }
    }
}

fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[\\\\,= \"\n\r\t\0#a]{1,8}",
        "\\PC{0,20}",
        any::<String>(),
        "[é\\\\ ,=]{600,700}",
    ]
}

prop_compose! {
    fn hostile_container(label: impl Strategy<Value = String>)(
        path in hostile(),
        id in option::of(hostile()),
        name in hostile(),
        image in option::of(hostile()),
        namespace in option::of(hostile()),
        pod in option::of(hostile()),
        labels in prop::collection::btree_map(label, hostile(), 0..6),
    ) -> Container {
        let runtime = Runtime::Docker;
        Container { path, runtime, id, name, image, namespace, pod, labels, ..web() }
    }
}

/// The tags that `container` is to have, empty ones left out.
fn expected_tags(container: &Container) -> BTreeMap<&str, String> {
    let clean = |text: &str| clean_tag(text).into_owned();
    let optional = |text: Option<&str>| text.map(clean).unwrap_or_default();
    let name = clean(&container.name);
    let is_kept = !name.is_empty() && name == container.name;
    let mut tags = BTreeMap::from([
        (
            "container",
            if is_kept {
                name
            } else {
                format!("{name}.4711")
            },
        ),
        ("host", "box".to_owned()),
        (
            "image",
            optional(container.image.as_deref().and_then(image_repository)),
        ),
        ("namespace", optional(container.namespace.as_deref())),
        ("pod", optional(container.pod.as_deref())),
        ("rack", "r 1".to_owned()),
        ("runtime", "docker".to_owned()),
    ]);
    tags.extend(
        container
            .labels
            .iter()
            .map(|(key, value)| (key.as_str(), clean(value))),
    );
    tags.retain(|_, value| !value.is_empty());
    tags
}

fn tags<'a>(line: &'a ParsedLine<'_>) -> Vec<(&'a str, String)> {
    let tags = line.series.tag_set.iter().flatten();
    tags.map(|(key, value)| (key.as_str(), value.to_string()))
        .collect()
}

fn encode_all(container: &Container, usage_ns: u64, cpus: f64) -> String {
    let labels: Vec<String> = container.labels.keys().cloned().collect();
    let samples = vec![
        integer(&catalog::CPU_USAGE, usage_ns),
        Sample::new(&catalog::CPU_RATE, Value::Float(cpus)),
    ];
    encode(&mut encoder(&labels), &batch(container.clone(), samples))
}

proptest! {
    #[test]
    fn every_line_is_read_back_as_what_was_meant(
        container in hostile_container("x[a-z.]{1,8}"),
        usage_ns: u64,
        cpus in any::<f64>(),
    ) {
        let text = encode_all(&container, usage_ns, cpus);
        let lines: Vec<ParsedLine<'_>> = parse_lines(&text).collect::<Result<_, _>>().unwrap();
        prop_assert_eq!((lines.len(), text.matches('\n').count()), (2, 2));
        let expected: Vec<(&str, String)> = expected_tags(&container).into_iter().collect();
        for line in &lines {
            prop_assert_eq!(line.timestamp, Some(WALL_NS));
            prop_assert_eq!(&tags(line), &expected);
        }
        let [info, cpu] = &lines[..] else { unreachable!() };
        let usage_ns = i64::try_from(usage_ns).unwrap_or(i64::MAX);
        let cpus = cpus.is_finite().then_some(FieldValue::F64(cpus));
        prop_assert_eq!(cpu.field_value("usage_ns"), Some(&FieldValue::I64(usage_ns)));
        prop_assert_eq!(cpu.field_value("usage_cpus"), cpus.as_ref());
        let path = clean_string(&container.path);
        let path = FieldValue::String(path.as_ref().into());
        prop_assert_eq!(info.field_value("cgroup"), Some(&path));
    }

    #[test]
    fn whatever_a_mount_point_is_called_its_line_is_read_back(mount in hostile(), device in hostile()) {
        let mut batch = batch(web(), Vec::new());
        batch.host = host::samples(&Machine {
            filesystems: vec![Filesystem {
                mount: mount.clone(),
                device: device.clone(),
                fstype: "ext4".to_owned(),
                size_bytes: 4711,
                ..Filesystem::default()
            }],
            ..Machine::default()
        });
        let text = encode(&mut encoder(&[]), &batch);
        let lines: Vec<ParsedLine<'_>> = parse_lines(&text).collect::<Result<_, _>>().unwrap();
        prop_assert_eq!((lines.len(), text.matches('\n').count()), (2, 2));
        let mut expected = vec![
            ("device", clean_tag(&device).into_owned()),
            ("fstype", "ext4".to_owned()),
            ("host", "box".to_owned()),
            ("mount", clean_tag(&mount).into_owned()),
            ("rack", "r 1".to_owned()),
        ];
        expected.retain(|(_, value)| !value.is_empty());
        prop_assert_eq!(tags(&lines[1]), expected);
        prop_assert_eq!(lines[1].field_value("size_bytes"), Some(&FieldValue::I64(4711)));
    }

    #[test]
    fn no_label_breaks_a_line_or_takes_a_tag_twice(container in hostile_container(hostile())) {
        let text = encode_all(&container, 1, 1.0);
        for line in parse_lines(&text) {
            let line = line.unwrap();
            let tags = tags(&line);
            prop_assert!(tags.is_sorted_by(|one, next| one.0 < next.0), "tags={tags:?}");
        }
    }
}
