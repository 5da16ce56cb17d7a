//! What has no socket: refused connections, and what comes for one that is closed. Each packet of it is told of the
//! namespace whose interface carried it, and of nobody beside.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    time::Duration,
};

use crate::harness::{
    AgentProcess, Cgroup, Home, Interface, Ip, Namespace, eventually,
    pair::{Pair, over_wire},
};

/// Namespaces are looked at as often as the rest.
const OFTEN: &str = "[collect]\nfile_interval = \"1s\"\n";

const PATIENCE: Duration = Duration::from_secs(30);

/// IP and TCP headers with the options of a first segment.
const SYN_BYTES: u64 = 60;

/// IP and TCP headers without any option.
const RESET_BYTES: u64 = 40;

/// IP and TCP headers of all other segments.
const HEADERS: u64 = Ip::V4.tcp_headers();

/// Sockets that were closed here and not yet there, as `/proc/net/tcp` numbers states.
const FIN_WAIT2: &str = "05";

#[test]
fn refused_connections_are_the_servers_namespaces() {
    const REFUSED: u64 = 200;
    let Some((pair, _home, agent)) = told_pair() else {
        return;
    };
    let closed = (pair.wire.far, 7001);
    pair.near.within(&pair.client, || {
        for _ in 0..REFUSED {
            TcpStream::connect(closed).unwrap_err();
        }
    });
    let refused = Interface {
        rx_bytes: REFUSED * SYN_BYTES,
        rx_packets: REFUSED,
        tx_bytes: REFUSED * RESET_BYTES,
        tx_packets: REFUSED,
    };
    // The client's own socket sends the one and takes the other.
    has_unowned(&pair, &agent, [Interface::default(), refused]);
}

#[test]
fn the_other_ends_goodbye_to_a_closed_connection_is_nobodys() {
    const CLOSED: u64 = 100;
    let Some((pair, _home, agent)) = told_pair() else {
        return;
    };
    // Its end and the answer to that.
    drop(closed_by_client(&pair, CLOSED));
    let goodbyes = Interface {
        rx_bytes: CLOSED * HEADERS,
        rx_packets: CLOSED,
        tx_bytes: CLOSED * HEADERS,
        tx_packets: CLOSED,
    };
    has_unowned(&pair, &agent, [goodbyes, Interface::default()]);
}

#[test]
fn late_data_for_a_closed_connection_and_its_refusal_are_nobodys() {
    const CLOSED: u64 = 100;
    let Some((pair, _home, agent)) = told_pair() else {
        return;
    };
    let late = [7; 500];
    let late_bytes = late.len() as u64;
    let mut servers = closed_by_client(&pair, CLOSED);
    for server in &mut servers {
        server.write_all(&late).expect("it is open still");
    }
    let expected = Interface {
        rx_bytes: CLOSED * (HEADERS + late_bytes),
        rx_packets: CLOSED,
        tx_bytes: CLOSED * RESET_BYTES,
        tx_packets: CLOSED,
    };
    has_unowned(&pair, &agent, [expected, Interface::default()]);
}

/// Two namespaces that an agent knows, whose traffic so far is all told.
#[track_caller]
fn told_pair() -> Option<(Pair, Home, AgentProcess)> {
    let mut pair = Pair::new(Ip::V4, "")?;
    pair.client.run(&pair.near.script("sleep 1000"));
    pair.server.run(&pair.far.script("sleep 1000"));
    let home = Home::with(OFTEN);
    let agent = home.start::<&str>(&[]);
    has_unowned(&pair, &agent, [Interface::default(); 2]);
    Some((pair, home, agent))
}

/// The server's ends of connections that the client has closed, which it knows.
#[track_caller]
fn closed_by_client(pair: &Pair, connections: u64) -> Vec<TcpStream> {
    let address = pair.address();
    let listener = pair
        .far
        .within(&pair.server, || TcpListener::bind(address).unwrap());
    let mut servers = Vec::new();
    for _ in 0..connections {
        let client = pair
            .near
            .within(&pair.client, || TcpStream::connect(address).unwrap());
        let (mut server, _) = listener.accept().unwrap();
        drop(client);
        assert_eq!(server.read(&mut [0; 1]).unwrap(), 0, "it has ended");
        servers.push(server);
    }
    let awaited = usize::try_from(connections).unwrap();
    eventually(PATIENCE, "all ends are acknowledged", || {
        let waiting = in_state(&pair.near, FIN_WAIT2);
        (waiting == awaited).then_some(()).ok_or(waiting)
    });
    servers
}

fn in_state(namespace: &Namespace, state: &str) -> usize {
    let table = namespace.run("cat /proc/net/tcp");
    let lines = table.lines().skip(1);
    lines
        .filter(|line| line.split_ascii_whitespace().nth(3) == Some(state))
        .count()
}

/// Client and server have so much in their namespaces that is nobody's, now and from then on, and with what is theirs
/// it is what the interfaces carried.
#[track_caller]
fn has_unowned(pair: &Pair, agent: &AgentProcess, expected: [Interface; 2]) {
    let look = || {
        let (near, far) = pair.interfaces();
        let batch = agent.next_batch();
        let of = |cgroup: &Cgroup, interface| {
            let entry = batch.at(cgroup.path()).ok_or("not listed")?;
            let unowned = entry.unowned().ok_or("nothing is told yet")?;
            over_wire(entry.exchanged().and(unowned), interface, HEADERS)?;
            Ok::<_, String>(unowned)
        };
        Ok::<_, String>([of(&pair.client, near)?, of(&pair.server, far)?])
    };
    eventually(PATIENCE, "all that nobody owns is told", || {
        let told = look()?;
        (told == expected).then_some(()).ok_or(format!("{told:?}"))
    });
    for _ in 0..2 {
        let told = look().unwrap();
        println!("unowned of client and server: {told:?}");
        assert_eq!(told, expected);
    }
}
