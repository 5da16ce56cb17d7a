//! Which requests count, and that each has a number of its own.

use super::clients::Answers;
use crate::harness::{Redis, Web};

fn start(redis: &Redis, arguments: &[&str]) -> Web {
    let address = redis.address().to_string();
    let arguments: Vec<&str> = ["--redis-address", &address, "--points", "none"]
        .into_iter()
        .chain(arguments.iter().copied())
        .collect();
    let web = Web::start(&arguments);
    web.is_ready();
    web
}

#[test]
fn the_seeds_loop_prints_one_to_ten() {
    let Some(redis) = Redis::start() else {
        return;
    };
    redis.ask("SET hits 500");
    let web = start(&redis, &["--reset"]);
    let numbers: Vec<String> = (0..10).map(|_| web.ask("GET /").body).collect();
    assert_eq!(numbers.join(" "), "1 2 3 4 5 6 7 8 9 10");
    drop(web);
    let web = start(&redis, &[]);
    assert_eq!(web.ask("GET /").body, "11");
}

#[test]
fn only_a_get_of_the_root_counts() {
    let Some(redis) = Redis::start() else {
        return;
    };
    let web = start(&redis, &[]);
    let reply = web.ask("GET /");
    assert_eq!((reply.status, reply.body.as_str()), (200, "1"));
    for header in [
        "content-type: text/plain; charset=utf-8\r\n",
        "cache-control: no-store\r\n",
        "content-length: 1\r\n",
        "date: ",
    ] {
        assert!(reply.head.contains(header), "{}", reply.head);
    }
    for (target, status) in [
        ("HEAD /", 200),
        ("GET /favicon.ico", 404),
        ("POST /", 405),
        ("DELETE /", 405),
    ] {
        assert_eq!(web.ask(target).status, status, "{target}");
    }
    let json = web.client().ask("GET /", "Accept: application/json\r\n");
    assert_eq!(json.unwrap().body, "{\"hits\":2}\n");
    for probe in ["/healthz", "/readyz", "/metrics", "/stats"] {
        assert_eq!(web.admin(&format!("GET {probe}")).status, 200, "{probe}");
    }
    assert_eq!(web.admin("GET /").status, 404);
    assert_eq!(redis.number("hits"), 2);
}

#[test]
fn every_path_and_method_counts_where_that_is_asked_for() {
    let Some(redis) = Redis::start() else {
        return;
    };
    let web = start(&redis, &["--any-path", "--key", "other"]);
    for (number, target) in ["GET /", "GET /favicon.ico", "POST /x"].iter().enumerate() {
        assert_eq!(web.ask(target).body, (number + 1).to_string());
    }
    assert_eq!(redis.number("other"), 3);
}

#[test]
fn numbers_are_unique_without_a_gap_and_grow_for_each_client_in_every_mode() {
    const CLIENTS: usize = 64;
    const EACH: usize = 100;
    let Some(redis) = Redis::start() else {
        return;
    };
    for (mode, connections, inflight) in [
        ("single", "1", "1"),
        ("pipeline", "1", "1"),
        ("coalesce", "1", "1"),
        ("pipeline", "4", "1"),
        ("coalesce", "4", "1"),
        ("single", "1", "16"),
        ("pipeline", "2", "4"),
        ("coalesce", "1", "4"),
    ] {
        redis.ask("CONFIG RESETSTAT");
        let mut flags = vec!["--reset", "--redis-mode", mode, "--inflight", inflight];
        flags.extend(["--max-connections", connections]);
        let web = start(&redis, &flags);
        let answers = Answers::of(CLIENTS, EACH, web.address());
        let all = (CLIENTS * EACH) as u64;
        let numbers = answers.numbers();
        assert_eq!(numbers, (1..=all).collect::<Vec<_>>(), "{mode}");
        assert_eq!(redis.number("hits"), all);
        assert_eq!(web.stats()["refused"]["away"], 0);
    }
}
