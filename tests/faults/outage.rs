//! The server away for hours, in quick motion: what is kept grows on disk and not in memory, within its bounds.

use std::time::{Duration, Instant};

use super::{delivery::Place, influxdb, scale::scaled, sink};
use crate::harness::{InfluxServer, Ledger, eventually, pause, wall_ns};

/// What a delivery may hold in memory of what waits, unless told otherwise: `memory_bytes`; and a tenth of that.
const MEMORY_BYTES: u64 = (16 << 20) * 11 / 10;

/// Two hours of 20 containers, 12 lines a second.
const LINES: u64 = 2 * 3600 * 12;

/// Batches they come in.
const BATCHES: u32 = 120;

#[test]
fn an_outage_of_two_hours_is_spanned_and_what_is_new_comes_first_after_it() {
    let Some(mut server) = InfluxServer::start() else {
        return;
    };
    let place = Place::with(&influxdb(&server, "drain_lines = 20000"));
    let mut delivery = place.start();
    let mut ledger = Ledger::new();
    delivery.offer(&ledger.lines(1000));
    delivery.settle();
    let memory_before = delivery.own_memory_bytes();
    server.kill();
    let between = scaled(Duration::from_secs(30), Duration::from_hours(2)) / BATCHES;
    let mut sizes = Vec::new();
    for _ in 0..BATCHES {
        delivery.offer(&ledger.lines(LINES / u64::from(BATCHES)));
        pause(between);
        sizes.push((delivery.told().file_bytes, delivery.own_memory_bytes()));
    }
    let file_bytes = |batch: usize| sizes[batch - 1].0;
    println!(
        "bytes in files and in memory: {:?}",
        sizes.iter().step_by(20).collect::<Vec<_>>()
    );
    let [middle, end] = [60, 120].map(file_bytes);
    assert!(end > middle && end < 3 * middle, "{middle} then {end}");
    let most = sizes.iter().map(|(_, memory)| *memory).max().unwrap();
    assert!(
        most < memory_before + MEMORY_BYTES,
        "{memory_before} then {most}"
    );

    server.start_again();
    delivery.until("it writes again", |sinks| {
        sinks["influxdb"].failing.is_none()
    });
    let waiting = delivery.told().waiting;
    let offered = Instant::now();
    delivery.offer("live v=1i 1700000000000000000\n");
    eventually(Duration::from_mins(1), "what is new", || {
        let seen = server.value("d", "SELECT count(v) FROM live");
        seen.as_u64().ok_or("not there")
    });
    let (after, left) = (offered.elapsed(), delivery.told().waiting);
    println!("waited: {waiting}, when what is new was there after {after:?}: {left}");
    assert!(left > 0, "of {waiting}");
    let told = delivery.settle();
    assert_eq!(told.all_lost(), 0, "{told:?}");
    ledger.compare(&server.points("d")).assert_whole();
}

#[test]
fn beyond_its_bound_on_disk_the_oldest_go_and_each_is_counted() {
    let Some(mut server) = InfluxServer::start() else {
        return;
    };
    server.kill();
    let place = Place::with(&influxdb(&server, "spool_bytes = \"4MiB\""));
    let mut delivery = place.start();
    let mut ledger = Ledger::new();
    while delivery.told().all_lost() < scaled(50_000, 500_000) {
        for _ in 0..5 {
            delivery.offer(&ledger.lines(2000));
        }
        delivery.keep();
        assert!(on_disk(&place) <= 4 << 20, "{} bytes", on_disk(&place));
        assert!(ledger.len() < 3_000_000, "nothing was lost");
    }
    // What was lost is known after a crash too.
    delivery.kill();
    let mut delivery = place.start();
    server.start_again();
    let lost = delivery.settle().all_lost();
    let findings = ledger.compare(&server.points("d"));
    findings.assert_missing(lost);
    let oldest = 0..lost;
    assert!(findings.missing.iter().copied().eq(oldest), "{findings}");
    // The hole is told of where the points are missing: once delivery works again, with the next that come.
    delivery.offer(&ledger.lines(1));
    delivery.settle();
    let told = server.query(
        "d",
        "SELECT sum(points), min(from_ns), max(to_ns) FROM agent_loss",
    );
    let range = ledger.range(0..=lost - 1);
    println!("{told:?}; lost: {range:?}");
    let told = &told[0]["values"][0];
    assert_eq!(told[1], lost);
    // A sum of floats, so to the second.
    let is_at = |column: usize, wall_ns: &i64| {
        let told_ns = told[column].as_f64().unwrap();
        assert!(
            (told_ns - *wall_ns as f64).abs() < 1e9,
            "{told_ns} for {wall_ns}"
        );
    };
    is_at(2, range.start());
    is_at(3, range.end());
}

#[test]
fn points_older_than_the_server_keeps_are_counted_and_hold_up_nobody() {
    let Some(server) = InfluxServer::start() else {
        return;
    };
    server.execute("CREATE DATABASE d WITH DURATION 1h REPLICATION 1 SHARD DURATION 1h NAME short");
    let place = Place::with(&influxdb(&server, ""));
    let mut delivery = place.start();
    let hour_ns = 3_600_000_000_000;
    let mut old = Ledger::at(wall_ns() - 5 * hour_ns);
    let mut ledger = Ledger::at(wall_ns() - hour_ns / 2);
    for _ in 0..10 {
        let (old, new) = (old.lines(20), ledger.lines(200));
        delivery.offer(&format!("{old}{new}"));
        delivery.offer(&old);
        delivery.offer(&ledger.lines(50));
    }
    let told = delivery.settle();
    println!("{told:?}");
    assert_eq!(told.lost.get("expired"), Some(&400), "{told:?}");
    assert_eq!(told.all_lost(), 400);
    ledger.compare(&server.points("d")).assert_whole();
}

#[test]
fn a_server_that_is_dead_does_not_hold_up_another() {
    let (Some(mut dead), Some(well)) = (InfluxServer::start(), InfluxServer::start()) else {
        return;
    };
    dead.kill();
    let [one, other] = [sink("dead", &dead.url(), ""), sink("well", &well.url(), "")];
    let place = Place::with(&format!("{one}{other}"));
    let mut delivery = place.start();
    let mut ledger = Ledger::new();
    let mut longest = Duration::ZERO;
    for _ in 0..20 {
        delivery.offer(&ledger.lines(500));
        let offered = Instant::now();
        delivery.until("the other has it", |sinks| sinks["well"].waiting == 0);
        longest = longest.max(offered.elapsed());
    }
    println!("longest way to the server that is well: {longest:?}");
    assert!(longest < Duration::from_secs(5), "{longest:?}");
    ledger.compare(&well.points("d")).assert_whole();
    assert_eq!(delivery.sinks()["dead"].waiting, 10_000);
    dead.start_again();
    delivery.settle();
    ledger.compare(&dead.points("d")).assert_whole();
}

fn on_disk(place: &Place) -> u64 {
    let spool = place.state().join("spool");
    let files = std::fs::read_dir(spool).unwrap();
    // The file may go in between.
    let sizes = files.filter_map(|file| Some(file.ok()?.metadata().ok()?.len()));
    sizes.sum()
}
