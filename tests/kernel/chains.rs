//! Every way to find a slot and to charge run time, on every hierarchy there is, against the kernel's own counter.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use agent_ebpf::block_io::WRITE;
use cgflux::{
    config::Collect,
    container::CgroupId,
    host::cgroup_tree::{Hierarchy, Layout},
    kernel::{Anchor, Event, Kernel, KernelError, Options, StorageKind},
    metrics::catalog::Families,
    source,
};

use crate::harness::{cgroup, disk_folder, eventually, skip};

const PATIENCE: Duration = Duration::from_mins(1);

/// Programs that read kernel memory by its address. Without them, as where lockdown=confidentiality refuses them,
/// cgroups are born without paths, and block I/O is told by bios alone.
const BY_ADDRESS: [&str; 2] = ["cgroup_mkdir", "block_rq_complete"];

/// Forks, blocks and computes.
const LOAD: &str =
    "for i in 1 2 3 4 5; do (true); done; i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";

#[test]
fn each_chain_agrees_with_the_kernels_own_counter() {
    let layout = Layout::find().unwrap();
    let mut hierarchies = vec![];
    if let Some(unified) = layout.unified() {
        hierarchies.push((Anchor::Unified, unified, "cpu.stat"));
    }
    if let Some(cpuacct) = layout.legacy_with("cpuacct") {
        hierarchies.push((Anchor::Cpuacct, cpuacct, "cpuacct.usage"));
    }
    for (anchor, hierarchy, file) in hierarchies {
        for storage in [StorageKind::CgrpStorage, StorageKind::Hash] {
            // Without the program that charges exactly, switches serve.
            let chains = [
                (true, None, Families::DEFAULT),
                (true, None, Families::ALL),
                (false, None, Families::DEFAULT),
                (false, None, Families::ALL),
                (true, Some("sched_stat_runtime"), Families::DEFAULT),
            ];
            for (wanted, skipped, families) in chains {
                let exact = wanted && skipped.is_none();
                let options = Options {
                    slots: 1024,
                    exact: wanted,
                    anchor,
                    hierarchy: hierarchy.id,
                    root: CgroupId(fs::metadata(&hierarchy.mount).unwrap().ino()),
                    mount: hierarchy.mount.clone(),
                    io_hierarchy: layout.with("blkio").map(|it| it.id),
                    memory_hierarchy: layout.with("memory").map(|it| it.id),
                    skip: skipped.map(str::to_owned).into_iter().collect(),
                    network: false,
                    families,
                    storage: Some(storage),
                };
                let chain = format!(
                    "{anchor:?} {storage:?} exact={wanted} without {skipped:?} {families:?}"
                );
                let kernel = match Kernel::load(&options) {
                    Ok(kernel) => kernel,
                    // Before Linux 6.2 there is no cgroup storage; later ones want a processor that has cx16.
                    Err(KernelError::Object { .. } | KernelError::Unusable { .. })
                        if storage == StorageKind::CgrpStorage =>
                    {
                        continue;
                    }
                    Err(error) => panic!("{chain}: {error}"),
                };
                agrees(kernel, exact, &hierarchy.mount, file, &chain);
            }
        }
    }
}

#[test]
fn without_any_program_that_tells_cpu_time_the_kernel_programs_are_not_used() {
    let layout = Layout::find().unwrap();
    let mut collect = Collect::default();
    for skipped in ["sched_switch", "sched_stat_runtime"] {
        collect.skip_programs.push(skipped.to_owned());
    }
    let options = source::options(&collect, &layout).unwrap();
    let refused = Kernel::load(&options).map(|_| ()).unwrap_err();
    let reason =
        "kernel program sched_stat_runtime is not available: collect.skip_programs names it";
    assert_eq!(refused.to_string(), reason);
}

#[test]
fn block_io_finds_the_slot_of_the_same_path_with_and_without_reading_by_address() {
    let layout = Layout::find().unwrap();
    let (accounting, blkio) = (layout.accounting(), layout.with("blkio"));
    let blkio = blkio.filter(|it| it.mount.join("blkio.reset_stats").exists() || it.id == 0);
    let Some(blkio) = blkio else {
        return skip("no io controller is mounted").unwrap_or_default();
    };
    let anchor = match layout.unified() {
        Some(_) => Anchor::Unified,
        None => Anchor::Cpuacct,
    };
    for storage in [StorageKind::CgrpStorage, StorageKind::Hash] {
        for by_address in [true, false] {
            let options = Options {
                slots: 1024,
                exact: true,
                anchor,
                hierarchy: accounting.id,
                root: accounting.id_of("/").unwrap(),
                io_hierarchy: Some(blkio.id),
                memory_hierarchy: layout.with("memory").map(|it| it.id),
                skip: if by_address {
                    Vec::new()
                } else {
                    BY_ADDRESS.map(str::to_owned).into()
                },
                network: false,
                mount: accounting.mount.clone(),
                families: Families::ALL,
                storage: Some(storage),
            };
            let mut kernel = match Kernel::load(&options) {
                Ok(kernel) => kernel,
                // As above.
                Err(KernelError::Object { .. } | KernelError::Unusable { .. })
                    if storage == StorageKind::CgrpStorage =>
                {
                    continue;
                }
                Err(error) => panic!("{storage:?}: {error}"),
            };
            kernel.attach_all().unwrap();
            let path = format!("/{}", cgroup::unique("block"));
            // The other hierarchy's first: the order is not to matter.
            let io = Removed(blkio.folder(&path));
            fs::create_dir(&io.0).unwrap();
            let own = Removed(accounting.folder(&path));
            if blkio.id != accounting.id {
                fs::create_dir(&own.0).unwrap();
            }
            let slot = eventually(PATIENCE, "the birth is told", || {
                match kernel.next_event() {
                    Some(Event::Born { slot, cgroup, .. })
                        if accounting.id_of(&path).is_ok_and(|id| id == cgroup) =>
                    {
                        slot.ok_or_else(|| "no slot".to_owned())
                    }
                    other => Err(format!("{other:?}")),
                }
            });
            if !by_address {
                let id = |hierarchy: &Hierarchy| hierarchy.id_of(&path).unwrap();
                for hierarchy in [accounting, blkio] {
                    kernel.add_path(hierarchy.id, id(hierarchy), &path).unwrap();
                }
                kernel.set_path_slot(&path, slot).unwrap();
            }
            let folder = disk_folder();
            let script = format!(
                "echo $$ > {}/cgroup.procs; dd if=/dev/zero of={}/x bs=1M count=8 oflag=direct",
                io.0.display(),
                folder.path().display()
            );
            // The kernel of some machines runs no tracing program while a guarded process is current, and a request may
            // end in an interrupt of just that one: what is asked here is whose requests are that are seen.
            let (mut all, mut written) = (0, 0);
            for _ in 0..3 {
                let ran = Command::new("sh").args(["-c", &script]).output().unwrap();
                if !ran.status.success() {
                    return skip("no direct writes to this file system").unwrap_or_default();
                }
                kernel.find_block_records().unwrap();
                let before = all;
                let sums = kernel.block_io(slot);
                let devices = sums.devices();
                all = devices.map(|(_, it)| it.operations[WRITE].bytes).sum();
                written = all - before;
                println!(
                    "{storage:?} by_address={by_address}: asked={} written={written}",
                    8 << 20
                );
                if written >= 8 << 20 {
                    break;
                }
            }
            assert!((8 << 20..9 << 20).contains(&written));
        }
    }
}

fn agrees(mut kernel: Kernel, exact: bool, mount: &Path, file: &str, chain: &str) {
    kernel.attach_all().unwrap();
    let folder = Removed(mount.join(cgroup::unique("chain")));
    fs::create_dir(&folder.0).unwrap();
    let slot = eventually(PATIENCE, "the birth is told", || {
        match kernel.next_event() {
            Some(Event::Born {
                slot: Some(slot),
                path: Some(path),
                ..
            }) if folder.0.ends_with(path.trim_start_matches('/')) => Ok(slot),
            other => Err(format!("{other:?}")),
        }
    });
    kernel.hold(slot).unwrap();
    run_inside(&folder.0);

    // The task that ends is charged for the last time when it is switched away from.
    let counted = eventually(PATIENCE, "both counters agree", || {
        let counted = kernel.counters(slot);
        let usage_ns = usage_ns(&fs::read_to_string(folder.0.join(file)).unwrap());
        // `cpu.stat` tells whole microseconds. Counted at switches, turns whose beginning no hook saw are off.
        let allowed_ns = if exact { 1_000 } else { usage_ns / 1_000 };
        if counted.run_ns.abs_diff(usage_ns) <= allowed_ns {
            assert_eq!((counted.forks, counted.exits), (5, 6), "{chain}");
            Ok(counted)
        } else {
            Err(format!(
                "{chain}: counted={} kernel={usage_ns}",
                counted.run_ns
            ))
        }
    });
    // All of the waits is dealt out, to whomever.
    if let Some(taken) = kernel.taken(slot, |_| false) {
        println!("{chain}: waited {} ns: {taken:?}", counted.wait_ns);
        let of_takers: u64 = taken.takers.iter().map(|(_, ns)| ns).sum();
        let dealt_ns = of_takers + taken.own_ns + taken.rest_ns + taken.unknown_ns;
        assert_eq!(dealt_ns, counted.wait_ns, "{chain}");
        assert!(dealt_ns > 0, "{chain}");
    }
}

/// Runs the load, moved inside while it sleeps: at switches a task's whole turn goes to the cgroup that it ends in.
fn run_inside(folder: &Path) {
    let mut shell = Command::new("sh")
        .args(["-c", &format!("read -r go; {LOAD}")])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let stat = format!("/proc/{}/stat", shell.id());
    eventually(PATIENCE, "the shell waits", || {
        let stat = fs::read_to_string(&stat).unwrap();
        stat.contains(" (sh) S ").then_some(()).ok_or(stat)
    });
    fs::write(folder.join("cgroup.procs"), shell.id().to_string()).unwrap();
    // It reads one line and waits for no more.
    shell.stdin.take().unwrap().write_all(b"go\n").unwrap();
    assert!(shell.wait().unwrap().success());
}

/// `usage_usec` of `cpu.stat`, or the number of `cpuacct.usage`.
fn usage_ns(text: &str) -> u64 {
    let stat = text
        .lines()
        .find_map(|line| line.strip_prefix("usage_usec "));
    match stat {
        Some(microseconds) => microseconds.parse::<u64>().unwrap() * 1_000,
        None => text.trim().parse().unwrap(),
    }
}

/// A cgroup of one hierarchy, removed when dropped.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        cgroup::kill_all(&self.0);
        cgroup::remove(&self.0);
    }
}
