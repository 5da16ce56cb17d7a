//! What sockets send and receive is what the interfaces carried, to the byte.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream, UdpSocket},
    time::Duration,
};

use crate::harness::{
    AgentProcess, Cgroup, Home, Interface, Ip, Namespace, eventually,
    pair::{ETHERNET, Pair, acknowledged, connect_to_self, over_loopback, send},
};

/// Each packet is a frame, so that interfaces count what we count but for link headers.
const WHOLE: &str = "gso_max_segs 1";

/// Of two ends that merge nothing, no packet travels in the frame of another.
const NONE: u64 = 1;

#[test]
fn tcp_in_whole_packets_is_counted_to_the_byte() {
    for ip in Ip::BOTH {
        let Some(pair) = Pair::new(ip, WHOLE) else {
            return;
        };
        let home = Home::new();
        let agent = home.start::<&str>(&[]);
        let streams = pair.transfer(20_000_000);
        pair.agrees(&agent, NONE);
        drop(streams);
    }
}

#[test]
fn tcp_in_merged_packets_is_counted_as_it_is_on_the_wire() {
    for ip in Ip::BOTH {
        let Some(pair) = Pair::new(ip, "") else {
            return;
        };
        let home = Home::new();
        let agent = home.start::<&str>(&[]);
        let streams = pair.transfer(50_000_000);
        let merged = pair.agrees(&agent, ip.tcp_headers());
        assert!(
            merged > 1_000,
            "packets beyond the first of a frame: {merged}"
        );
        drop(streams);
    }
}

#[test]
fn packets_of_more_than_64_kib_are_counted_as_they_are_on_the_wire() {
    /// What the kernel writes into one that a size fits in, and the interface counts.
    const JUMBO: u64 = 8;
    const LARGE: &str = "gso_max_size 200000 gro_max_size 200000";
    let Some(pair) = Pair::new(Ip::V6, LARGE) else {
        return;
    };
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let streams = pair.transfer(50_000_000);
    let jumbo = eventually(Duration::from_secs(30), "counted as on the wire", || {
        let interface = pair.interfaces().0;
        let batch = agent.next_batch();
        let ours = batch.at(pair.client.path()).expect("listed").exchanged();
        let facts = format!("interface: {interface:?}, ours: {ours:?}");
        let jumbo = |ours: (u64, u64), interface: (u64, u64)| {
            let merged = ours.1.checked_sub(interface.1)?;
            let carried = interface.0 - ETHERNET * interface.1;
            let more = carried.checked_sub(ours.0 - Ip::V6.tcp_headers() * merged)?;
            (more % JUMBO == 0 && more <= JUMBO * interface.1).then_some(more / JUMBO)
        };
        let received = jumbo(ours.received(), interface.received());
        let sent = jumbo(ours.sent(), interface.sent());
        received
            .zip(sent)
            .inspect(|_| println!("{facts}"))
            .ok_or(facts)
    });
    println!("frames that say how large they are: {jumbo:?}");
    drop(streams);
}

#[test]
fn udp_is_counted_to_the_byte() {
    for ip in Ip::BOTH {
        let Some(pair) = Pair::new(ip, "") else {
            return;
        };
        let home = Home::new();
        let agent = home.start::<&str>(&[]);
        let (near, far) = (pair.wire.near, pair.wire.far);
        let client = pair
            .near
            .within(&pair.client, || UdpSocket::bind((near, 7000)).unwrap());
        let server = pair
            .far
            .within(&pair.server, || UdpSocket::bind((far, 7000)).unwrap());
        let mut buffer = [0; 2000];
        for length in 0..1_400 {
            client.send_to(&buffer[..length], (far, 7000)).unwrap();
            assert_eq!(server.recv(&mut buffer).unwrap(), length);
        }
        pair.agrees(&agent, NONE);
    }
}

#[test]
fn a_socket_older_than_the_agent_is_counted_from_its_start_on() {
    let Some(pair) = Pair::new(Ip::V4, WHOLE) else {
        return;
    };
    let (mut client, mut server) = pair.transfer(1_000_000);
    let before = pair.interfaces();
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    send(&mut client, &mut server, 3_000_000);
    pair.agrees_since(before, &agent, NONE);
}

#[test]
fn totals_go_on_over_sigkill_to_the_byte() {
    let Some(pair) = Pair::new(Ip::V4, WHOLE) else {
        return;
    };
    let home = Home::new();
    let mut agent = home.start::<&str>(&[]);
    let (mut client, mut server) = pair.transfer(2_000_000);
    for _ in 0..3 {
        // What was published is kept, and all that passed is published now.
        pair.agrees(&agent, NONE);
        agent.kill();
        agent = home.start::<&str>(&[]);
        send(&mut client, &mut server, 1_000_000);
    }
    pair.agrees(&agent, NONE);
}

#[test]
fn loopback_is_told_apart_and_counted_on_both_ends() {
    for ip in Ip::BOTH {
        let Some(namespace) = Namespace::new("lo") else {
            return;
        };
        let cgroup = Cgroup::new("lo");
        ip.allow(&namespace, "lo");
        let home = Home::new();
        let agent = home.start::<&str>(&[]);
        let (mut client, mut server) = namespace.within(&cgroup, || connect_to_self(ip.loopback()));
        send(&mut client, &mut server, 30_000_000);
        eventually(Duration::from_secs(20), "counted as on loopback", || {
            let interface = namespace.interface("lo");
            let batch = agent.next_batch();
            let entry = batch.at(cgroup.path()).expect("it is listed");
            let counted = entry.traffic("loopback");
            let merged = over_loopback(counted, interface, ip.tcp_headers())?;
            assert_eq!(counted.sent(), counted.received(), "{merged} merged");
            assert_eq!(entry.exchanged(), Interface::default());
            Ok::<_, String>(())
        });
    }
}

#[test]
fn connections_are_counted_by_what_became_of_them() {
    const OPENED: u64 = 100;
    const REFUSED: u64 = 37;
    let Some(pair) = Pair::new(Ip::V4, "") else {
        return;
    };
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let (address, far) = (pair.address(), pair.wire.far);
    let listener = pair
        .far
        .within(&pair.server, || TcpListener::bind(address).unwrap());
    pair.near.within(&pair.client, || {
        for _ in 0..OPENED {
            drop(TcpStream::connect(address).unwrap());
        }
        for _ in 0..REFUSED {
            TcpStream::connect((far, 7001)).unwrap_err();
        }
    });
    let batch = agent.next_batch();
    let told = |cgroup: &Cgroup| {
        let entry = batch.at(cgroup.path()).expect("it is listed");
        ["tcp_connects", "tcp_accepts", "tcp_failures"].map(|field| entry.network(field).unwrap())
    };
    println!(
        "client: {:?}, server: {:?}",
        told(&pair.client),
        told(&pair.server)
    );
    assert_eq!(told(&pair.client), [OPENED, 0, REFUSED]);
    assert_eq!(told(&pair.server), [0, OPENED, 0]);
    drop(listener);
}

#[test]
fn segments_sent_again_are_those_that_the_kernel_counts() {
    let Some(pair) = Pair::new(Ip::V4, "") else {
        return;
    };
    // Lost where they arrive, so that they were sent.
    pair.far
        .run("iptables -A INPUT -p tcp -m statistic --mode random --probability 0.03 -j DROP");
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let streams = pair.transfer(30_000_000);
    let (tried, failed) = sent_again(&pair, &agent);
    assert!(tried - failed > 10, "nothing was lost");
    drop(streams);
}

#[test]
fn segments_that_could_not_be_sent_again_are_not_told() {
    let Some(pair) = Pair::new(Ip::V4, "") else {
        return;
    };
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let (mut client, mut server) = pair.transfer(1_000_000);
    // It is lost, and then nothing leaves for a while.
    pair.far.run("iptables -A INPUT -p tcp -j DROP");
    client.write_all(&[7; 1_000]).unwrap();
    pair.near.run("iptables -A OUTPUT -p tcp -j DROP");
    eventually(Duration::from_secs(20), "it is tried again", || {
        let failed = pair.near.counter("TcpExt", "TCPRetransFail");
        (failed > 1).then_some(()).ok_or(failed)
    });
    pair.near.run("iptables -F");
    pair.far.run("iptables -F");
    server.read_exact(&mut [0; 1_000]).unwrap();
    acknowledged(&client);
    let (_, failed) = sent_again(&pair, &agent);
    assert!(failed > 1, "nothing failed");
}

/// Both ends sent again as many segments as their kernel says, without those that did not leave. Returns how many the
/// near end tried to send again, and how many of these failed.
#[track_caller]
fn sent_again(pair: &Pair, agent: &AgentProcess) -> (u64, u64) {
    let kernel = |namespace: &Namespace| {
        let tried = namespace.counter("Tcp", "RetransSegs");
        (tried, namespace.counter("TcpExt", "TCPRetransFail"))
    };
    let (near, far) = (kernel(&pair.near), kernel(&pair.far));
    let batch = agent.next_batch();
    let ours = [&pair.client, &pair.server].map(|cgroup| {
        let entry = batch.at(cgroup.path()).expect("it is listed");
        entry.network("tcp_retransmits").unwrap()
    });
    println!("tried and failed: {near:?} and {far:?}, ours: {ours:?}");
    assert_eq!(ours, [near, far].map(|(tried, failed)| tried - failed));
    near
}
