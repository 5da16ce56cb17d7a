//! Many at one server, and everything at once.

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

use super::{delivery::Place, influxdb, scale::scaled, sink};
use crate::harness::{InfluxServer, Ledger, SmallDisk, ledger::Doubted, pause};

/// The sinks of one process, each with a connection, a spool and a database of its own.
#[test]
fn a_hundred_that_come_back_at_once_all_deliver_and_the_server_still_answers() {
    let Some(mut server) = InfluxServer::start() else {
        return;
    };
    let names: Vec<String> = (0..100).map(|number| format!("agent-{number}")).collect();
    let sinks = names
        .iter()
        .map(|name| sink(name, &server.url(), "").replace("\"d\"", &format!("{name:?}")));
    let place = Place::with(&sinks.collect::<String>());
    let mut delivery = place.start();
    let mut ledger = Ledger::new();
    delivery.offer(&ledger.lines(100));
    delivery.settle();
    server.kill();
    for _ in 0..20 {
        delivery.offer(&ledger.lines(100));
        pause(scaled(Duration::from_millis(250), Duration::from_secs(15)));
    }
    server.start_again();
    let began = Instant::now();
    let mut waits = Vec::new();
    while delivery.sinks().values().any(|sink| sink.waiting > 0) {
        let asked = Instant::now();
        server.query("", "SHOW DATABASES");
        waits.push(asked.elapsed());
        assert!(began.elapsed() < Duration::from_mins(3), "not all drain");
        pause(Duration::from_millis(20));
    }
    waits.sort_unstable();
    let p99 = waits[waits.len() * 99 / 100];
    println!(
        "all drained after {:?}; of {} queries meanwhile p99 {p99:?}",
        began.elapsed(),
        waits.len()
    );
    assert!(p99 < Duration::from_secs(2), "{p99:?}");
    for name in names.iter().step_by(9) {
        ledger.compare(&server.points(name)).assert_whole();
    }
    assert!(delivery.sinks().values().all(|sink| sink.sent == 2100));
}

/// Whatever may happen, in an order nobody chose.
#[test]
fn whatever_happens_in_whatever_order_the_ledger_is_exact_and_nothing_grows() {
    let Some(mut server) = InfluxServer::start() else {
        return;
    };
    let Some(disk) = SmallDisk::new(64 << 20) else {
        return;
    };
    let place = Place::within(disk.point(), &influxdb(&server, "timeout = \"2s\""));
    let ballast = disk.point().join("ballast");
    let disk_is_free = || fs::remove_file(&ballast).unwrap_or_default();
    let mut ledger = Ledger::new();
    let mut doubted = Doubted::default();
    let mut delivery = place.start();
    let mut server_is = Server::Up;
    let mut sizes = Vec::new();
    let mut happened = BTreeMap::<&str, u32>::new();
    let end = Instant::now() + scaled(Duration::from_mins(1), Duration::from_hours(24));
    while Instant::now() < end {
        delivery.offer(&ledger.lines(fastrand::u64(1..400)));
        let what = match fastrand::u32(0..12) {
            0 => {
                // What is in memory alone is gone with the process.
                disk_is_free();
                delivery.keep();
                delivery.offer_blindly(&ledger.lines(50));
                doubted.and(ledger.doubt(50));
                delivery.kill();
                delivery = place.start();
                "delivery killed"
            }
            1 => {
                disk_is_free();
                delivery.keep();
                delivery.stop();
                delivery = place.start();
                "delivery stopped"
            }
            2 | 3 => server_is.change(&mut server),
            4 => {
                fs::write(&ballast, vec![0; 64 << 20]).unwrap_or_default();
                "disk full"
            }
            5 | 6 => {
                disk_is_free();
                "disk free"
            }
            _ => "nothing",
        };
        *happened.entry(what).or_default() += 1;
        sizes.push((delivery.own_memory_bytes(), delivery.descriptors()));
        pause(Duration::from_millis(fastrand::u64(0..150)));
    }
    disk_is_free();
    server_is.up(&mut server);
    let told = delivery.settle();
    println!("{happened:?}; {told:?}");
    let most = |size: fn(&(u64, usize)) -> u64| sizes.iter().map(size).max().unwrap();
    let (memory, descriptors) = (most(|it| it.0), most(|it| it.1 as u64));
    println!("at most {memory} bytes of memory and {descriptors} descriptors");
    assert!(memory < 64 << 20 && descriptors < 64);
    delivery.stop();
    ledger
        .compare_doubting(&server.points("d"), &doubted)
        .assert_whole();
}

/// What the server does at the time.
enum Server {
    Up,
    Down,
    Frozen,
}

impl Server {
    fn change(&mut self, server: &mut InfluxServer) -> &'static str {
        match self {
            Self::Up if fastrand::bool() => {
                server.kill();
                *self = Self::Down;
                "server killed"
            }
            Self::Up => {
                server.freeze();
                *self = Self::Frozen;
                "server frozen"
            }
            Self::Down | Self::Frozen => {
                self.up(server);
                "server up"
            }
        }
    }

    fn up(&mut self, server: &mut InfluxServer) {
        match self {
            Self::Up => {}
            Self::Down => server.start_again(),
            Self::Frozen => server.thaw(),
        }
        *self = Self::Up;
    }
}
