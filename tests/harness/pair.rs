//! Two ends that talk over a wire, and what an entry and an interface say of the same packets.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd as _,
    thread,
    time::Duration,
};

use super::{AgentProcess, Cgroup, Interface, Ip, Namespace, Veth, batch::Entry, eventually};

/// What a virtual Ethernet interface counts more than IP, for each frame: the link header.
pub(crate) const ETHERNET: u64 = 14;

/// The same of the loopback interface, which counts after the link header was taken off (`loopback_xmit` in
/// drivers/net/loopback.c).
const LOOPBACK: u64 = 0;

const PORT: u16 = 7000;

/// Two namespaces with a wire between them, a cgroup for each.
pub(crate) struct Pair {
    /// The client's end.
    pub(crate) near: Namespace,
    /// The server's end.
    pub(crate) far: Namespace,
    /// What is between them.
    pub(crate) wire: Veth,
    /// For what is at the near end.
    pub(crate) client: Cgroup,
    /// For what is at the far end.
    pub(crate) server: Cgroup,
}

impl Pair {
    /// One that speaks `ip`, with `options` of `ip link add` for either end; `None` where there are no namespaces.
    #[track_caller]
    pub(crate) fn new(ip: Ip, options: &str) -> Option<Self> {
        let (near, far) = (Namespace::new("near")?, Namespace::new("far")?);
        let wire = Veth::between(&near, &far, ip, options);
        Some(Self {
            near,
            far,
            wire,
            client: Cgroup::new("client"),
            server: Cgroup::new("server"),
        })
    }

    /// Where the server listens.
    pub(crate) fn address(&self) -> SocketAddr {
        (self.wire.far, PORT).into()
    }

    /// Sends this many bytes over a new connection, and as many back; the connection stays open.
    pub(crate) fn transfer(&self, bytes: usize) -> (TcpStream, TcpStream) {
        let address = self.address();
        let listener = self
            .far
            .within(&self.server, || TcpListener::bind(address).unwrap());
        let mut client = self
            .near
            .within(&self.client, || TcpStream::connect(address).unwrap());
        let (mut server, _) = listener.accept().unwrap();
        send(&mut client, &mut server, bytes);
        send(&mut server, &mut client, bytes);
        (client, server)
    }

    /// What both ends' interfaces counted.
    pub(crate) fn interfaces(&self) -> (Interface, Interface) {
        let name = &self.wire.name;
        (self.near.interface(name), self.far.interface(name))
    }

    /// Both ends agree with their interfaces since these counted `before`; returns how many packets travelled in the
    /// frames of others, which have `headers` bytes each beside what they carry.
    ///
    /// An interface counts a packet as received when it was handed over; until the kernel finds time for it, which may
    /// take long on a busy machine, its socket has not seen it. So this asks again until the wire is at rest: nothing
    /// comes right later that was counted wrongly.
    #[track_caller]
    pub(crate) fn agrees_since(
        &self,
        before: (Interface, Interface),
        agent: &AgentProcess,
        headers: u64,
    ) -> u64 {
        eventually(Duration::from_secs(30), "counted as on the wire", || {
            let (near, far) = self.interfaces();
            let batch = agent.next_batch();
            let agrees = |cgroup: &Cgroup, interface: Interface| {
                let entry = batch.at(cgroup.path()).expect("it is listed");
                over_wire(entry.exchanged(), interface, headers)
            };
            let client = agrees(&self.client, near.since(before.0))?;
            let server = agrees(&self.server, far.since(before.1))?;
            Ok::<_, String>(client + server)
        })
    }

    /// The same since the interfaces were made.
    #[track_caller]
    pub(crate) fn agrees(&self, agent: &AgentProcess, headers: u64) -> u64 {
        self.agrees_since(<(Interface, Interface)>::default(), agent, headers)
    }
}

/// Whether `ours` is what an Ethernet interface carried: how many packets travelled in the frames of others, or what is
/// different.
pub(crate) fn over_wire(
    ours: Interface,
    interface: Interface,
    headers: u64,
) -> Result<u64, String> {
    agrees(ours, interface, ETHERNET, headers)
}

/// The same of a loopback interface.
pub(crate) fn over_loopback(
    ours: Interface,
    interface: Interface,
    headers: u64,
) -> Result<u64, String> {
    agrees(ours, interface, LOOPBACK, headers)
}

/// Frames carry a link header each, packets within the frame of another their own other headers.
fn agrees(ours: Interface, interface: Interface, link: u64, headers: u64) -> Result<u64, String> {
    let merged = |ours: (u64, u64), interface: (u64, u64)| {
        let merged = ours.1.checked_sub(interface.1)?;
        let bytes = ours.0.checked_sub(headers * merged)?;
        (bytes == interface.0 - link * interface.1).then_some(merged)
    };
    let facts = format!("interface: {interface:?}, ours: {ours:?}");
    let received = merged(ours.received(), interface.received());
    let sent = merged(ours.sent(), interface.sent());
    let Some((received, sent)) = received.zip(sent) else {
        return Err(facts);
    };
    println!("{facts}");
    Ok(received + sent)
}

impl Entry {
    /// What its sockets exchanged with peers of one kind.
    #[track_caller]
    pub(crate) fn traffic(&self, peer: &str) -> Interface {
        let total = |field| {
            let total = self.network_with(field, peer);
            total.unwrap_or_else(|| panic!("no {field} of {peer} in {self:?}"))
        };
        Interface {
            rx_bytes: total("rx_bytes"),
            rx_packets: total("rx_packets"),
            tx_bytes: total("tx_bytes"),
            tx_packets: total("tx_packets"),
        }
    }

    /// What its sockets exchanged with others than its own namespace.
    #[track_caller]
    pub(crate) fn exchanged(&self) -> Interface {
        self.traffic("host").and(self.traffic("outside"))
    }

    /// What the interfaces of its namespace carried for nobody, if it tells.
    pub(crate) fn unowned(&self) -> Option<Interface> {
        Some(Interface {
            rx_bytes: self.network("unowned_rx_bytes")?,
            rx_packets: self.network("unowned_rx_packets")?,
            tx_bytes: self.network("unowned_tx_bytes")?,
            tx_packets: self.network("unowned_tx_packets")?,
        })
    }
}

/// A connection to oneself.
pub(crate) fn connect_to_self(address: IpAddr) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((address, PORT)).unwrap();
    let client = TcpStream::connect((address, PORT)).unwrap();
    let (server, _) = listener.accept().unwrap();
    (client, server)
}

/// Sends bytes and waits until all of them are there, and until the sender knows.
pub(crate) fn send(from: &mut TcpStream, to: &mut TcpStream, bytes: usize) {
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
    acknowledged(from);
}

/// Waits until the other end has acknowledged all that was sent: it may take its time, and packets pass meanwhile.
#[track_caller]
pub(crate) fn acknowledged(stream: &TcpStream) {
    eventually(Duration::from_secs(20), "all is acknowledged", || {
        let mut left: libc::c_int = 0;
        // SAFETY: the request writes one integer, which is there.
        let done = unsafe { libc::ioctl(stream.as_raw_fd(), libc::TIOCOUTQ, &raw mut left) };
        (done == 0 && left == 0).then_some(()).ok_or(left)
    });
}
