//! What the programs on packets cost per packet: `cargo xtask bench packet`.
//!
//! Two sockets of one thread, pinned to one CPU, send each other small datagrams one by one: no merged packets, the
//! worst case. Sending one includes receiving it, in the same thread, so its CPU time is all that a packet costs, and
//! each passes both programs. Each round measures, one after the other, no programs, empty ones, and ours; the figures
//! are medians of the differences within a round. Over loopback, and over a wire between two namespaces, where the
//! other end's address is looked for. Needs root and `ip`.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::{
    collections::HashSet,
    env,
    fs::{self, File},
    net::{IpAddr, UdpSocket},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use aya::{
    Ebpf, EbpfLoader, include_bytes_aligned,
    programs::{CgroupAttachMode, CgroupSkb, CgroupSkbAttachType},
};
use cgflux::{
    container::CgroupId,
    kernel::{Anchor, Kernel, Options, Role, StorageKind},
    metrics::catalog::Families,
};
use nix::{
    sched::{CloneFlags, CpuSet, sched_setaffinity, setns},
    time::{ClockId, clock_gettime},
    unistd::Pid,
};

static FLOOR: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/floor.o"));

const UNIFIED: [&str; 2] = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
const NAMESPACES: [&str; 2] = ["cgflux-bench-a", "cgflux-bench-b"];
const ADDRESSES: [&str; 2] = ["10.213.1.1", "10.213.1.2"];
const PAYLOAD: [u8; 64] = [0; 64];

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let rounds = arguments.first().map_or(Ok(31), |rounds| rounds.parse())?;
    let packets = arguments
        .get(1)
        .map_or(Ok(100_000), |packets| packets.parse())?;
    let mut cpus = CpuSet::new();
    cpus.set(0)?;
    sched_setaffinity(Pid::from_raw(0), &cpus)?;
    let bench = Bench::new(packets)?;
    println!(
        "{rounds} rounds of {packets} datagrams each; ns of CPU time per datagram sent and received, median [quartiles]"
    );
    println!(
        "{:<12} {:<10} {:>20} {:>20} {:>20} {:>20}",
        "slots", "over", "no programs", "empty programs", "above none", "above empty"
    );
    for (over, places) in [("loopback", [0, 0]), ("a wire", [0, 1])] {
        for storage in [StorageKind::CgrpStorage, StorageKind::Hash] {
            bench.chain(storage, over, places, rounds)?;
        }
    }
    Ok(())
}

struct Bench {
    root: PathBuf,
    cgroups: [PathBuf; 2],
    packets: u64,
    _wire: Wire,
}

/// Two namespaces with a wire between them; removed when dropped.
struct Wire;

impl Bench {
    fn new(packets: u64) -> anyhow::Result<Self> {
        let root = UNIFIED
            .map(PathBuf::from)
            .into_iter()
            .find(|path| path.join("cgroup.procs").exists())
            .ok_or_else(|| anyhow::anyhow!("no unified cgroup hierarchy is mounted"))?;
        let cgroups = ["a", "b"].map(|name| root.join(format!("cgflux-bench-{name}")));
        Ok(Self {
            root,
            cgroups,
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
        let (mut none, mut empty, mut above_none, mut above_empty) =
            (vec![], vec![], vec![], vec![]);
        for _ in 0..rounds {
            let without = self.measure(places, || Ok(()))?;
            let floor = self.measure(places, || self.floor())?;
            let with = self.measure(places, || self.kernel(storage))?;
            none.push(without);
            empty.push(floor);
            above_none.push(with - without);
            above_empty.push(with - floor);
        }
        println!(
            "{:<12} {over:<10} {:>20} {:>20} {:>20} {:>20}",
            storage.as_str(),
            spread(none),
            spread(empty),
            spread(above_none),
            spread(above_empty)
        );
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
        for cgroup in &self.cgroups {
            fs::create_dir(cgroup)?;
        }
        let result = self.exchange(places);
        for cgroup in &self.cgroups {
            fs::remove_dir(cgroup)?;
        }
        drop(programs);
        result
    }

    fn exchange(&self, places: [usize; 2]) -> anyhow::Result<f64> {
        let own = fs::read_to_string("/proc/self/cgroup")?;
        let own = own.lines().find_map(|line| line.strip_prefix("0::"));
        let own = self.root.join(own.unwrap_or("/").trim_start_matches('/'));
        let mut sockets = Vec::new();
        for (cgroup, place) in self.cgroups.iter().zip(places) {
            enter(cgroup)?;
            let address = if places[0] == places[1] {
                "127.0.0.1"
            } else {
                ADDRESSES[place]
            };
            sockets.push(socket_in(NAMESPACES[place], address)?);
        }
        enter(&own)?;
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
        let before = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?;
        for _ in 0..self.packets / 2 {
            pass(one, other)?;
            pass(other, one)?;
        }
        let used = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)? - before;
        let used_ns = used.tv_sec() * 1_000_000_000 + used.tv_nsec();
        Ok(used_ns as f64 / self.packets as f64)
    }

    fn floor(&self) -> anyhow::Result<Ebpf> {
        let mut ebpf = EbpfLoader::new().load(FLOOR)?;
        let root = File::open(&self.root)?;
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
            slots: 64,
            exact: true,
            anchor: Anchor::Unified,
            hierarchy: 0,
            root: CgroupId(fs::metadata(&self.root)?.ino()),
            io_hierarchy: None,
            memory_hierarchy: None,
            by_address: true,
            network: true,
            mount: self.root.clone(),
            families: Families::ALL,
            storage: Some(storage),
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

/// Makes this process's next sockets the cgroup's.
fn enter(cgroup: &Path) -> std::io::Result<()> {
    fs::write(cgroup.join("cgroup.procs"), "0")
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

/// Median and quartiles.
fn spread(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let at = |quarter: usize| values[(values.len() - 1) * quarter / 4];
    format!("{:.0} [{:.0}, {:.0}]", at(2), at(1), at(3))
}
