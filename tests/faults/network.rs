//! Names that do not resolve, or resolve to somewhere else, and addresses where packets vanish.

use std::{
    env, fs,
    net::{TcpListener, TcpStream, UdpSocket},
    process::Command,
    thread,
    time::Duration,
};

use super::{
    delivery::{Delivery, Place},
    scale::scaled,
    sink,
};
use crate::harness::{InfluxServer, Ledger, pause};

/// Where the delivery's resolver asks, and nobody else's.
const RESOLVER: &str = "127.9.9.9:53";

#[test]
fn a_name_is_resolved_anew_each_time_and_one_that_hangs_piles_up_nothing() {
    let Some(server) = InfluxServer::start() else {
        return;
    };
    let Ok(resolver) = UdpSocket::bind(RESOLVER) else {
        crate::harness::skip::<()>("no socket at port 53 of 127.9.9.9");
        return;
    };
    let url = format!("http://database.test:{}", server.port());
    let place = Place::with(&sink("influxdb", &url, "timeout = \"1s\""));
    let hosts = place.path().join("hosts");
    fs::write(&hosts, "").unwrap();
    fs::write(place.path().join("resolv.conf"), "nameserver 127.9.9.9\n").unwrap();
    let mut delivery = place.start_by(by_names_of(&place));
    let mut ledger = Ledger::new();

    // Nobody answers.
    let threads_before = threads(&delivery);
    offer_and_fail(&mut delivery, &mut ledger, scaled(4, 20));
    let threads_after = threads(&delivery);
    println!("threads: {threads_before}, then {threads_after}");
    assert!(threads_after <= threads_before + 10, "{threads_after}");
    // The server of names fails.
    let failing = resolver.try_clone().unwrap();
    thread::spawn(move || answer_servfail(&failing));
    offer_and_fail(&mut delivery, &mut ledger, 2);
    // A name, and nobody there.
    fs::write(&hosts, "127.0.0.99 database.test\n").unwrap();
    offer_and_fail(&mut delivery, &mut ledger, 2);
    fs::write(&hosts, "127.0.0.1 database.test\n").unwrap();
    let told = delivery.settle();
    assert_eq!((told.sent, told.all_lost()), (ledger.len() as u64, 0));
    ledger.compare(&server.points("d")).assert_whole();
}

/// A full queue of a listener: the kernel drops whoever knocks.
#[test]
fn an_address_where_packets_vanish_is_given_up_and_tried_again() {
    let Some(server) = InfluxServer::start() else {
        return;
    };
    let hole = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = hole.local_addr().unwrap();
    let mut knocking = Vec::new();
    let short = Duration::from_millis(200);
    while let Ok(stream) = TcpStream::connect_timeout(&address, short) {
        knocking.push(stream);
        assert!(knocking.len() < 10_000, "the queue has no end");
    }
    let [one, other] = [
        sink("hole", &format!("http://{address}"), "timeout = \"1s\""),
        sink("well", &server.url(), ""),
    ];
    let place = Place::with(&format!("{one}{other}"));
    let mut delivery = place.start();
    let mut ledger = Ledger::new();
    for _ in 0..10 {
        delivery.offer(&ledger.lines(100));
        pause(scaled(Duration::from_millis(300), Duration::from_secs(6)));
    }
    delivery.until("the other has it", |sinks| sinks["well"].waiting == 0);
    let hole = &delivery.sinks()["hole"];
    assert!(hole.errors > 0 && hole.waiting == 1000, "{hole:?}");
    ledger.compare(&server.points("d")).assert_whole();
}

/// A command with `hosts` and `resolv.conf` of this place instead of the machine's.
fn by_names_of(place: &Place) -> Command {
    let mut command = Command::new("unshare");
    let folder = place.path().display();
    let mounts = ["hosts", "resolv.conf"].map(|it| format!("mount --bind {folder}/{it} /etc/{it}"));
    let script = format!("{} && {} && exec \"$0\" \"$@\"", mounts[0], mounts[1]);
    command.args(["--mount", "sh", "-c", &script]);
    command.arg(env::current_exe().unwrap());
    command
}

fn offer_and_fail(delivery: &mut Delivery, ledger: &mut Ledger, times: u64) {
    delivery.offer(&ledger.lines(100));
    let before = delivery.told().errors;
    delivery.until("it fails", |sinks| {
        sinks["influxdb"].errors >= before + times
    });
}

fn threads(delivery: &Delivery) -> usize {
    fs::read_dir(format!("/proc/{}/task", delivery.pid()))
        .unwrap()
        .count()
}

/// Answers each question with a server's failure (RFC 1035, 4.1.1), until the test ends.
fn answer_servfail(resolver: &UdpSocket) {
    let mut message = [0; 512];
    while let Ok((length, asker)) = resolver.recv_from(&mut message) {
        message[2] |= 0x80;
        message[3] = 2;
        drop(resolver.send_to(&message[..length], asker));
    }
}
