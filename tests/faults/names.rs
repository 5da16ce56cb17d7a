//! Names that no database was made for, as a container's name or label may be.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use cgflux::{
    container::{CgroupId, Container, Runtime},
    encode::{LineEncoder, Tagging},
    metrics::{Batch, Sample, Subject, Value, catalog},
    shipment::Shipper,
    snapshot::Timestamp,
};

use super::{delivery::Place, influxdb};
use crate::harness::InfluxServer;

const WALL_NS: i64 = 1_700_000_000_000_000_000;

/// What is in a container's name or label, and what InfluxDB gives back.
const HOSTILE: [(&str, &str); 14] = [
    ("plain", "plain"),
    ("two words", "two words"),
    ("a,b=c d", "a,b=c d"),
    (r"dev-disk\x2dby.mount", r"dev-disk\x2dby.mount"),
    ("käse 🧀", "käse 🧀"),
    ("\"quoted\" 'twice'", "\"quoted\" 'twice'"),
    ("#hash", "#hash"),
    ("trailing space ", "trailing space "),
    ("{}[]$^*+?.|()", "{}[]$^*+?.|()"),
    ("line\nbreak", "line_break"),
    ("nul\0tab\tcr\r", "nul_tab_cr_"),
    (r"trailing\", "trailing_"),
    (r"back\ slash\,\=", "back_ slash_,_="),
    (r"two\\slashes", r"two_\slashes"),
];

#[test]
fn hostile_names_come_back_as_they_were_or_as_documented() {
    let Some(server) = InfluxServer::start() else {
        return;
    };
    let subjects = HOSTILE.iter().zip(2..).map(|((text, _), cgroup)| {
        let container = Container {
            path: format!("/docker/{text}"),
            runtime: Runtime::Docker,
            id: Some("0123456789abcdef".to_owned()),
            name: (*text).to_owned(),
            image: Some("registry:5000/shop/web:1.2@sha256:ab".to_owned()),
            labels: BTreeMap::from([("a label".to_owned(), (*text).to_owned())]),
            ..Container::host(CgroupId(cgroup))
        };
        let samples = vec![
            Sample::new(&catalog::CPU_USAGE, Value::Integer(u64::MAX - cgroup)),
            Sample::new(&catalog::CPU_USER, Value::Integer(cgroup)),
            Sample::new(&catalog::CPU_RATE, Value::Float(1e-7 * cgroup as f64)),
        ];
        Subject::new(Arc::new(container), true, samples)
    });
    let batch = Batch {
        taken: Timestamp {
            boot_ns: 1,
            wall_ns: WALL_NS,
        },
        interval: Duration::ZERO,
        subjects: subjects.collect(),
        host: Vec::new(),
        agent: Vec::new(),
        oom_kills: Vec::new(),
        other: None,
    };
    let tagging = Tagging::new("a host", &BTreeMap::new(), &["a label".to_owned()]).unwrap();
    let mut shipper = Shipper::new(Duration::from_secs(10));
    let shipment = shipper.fold(&batch).unwrap();
    let place = Place::with(&influxdb(&server, ""));
    let mut delivery = place.start();
    for payload in LineEncoder::new(tagging).encode(&shipment) {
        delivery.offer(str::from_utf8(payload.lines()).unwrap());
    }
    let told = delivery.settle();
    assert_eq!((told.sent, told.all_lost()), (2 * HOSTILE.len() as u64, 0));
    let series = server.query(
        "d",
        "SELECT usage_ns, user_ns, usage_cpus FROM container_cpu GROUP BY *",
    );
    assert_eq!(series.len(), HOSTILE.len());
    for ((text, stored), cgroup) in HOSTILE.iter().zip(2_u64..) {
        let mine = series.iter().find(|it| it["tags"]["a label"] == *stored);
        let mine = mine.unwrap_or_else(|| panic!("no series for {text:?} in {series:#?}"));
        let name = if text == stored {
            (*stored).to_owned()
        } else {
            format!("{stored}.{cgroup}")
        };
        let tags = serde_json::json!({
            "a label": stored, "container": name, "host": "a host",
            "image": "registry:5000/shop/web", "runtime": "docker",
        });
        assert_eq!(mine["tags"], tags);
        let row = serde_json::json!([[WALL_NS, i64::MAX, cgroup, 1e-7 * cgroup as f64]]);
        assert_eq!(mine["values"], row);
    }
    let info = server.query(
        "d",
        "SELECT cgroup, image_ref FROM container_info WHERE \"a label\" = 'plain'",
    );
    let row = serde_json::json!([[
        WALL_NS,
        "/docker/plain",
        "registry:5000/shop/web:1.2@sha256:ab"
    ]]);
    assert_eq!(info[0]["values"], row);
}
