//! Who took the CPU: two that can always run, on one CPU. What one waited for the other is what that one used.

use std::{process::Child, time::Duration};

use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};

use crate::{group::Group, harness::pause, lab::lab};

const BUSY: &str = "while :; do :; done";

const LENGTH: Duration = Duration::from_secs(2);

#[test]
fn what_one_waited_for_another_is_what_that_one_used() {
    let lab = lab();
    let groups = ["taking", "giving"].map(Group::new);
    let processes = groups.each_ref().map(|group| on_one_cpu(group.run(BUSY)));
    pause(LENGTH);
    for mut process in processes {
        process.kill().unwrap();
        process.wait().unwrap();
    }
    let batch = lab.agent.next_batch();
    let entries = groups
        .each_ref()
        .map(|group| batch.at(&group.path()).expect("it is listed"));
    for (one, other) in [(0, 1), (1, 0)] {
        let entry = entries[one];
        let dealt = entry.waited_by_taker().expect("it is told");
        println!("{}: {dealt:?}", entry.path);
        let waited_ns = entry.waited_for(&groups[other].path()).expect("it is told");
        let used_ns = groups[other].usage_ns().expect("a counter").value;
        let ratio = waited_ns as f64 / used_ns as f64;
        println!("waited {waited_ns} ns for one that used {used_ns} ns: {ratio:.3}");
        assert!((0.9..1.1).contains(&ratio), "{ratio}");
    }
}

/// The same process, where it has CPU 0 and no other.
fn on_one_cpu(process: Child) -> Child {
    let mut cpus = CpuSet::new();
    cpus.set(0).unwrap();
    let pid = Pid::from_raw(process.id().try_into().unwrap());
    sched_setaffinity(pid, &cpus).unwrap();
    process
}
