//! Workers against a server that answers as told, over real sockets.

use std::{collections::VecDeque, future::ready, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    select,
    sync::Notify,
    time::Instant,
};

use super::{Ended, Sink, Target, Worker, influxdb::Client, open, worker::Pace};
use crate::{
    config::{Credentials, Delivery, Influxdb, Secret, Spool},
    encode::{Payload, Times},
    loss::{LossReason, Losses},
    self_stats::SinkStats,
};

const NO_DATABASE: Reply = Reply::Json(404, r#"{"error":"database not found: \"metrics\""}"#);
const STORED: Reply = Reply::Json(204, "");
const QUICK: Pace = Pace {
    first_write: Duration::ZERO,
    first_retry: Duration::from_millis(1),
    longest_retry: Duration::from_millis(1),
    probe: Duration::from_millis(1),
    last_retry: Duration::from_millis(1),
    drain: Duration::from_secs(20),
};

/// What the server does with a request.
#[derive(Clone, Copy)]
enum Reply {
    Json(u16, &'static str),
    /// 503 and a `Retry-After` of so many seconds.
    Busy(u64),
    /// Closes the connection without a word.
    Cut,
    /// Keeps the connection and says nothing.
    Silence,
}

struct Request {
    /// Method, path and query.
    line: String,
    headers: String,
    body: String,
}

struct Fixture {
    listener: TcpListener,
    settings: Influxdb,
    delivery: Delivery,
    folder: tempfile::TempDir,
    stats: Arc<SinkStats>,
}

impl Fixture {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self {
            listener,
            settings: Influxdb {
                database: "metrics".to_owned(),
                timeout: Duration::from_secs(10),
                ..Influxdb::at(format!("http://{address}").parse().unwrap())
            },
            delivery: Delivery::default(),
            folder: tempfile::tempdir().unwrap(),
            stats: Arc::new(SinkStats::new("db")),
        }
    }

    fn open(&self) -> (Sink, Worker) {
        let client = Client::new(&self.settings, read_secret).unwrap();
        let target = Target::Influxdb(client);
        let folder = self.folder.path();
        let stats = Arc::clone(&self.stats);
        let (sink, mut worker) = open(target, &self.delivery, folder, no_points, stats).unwrap();
        worker.pace = QUICK;
        (sink, worker)
    }

    /// Delivers `payloads` to a server that gives `replies` one after the other, and stops when all are given.
    async fn play(&self, payloads: &[&str], replies: &[Reply]) -> (Vec<Request>, Ended) {
        let (sink, worker) = self.open();
        for lines in payloads {
            sink.offer(payload(lines));
        }
        let all_given = Notify::new();
        let mut replies: VecDeque<Reply> = replies.iter().copied().collect();
        let mut requests = Vec::new();
        let answer = |request| {
            requests.push(request);
            let reply = replies.pop_front().unwrap();
            if replies.is_empty() {
                all_given.notify_one();
            }
            reply
        };
        let ended = select! {
            ended = worker.run(all_given.notified()) => ended,
            never = serve(&self.listener, answer) => never,
        };
        (requests, ended)
    }

    /// Delivers `lines` to a server that decides by the body, and stops when all is settled.
    async fn settle(&self, lines: &str, mut reply: impl FnMut(&str) -> Reply) -> Ended {
        let (sink, worker) = self.open();
        sink.offer(payload(lines));
        select! {
            ended = worker.run(ready(())) => ended,
            never = serve(&self.listener, |request| reply(&request.body)) => never,
        }
    }

    /// Points sent, points dropped, failed writes.
    fn counts(&self) -> (u64, u64, u64) {
        let stats = &self.stats;
        (
            stats.points_sent(),
            stats.points_lost(),
            stats.write_errors.get(),
        )
    }
}

fn payload(lines: &str) -> Payload {
    Payload::new(Bytes::copy_from_slice(lines.as_bytes()), Times::at(0))
}

/// No secret here stands in a file.
fn read_secret(_file: &std::path::Path) -> std::io::Result<crate::config::SecretFile> {
    Err(std::io::ErrorKind::NotFound.into())
}

fn no_points(_losses: &Losses, _wall_ns: i64) -> Option<Payload> {
    None
}

const DRAINED: Ended = Ended::Stopped {
    points_lost: 0,
    points_kept: 0,
};

async fn serve(listener: &TcpListener, mut answer: impl FnMut(Request) -> Reply) -> ! {
    let mut silent = Vec::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        while let Some(request) = receive(&mut stream).await {
            let (status, headers, body) = match answer(request) {
                Reply::Json(status, body) => (status, String::new(), body),
                Reply::Busy(seconds) => (503, format!("Retry-After: {seconds}\r\n"), "busy"),
                Reply::Cut => break,
                Reply::Silence => {
                    silent.push(stream);
                    break;
                }
            };
            let length = body.len();
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{headers}\r\n");
            stream
                .write_all(format!("{head}{body}").as_bytes())
                .await
                .unwrap();
        }
    }
}

async fn receive(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let mut headers = String::new();
    while !headers.ends_with("\r\n\r\n") {
        if stream.read_line(&mut headers).await.ok()? == 0 {
            return None;
        }
    }
    let headers = headers.to_lowercase();
    let (_, length) = headers.split_once("content-length: ")?;
    let mut body = vec![0; length.lines().next()?.parse().ok()?];
    stream.read_exact(&mut body).await.ok()?;
    Some(Request {
        line: line.trim_end().to_owned(),
        headers,
        body: String::from_utf8(body).unwrap(),
    })
}

#[tokio::test]
async fn a_write_carries_database_precision_and_credentials() {
    let mut fixture = Fixture::new().await;
    fixture.settings.retention_policy = Some("short".to_owned());
    fixture.settings.credentials = Some(Credentials::Password {
        username: "agent".to_owned(),
        password: Secret::new("s3cret".to_owned()),
    });
    let (requests, ended) = fixture.play(&["a v=1i 1\n"], &[STORED]).await;
    let [request] = &requests[..] else {
        panic!("{} requests", requests.len());
    };
    assert_eq!(
        request.line,
        "POST /write?db=metrics&precision=ns&rp=short HTTP/1.1"
    );
    assert!(
        request
            .headers
            .contains("authorization: basic ywdlbnq6cznjcmv0\r\n")
    );
    assert_eq!((request.body.as_str(), ended), ("a v=1i 1\n", DRAINED));
    assert_eq!(fixture.counts(), (1, 0, 0));
    assert!(
        fixture
            .stats
            .last_ack_wall_ns
            .load(std::sync::atomic::Ordering::Relaxed)
            > 0
    );
}

#[tokio::test]
async fn faults_that_pass_lose_nothing_and_keep_the_order() {
    let fixture = Fixture::new().await;
    let timeout = Reply::Json(500, r#"{"error":"timeout"}"#);
    let eof = Reply::Json(400, r#"{"error":"unexpected EOF"}"#);
    let faults = [
        timeout,
        Reply::Cut,
        Reply::Cut,
        eof,
        STORED,
        Reply::Cut,
        STORED,
    ];
    let (requests, ended) = fixture.play(&["a v=1i 1\n", "a v=2i 2\n"], &faults).await;
    let bodies: Vec<&str> = requests.iter().map(|request| &request.body[4..5]).collect();
    assert_eq!(bodies.concat(), "1111122");
    // A connection that is cut is tried anew at once, which is no failed write.
    assert_eq!((fixture.counts(), ended), ((2, 0, 3), DRAINED));
}

#[tokio::test]
async fn the_wait_a_server_asks_for_is_kept() {
    let fixture = Fixture::new().await;
    let started = Instant::now();
    let (requests, _) = fixture
        .play(&["a v=1i 1\n"], &[Reply::Busy(1), STORED])
        .await;
    assert_eq!(requests.len(), 2);
    assert!(
        started.elapsed() >= Duration::from_secs(1),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_and_tried_again() {
    let mut fixture = Fixture::new().await;
    fixture.settings.timeout = Duration::from_millis(50);
    let (requests, ended) = fixture
        .play(&["a v=1i 1\n"], &[Reply::Silence, STORED])
        .await;
    assert_eq!(
        (requests.len(), fixture.counts(), ended),
        (2, (1, 0, 1), DRAINED)
    );
}

#[tokio::test]
async fn a_missing_database_is_made_and_the_write_repeated() {
    let fixture = Fixture::new().await;
    let made = Reply::Json(200, r#"{"results":[{"statement_id":0}]}"#);
    let (requests, _) = fixture
        .play(&["a v=1i 1\n"], &[NO_DATABASE, made, STORED])
        .await;
    assert_eq!(requests[1].line, "POST /query HTTP/1.1");
    assert_eq!(
        requests[1].body,
        "q=CREATE+DATABASE+%22metrics%22&db=metrics&epoch=ns"
    );
    assert_eq!(
        (requests[2].body.as_str(), fixture.counts()),
        ("a v=1i 1\n", (1, 0, 0))
    );
}

#[tokio::test]
async fn a_database_that_cannot_be_made_is_waited_for() {
    let fixture = Fixture::new().await;
    let refused = Reply::Json(
        200,
        r#"{"results":[{"statement_id":0,"error":"disk full"}]}"#,
    );
    let replies = [NO_DATABASE, refused, NO_DATABASE, refused, STORED];
    let (requests, _) = fixture.play(&["a v=1i 1\n"], &replies).await;
    assert_eq!((requests.len(), fixture.counts()), (5, (1, 0, 2)));
}

#[tokio::test]
async fn a_database_that_stays_missing_though_made_is_waited_for() {
    let fixture = Fixture::new().await;
    let made = Reply::Json(200, r#"{"results":[{"statement_id":0}]}"#);
    let replies = [NO_DATABASE, made, NO_DATABASE, NO_DATABASE, made, STORED];
    let (requests, _) = fixture.play(&["a v=1i 1\n"], &replies).await;
    assert_eq!((requests.len(), fixture.counts()), (6, (1, 0, 1)));
}

#[tokio::test]
async fn a_database_that_is_not_to_be_made_is_only_waited_for() {
    let mut fixture = Fixture::new().await;
    fixture.settings.create_database = false;
    let (requests, _) = fixture.play(&["a v=1i 1\n"], &[NO_DATABASE, STORED]).await;
    assert!(
        requests
            .iter()
            .all(|request| request.line.contains("/write"))
    );
    assert_eq!(fixture.counts(), (1, 0, 1));
}

#[tokio::test]
async fn refused_credentials_lose_nothing() {
    let fixture = Fixture::new().await;
    let denied = Reply::Json(401, r#"{"error":"authorization failed"}"#);
    let forbidden = Reply::Json(403, r#"{"error":"not authorized"}"#);
    let replies = [denied, denied, forbidden, STORED];
    fixture.play(&["a v=1i 1\nb v=1i 1\n"], &replies).await;
    assert_eq!(fixture.counts(), (2, 0, 3));
}

#[tokio::test]
async fn points_the_server_names_are_lost_and_the_rest_is_written_until_it_is_stored() {
    let fixture = Fixture::new().await;
    let partial = r#"{"error":"partial write: field type conflict: input field \"v\" on measurement \"b\" is type float, already exists as type integer dropped=1"}"#;
    let replies = [
        Reply::Json(400, partial),
        STORED,
        Reply::Json(400, partial),
        STORED,
    ];
    let (requests, _) = fixture
        .play(&["a v=1i 1\nb v=1.5 1\nc v=1i 1\n", "d v=1i 1\n"], &replies)
        .await;
    let bodies: Vec<&str> = requests
        .iter()
        .map(|request| request.body.as_str())
        .collect();
    assert_eq!(bodies[1..3], ["a v=1i 1\nc v=1i 1\n", "b v=1.5 1\n"]);
    assert_eq!(fixture.counts(), (3, 1, 0));
    let quarantine = fixture.folder.path().join("quarantine/db.lp");
    let kept = std::fs::read_to_string(quarantine).unwrap();
    assert!(
        kept.starts_with("# partial write: ") && kept.ends_with("\nb v=1.5 1\n"),
        "{kept}"
    );
}

#[tokio::test]
async fn a_batch_refused_for_one_line_is_split_until_the_line_stands_alone() {
    let fixture = Fixture::new().await;
    let lines: String = (0..100)
        .map(|index| {
            if index == 37 {
                "bad\n".to_owned()
            } else {
                format!("a v={index}i 1\n")
            }
        })
        .collect();
    let mut stored = String::new();
    let mut requests = 0;
    let ended = fixture.settle(&lines, |body| {
        requests += 1;
        if body.contains("bad") {
            return Reply::Json(400, r#"{"error":"unable to parse 'bad': missing fields"}"#);
        }
        stored.push_str(body);
        STORED
    });
    assert_eq!(ended.await, DRAINED);
    assert_eq!(stored, lines.replace("bad\n", ""));
    assert_eq!(fixture.counts(), (99, 1, 0));
    assert!(requests <= 20, "requests={requests}");
}

#[tokio::test]
async fn what_is_too_large_is_split_and_the_limit_remembered() {
    let fixture = Fixture::new().await;
    let long = format!("a s=\"{}\" 1\n", "x".repeat(500));
    let lines = format!(
        "{}{long}{}",
        "a v=1i 1\n".repeat(100),
        "b v=1i 1\n".repeat(100)
    );
    let mut stored = String::new();
    let mut refused = Vec::new();
    let ended = fixture.settle(&lines, |body| {
        if body.len() > 300 {
            refused.push(body.len());
            return Reply::Json(413, "<html>too large</html>");
        }
        stored.push_str(body);
        STORED
    });
    assert_eq!(ended.await, DRAINED);
    assert_eq!(stored, lines.replace(&long, ""));
    assert_eq!(fixture.counts(), (200, 1, 0));
    assert!(refused.len() < 8, "refused={refused:?}");
}

#[tokio::test]
async fn what_a_server_ends_the_connection_for_is_tried_in_smaller_parts() {
    let fixture = Fixture::new().await;
    let lines = "a v=1i 1\n".repeat(10_000);
    let mut stored = 0;
    let mut cut = 0;
    let ended = fixture.settle(&lines, |body| {
        if body.len() > 40_000 {
            cut += 1;
            return Reply::Cut;
        }
        stored += body.len();
        STORED
    });
    assert_eq!(ended.await, DRAINED);
    assert_eq!((stored, fixture.counts().1), (lines.len(), 0));
    assert!(cut < 12, "cut={cut}");
}

#[tokio::test]
async fn a_point_that_tells_of_losses_and_is_refused_is_lost_and_makes_no_other() {
    let fixture = Fixture::new().await;
    let lines = "a v=1i 1\nagent_loss,reason=evicted points=1i 1\n";
    let ended = fixture.settle(lines, |body| {
        if body.contains("agent_loss") {
            return Reply::Json(
                400,
                r#"{"error":"unable to parse 'agent_loss,reason=evicted points=1i 1': no"}"#,
            );
        }
        STORED
    });
    assert_eq!(ended.await, DRAINED);
    let account = fixture.stats.account();
    assert_eq!(account.points_sent, 1);
    assert_eq!(account.points_lost[LossReason::Unreported as usize], 1);
    assert_eq!(fixture.counts().1, 1);
}

#[tokio::test]
async fn what_cannot_be_written_before_the_deadline_is_lost_and_counted() {
    let fixture = Fixture::new().await;
    let (sink, mut worker) = fixture.open();
    worker.pace.drain = Duration::from_millis(30);
    sink.offer(payload("a v=1i 1\nb v=1i 1\n"));
    sink.offer(payload("c v=1i 1\n"));
    let ended = select! {
        ended = worker.run(ready(())) => ended,
        never = serve(&fixture.listener, |_| Reply::Silence) => never,
    };
    let lost = Ended::Stopped {
        points_lost: 3,
        points_kept: 0,
    };
    assert_eq!((ended, fixture.counts().1), (lost, 3));
}

#[tokio::test]
async fn what_is_on_disk_waits_for_the_next_start() {
    let mut fixture = Fixture::new().await;
    // The points here are of 1970, and wait since now.
    fixture.delivery.spool = Some(Spool::default());
    let (sink, worker) = fixture.open();
    sink.offer(payload("a v=1i 1\nb v=1i 1\n"));
    let stop = async {
        while fixture.stats.write_errors.get() == 0 {
            tokio::task::yield_now().await;
        }
    };
    let ended = select! {
        ended = worker.run(stop) => ended,
        never = serve(&fixture.listener, |_| Reply::Json(503, "")) => never,
    };
    let kept = Ended::Stopped {
        points_lost: 0,
        points_kept: 2,
    };
    assert_eq!((ended, fixture.counts().0), (kept, 0));
    drop(sink);
    let (requests, ended) = fixture.play(&["c v=1i 2\n"], &[STORED, STORED]).await;
    let bodies: Vec<&str> = requests
        .iter()
        .map(|request| request.body.as_str())
        .collect();
    assert_eq!(bodies, ["c v=1i 2\n", "a v=1i 1\nb v=1i 1\n"]);
    assert_eq!((ended, fixture.counts().0), (DRAINED, 3));
}

#[tokio::test]
async fn a_file_gets_all_lines_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("points.lp");
    let stats = Arc::new(SinkStats::new("file"));
    let target = Target::File(path.clone());
    let delivery = Delivery::default();
    let opened = open(
        target,
        &delivery,
        folder.path(),
        no_points,
        Arc::clone(&stats),
    );
    let (sink, worker) = opened.unwrap();
    sink.offer(payload("a v=1i 1\n"));
    sink.offer(payload("b v=2i 2\n"));
    assert_eq!(worker.run(ready(())).await, DRAINED);
    assert_eq!(
        std::fs::read_to_string(path).unwrap(),
        "a v=1i 1\nb v=2i 2\n"
    );
    assert_eq!(stats.points_sent(), 2);
}
