//! What Redis says no to is told in its words, with what to do.

use super::PATIENCE;
use crate::harness::{Redis, Web, eventually};

/// One no: what brings it about, what takes it away, and how it is told.
struct No {
    begin: &'static str,
    end: &'static str,
    status: u16,
    words: &'static str,
    counted: &'static str,
}

#[test]
fn each_no_of_redis_has_its_status_its_words_and_its_counter() {
    let nos = [
        No {
            begin: "LPUSH hits a",
            end: "DEL hits",
            status: 500,
            words: "redis says no: WRONGTYPE",
            counted: "not_a_number",
        },
        No {
            begin: "SET hits tea",
            end: "DEL hits",
            status: 500,
            words: "value is not an integer or out of range",
            counted: "not_a_number",
        },
        No {
            begin: "SET hits 9223372036854775807",
            end: "DEL hits",
            status: 500,
            words: "increment or decrement would overflow",
            counted: "overflow",
        },
        No {
            begin: "CONFIG SET maxmemory 1",
            end: "CONFIG SET maxmemory 0",
            status: 503,
            words: "redis says no: OOM",
            counted: "oom",
        },
        No {
            begin: "REPLICAOF 127.0.0.1 1",
            end: "REPLICAOF NO ONE",
            status: 503,
            words: "redis says no: READONLY",
            counted: "readonly",
        },
    ];
    let Some(redis) = Redis::start() else {
        return;
    };
    let address = redis.address().to_string();
    for mode in ["pipeline", "coalesce"] {
        let web = Web::start(&[
            "--redis-address",
            &address,
            "--points",
            "none",
            "--redis-mode",
            mode,
        ]);
        web.is_ready();
        for no in &nos {
            redis.ask("DEL hits");
            redis.ask(no.begin);
            let reply = web.ask("GET /");
            assert_eq!(reply.status, no.status, "{}: {}", no.begin, reply.body);
            assert!(
                reply.body.contains(no.words),
                "{}: {}",
                no.begin,
                reply.body
            );
            redis.ask(no.end);
            assert_eq!(web.ask("GET /").status, 200, "{}", no.end);
            eventually(PATIENCE, "it is counted", || {
                let count = &web.stats()["refused"][no.counted];
                (count.as_u64() > Some(0))
                    .then_some(())
                    .ok_or(count.clone())
            });
        }
        assert_eq!(web.admin("GET /readyz").status, 200);
    }
}

#[test]
fn a_password_that_is_asked_for_and_missing_is_told_and_never_shown() {
    let Some(redis) = Redis::start_with(&["--requirepass", "s3cret"]) else {
        return;
    };
    let address = redis.address().to_string();
    let web = Web::start(&["--redis-address", &address, "--points", "none"]);
    let reply = eventually(PATIENCE, "it says why", || {
        let reply = web.ask("GET /");
        let is_told = reply.body.contains("NOAUTH") || reply.body.contains("uthentication");
        is_told
            .then_some(())
            .ok_or(reply.body.clone())
            .map(|()| reply)
    });
    assert_eq!(reply.status, 503);
    assert!(!web.log().contains("s3cret"));
}
