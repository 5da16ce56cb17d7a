//! A clock that is set: an hour on, back, and out of 1970. By the agent itself, for the times are its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::Duration,
};

use crate::harness::{AgentProcess, Home, InfluxServer, Line, eventually, skip, written};

const PATIENCE: Duration = Duration::from_mins(1);

/// Stands between a process and the clock, and adds what a file says.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

#[test]
fn a_clock_that_is_set_on_and_back_overwrites_no_point_and_each_series_goes_on() {
    // Seconds that the clock is off by.
    goes_on_through(&["+0", "+3600", "-3600", "+0"]);
}

#[test]
fn an_agent_that_starts_in_1970_goes_on_when_the_time_is_known() {
    goes_on_through(&["@1970-01-01 00:01:00", "+0"]);
}

#[track_caller]
fn goes_on_through(clocks: &[&str]) {
    if !Path::new(FAKETIME).exists() {
        skip::<()>("libfaketime is missing (apt-get install faketime)");
        return;
    }
    let Some(server) = InfluxServer::start() else {
        return;
    };
    let home = Home::with("[sinks.influxdb]\ninterval = \"1s\"\n[sinks.file]\ninterval = \"1s\"\n");
    let [clock, file] = ["clock", "points"].map(|name| home.path().join(name));
    let set = |to: &str| {
        let next = home.path().join("clock-next");
        fs::write(&next, format!("{to}\n")).unwrap();
        fs::rename(next, &clock).unwrap();
    };
    set(clocks[0]);
    let variables = [
        ("LD_PRELOAD", FAKETIME),
        ("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    let url = server.url();
    let arguments = ["--influx", &url, "--file", file.to_str().unwrap()];
    let mut agent = home.start_with(&variables, &arguments);
    for to in clocks {
        set(to);
        three_ticks(&agent);
    }
    assert!(agent.stop().success());

    let collected = written(&file);
    each_series_goes_on(&collected);
    let keys = |lines: &[Line]| -> BTreeSet<Key> { lines.iter().map(key).collect() };
    let (collected_keys, stored_keys) = (keys(&collected), keys(&server.points("cgflux")));
    println!(
        "clocks {clocks:?}: collected={} stored={}",
        collected.len(),
        stored_keys.len()
    );
    let times = || collected.iter().map(|line| line.wall_ns);
    let apart_ns = times().max().unwrap() - times().min().unwrap();
    println!("{} s apart", apart_ns / 1_000_000_000);
    assert_eq!(
        collected_keys.len(),
        collected.len(),
        "two points with one key"
    );
    let missing: Vec<_> = collected_keys.difference(&stored_keys).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

type Key = (String, BTreeMap<String, String>, i64);

fn key(line: &Line) -> Key {
    (line.measurement.clone(), line.tags.clone(), line.wall_ns)
}

/// In the order in which they were shipped.
#[track_caller]
fn each_series_goes_on(lines: &[Line]) {
    let mut last = BTreeMap::new();
    for line in lines {
        let (measurement, tags, wall_ns) = key(line);
        let before = last.insert((measurement, tags), wall_ns);
        assert!(
            before.is_none_or(|before| before < wall_ns),
            "{line:?} after {before:?}"
        );
    }
}

fn three_ticks(agent: &AgentProcess) {
    let mut seen = agent.batch().taken;
    for _ in 0..3 {
        seen = eventually(PATIENCE, "the next tick", || {
            let taken = agent.batch().taken;
            (taken != seen).then_some(taken).ok_or("the same tick")
        });
    }
}
