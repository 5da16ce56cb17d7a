//! How it ends: what is under way is answered, and what cannot be had is told.

use std::{net::TcpListener, process::Output};

use nix::sys::signal::Signal;

use super::clients::Clients;
use crate::harness::{
    Redis, Web, pause,
    web::{Client, command},
};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_is_under_way_is_answered_and_then_it_ends() {
    let Some(redis) = Redis::start() else {
        return;
    };
    let address = redis.address().to_string();
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut web = Web::start(&[
            "--redis-address",
            &address,
            "--points",
            "none",
            "--deadline",
            "5s",
        ]);
        web.is_ready();
        let mut idle = web.client();
        assert_eq!(idle.ask("GET /", "").unwrap().status, 200);
        redis.freeze();
        let mut waiting = web.client();
        let asked = std::thread::spawn(move || waiting.ask("GET /", "").unwrap());
        // It is on its way to a Redis that does not answer.
        crate::harness::eventually(super::PATIENCE, "it waits", || {
            let requests = web.stats()["requests"].as_u64().unwrap();
            (requests == 2).then_some(()).ok_or(requests)
        });
        web.signal(signal);
        redis.thaw();
        let reply = asked.join().unwrap();
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert!(web.ended().success(), "{}", web.log());
        assert!(idle.ask("GET /", "").is_err());
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let Some(redis) = Redis::start() else {
        return;
    };
    let address = redis.address().to_string();
    let mut web = Web::start(&["--redis-address", &address, "--points", "none"]);
    web.is_ready();
    let clients = Clients::start(1, web.address());
    // A request whose headers never end is what is under way.
    let mut slow = std::net::TcpStream::connect(web.address()).unwrap();
    std::io::Write::write_all(&mut slow, b"GET / HTTP/1.1\r\n").unwrap();
    pause(std::time::Duration::from_millis(100));
    drop(clients.stop());
    web.signal(Signal::SIGTERM);
    web.signal(Signal::SIGINT);
    assert!(web.ended().success(), "{}", web.log());
}

#[test]
fn a_port_that_is_taken_and_a_word_that_is_no_flag_are_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let web = |arguments: &[&str]| command().args(arguments).output().unwrap();
    let busy = web(&["--redis", "memory", "--listen", &address]);
    assert_eq!(busy.status.code(), Some(1));
    assert!(
        said(&busy).contains("something listens there already"),
        "{}",
        said(&busy)
    );
    let unknown = web(&["-nonsense"]);
    assert_eq!(unknown.status.code(), Some(2));
    for address in ["redis:0", "http://h", "redis://:s3cret@h:1"] {
        let refused = web(&["--redis-address", address]);
        assert_eq!(refused.status.code(), Some(2), "{address}");
        assert!(!said(&refused).contains("s3cret"), "{}", said(&refused));
    }
    let reset = web(&[
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--reset",
        "-redis-address",
        "127.0.0.1:1",
    ]);
    assert_eq!(reset.status.code(), Some(1));
    assert!(
        said(&reset).contains("cannot --reset the counter in 127.0.0.1:1"),
        "{}",
        said(&reset)
    );
}

#[test]
fn two_may_share_a_port_where_both_are_told_to() {
    let first = Web::start(&["--redis", "memory", "--points", "none", "--reuse-port"]);
    let arguments = ["--redis", "memory", "--points", "none", "--reuse-port"];
    let second = Web::start_at(first.address(), &arguments);
    assert_eq!(second.address(), first.address());
    drop(first);
    assert_eq!(
        Client::to(second.address())
            .ask("GET /", "")
            .unwrap()
            .status,
        200
    );
}
