//! What holds of every machine on which the kernel programs count, whatever its kernel and its hierarchies.

use std::{fs, path::Path, process::Child, time::Duration};

use cgflux::kernel::{Hook, PROGRAMS};
use nix::errno::Errno;

use crate::{
    checked::check,
    group::Group,
    harness::{Entry, eventually},
    lab::{ALL_LOADS, Counter, lab},
    sums::all_is_the_root,
};

/// The kernel charges memory in advance, up to 64 pages a CPU, and takes it back when it likes.
const CHARGED_AHEAD_BYTES: u64 = 2 * 64 * 4096;

/// What is compared with the kernel's own files.
const COUNTERS: [Counter; 5] = [
    Counter {
        measurement: "container_cpu",
        field: "usage_ns",
        loads: &ALL_LOADS,
        kernel: Group::usage_ns,
        ours: |entry| entry.total("usage_ns"),
    },
    Counter {
        measurement: "container_cpu",
        field: "throttled_ns",
        loads: &["throttled"],
        kernel: Group::throttled_ns,
        ours: |entry| entry.total("throttled_ns"),
    },
    Counter {
        measurement: "container_mem",
        field: "usage_bytes",
        loads: &["holding"],
        kernel: |group| {
            let (v1, v2) = ("memory.usage_in_bytes", "memory.current");
            group.number("memory", v1, v2, CHARGED_AHEAD_BYTES)
        },
        ours: |entry| entry.value("mem", "usage_bytes"),
    },
    Counter {
        measurement: "container_pids",
        field: "pids",
        loads: &["holding", "throttled"],
        kernel: |group| group.number("pids", "pids.current", "pids.current", 0),
        ours: |entry| entry.value("pids", "pids"),
    },
    // Not `writes`: `io.stat` counts what was submitted, we count what was done, merged or not.
    Counter {
        measurement: "container_io",
        field: "write_bytes",
        loads: &["writing"],
        kernel: |group| group.io("wbytes"),
        ours: |entry| of_all_devices(entry, "write_bytes"),
    },
];

/// How long a load may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// The first version with storage that belongs to a cgroup.
const FIRST_WITH_CGRP_STORAGE: (u32, u32) = (6, 2);

/// Long enough for some hundred readings of the root's counter.
const SUMS_LENGTH_NS: i64 = 4_000_000_000;

#[test]
fn every_hook_has_a_program_attached() {
    let report = check();
    let is_attached = |name: &str| report.item("programs", name)["details"]["state"] == "attached";
    let attached: Vec<Hook> = PROGRAMS
        .iter()
        .filter(|program| is_attached(program.name))
        .map(|program| program.hook)
        .collect();
    println!("attached: {attached:?}");
    for program in &PROGRAMS {
        // Some have a second one, for kernels that do not take the first.
        let facts = report.item("programs", program.name);
        assert!(attached.contains(&program.hook), "{facts}");
    }
}

#[test]
fn slots_are_kept_in_the_best_place_that_this_kernel_has() {
    let report = check();
    let storage = report.item("programs", "slots")["details"]["storage"].clone();
    let best = if version() >= FIRST_WITH_CGRP_STORAGE {
        "cgrp_storage"
    } else {
        "hash"
    };
    println!("{:?}: {storage}", version());
    assert_eq!(storage, best);
}

#[test]
fn run_time_is_charged_where_the_kernel_charges_it() {
    let lab = lab();
    let metrics = lab.agent.metrics();
    for (metric, source) in [
        ("usage_ns", "sched_stat_runtime"),
        ("runq_wait_ns", "sched_switch"),
        ("forks", "sched_process_fork"),
    ] {
        let labels = format!("metric=\"{metric}\",source=\"{source}\"");
        assert!(metrics.contains(&labels), "no {labels} in {metrics}");
    }
}

#[test]
fn what_is_counted_lies_between_the_kernels_own_readings() {
    let lab = lab();
    let batch = lab.between(&COUNTERS);
    for name in ALL_LOADS {
        let entry = batch.at(&lab.group(name).path()).expect("it is listed");
        assert!(entry.usage_ns() > 1_000_000, "{entry:?}");
        let parts_ns = entry.expect("user_ns") + entry.expect("system_ns");
        assert_eq!(parts_ns, entry.usage_ns(), "{entry:?}");
    }
}

#[test]
fn a_limit_and_what_it_costs_are_told() {
    let lab = lab();
    let batch = lab.agent.next_batch();
    let entry = batch
        .at(&lab.group("throttled").path())
        .expect("it is listed");
    assert_eq!(entry.expect("quota_us"), 5_000, "{entry:?}");
    assert!(entry.expect("throttled_periods") > 0, "{entry:?}");
}

#[test]
fn switches_forks_and_waits_are_counted() {
    let lab = lab();
    let batch = lab.agent.next_batch();
    let entry = |name: &str| {
        batch
            .at(&lab.group(name).path())
            .expect("it is listed")
            .clone()
    };
    let (forking, piping, busy) = (entry("forking"), entry("piping"), entry("busy"));
    let (forks, exits) = (forking.expect("forks"), forking.expect("exits"));
    let blocked = piping.expect("voluntary_switches");
    let waited_ns = busy.expect("runq_wait_ns");
    println!("forks={forks} exits={exits} voluntary_switches={blocked} runq_wait_ns={waited_ns}");
    assert!(forks > 4, "{forking:?}");
    assert!(forks.abs_diff(exits) <= 4, "{forking:?}");
    assert!(blocked > 20, "{piping:?}");
    assert!(waited_ns > 0, "{busy:?}");
}

/// Before Linux 5.16 `sched_stat_runtime` does not tell of such tasks.
#[test]
fn a_real_time_task_is_charged_as_the_kernel_charges_it() {
    let lab = lab();
    let group = Group::new("realtime");
    let mut process = group.run(
        "mkfifo /tmp/go; read -r go </tmp/go; i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; \
         >/tmp/done; exec sleep 1000",
    );
    let there = |path: &str| {
        eventually(PATIENCE, path, || {
            Path::new(path).exists().then_some(()).ok_or("not there")
        });
    };
    there("/tmp/go");
    // While it sleeps: a turn that it ends as a real-time task would count as one from its beginning.
    eventually(PATIENCE, "it waits", || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap();
        stat.contains(") S ").then_some(()).ok_or(stat)
    });
    make_realtime(&process);
    let before = group.usage_ns().expect("a counter").value;
    fs::write("/tmp/go", "go\n").unwrap();
    there("/tmp/done");
    eventually(PATIENCE, "both agree", || {
        let batch = lab.agent.next_batch();
        let kernel = group.usage_ns().expect("a counter");
        let entry = batch.at(&group.path()).expect("it is listed");
        let ours = entry.usage_ns();
        let facts = format!(
            "realtime: before={before} kernel={} ours={ours}",
            kernel.value
        );
        println!("{facts}");
        let agree = ours.abs_diff(kernel.value) <= kernel.slack && kernel.value > before;
        agree.then_some(()).ok_or(facts)
    });
    process.kill().unwrap();
    process.wait().unwrap();
}

#[test]
fn all_entries_together_are_the_machine() {
    all_is_the_root(&lab().agent, SUMS_LENGTH_NS);
}

#[test]
fn nothing_is_lost() {
    let batch = lab().agent.next_batch();
    for reason in [
        "slots_exhausted",
        "events_lost",
        "unslotted_charges",
        "event_mishaps",
        "regressions",
        "nameless",
    ] {
        assert_eq!(batch.losses(reason), 0, "{reason}");
    }
    println!(
        "unseen_switch_ins={} recursion_misses={}",
        batch.losses("unseen_switch_ins"),
        batch.losses("recursion_misses")
    );
}

/// Puts a task before all others.
fn make_realtime(process: &Child) {
    let pid = process.id().try_into().unwrap();
    let priority = libc::sched_param { sched_priority: 1 };
    // SAFETY: it reads the parameter, which outlives the call.
    let set = unsafe { libc::sched_setscheduler(pid, libc::SCHED_FIFO, &raw const priority) };
    Errno::result(set).unwrap();
}

/// A total of block I/O, summed over devices.
fn of_all_devices(entry: &Entry, field: &str) -> Option<u64> {
    let samples = entry.families.get("io")?.get(field)?.as_array()?;
    samples.iter().map(|sample| sample["value"].as_u64()).sum()
}

/// Major and minor version of the kernel.
fn version() -> (u32, u32) {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split('.').filter_map(|it| it.parse().ok());
    numbers.next().zip(numbers.next()).expect("a version")
}
