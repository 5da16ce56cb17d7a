//! InfluxDB and the delivery killed, again and again, at moments nobody chose; and the power cut.

use std::time::{Duration, Instant};

use super::{
    delivery::{Delivery, Place},
    influxdb,
    scale::scaled,
};
use crate::harness::{InfluxServer, Ledger, LoopFilesystem, ledger::Doubted, pause};

/// A start may take so long, with whatever a crash has left.
const START: Duration = Duration::from_secs(1);

/// The server comes back with all that it has acknowledged; what was under way goes to it again and takes the same
/// place.
#[test]
fn an_influxdb_that_is_killed_time_and_again_has_each_point_once() {
    while let Some(mut server) = InfluxServer::start() {
        let ledger = kill_time_and_again(&mut server);
        let findings = ledger.compare(&server.points("d"));
        if server.has_torn_log() {
            println!("once more, for influxd lost some of what it had acknowledged: {findings}");
            continue;
        }
        findings.assert_whole();
        return;
    }
}

fn kill_time_and_again(server: &mut InfluxServer) -> Ledger {
    let place = Place::with(&influxdb(server, ""));
    let mut delivery = place.start();
    let mut ledger = Ledger::new();
    for _ in 0..scaled(50, 500) {
        let sent = delivery.told().sent;
        for _ in 0..10 {
            delivery.offer(&ledger.lines(500));
        }
        delivery.until("it writes", |sinks| sinks["influxdb"].sent > sent);
        pause(moment(40));
        server.kill();
        delivery.offer(&ledger.lines(500));
        server.start_again();
    }
    let told = delivery.settle();
    println!("{told:?}");
    assert!(told.errors > 0, "{told:?}");
    assert_eq!((told.sent, told.all_lost()), (ledger.len() as u64, 0));
    delivery.stop();
    ledger
}

/// What it kept is delivered, by whichever of its successors; of what it was just being handed, all or nothing.
#[test]
fn a_delivery_that_is_killed_time_and_again_delivers_all_that_it_kept() {
    let Some(mut server) = InfluxServer::start() else {
        return;
    };
    let place = Place::with(&influxdb(&server, ""));
    let mut ledger = Ledger::new();
    let mut doubted = Doubted::default();
    let mut slowest = Duration::ZERO;
    for round in 0..scaled(200, 1000) {
        match round % 20 {
            5 => server.kill(),
            10 => server.start_again(),
            _ => {}
        }
        let begun = Instant::now();
        let mut delivery = place.start();
        slowest = slowest.max(begun.elapsed());
        delivery.offer(&ledger.lines(100));
        delivery.keep();
        doubted.and(hand_over_blindly(&mut delivery, &mut ledger));
        // Most begin to write only after some hundred milliseconds, lest all agents do so at once.
        pause(moment(if round % 3 == 0 { 900 } else { 20 }));
        delivery.kill();
    }
    let mut delivery = place.start();
    let told = delivery.settle();
    assert_eq!(told.all_lost(), 0, "{told:?}");
    delivery.stop();
    println!("slowest start: {slowest:?}");
    let stored = server.points("d");
    ledger.compare_doubting(&stored, &doubted).assert_whole();
    assert!(slowest < START, "{slowest:?}");
}

/// A file system that forgets whatever was not synced, as it does when the power is cut.
#[test]
fn a_power_cut_costs_nothing_that_was_kept() {
    let Some(mut server) = InfluxServer::start() else {
        return;
    };
    let Some(disk) = LoopFilesystem::new("spooled") else {
        return;
    };
    let place = Place::within(disk.point(), &influxdb(&server, ""));
    let mut ledger = Ledger::new();
    let mut doubted = Doubted::default();
    for round in 0..scaled(10, 100) {
        match round % 5 {
            1 => server.kill(),
            3 => server.start_again(),
            _ => {}
        }
        let mut delivery = place.start();
        for _ in 0..5 {
            delivery.offer(&ledger.lines(100));
        }
        delivery.keep();
        doubted.and(hand_over_blindly(&mut delivery, &mut ledger));
        pause(moment(50));
        disk.cut_power();
        delivery.kill();
        disk.mend();
        // It was written before, but not synced.
        place.configure(&influxdb(&server, ""));
    }
    server.kill();
    server.start_again();
    let mut delivery = place.start();
    let told = delivery.settle();
    assert_eq!(told.all_lost(), 0, "{told:?}");
    delivery.stop();
    let stored = server.points("d");
    ledger.compare_doubting(&stored, &doubted).assert_whole();
}

/// The machine starts the agent before there is a server, and nobody waits for anybody.
#[test]
fn what_was_kept_before_a_stop_or_a_crash_goes_out_when_the_server_is_there() {
    let Some(mut server) = InfluxServer::start() else {
        return;
    };
    server.kill();
    let place = Place::with(&influxdb(&server, ""));
    let mut ledger = Ledger::new();
    for crashes in [true, false, true] {
        let mut delivery = place.start();
        delivery.offer(&ledger.lines(1000));
        delivery.keep();
        if crashes {
            delivery.kill();
        } else {
            let told = delivery.stop();
            assert_eq!(told["influxdb"].all_lost(), 0, "{told:?}");
        }
    }
    let mut delivery = place.start();
    delivery.until("it fails", |sinks| sinks["influxdb"].errors > 0);
    server.start_again();
    let told = delivery.settle();
    assert_eq!((told.sent, told.all_lost()), (3000, 0));
    ledger.compare(&server.points("d")).assert_whole();
}

#[test]
fn a_second_delivery_on_one_spool_is_refused_and_the_first_goes_on() {
    let Some(server) = InfluxServer::start() else {
        return;
    };
    let place = Place::with(&influxdb(&server, ""));
    let mut delivery = place.start();
    let mut ledger = Ledger::new();
    delivery.offer(&ledger.lines(100));
    println!("{}", place.refusal());
    delivery.offer(&ledger.lines(100));
    delivery.settle();
    delivery.stop();
    let mut delivery = place.start();
    delivery.offer(&ledger.lines(100));
    delivery.settle();
    ledger.compare(&server.points("d")).assert_whole();
}

/// Points that may or may not be kept: a crash follows at once.
fn hand_over_blindly(delivery: &mut Delivery, ledger: &mut Ledger) -> Doubted {
    delivery.offer_blindly(&ledger.lines(100));
    ledger.doubt(100)
}

/// Up to so many milliseconds.
fn moment(most_ms: u64) -> Duration {
    Duration::from_micros(fastrand::u64(0..most_ms * 1000))
}
