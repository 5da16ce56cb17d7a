//! What the other tests here rely on finds what it is to find.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::harness::{
    InfluxServer, Influxd, Ledger, VictoriaMetrics, parse,
    scripted::{PointStore, Reply, ScriptedServer},
};

#[test]
fn the_ledger_finds_what_is_missing_doubled_and_wrong() {
    let mut ledger = Ledger::new();
    let lines = ledger.lines(20);
    ledger.compare(&parse(&lines)).assert_whole();
    let mut stored = parse(&lines);
    stored.swap(3, 15);
    stored.remove(15);
    stored[7].wall_ns += 1_000_000;
    stored[8].fields.insert("half".to_owned(), "4.5".to_owned());
    let mut again = stored[9].clone();
    again.wall_ns += 1;
    stored.push(again);
    let findings = ledger.compare(&stored);
    let told = "of 20 points missing: 1 (3..=3), doubled: 1 (9..=9), wrong: 3 (7..=9)";
    assert_eq!(findings.to_string(), told);
}

#[test]
fn points_whose_fate_is_unknown_may_be_there_or_not_but_must_be_right() {
    let mut ledger = Ledger::new();
    let sure = ledger.lines(10);
    let unsure = ledger.lines(5);
    let doubted = ledger.doubt(5);
    assert_eq!(ledger.len(), 10);
    for stored in [sure.clone(), format!("{sure}{unsure}")] {
        let stored = parse(&stored);
        ledger.compare_doubting(&stored, &doubted).assert_whole();
    }
    let wrong = unsure.replace("n=12i", "n=13i");
    let findings = ledger.compare_doubting(&parse(&format!("{sure}{wrong}")), &doubted);
    assert_eq!(findings.wrong, [13].into());
}

#[test]
fn each_real_server_gives_back_what_was_written_to_it_once_and_twice() {
    for (server, target) in [
        (InfluxServer::start(), "/write?db=d"),
        (Influxd::with_v2().start(), "/write?db=d"),
        (
            Influxd::with_v2().start(),
            "/api/v2/write?org=o&bucket=d/autogen",
        ),
    ] {
        let Some(mut server) = server else { continue };
        server.execute("CREATE DATABASE d");
        let mut ledger = Ledger::new();
        let lines = ledger.lines(5000);
        for _ in 0..2 {
            server.write(target, &lines).unwrap();
            server.kill();
            server.start_again();
        }
        ledger.compare(&server.points("d")).assert_whole();
    }
    let Some(server) = VictoriaMetrics::keeping(1) else {
        return;
    };
    let mut ledger = Ledger::new();
    let lines = ledger.lines(5000);
    for _ in 0..2 {
        server.write(&lines).unwrap();
    }
    ledger.compare_fields(&server.points()).assert_whole();
}

#[test]
fn a_server_with_users_lets_nobody_else_write() {
    let Some(server) = Influxd::packaged().auth().start() else {
        return;
    };
    server.execute("CREATE DATABASE d");
    server.write("/write?db=d", "m v=1i 1\n").unwrap();
    let refusal = server
        .write("/write?db=d&u=nobody&p=x", "m v=1i 2\n")
        .unwrap_err();
    assert!(refusal.contains("authorization failed"), "{refusal}");
}

#[test]
fn a_scripted_server_does_what_its_script_says() {
    let store = std::sync::Arc::new(PointStore::default());
    let stored = std::sync::Arc::clone(&store);
    let server = ScriptedServer::cutting(
        |number| (number == 0).then_some(2),
        move |request| match request.number {
            1 => Reply::reset(),
            2 => Reply::v1(503, "slow").slowly(Duration::from_millis(5)),
            3 => Reply::stored().then_close(),
            4 => Reply::half_close(),
            _ => Reply::v3(&stored.take(&request.body)),
        },
    );
    for _ in 0..2 {
        let cut = ask(&server, "m v=1i 1\n").unwrap_err();
        assert_eq!(cut, ErrorKind::ConnectionReset);
    }
    let before = Instant::now();
    let slow = ask(&server, "m v=1i 1\n").unwrap();
    assert!(slow.ends_with("{\"error\":\"slow\"}\n"), "{slow}");
    assert!(before.elapsed() > Duration::from_millis(80));
    let closed = ask(&server, "m v=1i 1\n").unwrap();
    assert!(closed.starts_with("HTTP/1.1 204 "), "{closed}");
    assert_eq!(ask(&server, "m v=1i 1\n").unwrap(), "");
    let partly = ask(&server, "m v=1i 1\ngarbage\n").unwrap();
    assert!(partly.contains(r#""line_number":2"#), "{partly}");
    assert_eq!(store.points().len(), 1);
    assert_eq!(server.requests().len(), 5);
    assert_eq!((server.connections(), server.most_open()), (6, 1));
    assert_eq!(server.requests()[0].lines(), 1);
}

/// One request by a connection of its own, and all that comes of it.
fn ask(server: &ScriptedServer, lines: &str) -> Result<String, ErrorKind> {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let length = lines.len();
    write!(
        stream,
        "POST /write HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{lines}"
    )
    .unwrap();
    let mut answer = Vec::new();
    let mut byte = [0];
    // Of a kept connection nobody says where the answer ends but its length.
    loop {
        match stream.read(&mut byte).map_err(|error| error.kind())? {
            0 => break,
            _ => answer.push(byte[0]),
        }
        if is_whole(&String::from_utf8_lossy(&answer)) {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn is_whole(answer: &str) -> bool {
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}
