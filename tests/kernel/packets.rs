//! The programs on packets live beside those of others, do without where others allow none, and do not mix up sockets
//! that outlive their cgroup.

use std::{
    fs::{self, File},
    io,
    net::UdpSocket,
    os::{
        fd::{AsFd as _, AsRawFd as _, BorrowedFd},
        unix::fs::MetadataExt as _,
    },
    path::PathBuf,
    time::Duration,
};

use aya::{
    Ebpf, include_bytes_aligned,
    programs::CgroupSkb,
    sys::{Stats, enable_stats},
};
use cgflux::{
    container::CgroupId,
    kernel::{Anchor, Event, Kernel, KernelError, Options, ProgramState, Role, StorageKind},
    metrics::catalog::{Families, Source},
};

use crate::harness::{Batch, Cgroup, Home, Namespace, cgroup, eventually};

/// Empty programs, for want of somebody else's.
static FOREIGN: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/floor.o"));

/// How long the kernel is given to let go of a cgroup before its slot is taken, and then some.
const PATIENCE: Duration = Duration::from_mins(1);

const PACKETS: u64 = 100;

/// What somebody who attaches a program allows others (`BPF_F_ALLOW_MULTI`, include/uapi/linux/bpf.h).
const NO_OTHERS: u32 = 0;
const OTHERS: u32 = 2;

#[test]
fn programs_of_others_are_undisturbed() {
    let Some(namespace) = Namespace::new("foreign") else {
        return;
    };
    let cgroup = Cgroup::new("foreign");
    let foreign = Foreign::on(&cgroup, OTHERS);
    let _statistics = enable_stats(Stats::RunTime).unwrap();
    let socket = namespace.within(&cgroup, own_socket);
    let home = Home::new();
    let mut agent = home.start::<&str>(&[]);
    send(&socket);
    let entry = agent
        .next_batch()
        .at(cgroup.path())
        .expect("listed")
        .clone();
    let ours = entry.network_with("tx_packets", "loopback");
    println!("foreign: {}, ours: {ours:?}", foreign.calls());
    assert_eq!((foreign.calls(), ours), (PACKETS, Some(PACKETS)));
    agent.kill();
    send(&socket);
    assert_eq!(foreign.calls(), 2 * PACKETS);
}

#[test]
fn a_packet_finds_its_slot_wherever_slots_are_kept() {
    let Some(namespace) = Namespace::new("slots") else {
        return;
    };
    for storage in [StorageKind::CgrpStorage, StorageKind::Hash] {
        let mut kernel = match Kernel::load(&options(cgroup::folder("/"), Some(storage))) {
            Ok(kernel) => kernel,
            // Before Linux 6.2 there is no cgroup storage.
            Err(KernelError::Object { .. }) if storage == StorageKind::CgrpStorage => continue,
            Err(error) => panic!("{storage:?}: {error}"),
        };
        kernel.attach(|_| true).unwrap();
        let cgroup = Cgroup::new("slot");
        let slot = eventually(PATIENCE, "its birth is told", || {
            match kernel.next_event() {
                Some(Event::Born {
                    cgroup: CgroupId(id),
                    slot: Some(slot),
                    ..
                }) if id == cgroup.id() => Ok(slot),
                other => Err(format!("{other:?}")),
            }
        });
        kernel.hold(slot).unwrap();
        send(&namespace.within(&cgroup, own_socket));
        let loopback = kernel.totals(slot).network.peers[0];
        println!("{storage:?}: {loopback:?}");
        assert_eq!(loopback.tx_packets, PACKETS);
        assert_eq!(loopback.rx_packets, PACKETS);
        // IP, UDP, and eight bytes.
        assert_eq!(loopback.tx_bytes, PACKETS * (20 + 8 + 8));
    }
}

#[test]
fn where_somebody_allows_no_others_all_the_rest_is_counted() {
    let held = Cgroup::new("held");
    let _foreign = Foreign::on(&held, NO_OTHERS);
    // As if it were the root: what holds there is not for a test to forbid others.
    let mut kernel = Kernel::load(&options(cgroup::folder(held.path()), None)).unwrap();
    kernel.attach(|_| true).unwrap();
    let reports = kernel.programs().iter();
    let lost: Vec<_> = reports
        .filter(|it| it.state != ProgramState::Loaded)
        .collect();
    println!(
        "{:?}",
        lost.iter()
            .map(|it| (it.spec.name, &it.state))
            .collect::<Vec<_>>()
    );
    let packets = lost
        .iter()
        .filter(|it| it.spec.role == Role::Metric(Source::CgroupSkb));
    assert!(packets.clone().all(|it| it.forbidden), "{lost:?}");
    assert_eq!(packets.count(), 1, "{lost:?}");
}

#[test]
fn a_socket_that_outlives_its_cgroup_is_nobody_elses() {
    let Some(namespace) = Namespace::new("late") else {
        return;
    };
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let parent = Cgroup::new("parent");
    let short = parent.child("short");
    let socket = namespace.within(&short, own_socket);
    send(&socket);
    let entry = agent.next_batch().at(short.path()).expect("listed").clone();
    assert_eq!(entry.network_with("tx_packets", "loopback"), Some(PACKETS));
    drop(short);
    let lost = |batch: &Batch| batch.losses("unslotted_packets");
    eventually(PATIENCE, "the socket loses its slot", || {
        send(&socket);
        let lost = lost(&agent.next_batch());
        (lost > 0).then_some(()).ok_or(lost)
    });
    assert_eq!(parent.dying(), 1, "the kernel has let go of it");
    // A tick later the slot is free. What was given back last is taken first, mostly by one of these.
    agent.batch_after(&agent.next_batch());
    let next: Vec<Cgroup> = (0..20).map(|n| parent.child(&format!("next{n}"))).collect();
    let before = agent.next_batch();
    send(&socket);
    let after = agent.next_batch();
    for cgroup in &next {
        let entry = after.at(cgroup.path()).expect("listed");
        assert_eq!(
            entry.network_with("tx_packets", "loopback"),
            Some(0),
            "{entry:?}"
        );
    }
    println!(
        "without a slot: {} and then {}",
        lost(&before),
        lost(&after)
    );
    // Sent and received.
    assert!(lost(&after) - lost(&before) >= 2 * PACKETS);
}

/// How to load, with the programs on packets attached to the cgroup at `network`.
fn options(mount: PathBuf, storage: Option<StorageKind>) -> Options {
    let root = cgroup::folder("/");
    Options {
        slots: 64,
        exact: true,
        anchor: Anchor::Unified,
        hierarchy: 0,
        root: CgroupId(fs::metadata(root).unwrap().ino()),
        io_hierarchy: None,
        memory_hierarchy: None,
        by_address: true,
        network: true,
        mount,
        families: Families::ALL,
        storage,
    }
}

/// Somebody else's program on what a cgroup sends; gone when dropped.
struct Foreign {
    ebpf: Ebpf,
    cgroup: File,
}

impl Foreign {
    /// Attached as systemd does it, without a link.
    fn on(cgroup: &Cgroup, flags: u32) -> Self {
        let mut ebpf = Ebpf::load(FOREIGN).unwrap();
        program(&mut ebpf).load().unwrap();
        let cgroup = File::open(cgroup::folder(cgroup.path())).unwrap();
        let foreign = Self { ebpf, cgroup };
        foreign.bpf(Command::Attach, flags).unwrap();
        foreign
    }

    /// How often it was called while there were statistics.
    fn calls(&self) -> u64 {
        let info = format!("/proc/self/fdinfo/{}", self.fd().as_raw_fd());
        let info = fs::read_to_string(info).unwrap();
        let calls = info.lines().find_map(|line| line.strip_prefix("run_cnt:"));
        calls.unwrap().trim().parse().unwrap()
    }

    fn fd(&self) -> BorrowedFd<'_> {
        let program: &CgroupSkb = self.ebpf.program(EGRESS).unwrap().try_into().unwrap();
        program.fd().unwrap().as_fd()
    }

    /// `bpf(2)` with what `BPF_PROG_ATTACH` and `BPF_PROG_DETACH` take.
    fn bpf(&self, command: Command, flags: u32) -> io::Result<()> {
        const SENT: u32 = 1;
        let number = |fd: BorrowedFd<'_>| u32::try_from(fd.as_raw_fd()).unwrap();
        let attributes = [number(self.cgroup.as_fd()), number(self.fd()), SENT, flags];
        // SAFETY: the kernel reads as many bytes as it is told, which are there.
        let result = unsafe {
            libc::syscall(
                libc::SYS_bpf,
                command as libc::c_long,
                attributes.as_ptr(),
                size_of_val(&attributes),
            )
        };
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        // It would go with the cgroup, too.
        self.bpf(Command::Detach, 0).unwrap_or_default();
    }
}

#[derive(Clone, Copy)]
enum Command {
    Attach = 8,
    Detach = 9,
}

const EGRESS: &str = "network_egress";

fn program(ebpf: &mut Ebpf) -> &mut CgroupSkb {
    ebpf.program_mut(EGRESS).unwrap().try_into().unwrap()
}

/// A socket that is connected to itself.
fn own_socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(socket.local_addr().unwrap()).unwrap();
    socket
}

fn send(socket: &UdpSocket) {
    let mut buffer = [0; 8];
    for _ in 0..PACKETS {
        socket.send(&buffer).unwrap();
        socket.recv(&mut buffer).unwrap();
    }
}
