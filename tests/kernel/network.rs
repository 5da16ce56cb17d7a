//! What sockets send and receive is what the interfaces carried, to the byte.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream, UdpSocket},
    thread,
    time::Duration,
};

use crate::harness::{
    AgentProcess, Cgroup, Container, Docker, Entry, Home, Interface, Namespace, Veth, eventually,
    skip,
};

/// What a virtual Ethernet interface counts more than IP, for each frame: the link header.
const ETHERNET: u64 = 14;

/// The same of the loopback interface, which counts after the link header was taken off (`loopback_xmit` in
/// drivers/net/loopback.c).
const LOOPBACK: u64 = 0;

/// Namespaces are looked at as often as the rest.
const OFTEN: &str = "[collect]\nfile_interval = \"1s\"\n";

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
fn totals_go_on_over_sigkill_to_the_byte() {
    let Some(pair) = Pair::new("gso_max_segs 1") else {
        return;
    };
    let home = Home::new();
    let mut agent = home.start::<&str>(&[]);
    let (mut client, mut server) = pair.transfer(2_000_000);
    for _ in 0..3 {
        pair.agrees(&agent, 1);
        agent.kill();
        agent = home.start::<&str>(&[]);
        send(&mut client, &mut server, 1_000_000);
    }
    pair.agrees(&agent, 1);
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
        .run("iptables -A INPUT -p tcp -m statistic --mode random --probability 0.03 -j DROP");
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let (client, server) = pair.transfer(30_000_000);
    let kernel = |namespace: &Namespace| namespace.snmp("Tcp", "RetransSegs");
    let before = (kernel(&pair.near), kernel(&pair.far));
    let batch = agent.next_batch();
    let after = (kernel(&pair.near), kernel(&pair.far));
    let ours = [&pair.client, &pair.server].map(|cgroup| {
        let entry = batch.at(cgroup.path()).expect("it is listed");
        entry.network("tcp_retransmits").unwrap()
    });
    println!("kernel before: {before:?}, ours: {ours:?}, kernel after: {after:?}");
    assert!(before.0 > 10, "nothing was lost: {before:?}");
    assert!((before.0..=after.0).contains(&ours[0]), "client");
    assert!((before.1..=after.1).contains(&ours[1]), "server");
    drop((client, server));
}

#[test]
fn what_has_no_socket_is_told_beside_and_peers_on_this_host_are_known() {
    const PINGS: u64 = 50;
    const PING_BYTES: u64 = 20 + 8 + 1_000;
    let Some(mut pair) = Pair::new("") else {
        return;
    };
    // By these processes the namespaces are found.
    pair.client.run(&pair.near.script("sleep 1000"));
    pair.server.run(&pair.far.script("sleep 1000"));
    let home = Home::with(OFTEN);
    let agent = home.start::<&str>(&[]);
    agent.batch_after(&agent.next_batch());
    let streams = pair.transfer(10_000_000);
    // The kernel answers them; the far end's sockets have no part in it.
    let far = pair.wire.far;
    pair.near
        .run(&format!("busybox ping -q -c {PINGS} -s 1000 -i 0.01 {far}"));
    let told = eventually(
        Duration::from_secs(20),
        "all that nobody owns is told",
        || {
            let entry = agent.next_batch().at(pair.server.path()).unwrap().clone();
            let told = unowned(&entry);
            let all = told.is_some_and(|it| it.rx_packets >= PINGS);
            all.then_some((entry, told)).ok_or(format!("{told:?}"))
        },
    );
    let (entry, Some(unowned)) = told else {
        unreachable!()
    };
    let [host, outside] = ["host", "outside"].map(|peer| of_peer(&entry, peer));
    println!("unowned: {unowned:?}, host: {host:?}, outside: {outside:?}");
    assert_eq!(unowned.rx_packets, PINGS);
    assert_eq!(unowned.tx_packets, PINGS);
    assert_eq!(unowned.rx_bytes, PINGS * PING_BYTES);
    assert_eq!(unowned.tx_bytes, PINGS * PING_BYTES);
    assert!(host.rx_bytes > 10_000_000, "{host:?}");
    assert_eq!(outside, Interface::default());
    drop(streams);
}

#[test]
fn a_container_on_a_bridge_and_what_nobody_owns_are_its_interface() {
    let Some(docker) = Docker::here() else { return };
    let home = Home::with(OFTEN);
    let agent = home.start::<&str>(&[]);
    let server = docker.run(&[], "sleep 1000 | nc -l -p 7000 >/dev/null");
    let address = server.address();
    if address.is_empty() {
        return skip("Docker has no bridge here").unwrap_or_default();
    }
    let client = docker.run(&[], "sleep 1000");
    agent.batch_after(&agent.next_batch());
    client.exec(&format!(
        "(head -c 30000000 /dev/zero; sleep 1000) | nc {address} 7000"
    ));
    for container in [&server, &client] {
        let both = || Interface::of(&container.pid(), "eth0");
        let entry = eventually(Duration::from_secs(30), "owned and unowned are all", || {
            let before = both();
            let batch = agent.next_batch();
            let entry = batch
                .container(&container.id)
                .expect("it is listed")
                .clone();
            let sum = exchanged(&entry);
            let unowned = unowned(&entry).unwrap_or_default();
            let facts = format!("eth0: {before:?}, owned: {sum:?}, unowned: {unowned:?}");
            // 30 MB have passed, and nothing passes now.
            let is_done = sum.rx_bytes + sum.tx_bytes > 30_000_000 && before == both();
            if is_done && is_all(sum, unowned, before) {
                println!("{facts}");
                Ok(entry)
            } else {
                Err(facts)
            }
        });
        // Each is on the same host as the other.
        assert_eq!(
            of_peer(&entry, "outside"),
            Interface::default(),
            "{entry:?}"
        );
    }
}

#[test]
fn containers_that_share_a_namespace_are_told_apart() {
    let Some(docker) = Docker::here() else { return };
    let home = Home::with(OFTEN);
    let agent = home.start::<&str>(&[]);
    let shared = docker.run(
        &["--network", "none"],
        "sleep 1000 | nc -l -p 7000 >/dev/null",
    );
    let with = format!("container:{}", shared.id);
    exchange_over_loopback(&agent, &docker, &shared, &with, 7000);
    // Of both, the first tells that nothing is left but headers of merged packets that the kernel cut up before the
    // interface after all, as it does with odd ones.
    eventually(Duration::from_secs(20), "nothing is left", || {
        let batch = agent.next_batch();
        let left = unowned(batch.container(&shared.id).expect("it is listed"));
        let nothing = left.is_some_and(|it| {
            let tx_headers = TCP_HEADERS * it.tx_packets;
            (it.rx_bytes, it.rx_packets, it.tx_bytes) == (0, 0, tx_headers)
        });
        let facts = format!("left: {left:?}");
        nothing.then(|| println!("{facts}")).ok_or(facts)
    });
}

#[test]
fn without_programs_the_interfaces_of_a_namespace_stand_in() {
    let Some(docker) = Docker::here() else { return };
    let home = Home::with(OFTEN);
    let agent = home.start(&["--source", "files"]);
    let alone = docker.run(
        &["--network", "none"],
        "sleep 1000 | nc -l -p 7000 >/dev/null",
    );
    let hosted = docker.run(&["--network", "host"], "sleep 1000");
    alone.exec("(head -c 5000000 /dev/zero; sleep 1000) | nc 127.0.0.1 7000");
    eventually(Duration::from_secs(20), "the interface is told", || {
        let before = Interface::of(&alone.pid(), "lo");
        let batch = agent.next_batch();
        // It has the host's interfaces, which tell nothing of it.
        let hosted = batch.container(&hosted.id).ok_or("not listed")?;
        assert_eq!(hosted.network_with("rx_bytes", "any"), None, "{hosted:?}");
        let alone = batch.container(&alone.id).ok_or("not listed")?;
        let told = alone.network_with("rx_bytes", "loopback");
        let told = told.ok_or("no loopback")?;
        let facts = format!("lo: {before:?}, told: {told}");
        let is_all = before.rx_bytes > 5_000_000 && told == before.rx_bytes;
        is_all.then(|| println!("{facts}")).ok_or(facts)
    });
}

#[test]
fn containers_in_the_hosts_namespace_are_told_apart() {
    const PORT: u16 = 17_213;
    let Some(docker) = Docker::here() else { return };
    let home = Home::with(OFTEN);
    let agent = home.start::<&str>(&[]);
    let script = format!("sleep 1000 | nc -l -p {PORT} >/dev/null");
    let server = docker.run(&["--network", "host"], &script);
    exchange_over_loopback(&agent, &docker, &server, "host", PORT);
    let batch = agent.next_batch();
    assert_eq!(unowned(batch.container(&server.id).unwrap()), None);
}

/// One more container in a namespace sends to `server` there: what one sent the other received, each by its own entry.
#[track_caller]
fn exchange_over_loopback(
    agent: &AgentProcess,
    docker: &Docker,
    server: &Container,
    network: &str,
    port: u16,
) {
    let bytes = 20_000_000;
    let script = format!("(head -c {bytes} /dev/zero; sleep 1000) | nc 127.0.0.1 {port}");
    let client = docker.run(&["--network", network], &script);
    eventually(Duration::from_secs(20), "all has passed", || {
        let batch = agent.next_batch();
        let of = |container: &Container| {
            let entry = batch.container(&container.id).expect("it is listed");
            assert_eq!(exchanged(entry), Interface::default(), "{entry:?}");
            of_peer(entry, "loopback")
        };
        let (client, server) = (of(&client), of(server));
        let facts = format!("client: {client:?}, server: {server:?}");
        let turned = Interface {
            rx_bytes: server.tx_bytes,
            rx_packets: server.tx_packets,
            tx_bytes: server.rx_bytes,
            tx_packets: server.rx_packets,
        };
        let is_all = server.rx_bytes > bytes && client == turned;
        is_all.then(|| println!("{facts}")).ok_or(facts)
    });
}

/// Whether owned and unowned are what an interface carried: packets within the frame of another have the headers of
/// TCP with a timestamp.
fn is_all(owned: Interface, unowned: Interface, interface: Interface) -> bool {
    let is = |owned: (u64, u64), unowned: (u64, u64), interface: (u64, u64)| {
        let merged = (owned.1 + unowned.1).checked_sub(interface.1);
        merged.is_some_and(|merged| {
            owned.0 - TCP_HEADERS * merged + unowned.0 == interface.0 - ETHERNET * interface.1
        })
    };
    let rx = |it: Interface| (it.rx_bytes, it.rx_packets);
    let tx = |it: Interface| (it.tx_bytes, it.tx_packets);
    is(rx(owned), rx(unowned), rx(interface)) && is(tx(owned), tx(unowned), tx(interface))
}

/// What the interfaces of an entry's namespace carried for nobody, if the entry tells.
fn unowned(entry: &Entry) -> Option<Interface> {
    Some(Interface {
        rx_bytes: entry.network("unowned_rx_bytes")?,
        rx_packets: entry.network("unowned_rx_packets")?,
        tx_bytes: entry.network("unowned_tx_bytes")?,
        tx_packets: entry.network("unowned_tx_packets")?,
    })
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
    let sum = exchanged(entry);
    println!("interface: {interface:?}");
    println!("ours:      {sum:?}");
    agrees(sum, interface, ETHERNET, headers)
}

/// What an entry exchanged with others than itself.
#[track_caller]
fn exchanged(entry: &Entry) -> Interface {
    let [host, outside] = ["host", "outside"].map(|peer| of_peer(entry, peer));
    Interface {
        rx_bytes: host.rx_bytes + outside.rx_bytes,
        rx_packets: host.rx_packets + outside.rx_packets,
        tx_bytes: host.tx_bytes + outside.tx_bytes,
        tx_packets: host.tx_packets + outside.tx_packets,
    }
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
