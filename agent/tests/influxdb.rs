//! The sink against a real InfluxDB 1.x, started by the test on a free port in a folder of its own.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by a panic, and says aloud what it skips"
)]

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use cgflux::{
    config::Influxdb,
    container::{CgroupId, Container, Runtime},
    encode::{LineEncoder, Payload, Tagging},
    metrics::{Batch, Sample, Subject, Value, catalog},
    self_stats::SinkStats,
    shipment::{Selection, Shipper},
    sink::{self, Bounds, Ended, Sink, Target, influxdb::Client},
    snapshot::Timestamp,
};
use serde_json::Value as Json;
use tempfile::TempDir;
use tokio::{runtime, sync::oneshot, task::JoinHandle, time};

const INFLUXD: &str = "/usr/bin/influxd";
const DATABASE: &str = "a \"test\" db";
const WALL_NS: i64 = 1_700_000_000_000_000_000;

/// A server that ends with the test.
struct Server {
    folder: TempDir,
    process: Child,
    port: u16,
}

impl Server {
    /// `None`, and a line that says so, where no InfluxDB is installed.
    fn start() -> Option<Self> {
        if !Path::new(INFLUXD).exists() {
            println!("SKIP: {INFLUXD} is not installed (apt-get install influxdb)");
            return None;
        }
        // A port that was free a moment ago may be taken by now.
        let server = (0..5).find_map(|_| Self::start_on(free_ports()));
        assert!(server.is_some(), "influxd does not start");
        server
    }

    fn start_on([port, backup_port]: [u16; 2]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display();
        let config = format!(
            "reporting-disabled = true\n\
             bind-address = \"127.0.0.1:{backup_port}\"\n\
             [meta]\ndir = \"{path}/meta\"\n\
             [data]\ndir = \"{path}/data\"\nwal-dir = \"{path}/wal\"\n\
             [http]\nbind-address = \"127.0.0.1:{port}\"\nlog-enabled = false\n\
             [monitor]\nstore-enabled = false\n"
        );
        fs::write(folder.path().join("influxdb.conf"), config).unwrap();
        let process = spawn(folder.path());
        let mut server = Self {
            folder,
            process,
            port,
        };
        server.is_ready().then_some(server)
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn start_again(&mut self) {
        self.process = spawn(self.folder.path());
        assert!(self.is_ready(), "influxd ended");
    }

    /// Returns once it answers, or has ended.
    fn is_ready(&mut self) -> bool {
        let deadline = Instant::now() + Duration::from_mins(1);
        while self.get("/ping").is_err() {
            assert!(Instant::now() < deadline, "influxd does not answer");
            std::thread::park_timeout(Duration::from_millis(20));
        }
        self.process.try_wait().unwrap().is_none()
    }

    /// The series a query gives, each with its tags, columns and rows.
    fn query(&self, query: &str) -> Vec<Json> {
        let form: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("db", DATABASE)
            .append_pair("epoch", "ns")
            .append_pair("q", query)
            .finish();
        let body = self.get(&format!("/query?{form}")).unwrap();
        let answer: Json = serde_json::from_str(&body).unwrap();
        let result = &answer["results"][0];
        assert_eq!(result["error"], Json::Null, "query={query}");
        result["series"].as_array().cloned().unwrap_or_default()
    }

    /// The one value a query gives.
    fn value(&self, query: &str) -> Json {
        let series = self.query(query);
        series
            .first()
            .map_or(Json::Null, |it| it["values"][0][1].clone())
    }

    /// The body of an answer with a good status.
    fn get(&self, path: &str) -> Result<String, Box<dyn Error>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
        let good = head
            .split(' ')
            .nth(1)
            .is_some_and(|status| status.starts_with('2'));
        good.then(|| body.to_owned()).ok_or_else(|| head.into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(folder: &Path) -> Child {
    let log = fs::File::options()
        .append(true)
        .create(true)
        .open(folder.join("log"))
        .unwrap();
    Command::new(INFLUXD)
        .arg("run")
        .arg("-config")
        .arg(folder.join("influxdb.conf"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// A sink that writes to a server while the test goes on.
struct Delivery {
    runtime: runtime::Runtime,
    sink: Sink,
    stats: Arc<SinkStats>,
    stop: oneshot::Sender<()>,
    worker: JoinHandle<Ended>,
}

impl Delivery {
    fn to(server: &Server) -> Self {
        let url = format!("http://127.0.0.1:{}", server.port);
        let settings = Influxdb {
            database: DATABASE.to_owned(),
            ..Influxdb::at(url.parse().unwrap())
        };
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let stats = Arc::new(SinkStats::new("db"));
        let client = Client::new(&settings).unwrap();
        let target = Target::Influxdb(client);
        let (sink, worker) = sink::open(target, Bounds::default(), Arc::clone(&stats));
        let (stop, stopped) = oneshot::channel::<()>();
        let worker = runtime.spawn(worker.run(async {
            stopped.await.unwrap();
        }));
        Self {
            runtime,
            sink,
            stats,
            stop,
            worker,
        }
    }

    fn offer(&self, lines: &str) {
        self.sink
            .offer(Payload::new(Bytes::copy_from_slice(lines.as_bytes())));
    }

    /// Returns once all that was offered is sent or dropped.
    fn settled(&self) {
        self.until(|| self.sink.backlog().points == 0);
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
        assert!(in_time.is_ok(), "still waiting: {:?}", self.sink.backlog());
    }

    /// Stops and returns points sent and points dropped.
    fn finish(self) -> (u64, u64) {
        self.stop.send(()).unwrap();
        let ended = self.runtime.block_on(self.worker).unwrap();
        assert_eq!(ended, Ended::Stopped { points_lost: 0 });
        (
            self.stats.points_sent.get(),
            self.stats.points_dropped.get(),
        )
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
    let Some(server) = Server::start() else {
        return;
    };
    let subjects = HOSTILE.iter().zip(2..).map(|((text, _), cgroup)| Subject {
        container: Arc::new(Container {
            path: format!("/docker/{text}"),
            runtime: Runtime::Docker,
            id: Some("0123456789abcdef".to_owned()),
            name: (*text).to_owned(),
            image: Some("registry:5000/shop/web:1.2@sha256:ab".to_owned()),
            labels: BTreeMap::from([("a label".to_owned(), (*text).to_owned())]),
            ..Container::host(CgroupId(cgroup))
        }),
        alive: true,
        samples: vec![
            Sample::new(&catalog::CPU_USAGE, Value::Integer(u64::MAX - cgroup)),
            Sample::new(&catalog::CPU_USER, Value::Integer(cgroup)),
            Sample::new(&catalog::CPU_RATE, Value::Float(1e-7 * cgroup as f64)),
        ],
    });
    let batch = Batch {
        taken: Timestamp {
            boot_ns: 1,
            wall_ns: WALL_NS,
        },
        interval: Duration::ZERO,
        subjects: subjects.collect(),
        agent: Vec::new(),
    };
    let tagging = Tagging::new("a host", &BTreeMap::new(), &["a label".to_owned()]).unwrap();
    let mut shipper = Shipper::new(Duration::from_secs(10), Selection::default());
    let delivery = Delivery::to(&server);
    let shipment = shipper.fold(&batch).unwrap();
    for payload in LineEncoder::new(tagging).encode(&shipment) {
        delivery.sink.offer(payload);
    }
    assert_eq!(delivery.finish(), (2 * HOSTILE.len() as u64, 0));
    let series = server.query("SELECT usage_ns, user_ns, usage_cpus FROM container_cpu GROUP BY *");
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
    let info =
        server.query("SELECT cgroup, image_ref FROM container_info WHERE \"a label\" = 'plain'");
    let row = serde_json::json!([[
        WALL_NS,
        "/docker/plain",
        "registry:5000/shop/web:1.2@sha256:ab"
    ]]);
    assert_eq!(info[0]["values"], row);
}

#[test]
fn a_server_that_is_killed_and_started_again_has_each_point_once() {
    let Some(mut server) = Server::start() else {
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
    assert_eq!(server.value("SELECT count(v) FROM m"), 2000);
    assert_eq!(server.value("SELECT sum(v) FROM m"), (0..2000).sum::<u64>());
}

#[test]
fn a_database_that_is_missing_or_dropped_is_made() {
    let Some(server) = Server::start() else {
        return;
    };
    let delivery = Delivery::to(&server);
    delivery.offer(&lines(10, 0));
    delivery.settled();
    assert_eq!(server.value("SELECT count(v) FROM m"), 10);
    let drop = form_urlencoded::Serializer::new(String::new())
        .append_pair(
            "q",
            &format!("DROP DATABASE \"{}\"", DATABASE.replace('"', "\\\"")),
        )
        .finish();
    server.get(&format!("/query?{drop}")).unwrap();
    delivery.offer(&lines(5, 100));
    assert_eq!(delivery.finish(), (15, 0));
    assert_eq!(server.value("SELECT count(v) FROM m"), 5);
}

#[test]
fn bad_lines_cost_themselves_and_no_others() {
    let Some(server) = Server::start() else {
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
    assert_eq!(server.value("SELECT count(v) FROM m"), 101);
    assert_eq!(server.value("SELECT count(g) FROM n"), 49);
}
