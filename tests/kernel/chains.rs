//! Every way to find a slot and to charge run time, on every hierarchy there is, against the kernel's own counter.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use cgflux::{
    container::CgroupId,
    host::cgroup_tree::Layout,
    kernel::{Anchor, Event, Kernel, KernelError, Options, StorageKind},
};

use crate::harness::{cgroup, eventually};

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
            for exact in [true, false] {
                let options = Options {
                    slots: 1024,
                    exact,
                    anchor,
                    hierarchy: hierarchy.id,
                    root: CgroupId(fs::metadata(&hierarchy.mount).unwrap().ino()),
                    mount: hierarchy.mount.clone(),
                    storage: Some(storage),
                };
                let chain = format!("{anchor:?} {storage:?} exact={exact}");
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

fn agrees(mut kernel: Kernel, exact: bool, mount: &Path, file: &str, chain: &str) {
    kernel.attach(|_| true).unwrap();
    let folder = Removed(mount.join(cgroup::unique("chain")));
    fs::create_dir(&folder.0).unwrap();
    let slot = eventually(
        Duration::from_secs(5),
        "the birth is told",
        || match kernel.next_event() {
            Some(Event::Born {
                slot: Some(slot),
                path: Some(path),
                ..
            }) if folder.0.ends_with(path.trim_start_matches('/')) => Ok(slot),
            other => Err(format!("{other:?}")),
        },
    );
    kernel.hold(slot).unwrap();
    run_inside(&folder.0);

    // The task that ends is charged for the last time when it is switched away from.
    eventually(Duration::from_secs(5), "both counters agree", || {
        let counted = kernel.counters(slot);
        let usage_ns = usage_ns(&fs::read_to_string(folder.0.join(file)).unwrap());
        // `cpu.stat` tells whole microseconds. Counted at switches, turns whose beginning no hook saw are off.
        let allowed_ns = if exact { 1_000 } else { usage_ns / 1_000 };
        if counted.run_ns.abs_diff(usage_ns) <= allowed_ns {
            assert_eq!((counted.forks, counted.exits), (5, 6), "{chain}");
            Ok(())
        } else {
            Err(format!(
                "{chain}: counted={} kernel={usage_ns}",
                counted.run_ns
            ))
        }
    });
}

/// Runs the load, moved inside while it sleeps: at switches a task's whole turn goes to the cgroup that it ends in.
fn run_inside(folder: &Path) {
    let mut shell = Command::new("sh")
        .args(["-c", &format!("read -r go; {LOAD}")])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let stat = format!("/proc/{}/stat", shell.id());
    eventually(Duration::from_secs(5), "the shell waits", || {
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
