//! Redis is killed, comes back, and freezes, while many clients count.

use std::time::{Duration, Instant};

use super::{PATIENCE, clients::Clients};
use crate::harness::{Redis, Web, eventually, pause};

const CLIENTS: usize = 256;

/// How long each part takes; three times each of three states are half a minute.
const PART: Duration = Duration::from_millis(3_300);

/// Of `--deadline`, its default.
const DEADLINE: Duration = Duration::from_millis(250);

/// Until a thread of 256 on a busy machine sees what is there.
const SLACK: Duration = Duration::from_secs(1);

/// From the first answer of a new Redis to the first number.
const RECOVERY: Duration = Duration::from_millis(1_200);

#[test]
fn whatever_becomes_of_redis_no_number_is_wrong_and_nobody_waits() {
    in_and_out(3, &[]);
}

#[test]
fn so_it_is_with_several_batches_under_way() {
    in_and_out(1, &["--inflight", "4"]);
}

#[track_caller]
fn in_and_out(rounds: u32, flags: &[&str]) {
    let Some(mut redis) = Redis::start() else {
        return;
    };
    let address = redis.address().to_string();
    let place = ["--redis-address", &address, "--points", "none"];
    let web = Web::start(&[&place[..], flags].concat());
    web.is_ready();
    for round in 0..rounds {
        go_away_and_come(&mut redis, &web, round);
    }
    let stats = web.stats();
    println!("{stats}");
    assert_eq!(web.admin("GET /healthz").status, 200);
}

#[track_caller]
fn go_away_and_come(redis: &mut Redis, web: &Web, round: u32) {
    let clients = Clients::start(CLIENTS, web.address());
    pause(PART);
    // What is gone with it is not given again: it goes on from a number that no client has seen.
    redis.kill();
    pause(PART);
    redis.start_again();
    redis.ask(&format!("INCRBY hits {}", 10_000_000 * (round + 1)));
    let back = Instant::now();
    pause(PART);
    redis.freeze();
    let frozen = Instant::now();
    pause(PART);
    redis.thaw();
    let thawed = Instant::now();
    eventually(PATIENCE, "it counts again", || {
        let stats = web.stats();
        (stats["redis"]["up"] == true).then_some(()).ok_or(stats)
    });
    pause(PART);
    let answers = clients.stop();
    let numbers = answers.numbers();
    let (statuses, longest) = (answers.statuses(), answers.longest());
    println!(
        "round {round}: {statuses:?}, longest {longest:?}, {} numbers",
        numbers.len()
    );
    assert!(
        statuses.keys().all(|it| [200, 503, 504].contains(it)),
        "{statuses:?}"
    );
    assert!(longest < DEADLINE + SLACK, "{longest:?}");
    assert!(*numbers.last().unwrap() <= redis.number("hits"));
    let first_after = |when: Instant| {
        let given = answers
            .all()
            .filter(|it| it.status == 200 && it.at + it.took >= when);
        given.map(|it| it.at + it.took - when).min().unwrap()
    };
    for (what, when) in [("a new Redis", back), ("one that goes on", thawed)] {
        let took = first_after(when);
        println!("the first number after {what}: {took:?}");
        assert!(took < RECOVERY + SLACK, "{what}: {took:?}");
    }
    // A frozen Redis gives none; what it held may be counted later, and is given to nobody.
    let deadline = frozen + DEADLINE + SLACK;
    let during: Vec<_> = answers
        .all()
        .filter(|it| it.at > deadline && it.at + it.took < thawed)
        .collect();
    assert!(during.len() > CLIENTS);
    assert!(during.iter().all(|it| it.status != 200));
}

#[test]
fn a_redis_that_is_not_there_yet_is_waited_for() {
    let Some(mut redis) = Redis::start() else {
        return;
    };
    redis.kill();
    let address = redis.address().to_string();
    let web = Web::start(&["--redis-address", &address, "--points", "none"]);
    let reply = eventually(PATIENCE, "it says why", || {
        let reply = web.ask("GET /");
        let is_told = reply.body.contains("onnection refused");
        is_told
            .then_some(())
            .ok_or(reply.body.clone())
            .map(|()| reply)
    });
    assert_eq!(reply.status, 503);
    let told = format!("redis unavailable: connect {address}: ");
    assert!(reply.body.starts_with(&told), "{}", reply.body);
    assert!(reply.head.contains("retry-after: 1\r\n"), "{}", reply.head);
    let ready = web.admin("GET /readyz");
    assert_eq!(ready.status, 503, "{}", ready.body);
    redis.start_again();
    web.is_ready();
    assert_eq!(web.ask("GET /").body, "1");
    let log = web.log();
    assert!(
        log.contains("redis is away") && log.contains("redis is back"),
        "{log}"
    );
}
