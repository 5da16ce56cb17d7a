//! Containers and namespaces: whose packets are whose where several share interfaces, what nobody owns, and what
//! stands in where no program runs.

use std::{fs, time::Duration};

use crate::harness::{
    AgentProcess, Container, Docker, Home, Interface, Ip, eventually,
    pair::{Pair, over_wire},
    skip,
};

/// Namespaces are looked at as often as the rest.
const OFTEN: &str = "[collect]\nfile_interval = \"1s\"\n";

/// What a link header adds to a packet that fills a frame alone.
const HEADERS: u64 = Ip::V4.tcp_headers();

#[test]
fn what_has_no_socket_is_told_beside_and_peers_on_this_host_are_known() {
    const PINGS: u64 = 50;
    const PING_BYTES: u64 = 20 + 8 + 1_000;
    let Some(mut pair) = Pair::new(Ip::V4, "") else {
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
            let told = entry.unowned();
            let all = told.is_some_and(|it| it.rx_packets >= PINGS);
            all.then_some((entry, told)).ok_or(format!("{told:?}"))
        },
    );
    let (entry, Some(unowned)) = told else {
        unreachable!()
    };
    let [host, outside] = ["host", "outside"].map(|peer| entry.traffic(peer));
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
fn neighbour_discovery_is_nobodys_and_ipv6_peers_on_this_host_are_known() {
    // So that no packet is left over but what the kernel sent.
    let Some(mut pair) = Pair::new(Ip::V6, "gso_max_segs 1") else {
        return;
    };
    let name = &pair.wire.name;
    for (end, other) in [(&pair.near, pair.wire.far), (&pair.far, pair.wire.near)] {
        end.run(&format!(
            "ip6tables -F; ip neighbour del {other} dev {name}"
        ));
    }
    pair.client.run(&pair.near.script("sleep 1000"));
    pair.server.run(&pair.far.script("sleep 1000"));
    let home = Home::with(OFTEN);
    let agent = home.start::<&str>(&[]);
    agent.batch_after(&agent.next_batch());
    let streams = pair.transfer(10_000_000);
    eventually(Duration::from_secs(30), "all is told", || {
        let (near, far) = pair.interfaces();
        let sent = [&pair.near, &pair.far].map(|end| end.counter6("Icmp6OutMsgs"));
        let batch = agent.next_batch();
        let entries = [&pair.client, &pair.server].map(|it| batch.at(it.path()).expect("listed"));
        for ((entry, interface), sent) in entries.into_iter().zip([near, far]).zip(sent) {
            let unowned = entry.unowned().ok_or("nothing is told yet")?;
            if sent == 0 || unowned.tx_packets != sent {
                return Err(format!("sent by the kernel: {sent}, unowned: {unowned:?}"));
            }
            over_wire(entry.exchanged().and(unowned), interface, HEADERS)?;
            println!("unowned: {unowned:?}");
            let host = entry.traffic("host");
            assert!(host.rx_bytes > 10_000_000, "{host:?}");
            assert_eq!(entry.traffic("outside"), Interface::default());
        }
        println!("_host: {:?}", batch.at("/").map(|it| it.exchanged()));
        Ok::<_, String>(())
    });
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
            let sum = entry.exchanged();
            let unowned = entry.unowned().unwrap_or_default();
            let facts = format!("eth0: {before:?}, owned: {sum:?}, unowned: {unowned:?}");
            // 30 MB have passed, and nothing passes now.
            let is_done = sum.rx_bytes + sum.tx_bytes > 30_000_000 && before == both();
            if is_done && over_wire(sum.and(unowned), before, HEADERS).is_ok() {
                println!("{facts}");
                Ok(entry)
            } else {
                Err(facts)
            }
        });
        // Each is on the same host as the other.
        assert_eq!(entry.traffic("outside"), Interface::default(), "{entry:?}");
    }
}

#[test]
fn of_a_container_and_its_sidecar_each_has_its_own_and_together_they_are_their_interface() {
    let Some(docker) = Docker::here() else { return };
    let home = Home::with(OFTEN);
    let agent = home.start::<&str>(&[]);
    let server = docker.run(&[], "sleep 1000 | nc -l -p 7000 >/dev/null");
    let address = server.address();
    if address.is_empty() {
        return skip("Docker has no bridge here").unwrap_or_default();
    }
    let main = docker.run(&[], "sleep 1000");
    let with = format!("container:{}", main.id);
    let sidecar = docker.run(&["--network", &with], "sleep 1000");
    agent.batch_after(&agent.next_batch());
    sidecar.exec(&format!(
        "(head -c 10000000 /dev/zero; sleep 1000) | nc {address} 7000"
    ));
    eventually(Duration::from_secs(30), "both are the interface", || {
        let interface = Interface::of(&main.pid(), "eth0");
        let batch = agent.next_batch();
        let of = |it: &Container| batch.container(&it.id).expect("it is listed").clone();
        let (main, sidecar) = (of(&main), of(&sidecar));
        assert_eq!(main.exchanged(), Interface::default());
        assert_eq!(sidecar.unowned(), None);
        let owned = sidecar.exchanged();
        let unowned = main.unowned().ok_or("nothing is told yet")?;
        println!("sidecar: {owned:?}, unowned: {unowned:?}");
        over_wire(owned.and(unowned), interface, HEADERS)?;
        let is_all = owned.tx_bytes > 10_000_000;
        is_all.then_some(()).ok_or(format!("{owned:?}"))
    });
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
    let client = exchange_over_loopback(&agent, &docker, &shared, &with, 7000);
    // Of both, the first tells that nothing is left but headers of merged packets that the kernel cut up before the
    // interface after all, as it does with odd ones.
    eventually(Duration::from_secs(20), "nothing is left", || {
        let batch = agent.next_batch();
        let unowned = |it: &Container| batch.container(&it.id).expect("it is listed").unowned();
        assert_eq!(unowned(&client), None);
        let left = unowned(&shared);
        let nothing = left.is_some_and(|it| {
            let tx_headers = HEADERS * it.tx_packets;
            (it.rx_bytes, it.rx_packets, it.tx_bytes) == (0, 0, tx_headers)
        });
        let facts = format!("left: {left:?}");
        nothing.then(|| println!("{facts}")).ok_or(facts)
    });
}

#[test]
fn without_programs_the_interfaces_of_a_namespace_stand_in() {
    let home = Home::with(OFTEN);
    interfaces_stand_in(&home.start(&["--source", "files"]));
}

#[test]
fn without_those_on_packets_alone_they_stand_in_beside_the_other_programs() {
    let home = Home::with(&format!(
        "{OFTEN}skip_programs = [\"network_ingress\", \"network_egress\"]\n"
    ));
    interfaces_stand_in(&home.start(&["--source", "kernel"]));
}

fn interfaces_stand_in(agent: &AgentProcess) {
    let Some(docker) = Docker::here() else { return };
    let alone = docker.run(
        &["--network", "none"],
        "sleep 1000 | nc -l -p 7000 >/dev/null",
    );
    let hosted = docker.run(&["--network", "host"], "sleep 1000");
    alone.exec("(head -c 5000000 /dev/zero; sleep 1000) | nc 127.0.0.1 7000");
    eventually(Duration::from_secs(20), "loopback is told", || {
        let interface = Interface::of(&alone.pid(), "lo");
        let batch = agent.next_batch();
        // It has the host's interfaces, which tell nothing of it.
        let hosted_entry = batch.container(&hosted.id).ok_or("not listed")?;
        let told = hosted_entry.network_with("rx_bytes", "any");
        assert!(told.is_none() || !is_in_our_namespace(&hosted), "{told:?}");
        let alone = batch.container(&alone.id).ok_or("not listed")?;
        let has_any = alone.network_with("rx_bytes", "loopback").is_some();
        let told = has_any
            .then(|| alone.traffic("loopback"))
            .ok_or("nothing")?;
        let facts = format!("lo: {interface:?}, told: {told:?}");
        let is_all = interface.rx_bytes > 5_000_000 && told == interface;
        is_all.then(|| println!("{facts}")).ok_or(facts)
    });
}

#[test]
fn without_programs_a_bridged_container_is_its_interface_without_link_headers() {
    let Some(docker) = Docker::here() else { return };
    let home = Home::with(OFTEN);
    let agent = home.start(&["--source", "files"]);
    let server = docker.run(&[], "sleep 1000 | nc -l -p 7000 >/dev/null");
    let address = server.address();
    if address.is_empty() {
        return skip("Docker has no bridge here").unwrap_or_default();
    }
    let script = format!("(head -c 5000000 /dev/zero; sleep 1000) | nc {address} 7000");
    let client = docker.run(&[], &script);
    for container in [&server, &client] {
        eventually(Duration::from_secs(20), "the interface is told", || {
            let interface = Interface::of(&container.pid(), "eth0");
            let batch = agent.next_batch();
            let entry = batch.container(&container.id).ok_or("not listed")?;
            let has_any = entry.network_with("rx_bytes", "any").is_some();
            let told = has_any.then(|| entry.traffic("any")).ok_or("nothing")?;
            let facts = format!("eth0: {interface:?}, told: {told:?}");
            let is_all = interface.rx_bytes + interface.tx_bytes > 5_000_000;
            if !is_all || over_wire(told, interface, HEADERS) != Ok(0) {
                return Err(facts);
            }
            // What it has is told of the namespace, not of sockets.
            assert_eq!(entry.network("tcp_connects"), None);
            assert_eq!(entry.unowned(), None);
            Ok(())
        });
    }
}

#[test]
fn containers_in_the_hosts_namespace_are_told_apart() {
    const PORT: u16 = 17_213;
    let Some(docker) = Docker::here() else { return };
    let home = Home::with(OFTEN);
    let agent = home.start::<&str>(&[]);
    let script = format!("sleep 1000 | nc -l -p {PORT} >/dev/null");
    let server = docker.run(&["--network", "host"], &script);
    let client = exchange_over_loopback(&agent, &docker, &server, "host", PORT);
    let batch = agent.next_batch();
    let told = [&server, &client].map(|it| batch.container(&it.id).unwrap().unowned().is_some());
    // A Docker in a namespace of its own means that one by `host`: the first container there tells.
    let expected = usize::from(!is_in_our_namespace(&server));
    assert_eq!(told.iter().filter(|told| **told).count(), expected);
}

fn is_in_our_namespace(container: &Container) -> bool {
    let of = |process: &str| fs::read_link(format!("/proc/{process}/ns/net")).unwrap();
    of(&container.pid()) == of("self")
}

/// One more container in a namespace sends to `server` there: what one sent the other received, each by its own entry.
#[track_caller]
fn exchange_over_loopback(
    agent: &AgentProcess,
    docker: &Docker,
    server: &Container,
    network: &str,
    port: u16,
) -> Container {
    let bytes = 20_000_000;
    let script = format!("(head -c {bytes} /dev/zero; sleep 1000) | nc 127.0.0.1 {port}");
    let client = docker.run(&["--network", network], &script);
    eventually(Duration::from_secs(20), "all has passed", || {
        let batch = agent.next_batch();
        let of = |container: &Container| {
            let entry = batch.container(&container.id).ok_or("not listed")?;
            assert_eq!(entry.exchanged(), Interface::default(), "{entry:?}");
            Ok::<_, String>(entry.traffic("loopback"))
        };
        let (sent, got) = (of(&client)?, of(server)?);
        let facts = format!("client: {sent:?}, server: {got:?}");
        let is_all =
            got.rx_bytes > bytes && (sent.sent(), sent.received()) == (got.received(), got.sent());
        is_all.then(|| println!("{facts}")).ok_or(facts)
    });
    client
}
