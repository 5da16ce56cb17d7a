//! Disks that are full, fail or lie: the spool's and the server's.

use std::{fs, path::Path, time::Duration};

use super::{
    delivery::{Place, Told},
    influxdb,
    scale::scaled,
};
use crate::harness::{InfluxServer, Influxd, Ledger, LoopFilesystem, SmallDisk, eventually, pause};

/// Beyond this a delivery with `memory_bytes = "1MiB"` must not grow.
const MEMORY_BYTES: u64 = 8 << 20;

#[test]
fn a_full_disk_of_the_spool_costs_nothing_until_the_memory_is_full_and_then_what_is_counted() {
    let Some(mut server) = InfluxServer::start() else {
        return;
    };
    let Some(disk) = SmallDisk::new(6 << 20) else {
        return;
    };
    let ballast = disk.point().join("ballast");
    let place = Place::within(disk.point(), &influxdb(&server, "memory_bytes = \"1MiB\""));
    let mut delivery = place.start();
    let mut ledger = Ledger::new();
    delivery.offer(&ledger.lines(100));
    delivery.settle();
    let memory_before = delivery.own_memory_bytes();
    server.kill();
    fill(&ballast);
    // Less than the memory has room for, and a disk that takes nothing.
    for _ in 0..5 {
        delivery.offer(&ledger.lines(1000));
    }
    assert_eq!(delivery.told().all_lost(), 0);
    fs::remove_file(&ballast).unwrap();
    delivery.keep();
    fill(&ballast);
    let mut told = Told::default();
    for _ in 0..scaled(200, 2000) {
        delivery.offer(&ledger.lines(1000));
        pause(Duration::from_millis(5));
        told = delivery.told();
    }
    println!("{told:?}, memory: {}", delivery.own_memory_bytes());
    assert!(told.all_lost() > 0, "{told:?}");
    assert!(delivery.own_memory_bytes() < memory_before + MEMORY_BYTES);
    fs::remove_file(&ballast).unwrap();
    server.start_again();
    let told = delivery.settle();
    let findings = ledger.compare(&server.points("d"));
    findings.assert_missing(told.all_lost());
}

/// Every write fails with an error of the disk, syncs too, until there is another disk.
#[test]
fn a_disk_that_fails_is_done_without() {
    let Some(mut server) = InfluxServer::start() else {
        return;
    };
    let Some(disk) = LoopFilesystem::new("failing") else {
        return;
    };
    let place = Place::within(disk.point(), &influxdb(&server, ""));
    let mut delivery = place.start();
    let mut ledger = Ledger::new();
    delivery.offer(&ledger.lines(1000));
    delivery.settle();
    server.kill();
    disk.cut_power();
    for _ in 0..10 {
        delivery.offer(&ledger.lines(500));
    }
    delivery.until("it fails", |sinks| sinks["influxdb"].errors > 0);
    server.start_again();
    let told = delivery.settle();
    assert_eq!(told.all_lost(), 0, "{told:?}");
    ledger.compare(&server.points("d")).assert_whole();
    delivery.kill();
}

type Damage = fn(&mut Vec<u8>);

/// What a disk may do to a file that nobody reads at the time.
#[test]
fn a_damaged_spool_delivers_the_rest_and_never_keeps_it_from_starting() {
    let Some(mut server) = InfluxServer::start() else {
        return;
    };
    let damages: [(&str, Damage); 8] = [
        ("a flipped bit", |file| {
            let at = fastrand::usize(100..file.len());
            file[at] ^= 0x10;
        }),
        ("many flipped bits", |file| {
            for _ in 0..20 {
                let at = fastrand::usize(100..file.len());
                file[at] ^= 1;
            }
        }),
        ("a page of zeros", |file| {
            let at = file.len() / 2 / 4096 * 4096;
            file[at..at + 4096].fill(0);
        }),
        ("half of it", |file| file.truncate(file.len() / 2)),
        ("cut within a page", |file| file.truncate(file.len() - 1000)),
        ("nothing", Vec::clear),
        ("another's header", |file| file[..100].fill(b'x')),
        ("garbage", |file| file.fill_with(|| fastrand::u8(..))),
    ];
    for (damage, inflict) in damages {
        server.kill();
        let place = Place::with(&influxdb(&server, ""));
        let mut ledger = Ledger::new();
        let mut delivery = place.start();
        for _ in 0..100 {
            delivery.offer(&ledger.lines(100));
        }
        delivery.keep();
        // Ends with all of it in one file.
        delivery.stop();
        let file = place.state().join("spool/influxdb.db");
        let mut content = fs::read(&file).unwrap();
        inflict(&mut content);
        fs::write(&file, content).unwrap();
        server.start_again();
        server.execute("DROP DATABASE d");
        let mut delivery = place.start();
        delivery.offer(&ledger.lines(10));
        let told = delivery.settle();
        let log = delivery.log();
        delivery.stop();
        let findings = ledger.compare(&server.points("d"));
        println!("{damage}: {findings}; {told:?}");
        assert!(
            findings.wrong.is_empty() && findings.doubled.is_empty(),
            "{findings}"
        );
        let counted = told.lost.get("damaged").copied().unwrap_or(0);
        let missing = findings.missing.len() as u64;
        // Without its account nobody knows what was in a file, and that is told; of an empty one nothing is known at all.
        let is_unknown = log.contains("account_lost=true") || damage == "nothing";
        assert!(
            counted == missing || (counted == 0 && is_unknown),
            "{damage}: {counted}"
        );
    }
}

#[test]
fn a_server_whose_disk_is_full_gets_everything_again_until_it_has_it() {
    let Some(disk) = SmallDisk::new(24 << 20) else {
        return;
    };
    let Some(mut server) = Influxd::packaged().data_in(disk.point()).start() else {
        return;
    };
    let place = Place::with(&influxdb(&server, ""));
    let mut delivery = place.start();
    let mut ledger = Ledger::new();
    delivery.offer(&ledger.lines(1000));
    delivery.settle();
    let ballast = disk.point().join("ballast");
    fill(&ballast);
    for _ in 0..20 {
        delivery.offer(&ledger.lines(1000));
    }
    delivery.until("it fails", |sinks| sinks["influxdb"].errors > 1);
    let failing = delivery.told().failing.unwrap_or_default();
    assert!(failing.contains("no space left"), "{failing}");
    // What can be read now is gone after this.
    server.kill();
    fs::remove_file(&ballast).unwrap();
    server.start_again();
    let told = delivery.settle();
    assert_eq!((told.sent, told.all_lost()), (ledger.len() as u64, 0));
    ledger.compare(&server.points("d")).assert_whole();
}

/// Takes all the room there is.
fn fill(ballast: &Path) {
    eventually(Duration::from_secs(30), "the disk is full", || {
        use std::io::Write as _;
        let mut file = fs::File::options()
            .create(true)
            .append(true)
            .open(ballast)
            .unwrap();
        let chunk = [0; 1024];
        // Until even a little does not fit.
        while file.write_all(&chunk).is_ok() {}
        file.write(&[0])
            .is_err()
            .then_some(())
            .ok_or("there is room")
    });
}
