//! What was sent is what was counted; and what a run tells of itself stands in the database.

use std::process::Stdio;

use nix::sys::signal::Signal;

use super::{PATIENCE, command, run, summary};
use crate::harness::{InfluxServer, Redis, Web, eventually};

/// The counter's number of hits, by a hit of its own.
fn hits(web: &Web) -> u64 {
    web.ask("GET /").body.parse().unwrap()
}

#[test]
fn every_request_is_one_hit_with_a_number_of_its_own() {
    let Some(redis) = Redis::start() else {
        return;
    };
    let address = redis.address().to_string();
    let web = Web::start(&["--redis-address", &address, "--points", "none"]);
    web.is_ready();
    let url = format!("http://{}/", web.address());
    for flags in [
        &["-n", "5000"][..],
        &["-r", "2k", "-d", "1s"],
        &["-n", "300", "--no-keep-alive"],
    ] {
        let before = hits(&web);
        let found = summary(&[&[&url, "--verify-counter", "--points", "none"], flags].concat());
        let ok = found["ok"].as_u64().unwrap();
        assert_eq!(hits(&web), before + ok + 1, "{found}");
        assert!(ok >= 300 && found["errors"] == 0, "{found}");
        assert_eq!(
            (&found["counter"]["holds"], &found["counter"]["distinct"]),
            (&true.into(), &ok.into())
        );
    }
}

#[test]
fn a_counter_that_begins_anew_is_found() {
    let Some(redis) = Redis::start() else {
        return;
    };
    redis.ask("SET hits 500000");
    let address = redis.address().to_string();
    let web = Web::start(&["--redis-address", &address, "--points", "none"]);
    web.is_ready();
    let url = format!("http://{}/", web.address());
    let mut command = command(&[
        &url,
        "-d",
        "10m",
        "-r",
        "500",
        "--verify-counter",
        "--json",
        "--points",
        "none",
    ]);
    let load = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let grows = |to: u64| {
        eventually(PATIENCE, "hits grow", || {
            let hits = redis.number("hits");
            if hits > to { Ok(()) } else { Err(hits) }
        });
    };
    grows(500_100);
    redis.ask("SET hits 0");
    grows(100);
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(load.id().try_into().unwrap()),
        Signal::SIGINT,
    )
    .unwrap();
    let output = load.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(found["counter"]["restarts"].as_u64() > Some(0), "{found}");
}

#[test]
fn a_run_stands_in_the_database() {
    let Some(server) = InfluxServer::start() else {
        return;
    };
    let web = Web::start(&["--redis-address", "memory", "--points", "none"]);
    let url = format!("http://{}/", web.address());
    let folder = tempfile::tempdir().unwrap();
    let output = run(
        &[
            &url,
            "-r",
            "500",
            "-d",
            "3s",
            "--run",
            "it's a run",
            "--points",
            &server.url(),
            "--database",
            "loads",
            "--state-dir",
            folder.path().to_str().unwrap(),
        ],
        0,
    );
    let told = String::from_utf8(output.stderr).unwrap();
    let query = told
        .lines()
        .find(|line| line.starts_with("its points: "))
        .unwrap();
    let asked = query.split('"').nth(1).unwrap();
    let rows = server.query("loads", asked);
    let values = rows[0]["values"].as_array().unwrap();
    assert!(values.len() >= 3, "{asked}: {rows:?}");
    let last = server.value("loads", "SELECT last(ok) FROM load");
    assert_eq!(last, 1_500, "{told}");
    let points = server.points("loads");
    let events: Vec<_> = points
        .iter()
        .filter(|line| line.measurement == "events")
        .collect();
    assert_eq!(events.len(), 2, "{events:?}");
}
