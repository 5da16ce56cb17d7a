//! The server in this process, asked over real sockets.

use std::{
    io::Write as _,
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    task::JoinSet,
    time::timeout,
};

use super::*;
use crate::{
    encode::{Tagging, intake::Reason},
    http::{SettingNames, Silence, SocketFile, Wanted},
    self_stats::Counter,
};

const DEADLINE: Duration = Duration::from_secs(20);
const WALL_NS: i64 = 1_700_000_000_000_000_000;

/// A server on a socket of its own.
struct Running {
    _folder: TempDir,
    path: PathBuf,
    stats: Arc<SocketStats>,
    /// All that was handed over, as text.
    taken: Arc<Mutex<String>>,
    /// Whether delivery has no room.
    full: Arc<AtomicBool>,
    /// What its clock says.
    boot_ns: Arc<AtomicU64>,
    stop: watch::Sender<bool>,
    server: JoinSet<usize>,
}

impl Running {
    fn start(settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("points.sock");
        let (file, listener) = SocketFile::bind(Wanted {
            path: &path,
            mode: 0o600,
            group: None,
            settings: SettingNames {
                path: "socket.path",
                group: "socket.group",
            },
        })
        .unwrap();
        let stats = Arc::new(SocketStats::default());
        let taken = Arc::new(Mutex::new(String::new()));
        let full = Arc::new(AtomicBool::new(false));
        let boot_ns = Arc::new(AtomicU64::new(1));
        let tagging = Tagging::new("box", &[].into(), &[]).unwrap();
        let (clock, is_full, into) = (Arc::clone(&boot_ns), Arc::clone(&full), Arc::clone(&taken));
        let handover = move |payloads: Vec<Payload>| {
            if is_full.load(Ordering::Relaxed) {
                return Err("no room");
            }
            let lines = payloads
                .iter()
                .map(|it| str::from_utf8(it.lines()).unwrap());
            into.lock().unwrap().extend(lines);
            Ok(())
        };
        let server = Server::new(
            settings,
            Intake::new(tagging, 100),
            Arc::new(handover),
            Arc::clone(&stats),
            Arc::new(move || Timestamp {
                boot_ns: clock.load(Ordering::Relaxed),
                wall_ns: WALL_NS,
            }),
        );
        let (stop, stopped) = watch::channel(false);
        let mut running = JoinSet::new();
        running.spawn(async move {
            let _file = file;
            server.run(listener, stopped).await
        });
        Self {
            _folder: folder,
            path,
            stats,
            taken,
            full,
            boot_ns,
            stop,
            server: running,
        }
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(&self.path).await.unwrap()
    }

    async fn post(&self, target: &str, headers: &str, body: &[u8]) -> Answer {
        let head = format!("POST {target} HTTP/1.1\r\nHost: x\r\n{headers}");
        let length = body.len();
        self.send(&format!("{head}Content-Length: {length}\r\n"), body)
            .await
    }

    async fn write(&self, body: &str) -> Answer {
        self.post("/write?db=any", "", body.as_bytes()).await
    }

    async fn get(&self, target: &str) -> Answer {
        let head = format!("GET {target} HTTP/1.1\r\nHost: x\r\n");
        self.send(&head, b"").await
    }

    async fn send(&self, head: &str, body: &[u8]) -> Answer {
        let mut stream = self.connect().await;
        let head = format!("{head}Connection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        Answer::parse(&rest(stream).await)
    }

    /// What was handed over since the last call.
    fn taken(&self) -> String {
        std::mem::take(&mut self.taken.lock().unwrap())
    }

    async fn stop(mut self) -> usize {
        self.stop.send_replace(true);
        let ended = timeout(DEADLINE, self.server.join_next()).await;
        ended.unwrap().unwrap().unwrap()
    }
}

/// Reads to the end of the connection; one that is cut ends, too.
async fn rest(mut stream: UnixStream) -> String {
    let mut read = Vec::new();
    let reading = async { while matches!(stream.read_buf(&mut read).await, Ok(1..)) {} };
    timeout(DEADLINE, reading).await.unwrap();
    String::from_utf8_lossy(&read).into_owned()
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    /// The reason, where there is one.
    error: String,
}

impl Answer {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
        let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
        Self {
            status: status.unwrap_or_else(|| panic!("no answer: {text:?}")),
            head: head.to_owned(),
            error: body["error"].as_str().unwrap_or_default().to_owned(),
        }
    }
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn good_lines_are_taken_and_bad_ones_named() {
    let server = Running::start(Settings::default());
    assert_eq!(server.write("m,t=1 v=1i\n").await.status, 204);
    let expected = format!("m,host=box,t=1 v=1i {WALL_NS}\n");
    assert_eq!(server.taken(), expected);
    let answer = server.write("m,t=1 v=2i\nbad\ncontainer_cpu v=1\n").await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.error,
        "partial write: unable to parse 'bad': it is no line protocol\n\
         unable to parse 'container_cpu v=1': the measurement is the agent's own dropped=2"
    );
    assert!(server.taken().starts_with("m,host=box,t=1 v=2i "));
    let answer = server.write("bad").await;
    assert_eq!(answer.status, 400);
    assert!(answer.error.starts_with("unable to parse 'bad'"));
    let told: Vec<u64> = [
        &server.stats.requests,
        &server.stats.requests_refused,
        &server.stats.lines_taken,
        server.stats.lines_refused(Reason::Malformed),
        server.stats.lines_refused(Reason::OwnMeasurement),
    ]
    .map(Counter::get)
    .into();
    assert_eq!(told, [3, 0, 2, 2, 1]);
}

#[tokio::test]
async fn each_way_of_asking_is_understood() {
    let server = Running::start(Settings::default());
    let target = "/api/v2/write?org=a&bucket=b&precision=s";
    let answer = server.post(target, "", b"m v=1i 1600000000").await;
    assert_eq!(answer.status, 204);
    let packed = gzip(b"m v=2i 1600000000000");
    let headers = "Content-Encoding: gzip\r\nAuthorization: Basic eDp5\r\n";
    let answer = server.post("/write?precision=ms", headers, &packed).await;
    assert_eq!(answer.status, 204);
    let chunked = "POST /write HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n";
    let answer = server.send(chunked, b"6\r\nm v=3i\r\n0\r\n\r\n").await;
    assert_eq!(answer.status, 204);
    let expected = format!(
        "m,host=box v=1i 1600000000000000000\nm,host=box v=2i 1600000000000000000\nm,host=box v=3i {WALL_NS}\n"
    );
    assert_eq!(server.taken(), expected);
    assert_eq!(server.write("").await.status, 204);
    let ping = server.get("/ping").await;
    assert_eq!(ping.status, 204);
    assert!(ping.head.contains("x-influxdb-version: cgflux-"));
    assert_eq!(server.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn what_cannot_be_understood_is_refused_with_the_reason() {
    let server = Running::start(Settings::default());
    let gzipped = "Content-Encoding: gzip\r\n";
    let cut = &gzip(&b"m v=1i\n".repeat(100))[..30];
    let bomb = gzip(&vec![b' '; 8 << 20]);
    for (target, headers, body, status, words) in [
        (
            "/write?precision=d",
            "",
            &b"m v=1"[..],
            400,
            "invalid precision \"d\"",
        ),
        ("/write", "Content-Encoding: br\r\n", b"m v=1", 415, "gzip"),
        ("/write", gzipped, b"m v=1", 400, "gzip: "),
        ("/write", gzipped, cut, 400, "gzip: "),
        ("/write", gzipped, &bomb, 413, "more than 1 MiB"),
        (
            "/write",
            "",
            &vec![b'x'; (1 << 20) + 1],
            413,
            "more than 1 MiB",
        ),
        ("/write", "", &vec![b'x'; 16 << 20], 413, "more than 1 MiB"),
        ("/query?q=DROP", "", b"", 404, "/write"),
        ("/ping", "", b"", 405, "GET, HEAD"),
    ] {
        let answer = server.post(target, headers, body).await;
        assert_eq!(answer.status, status, "{target} {answer:?}");
        assert!(answer.error.contains(words), "{answer:?}");
    }
    assert_eq!(server.get("/write").await.status, 405);
    assert_eq!(server.get("/metrics").await.status, 404);
    assert_eq!(server.taken(), "");
    assert_eq!(server.stats.requests_refused.get(), 7);
}

#[tokio::test]
async fn a_body_of_exactly_a_mebibyte_is_taken() {
    let server = Running::start(Settings::default());
    let mut body = b"m v=1i\n#".to_vec();
    body.resize(MAX_BODY_BYTES, b'x');
    let answer = server.post("/write", "", &body).await;
    assert_eq!(answer.status, 204);
    assert_eq!(server.taken().lines().count(), 1);
}

#[tokio::test]
async fn without_room_nothing_is_taken_and_the_client_is_told_to_come_again() {
    let server = Running::start(Settings::default());
    server.full.store(true, Ordering::Relaxed);
    let answer = server.write("m v=1i\nbad").await;
    assert_eq!((answer.status, answer.error.as_str()), (503, "no room"));
    assert!(answer.head.contains("retry-after: 1"), "{answer:?}");
    assert_eq!(server.stats.lines_refused(Reason::Malformed).get(), 0);
    server.full.store(false, Ordering::Relaxed);
    assert_eq!(server.write("m v=1i").await.status, 204);
}

#[tokio::test]
async fn too_many_bytes_a_second_have_to_wait() {
    let settings = Settings {
        bytes_per_second: 1024,
        ..Settings::default()
    };
    let server = Running::start(settings);
    for status in [204, 204, 204, 204, 503] {
        assert_eq!(server.write("m v=1i").await.status, status);
    }
    server.boot_ns.fetch_add(1_000_000_000, Ordering::Relaxed);
    for status in [204, 503] {
        assert_eq!(server.write("m v=1i").await.status, status);
    }
    assert_eq!(server.taken().lines().count(), 5);
}

#[tokio::test]
async fn slow_clients_are_cut_and_hold_up_nobody() {
    let settings = Settings {
        limits: Limits {
            silence: Silence::of(Duration::from_millis(200)),
            ..Limits::of(3)
        },
        bodies: 1,
        ..Settings::default()
    };
    let server = Running::start(settings);
    let mut slow_head = server.connect().await;
    slow_head
        .write_all(b"POST /write HTTP/1.1\r\nHo")
        .await
        .unwrap();
    let mut slow_body = server.connect().await;
    let begun = b"POST /write HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nm v=1i\n";
    slow_body.write_all(begun).await.unwrap();
    let idle = server.connect().await;
    // The three take all connections until they are cut.
    assert_eq!(server.write("m v=2i").await.status, 204);
    let told = Answer::parse(&rest(slow_body).await);
    assert_eq!(
        (told.status, told.error.as_str()),
        (408, "the body did not arrive in time")
    );
    assert!(!rest(slow_head).await.contains(" 204"));
    assert_eq!(rest(idle).await, "");
    assert!(!server.taken().contains("v=1i"));
}

#[tokio::test]
async fn a_body_that_is_cut_is_not_taken() {
    let server = Running::start(Settings::default());
    let mut stream = server.connect().await;
    let begun = b"POST /write HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nm v=1i\n";
    stream.write_all(begun).await.unwrap();
    stream.shutdown().await.unwrap();
    drop(rest(stream).await);
    assert_eq!(server.write("m v=2i").await.status, 204);
    assert!(!server.taken().contains("v=1i"));
}

#[tokio::test]
async fn a_hundred_at_once_are_all_answered_and_every_line_is_there_once() {
    let server = Running::start(Settings::default());
    let mut clients = JoinSet::new();
    for client in 0..100 {
        let path = server.path.clone();
        clients.spawn(async move {
            let mut stream = UnixStream::connect(path).await.unwrap();
            for at in 0..5 {
                let body = format!("m,client={client} v={at}i\n");
                loop {
                    let request = format!(
                        "POST /write HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    stream.write_all(request.as_bytes()).await.unwrap();
                    let answer = one_answer(&mut stream).await;
                    if answer.status == 204 {
                        break;
                    }
                    assert_eq!(answer.status, 503, "{answer:?}");
                }
            }
        });
    }
    timeout(DEADLINE, clients.join_all()).await.unwrap();
    let taken = server.taken();
    let mut lines: Vec<_> = taken
        .lines()
        .map(|it| it.rsplit_once(' ').unwrap().0)
        .collect();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!((lines.len(), server.stats.lines_taken.get()), (500, 500));
    assert_eq!(server.stop().await, 0);
}

/// Reads one answer of a connection that goes on.
async fn one_answer(stream: &mut UnixStream) -> Answer {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|it| it.strip_prefix("content-length: "));
            let length = length.map_or(0, |it| it.parse().unwrap());
            if body.len() >= length {
                return Answer::parse(&text);
            }
        }
        let got = timeout(DEADLINE, stream.read_buf(&mut read)).await;
        assert!(got.unwrap().unwrap() > 0, "ended: {read:?}");
    }
}

#[tokio::test]
async fn the_end_lets_answers_finish_and_takes_the_file_along() {
    let server = Running::start(Settings::default());
    let mut idle = server.connect().await;
    idle.write_all(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(one_answer(&mut idle).await.status, 204);
    let path = server.path.clone();
    assert_eq!(server.stop().await, 0);
    assert_eq!(rest(idle).await, "");
    assert!(!path.exists());
}
