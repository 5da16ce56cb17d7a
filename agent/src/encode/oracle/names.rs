//! Hostile names in the schemas of others.

use std::time::Duration;

use influxdb_line_protocol::{FieldValue, ParsedLine, parse_lines};
use proptest::prelude::*;

use super::{WALL_NS, batch, encoder_of, hostile, hostile_container, integer, tags};
use crate::{
    config::Schema,
    container::{Container, Runtime},
    encode::{
        escape::{clean_string, clean_tag},
        tags::unique,
        telegraf::name_and_version,
    },
    metrics::{Sample, Value, catalog},
    shipment::Shipper,
};

fn encode_as(schema: Schema, container: &Container, usage_ns: u64) -> String {
    let labels: Vec<String> = container.labels.keys().cloned().collect();
    let samples = vec![
        integer(&catalog::CPU_USAGE, usage_ns),
        Sample::new(&catalog::CPU_RATE, Value::Float(0.5)),
        integer(&catalog::READS, 3).labelled("device", container.name.clone()),
        integer(&catalog::PAGE_FAULTS, 4),
    ];
    let batch = batch(container.clone(), samples);
    let mut shipper = Shipper::new(Duration::from_secs(10));
    let payloads = encoder_of(schema, &labels).encode(&shipper.fold(&batch).unwrap());
    let text = payloads.iter().flat_map(|it| it.lines().to_vec()).collect();
    String::from_utf8(text).unwrap()
}

/// The value of a tag; empty without it.
fn tag(line: &ParsedLine<'_>, key: &str) -> String {
    let mut tags = tags(line).into_iter();
    let found = tags.find(|(known, _)| *known == key);
    found.map(|(_, value)| value).unwrap_or_default()
}

fn clean(text: Option<&str>) -> String {
    clean_tag(text.unwrap_or_default()).into_owned()
}

/// What the parser and the server ask of every line: tags in order, none twice.
fn read(text: &str) -> Vec<ParsedLine<'_>> {
    let lines: Vec<ParsedLine<'_>> = parse_lines(text).collect::<Result<_, _>>().unwrap();
    assert_eq!(lines.len(), text.matches('\n').count());
    for line in &lines {
        let tags = tags(line);
        assert!(tags.is_sorted_by(|one, next| one.0 < next.0), "{tags:?}");
        assert_eq!(line.timestamp, Some(WALL_NS));
    }
    lines
}

proptest! {
    #[test]
    fn a_line_of_telegraf_is_read_back_as_what_was_meant(
        container in hostile_container(hostile()),
        usage_ns: u64,
    ) {
        let text = encode_as(Schema::Telegraf, &container, usage_ns);
        let lines = read(&text);
        let measurements: Vec<&str> = lines.iter().map(|it| it.series.measurement.as_str()).collect();
        let with_id = usize::from(container.id.is_some());
        prop_assert_eq!(
            &measurements[with_id..],
            ["docker_container_mem", "docker_container_cpu", "docker_container_blkio"]
        );
        let name = unique(&container.name, container.cgroup);
        let id = container.id.as_deref().map(clean_string);
        let id = id.as_deref().map(|id| FieldValue::String(id.into()));
        for line in &lines {
            prop_assert_eq!(tag(line, "container_name"), name.as_ref());
            prop_assert_eq!(tag(line, "container_status"), "running");
            prop_assert_eq!(line.field_value("container_id"), id.as_ref());
            let (name, version) = name_and_version(container.image.as_deref().unwrap_or_default());
            let image = container.image.is_some();
            prop_assert_eq!(tag(line, "container_image"), clean(image.then_some(name)));
            prop_assert_eq!(tag(line, "container_version"), clean(image.then_some(version)));
        }
        let usage_ns = i64::try_from(usage_ns).unwrap_or(i64::MAX);
        prop_assert_eq!(lines[with_id + 1].field_value("usage_total"), Some(&FieldValue::I64(usage_ns)));
    }

    #[test]
    fn a_line_of_cadvisor_is_read_back_as_what_was_meant(
        container in hostile_container(hostile()),
        of_a_container: bool,
        usage_ns: u64,
    ) {
        let runtime = if of_a_container { Runtime::Docker } else { Runtime::Cgroup };
        let container = Container { runtime, ..container };
        let text = encode_as(Schema::Cadvisor, &container, usage_ns);
        let lines = read(&text);
        prop_assert_eq!(lines.len(), 4);
        for line in &lines {
            let name = tag(line, "container_name");
            if of_a_container {
                prop_assert!(!name.starts_with('/') || name.ends_with(".4711"));
            }
            let chosen = if of_a_container { &container.name } else { &container.path };
            let is_kept = clean_tag(chosen) == *chosen && !chosen.is_empty();
            if is_kept && !chosen.starts_with('/') {
                prop_assert_eq!(&name, chosen);
            }
        }
        prop_assert_eq!(tag(&lines[1], "device"), clean(Some(&container.name)));
        let usage_ns = i64::try_from(usage_ns).unwrap_or(i64::MAX);
        prop_assert_eq!(lines[0].field_value("value"), Some(&FieldValue::I64(usage_ns)));
    }

    #[test]
    fn a_row_of_2014_gives_every_name_back(container in hostile_container(hostile()), usage_ns: u64) {
        let text = encode_as(Schema::Influxdb08, &container, usage_ns);
        prop_assert_eq!(text.matches('\n').count(), 1);
        let series: serde_json::Value = serde_json::from_str(&text).unwrap();
        let row = serde_json::json!([
            "box", container.name, i64::try_from(usage_ns).unwrap_or(i64::MAX),
        ]);
        let point = &series["points"][0];
        prop_assert_eq!(&point[0], &serde_json::json!(WALL_NS / 1_000));
        // What tells it from others of its time.
        prop_assert!(point[1].as_i64().is_some_and(|number| number > 0));
        prop_assert_eq!(&point.as_array().unwrap()[2..], row.as_array().unwrap());
    }
}
