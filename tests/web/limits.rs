//! Clients that want too much, and one beside them that is served.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use super::{PATIENCE, clients::Clients};
use crate::harness::{Redis, Web, eventually};

#[test]
fn beyond_the_hits_that_may_wait_it_says_so_at_once() {
    let Some(redis) = Redis::start() else {
        return;
    };
    let address = redis.address().to_string();
    let web = Web::start(&[
        "--redis-address",
        &address,
        "--points",
        "none",
        "--max-waiting",
        "4",
        "--deadline",
        "2s",
    ]);
    web.is_ready();
    redis.freeze();
    let clients = Clients::start(32, web.address());
    eventually(PATIENCE, "hits are shed", || {
        let shed = web.stats()["refused"]["shed"].as_u64().unwrap();
        (shed > 0).then_some(()).ok_or(shed)
    });
    redis.thaw();
    let answers = clients.stop();
    answers.numbers();
    assert!(
        answers.statuses().contains_key(&503),
        "{:?}",
        answers.statuses()
    );
    assert_eq!(web.admin("GET /healthz").status, 200);
}

#[test]
fn headers_without_end_are_refused_and_others_are_served() {
    let web = Web::start(&["--redis", "memory", "--points", "none"]);
    web.is_ready();
    let mut endless = TcpStream::connect(web.address()).unwrap();
    let headers = "X: y\r\n".repeat(100);
    let request = format!("GET / HTTP/1.1\r\nHost: h\r\n{headers}\r\n");
    endless.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    drop(endless.read_to_end(&mut answer));
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let mut garbage = TcpStream::connect(web.address()).unwrap();
    garbage
        .write_all(b"\x16\x03\x01\x02\x00\x01\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    garbage.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(web.ask("GET /").body, "1");
}
