//! The programs on packets live beside those of others, do without where others allow none, and do not mix up sockets
//! that outlive their cgroup.

use std::{
    ffi::c_char,
    fs::{self, File},
    io,
    net::UdpSocket,
    os::{
        fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
        unix::fs::MetadataExt as _,
    },
    path::PathBuf,
    time::Duration,
};

use aya::sys::{Stats, enable_stats};
use cgflux::{
    container::CgroupId,
    kernel::{Anchor, Event, Kernel, KernelError, Options, ProgramState, Role, StorageKind},
    metrics::catalog::{Families, Source},
};

use crate::harness::{Batch, Cgroup, Home, Namespace, cgroup, eventually};

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
    let on = |path| Foreign::on(path, OTHERS, Way::Sent, Verdict::Pass);
    let _statistics = enable_stats(Stats::RunTime).unwrap();
    let socket = namespace.within(&cgroup, own_socket);
    let older = (on(cgroup.path()), on("/"));
    let home = Home::new();
    let mut agent = home.start::<&str>(&[]);
    let younger = (on(cgroup.path()), on("/"));
    send(&socket);
    let entry = agent
        .next_batch()
        .at(cgroup.path())
        .expect("listed")
        .clone();
    let ours = entry.network_with("tx_packets", "loopback");
    for (below, root) in [&older, &younger] {
        let (below, root) = (below.calls(), root.calls());
        println!("foreign: {below}, at the root: {root}, ours: {ours:?}");
        assert_eq!((below, ours), (PACKETS, Some(PACKETS)));
        // Of all the machine.
        assert!(root >= PACKETS);
    }
    agent.kill();
    send(&socket);
    for (below, root) in [&older, &younger] {
        assert_eq!(below.calls(), 2 * PACKETS);
        assert!(root.calls() >= 2 * PACKETS);
    }
}

#[test]
fn packets_that_somebody_refuses_are_counted_all_the_same() {
    let Some(namespace) = Namespace::new("refused") else {
        return;
    };
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    for (way, sent, received) in [(Way::Sent, PACKETS, 0), (Way::Received, PACKETS, PACKETS)] {
        let cgroup = Cgroup::new("refused");
        let socket = namespace.within(&cgroup, own_socket);
        // As systemd does where IPAddressDeny= holds.
        let _foreign = Foreign::on(cgroup.path(), OTHERS, way, Verdict::Refuse);
        let carried = namespace.interface("lo");
        for _ in 0..PACKETS {
            let refused = socket.send(&[0; 8]).is_err();
            assert_eq!(refused, matches!(way, Way::Sent));
        }
        let batch = agent.next_batch();
        let ours = batch.at(cgroup.path()).expect("listed").traffic("loopback");
        let carried = namespace.interface("lo").since(carried);
        println!("{way:?}: {ours:?}, lo: {carried:?}");
        assert_eq!((ours.tx_packets, ours.rx_packets), (sent, received));
        assert_eq!(carried.tx_packets, received);
        socket.set_nonblocking(true).unwrap();
        assert!(socket.recv(&mut [0; 8]).is_err());
    }
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
        kernel.attach_all().unwrap();
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
    let _foreign = Foreign::on(held.path(), NO_OTHERS, Way::Sent, Verdict::Pass);
    // As if it were the root: what holds there is not for a test to forbid others.
    let mut kernel = Kernel::load(&options(cgroup::folder(held.path()), None)).unwrap();
    kernel.attach_all().unwrap();
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
        skip: Vec::new(),
        network: true,
        mount,
        families: Families::DEFAULT,
        storage,
    }
}

/// Somebody else's program on packets; gone when dropped.
struct Foreign {
    program: OwnedFd,
    cgroup: File,
    way: Way,
}

/// Which packets a program is asked about (`BPF_CGROUP_INET_*` in include/uapi/linux/bpf.h).
#[derive(Clone, Copy, Debug)]
enum Way {
    Received = 0,
    Sent = 1,
}

/// What it answers.
#[derive(Clone, Copy, Debug)]
enum Verdict {
    Refuse = 0,
    Pass = 1,
}

impl Foreign {
    /// Attached as systemd does it, without a link.
    fn on(cgroup: &str, flags: u32, way: Way, verdict: Verdict) -> Self {
        let foreign = Self {
            program: load(way, verdict).unwrap(),
            cgroup: File::open(cgroup::folder(cgroup)).unwrap(),
            way,
        };
        foreign.bpf(Command::Attach, flags).unwrap();
        foreign
    }

    /// How often it was called while there were statistics.
    fn calls(&self) -> u64 {
        let info = format!("/proc/self/fdinfo/{}", self.program.as_raw_fd());
        let info = fs::read_to_string(info).unwrap();
        let calls = info.lines().find_map(|line| line.strip_prefix("run_cnt:"));
        calls.unwrap().trim().parse().unwrap()
    }

    /// What `BPF_PROG_ATTACH` and `BPF_PROG_DETACH` take.
    fn bpf(&self, command: Command, flags: u32) -> io::Result<()> {
        let number = |fd: BorrowedFd<'_>| u32::try_from(fd.as_raw_fd()).unwrap();
        let (cgroup, program) = (self.cgroup.as_fd(), self.program.as_fd());
        bpf(
            command,
            &[number(cgroup), number(program), self.way as u32, flags],
        )?;
        Ok(())
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        // It would go with the cgroup, too.
        self.bpf(Command::Detach, 0).unwrap_or_default();
    }
}

/// A program of two instructions.
fn load(way: Way, verdict: Verdict) -> io::Result<OwnedFd> {
    /// What `BPF_PROG_LOAD` takes.
    #[repr(C)]
    struct Load {
        kind: u32,
        instructions: u32,
        program: *const u64,
        licence: *const c_char,
        log: [u32; 4],
        version: u32,
        flags: u32,
        name: [u8; 16],
        interface: u32,
        way: u32,
    }
    const CGROUP_SKB: u32 = 8;
    /// `r0 = …`, with the value in the upper half.
    const ANSWER: u64 = 0xb7;
    const EXIT: u64 = 0x95;
    let program = [ANSWER | (verdict as u64) << 32, EXIT];
    let fd = bpf(
        Command::Load,
        &Load {
            kind: CGROUP_SKB,
            instructions: 2,
            program: program.as_ptr(),
            licence: c"GPL".as_ptr(),
            log: [0; 4],
            version: 0,
            flags: 0,
            name: [0; 16],
            interface: 0,
            way: way as u32,
        },
    )?;
    // SAFETY: the kernel just made it for nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `bpf(2)`.
fn bpf<T>(command: Command, attributes: &T) -> io::Result<i32> {
    // SAFETY: the kernel reads as many bytes as it is told, which are there.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command as libc::c_long,
            &raw const *attributes,
            size_of_val(attributes),
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(i32::try_from(result).unwrap())
}

#[derive(Clone, Copy)]
enum Command {
    Load = 5,
    Attach = 8,
    Detach = 9,
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
