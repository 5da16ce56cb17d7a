//! What sockets send and receive is what the interfaces carried, to the byte.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream, UdpSocket},
    thread,
};

use crate::harness::{AgentProcess, Cgroup, Entry, Home, Interface, Namespace, Veth};

/// What a virtual Ethernet interface counts more than IP, for each frame: the link header.
const ETHERNET: u64 = 14;

/// The same of the loopback interface, which counts after the link header was taken off (`loopback_xmit` in
/// drivers/net/loopback.c).
const LOOPBACK: u64 = 0;

/// Bytes of the IP and TCP headers of a segment with a timestamp, which each has.
const TCP_HEADERS: u64 = 20 + 32;

/// Two namespaces with a wire between them, a cgroup for each.
struct Pair {
    near: Namespace,
    far: Namespace,
    wire: Veth,
    client: Cgroup,
    server: Cgroup,
}

#[test]
fn tcp_in_whole_packets_is_counted_to_the_byte() {
    // Each packet is a frame: both counters must be the same but for link headers.
    let Some(pair) = Pair::new("gso_max_segs 1") else {
        return;
    };
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let streams = pair.transfer(20_000_000);
    pair.agrees(&agent, 1);
    drop(streams);
}

#[test]
fn tcp_in_merged_packets_is_counted_as_it_is_on_the_wire() {
    let Some(pair) = Pair::new("") else { return };
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let streams = pair.transfer(50_000_000);
    let merged = pair.agrees(&agent, TCP_HEADERS);
    assert!(
        merged > 1_000,
        "packets beyond the first of a frame: {merged}"
    );
    drop(streams);
}

#[test]
fn udp_is_counted_to_the_byte() {
    let Some(pair) = Pair::new("") else { return };
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let (near, far) = (pair.wire.near, pair.wire.far);
    let bind = |namespace: &Namespace, cgroup: &Cgroup, address: &str| {
        namespace.within(cgroup, || UdpSocket::bind((address, 7000)).unwrap())
    };
    let client = bind(&pair.near, &pair.client, near);
    let server = bind(&pair.far, &pair.server, far);
    let mut buffer = [0; 2000];
    for length in 0..1_400 {
        client.send_to(&buffer[..length], (far, 7000)).unwrap();
        assert_eq!(server.recv(&mut buffer).unwrap(), length);
    }
    pair.agrees(&agent, 1);
}

#[test]
fn a_socket_older_than_the_agent_is_counted_from_its_start_on() {
    let Some(pair) = Pair::new("gso_max_segs 1") else {
        return;
    };
    let (mut client, mut server) = pair.transfer(1_000_000);
    let (near_before, far_before) = pair.interfaces();
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    send(&mut client, &mut server, 3_000_000);
    let (near, far) = pair.interfaces();
    let batch = agent.next_batch();
    let entry = |cgroup: &Cgroup| batch.at(cgroup.path()).expect("it is listed").clone();
    is_same(&entry(&pair.client), grown(near_before, near), 1);
    is_same(&entry(&pair.server), grown(far_before, far), 1);
}

#[test]
fn loopback_is_told_apart_and_counted_on_both_ends() {
    let Some(namespace) = Namespace::new("lo") else {
        return;
    };
    let cgroup = Cgroup::new("lo");
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let (mut client, mut server) = namespace.within(&cgroup, || connect("127.0.0.1"));
    send(&mut client, &mut server, 30_000_000);
    let batch = agent.next_batch();
    let counted = of_peer(batch.at(cgroup.path()).expect("it is listed"), "loopback");
    println!("lo: {:?}, ours: {counted:?}", namespace.interface("lo"));
    agrees(counted, namespace.interface("lo"), LOOPBACK, TCP_HEADERS);
    assert_eq!(counted.tx_bytes, counted.rx_bytes);
}

#[test]
fn connections_are_counted_by_what_became_of_them() {
    const OPENED: u64 = 100;
    const REFUSED: u64 = 37;
    let Some(pair) = Pair::new("") else { return };
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let far = pair.wire.far;
    let listener = pair
        .far
        .within(&pair.server, || TcpListener::bind((far, 7000)).unwrap());
    pair.near.within(&pair.client, || {
        for _ in 0..OPENED {
            drop(TcpStream::connect((far, 7000)).unwrap());
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
    let Some(pair) = Pair::new("") else { return };
    // Lost where they arrive, so that they were sent.
    pair.far
        .run("iptables -A INPUT -p tcp -m statistic --mode random --probability 0.02 -j DROP");
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let (client, server) = pair.transfer(5_000_000);
    let kernel = |namespace: &Namespace| namespace.snmp("Tcp", "RetransSegs");
    let before = (kernel(&pair.near), kernel(&pair.far));
    let batch = agent.next_batch();
    let after = (kernel(&pair.near), kernel(&pair.far));
    let ours = [&pair.client, &pair.server].map(|cgroup| {
        let entry = batch.at(cgroup.path()).expect("it is listed");
        entry.network("tcp_retransmits").unwrap()
    });
    println!("kernel before: {before:?}, ours: {ours:?}, kernel after: {after:?}");
    assert!(before.0 > 50, "nothing was lost: {before:?}");
    assert!((before.0..=after.0).contains(&ours[0]), "client");
    assert!((before.1..=after.1).contains(&ours[1]), "server");
    drop((client, server));
}

impl Pair {
    #[track_caller]
    fn new(options: &str) -> Option<Self> {
        let (near, far) = (Namespace::new("near")?, Namespace::new("far")?);
        let wire = Veth::between(&near, &far, options);
        Some(Self {
            near,
            far,
            wire,
            client: Cgroup::new("client"),
            server: Cgroup::new("server"),
        })
    }

    /// Sends this many bytes over a new connection, and as many back; the connection stays open.
    fn transfer(&self, bytes: usize) -> (TcpStream, TcpStream) {
        let listener = self.far.within(&self.server, || {
            TcpListener::bind((self.wire.far, 7000)).unwrap()
        });
        let mut client = self.near.within(&self.client, || {
            TcpStream::connect((self.wire.far, 7000)).unwrap()
        });
        let (mut server, _) = listener.accept().unwrap();
        send(&mut client, &mut server, bytes);
        send(&mut server, &mut client, bytes);
        (client, server)
    }

    fn interfaces(&self) -> (Interface, Interface) {
        let name = &self.wire.name;
        (self.near.interface(name), self.far.interface(name))
    }

    /// Both ends agree with their interfaces; returns how many packets travelled in the frames of others.
    #[track_caller]
    fn agrees(&self, agent: &AgentProcess, headers: u64) -> u64 {
        let (near, far) = self.interfaces();
        let batch = agent.next_batch();
        let entry = |cgroup: &Cgroup| batch.at(cgroup.path()).expect("it is listed").clone();
        assert_eq!((near, far), self.interfaces(), "the wire is not at rest");
        is_same(&entry(&self.client), near, headers) + is_same(&entry(&self.server), far, headers)
    }
}

/// All that an entry exchanged over a wire is what its interface counted.
#[track_caller]
fn is_same(entry: &Entry, interface: Interface, headers: u64) -> u64 {
    let counted = ["host", "outside"].map(|peer| of_peer(entry, peer));
    let [host, outside] = counted;
    let sum = Interface {
        rx_bytes: host.rx_bytes + outside.rx_bytes,
        rx_packets: host.rx_packets + outside.rx_packets,
        tx_bytes: host.tx_bytes + outside.tx_bytes,
        tx_packets: host.tx_packets + outside.tx_packets,
    };
    println!("interface: {interface:?}");
    println!("ours:      {sum:?} (host {host:?}, outside {outside:?})");
    agrees(sum, interface, ETHERNET, headers)
}

/// Frames carry a link header each, packets within the frame of another their own other headers.
#[track_caller]
fn agrees(ours: Interface, interface: Interface, link: u64, headers: u64) -> u64 {
    let rx_merged = ours.rx_packets - interface.rx_packets;
    let tx_merged = ours.tx_packets - interface.tx_packets;
    assert_eq!(
        ours.rx_bytes - headers * rx_merged,
        interface.rx_bytes - link * interface.rx_packets,
        "received"
    );
    assert_eq!(
        ours.tx_bytes - headers * tx_merged,
        interface.tx_bytes - link * interface.tx_packets,
        "sent"
    );
    rx_merged + tx_merged
}

#[track_caller]
fn of_peer(entry: &Entry, peer: &str) -> Interface {
    let total = |field| {
        let total = entry.network_with(field, peer);
        total.unwrap_or_else(|| panic!("no {field} of {peer} in {entry:?}"))
    };
    Interface {
        rx_bytes: total("rx_bytes"),
        rx_packets: total("rx_packets"),
        tx_bytes: total("tx_bytes"),
        tx_packets: total("tx_packets"),
    }
}

fn grown(before: Interface, after: Interface) -> Interface {
    Interface {
        rx_bytes: after.rx_bytes - before.rx_bytes,
        rx_packets: after.rx_packets - before.rx_packets,
        tx_bytes: after.tx_bytes - before.tx_bytes,
        tx_packets: after.tx_packets - before.tx_packets,
    }
}

/// A connection to oneself.
fn connect(address: &str) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((address, 7000)).unwrap();
    let client = TcpStream::connect((address, 7000)).unwrap();
    let (server, _) = listener.accept().unwrap();
    (client, server)
}

/// Sends bytes and waits until all of them are there.
fn send(from: &mut TcpStream, to: &mut TcpStream, bytes: usize) {
    thread::scope(|scope| {
        scope.spawn(|| {
            let block = vec![7; 1 << 16];
            let mut left = bytes;
            while left > 0 {
                let length = left.min(block.len());
                from.write_all(&block[..length]).unwrap();
                left -= length;
            }
        });
        let mut block = vec![0; 1 << 16];
        let mut left = bytes;
        while left > 0 {
            let length = left.min(block.len());
            left -= to.read(&mut block[..length]).unwrap();
        }
    });
}
