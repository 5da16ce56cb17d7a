//! The sink alone against a real InfluxDB: names, outages and bad lines that no real container brings at will.

use std::{cell::Cell, collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use cgflux::{
    config::{Delivery as Keeping, Influxdb},
    container::{CgroupId, Container, Runtime},
    encode::{LineEncoder, Payload, Tagging, Times},
    metrics::{Batch, Sample, Subject, Value, catalog},
    self_stats::SinkStats,
    shipment::Shipper,
    sink::{self, Ended, Sink, Target, influxdb::Client},
    snapshot::Timestamp,
    surroundings::read_secret,
};
use tempfile::TempDir;
use tokio::{runtime, sync::oneshot, task::JoinHandle, time};

use crate::harness::InfluxServer;

const DATABASE: &str = "a \"test\" db";
const WALL_NS: i64 = 1_700_000_000_000_000_000;

/// A sink that writes to a server while the test goes on.
struct Delivery {
    runtime: runtime::Runtime,
    sink: Sink,
    stats: Arc<SinkStats>,
    offered: Cell<u64>,
    stop: oneshot::Sender<()>,
    worker: JoinHandle<Ended>,
    _folder: TempDir,
}

impl Delivery {
    fn to(server: &InfluxServer) -> Self {
        let settings = Influxdb {
            database: DATABASE.to_owned(),
            ..Influxdb::at(server.url().parse().unwrap())
        };
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let stats = Arc::new(SinkStats::new("db"));
        let client = Client::new(&settings, read_secret).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (sink, worker) = sink::open(
            Target::Influxdb(client),
            &Keeping {
                drain_lines: 0,
                ..Keeping::default()
            },
            folder.path(),
            |_, _| None,
            Arc::clone(&stats),
        )
        .unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let worker = runtime.spawn(worker.run(async {
            stopped.await.unwrap();
        }));
        Self {
            runtime,
            sink,
            stats,
            offered: Cell::new(0),
            stop,
            worker,
            _folder: folder,
        }
    }

    fn offer(&self, lines: &str) {
        let payload = Payload::new(Bytes::copy_from_slice(lines.as_bytes()), Times::at(0));
        self.offered
            .set(self.offered.get() + payload.points() as u64);
        self.sink.offer(payload);
    }

    /// Returns once all that was offered is sent or lost.
    fn settled(&self) {
        let settled = || self.stats.points_sent() + self.stats.points_lost();
        self.until(|| settled() == self.offered.get());
    }

    fn until(&self, reached: impl Fn() -> bool) {
        let reached = async {
            while !reached() {
                time::sleep(Duration::from_millis(5)).await;
            }
        };
        let limit = Duration::from_mins(2);
        let in_time = self
            .runtime
            .block_on(async { time::timeout(limit, reached).await });
        assert!(in_time.is_ok(), "still waiting: {:?}", self.stats.waiting());
    }

    /// Stops and returns points sent and points dropped.
    fn finish(self) -> (u64, u64) {
        self.stop.send(()).unwrap();
        let ended = self.runtime.block_on(self.worker).unwrap();
        let drained = Ended::Stopped {
            points_lost: 0,
            points_kept: 0,
        };
        assert_eq!(ended, drained);
        (self.stats.points_sent(), self.stats.points_lost())
    }
}

fn lines(count: u64, from: u64) -> String {
    let lines: Vec<String> = (from..from + count)
        .map(|index| format!("m v={index}i {}\n", WALL_NS + index.cast_signed()))
        .collect();
    lines.concat()
}

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
    let delivery = Delivery::to(&server);
    let shipment = shipper.fold(&batch).unwrap();
    for payload in LineEncoder::new(tagging).encode(&shipment) {
        delivery.sink.offer(payload);
    }
    assert_eq!(delivery.finish(), (2 * HOSTILE.len() as u64, 0));
    let series = server.query(
        DATABASE,
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
        DATABASE,
        "SELECT cgroup, image_ref FROM container_info WHERE \"a label\" = 'plain'",
    );
    let row = serde_json::json!([[
        WALL_NS,
        "/docker/plain",
        "registry:5000/shop/web:1.2@sha256:ab"
    ]]);
    assert_eq!(info[0]["values"], row);
}

#[test]
fn a_server_that_is_killed_and_started_again_has_each_point_once() {
    let Some(mut server) = InfluxServer::start() else {
        return;
    };
    let delivery = Delivery::to(&server);
    delivery.offer(&lines(100, 0));
    delivery.settled();
    server.kill();
    for payload in 1..20 {
        delivery.offer(&lines(100, payload * 100));
    }
    delivery.until(|| delivery.stats.write_errors.get() > 0);
    server.start_again();
    delivery.settled();
    assert_eq!(delivery.finish(), (2000, 0));
    assert_eq!(server.value(DATABASE, "SELECT count(v) FROM m"), 2000);
    assert_eq!(
        server.value(DATABASE, "SELECT sum(v) FROM m"),
        (0..2000).sum::<u64>()
    );
}

#[test]
fn a_database_that_is_missing_or_dropped_is_made() {
    let Some(server) = InfluxServer::start() else {
        return;
    };
    let delivery = Delivery::to(&server);
    delivery.offer(&lines(10, 0));
    delivery.settled();
    assert_eq!(server.value(DATABASE, "SELECT count(v) FROM m"), 10);
    let name = DATABASE.replace('"', "\\\"");
    server.query(DATABASE, &format!("DROP DATABASE \"{name}\""));
    delivery.offer(&lines(5, 100));
    assert_eq!(delivery.finish(), (15, 0));
    assert_eq!(server.value(DATABASE, "SELECT count(v) FROM m"), 5);
}

#[test]
fn bad_lines_cost_themselves_and_no_others() {
    let Some(server) = InfluxServer::start() else {
        return;
    };
    let delivery = Delivery::to(&server);
    delivery.offer(&lines(1, 0));
    delivery.settled();
    // Beside good lines: no fields, a type that conflicts, a series key that is too long, an integer that is.
    let long_key = "x".repeat(70_000);
    for bad in [
        "garbage".to_owned(),
        format!("m v=1.5 {WALL_NS}"),
        format!("m,t={long_key} v=1i {WALL_NS}"),
        format!("m v=9223372036854775808i {WALL_NS}"),
    ] {
        delivery.offer(&format!("{}{bad}\n{}", lines(50, 100), lines(50, 200)));
    }
    // Two types for a new field in a new shard: InfluxDB stores nothing of such a batch.
    let old = WALL_NS - 10_000_000_000_000_000;
    let good: Vec<String> = (1..50)
        .map(|index| format!("n g={index}i {}\n", old + index))
        .collect();
    let good = good.concat();
    delivery.offer(&format!("n f=1i {old}\n{good}n f=1.5 {}\n", old + 99));
    delivery.settled();
    let (sent, dropped) = delivery.finish();
    assert_eq!((sent, dropped), (1 + 4 * 100 + 50, 5));
    assert_eq!(server.value(DATABASE, "SELECT count(v) FROM m"), 101);
    assert_eq!(server.value(DATABASE, "SELECT count(g) FROM n"), 49);
}
