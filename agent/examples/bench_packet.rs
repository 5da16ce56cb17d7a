//! What the programs on packets cost per packet: `cargo xtask bench packet`.
//!
//! Two sockets of one thread, pinned to one CPU, send each other small datagrams one by one: no merged packets, the
//! worst case. Sending one includes receiving it, in the same thread, so its CPU time is all that a packet costs, and
//! each passes both programs. Each round measures, one after the other, no programs, empty ones, and ours; the figures
//! are medians of the differences within a round. Over loopback, and over a wire between two namespaces, where the
//! other end's address is looked for. Needs root and `ip`.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "shared/pair.rs"]
mod pair;
#[path = "shared/rounds.rs"]
mod rounds;
#[path = "shared/spread.rs"]
mod spread;
#[path = "shared/unified.rs"]
mod unified;

use std::{
    collections::HashSet,
    fs::{self, File},
    net::{IpAddr, UdpSocket},
    process::Command,
    thread,
};

use aya::{
    Ebpf, EbpfLoader, include_bytes_aligned,
    programs::{CgroupAttachMode, CgroupSkb, CgroupSkbAttachType},
};
use cgflux::kernel::{Kernel, Options, Role, StorageKind};
use nix::sched::{CloneFlags, setns};

use pair::{Pair, Rounds, cpu_ns, enter, pin};

static FLOOR: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/floor.o"));

const NAMESPACES: [&str; 2] = ["cgflux-bench-a", "cgflux-bench-b"];
const ADDRESSES: [&str; 2] = ["10.213.1.1", "10.213.1.2"];
const PAYLOAD: [u8; 64] = [0; 64];

fn main() -> anyhow::Result<()> {
    let (rounds, packets) = rounds::asked_for(100_000)?;
    pin()?;
    let bench = Bench::new(packets)?;
    println!(
        "{rounds} rounds of {packets} datagrams each; ns of CPU time per datagram sent and received, median [quartiles]"
    );
    println!("{:<12} {:<10}{}", "slots", "over", Rounds::HEADS);
    for (over, places) in [("loopback", [0, 0]), ("a wire", [0, 1])] {
        for storage in [StorageKind::CgrpStorage, StorageKind::Hash] {
            bench.chain(storage, over, places, rounds)?;
        }
    }
    Ok(())
}

struct Bench {
    pair: Pair,
    packets: u64,
    _wire: Wire,
}

/// Two namespaces with a wire between them; removed when dropped.
struct Wire;

impl Bench {
    fn new(packets: u64) -> anyhow::Result<Self> {
        Ok(Self {
            pair: Pair::find()?,
            packets,
            _wire: Wire::new()?,
        })
    }

    fn chain(
        &self,
        storage: StorageKind,
        over: &str,
        places: [usize; 2],
        rounds: usize,
    ) -> anyhow::Result<()> {
        let mut found = Rounds::default();
        for _ in 0..rounds {
            found.add(
                self.measure(places, || Ok(()))?,
                self.measure(places, || self.floor())?,
                self.measure(places, || self.kernel(storage))?,
            );
        }
        println!("{:<12} {over:<10}{found}", storage.as_str());
        Ok(())
    }

    /// CPU time per datagram in nanoseconds, while what `set_up` returns lives. The cgroups are made after it, so that
    /// the programs give them their slots.
    fn measure<T>(
        &self,
        places: [usize; 2],
        set_up: impl Fn() -> anyhow::Result<T>,
    ) -> anyhow::Result<f64> {
        let programs = set_up()?;
        let result = self.pair.with(|| self.exchange(places));
        drop(programs);
        result
    }

    fn exchange(&self, places: [usize; 2]) -> anyhow::Result<f64> {
        let own = fs::read_to_string("/proc/self/cgroup")?;
        let own = own.lines().find_map(|line| line.strip_prefix("0::"));
        let own = self
            .pair
            .root
            .join(own.unwrap_or("/").trim_start_matches('/'));
        let mut sockets = Vec::new();
        for (cgroup, place) in self.pair.cgroups.iter().zip(places) {
            enter(cgroup, 0)?;
            let address = if places[0] == places[1] {
                "127.0.0.1"
            } else {
                ADDRESSES[place]
            };
            sockets.push(socket_in(NAMESPACES[place], address)?);
        }
        enter(&own, 0)?;
        let [one, other] = &sockets[..] else {
            anyhow::bail!("two sockets were made")
        };
        one.connect(other.local_addr()?)?;
        other.connect(one.local_addr()?)?;
        let mut buffer = PAYLOAD;
        let mut pass = |from: &UdpSocket, to: &UdpSocket| -> std::io::Result<()> {
            from.send(&PAYLOAD)?;
            to.recv(&mut buffer).map(|_| ())
        };
        for _ in 0..100 {
            pass(one, other)?;
        }
        let before = cpu_ns()?;
        for _ in 0..self.packets / 2 {
            pass(one, other)?;
            pass(other, one)?;
        }
        Ok((cpu_ns()? - before) as f64 / self.packets as f64)
    }

    fn floor(&self) -> anyhow::Result<Ebpf> {
        let mut ebpf = EbpfLoader::new().load(FLOOR)?;
        let root = File::open(&self.pair.root)?;
        for (name, direction) in [
            ("network_ingress", CgroupSkbAttachType::Ingress),
            ("network_egress", CgroupSkbAttachType::Egress),
        ] {
            let program: &mut CgroupSkb = ebpf
                .program_mut(name)
                .ok_or_else(|| anyhow::anyhow!("the floor object has no {name}"))?
                .try_into()?;
            program.load()?;
            program.attach(&root, direction, CgroupAttachMode::Single)?;
        }
        Ok(ebpf)
    }

    fn kernel(&self, storage: StorageKind) -> anyhow::Result<Kernel> {
        let mut kernel = Kernel::load(&Options {
            network: true,
            ..self.pair.options(storage)?
        })?;
        let addresses: HashSet<IpAddr> = ADDRESSES
            .iter()
            .map(|address| address.parse())
            .collect::<Result<_, _>>()?;
        kernel.set_addresses(&addresses)?;
        // Not what counts CPU time: that is another benchmark.
        kernel.attach(|role| !role.counts())?;
        kernel.attach(Role::counts_packets)?;
        Ok(kernel)
    }
}

/// A socket of a namespace.
fn socket_in(namespace: &str, address: &str) -> anyhow::Result<UdpSocket> {
    let namespace = File::open(format!("/run/netns/{namespace}"))?;
    let made = thread::scope(|scope| {
        let inside = scope.spawn(move || -> anyhow::Result<UdpSocket> {
            setns(namespace, CloneFlags::CLONE_NEWNET)?;
            Ok(UdpSocket::bind((address, 0))?)
        });
        inside.join()
    });
    made.unwrap_or_else(|_panic| anyhow::bail!("no socket could be made"))
}

impl Wire {
    fn new() -> anyhow::Result<Self> {
        let [a, b] = NAMESPACES;
        let wire = Self;
        for namespace in NAMESPACES {
            ip(&["netns", "add", namespace])?;
            ip(&["-n", namespace, "link", "set", "lo", "up"])?;
        }
        let add = "link add w type veth peer name w netns";
        let mut arguments = vec!["-n", a];
        arguments.extend(add.split(' '));
        arguments.push(b);
        ip(&arguments)?;
        for (namespace, address) in NAMESPACES.into_iter().zip(ADDRESSES) {
            let address = format!("{address}/24");
            ip(&["-n", namespace, "address", "add", &address, "dev", "w"])?;
            ip(&["-n", namespace, "link", "set", "w", "up"])?;
        }
        Ok(wire)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        for namespace in NAMESPACES {
            // One that was not made need not go.
            ip(&["netns", "del", namespace]).unwrap_or_default();
        }
    }
}

fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    let status = Command::new("ip").args(arguments).status()?;
    anyhow::ensure!(status.success(), "ip {arguments:?}");
    Ok(())
}
