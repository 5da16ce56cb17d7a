//! What the counter did is what the agent counts of it, and stands in the database beside what it tells of itself.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use super::{
    PATIENCE,
    clients::{Answers, Clients},
};
use crate::harness::{AgentProcess, Cgroup, Home, InfluxServer, Redis, Web, eventually};

const DATABASE: &str = "story";

const CLIENTS: usize = 64;
const EACH: usize = 400;

/// A request as the clients write it: see `harness/web.rs`.
const REQUEST_BYTES: u64 = "GET / HTTP/1.1\r\nHost: counter\r\n\r\n".len() as u64;

/// `INCR hits` as it is sent to Redis.
const INCR_BYTES: u64 = "*2\r\n$4\r\nINCR\r\n$4\r\nhits\r\n".len() as u64;

/// Headers of a TCP segment over IPv4 that carries a timestamp, as all do but the first two.
const HEADER_BYTES: u64 = 20 + 20 + 12;

/// A Redis, an agent with its socket, and a counter in a cgroup of its own that tells the agent of itself.
struct Story {
    redis: Redis,
    server: InfluxServer,
    agent: AgentProcess,
    web: Web,
    cgroup: Cgroup,
    _home: Home,
}

impl Story {
    fn begin() -> Option<Self> {
        let server = InfluxServer::start()?;
        let redis = Redis::start()?;
        let home = Home::with(
            "[socket]\nenabled = true\n[ship]\ncgroups = true\n[sinks.influxdb]\ninterval = \"1s\"\n",
        );
        let agent = home.start(&["--influx", &server.url(), "--database", DATABASE]);
        let socket: PathBuf = home.path().join("state/points.sock");
        let points = format!("unix://{}", socket.display());
        let address = redis.address().to_string();
        let cgroup = Cgroup::new("web");
        let web = Web::start_in(
            &cgroup,
            &[
                "--redis-address",
                &address,
                "--points",
                &points,
                "--container",
                "counter",
            ],
        );
        web.is_ready();
        Some(Self {
            redis,
            server,
            agent,
            web,
            cgroup,
            _home: home,
        })
    }

    /// CPU time in ns, bytes and packets of the counter's cgroup, as the agent has them once they stand still.
    fn counted(&self) -> (u64, (u64, u64)) {
        let mut before = None;
        eventually(PATIENCE, "the counter rests", || {
            let batch = self.agent.next_batch();
            let entry = batch.at(self.cgroup.path()).ok_or("not listed")?;
            let loopback = entry.traffic("loopback");
            let (received, sent) = (loopback.received(), loopback.sent());
            let exchanged = (received.0 + sent.0, received.1 + sent.1);
            let now = (entry.usage_ns(), exchanged);
            // But for its own second.
            let rests = before
                .replace(now)
                .is_some_and(|(usage, _)| now.0 - usage < 5_000_000);
            rests.then_some(now).ok_or("it works")
        })
    }

    /// CPU time of the counter in ns as it measures itself, once it has told of so many hits.
    fn cpu_ns(&self, hits: u64) -> u64 {
        eventually(PATIENCE, "it has told of all", || {
            let stats = self.web.stats();
            let cpu = stats["cpu_ns"].as_u64();
            (stats["hits"] == hits)
                .then_some(cpu)
                .flatten()
                .ok_or(stats)
        })
    }
}

#[test]
fn hits_cpu_time_and_bytes_agree() {
    let Some(story) = Story::begin() else {
        return;
    };
    let all = (CLIENTS * EACH) as u64;
    let (usage_before, exchanged_before) = story.counted();
    let cpu_before = story.cpu_ns(0);
    let answers = Answers::of(CLIENTS, EACH, story.web.address());
    assert_eq!(answers.numbers().len() as u64, all);
    // Probes were asked meanwhile, and do not count.
    assert_eq!(story.redis.number("hits"), all);
    let (usage, exchanged) = story.counted();
    let (agents, own) = (usage - usage_before, story.cpu_ns(all) - cpu_before);
    let apart = agents.abs_diff(own) as f64 / own as f64;
    println!("CPU time: the agent {agents} ns, the counter {own} ns, apart {apart:.4}");
    assert!(apart < 0.03, "{apart}");

    let digits: u64 = (1..=all).map(|number| u64::from(number.ilog10()) + 1).sum();
    let head = story.web.ask("GET /").head.len() as u64;
    // The length of a number is a part of the head, with one digit.
    let http = all * (REQUEST_BYTES + head) + digits;
    let redis = all * (INCR_BYTES + 3) + digits;
    let packets = exchanged.1 - exchanged_before.1;
    let payload = exchanged.0 - exchanged_before.0 - HEADER_BYTES * packets;
    let apart = payload.abs_diff(http + redis) as f64 / (http + redis) as f64;
    println!(
        "TCP payload: {payload} bytes in {packets} packets, computed {}, apart {apart:.4}",
        http + redis
    );
    assert!(apart < 0.05, "{apart}");
}

#[test]
fn a_step_of_the_rate_stands_in_the_database_within_two_intervals() {
    const INTERVALS: Duration = Duration::from_secs(2);
    /// For a query and its answer on a busy machine.
    const SLACK: Duration = Duration::from_secs(2);
    let Some(story) = Story::begin() else {
        return;
    };
    eventually(PATIENCE, "the counter tells of itself at rest", || {
        let rate = "SELECT last(rps) FROM web WHERE container = 'counter'";
        let rate = story.server.value(DATABASE, rate);
        (rate == 0.0).then_some(()).ok_or(rate)
    });
    let begin = Instant::now();
    let clients = Clients::start(8, story.web.address());
    let seen = |what: &str, query: &str, least: f64| {
        eventually(PATIENCE, what, || {
            let value = story.server.value(DATABASE, query);
            (value.as_f64() > Some(least)).then_some(()).ok_or(value)
        });
        let took = begin.elapsed();
        println!("{what}: {took:?}");
        assert!(took < INTERVALS + SLACK, "{what}: {took:?}");
    };
    seen(
        "the counter's rate",
        "SELECT last(rps) FROM web WHERE container = 'counter'",
        100.0,
    );
    let path = story.cgroup.path();
    seen(
        "its CPU time",
        &format!("SELECT last(usage_cpus) FROM container_cpu WHERE container = '{path}'"),
        0.05,
    );
    drop(clients.stop());
    eventually(PATIENCE, "its start is marked", || {
        let marks = story.server.value(
            DATABASE,
            "SELECT count(title) FROM events WHERE event = 'web_start'",
        );
        (marks == 1).then_some(()).ok_or(marks)
    });
}
