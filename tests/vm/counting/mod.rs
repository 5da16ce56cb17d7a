//! What holds of every machine on which the kernel programs count, whatever its kernel and its hierarchies; what a
//! kernel or a layout does not have is named there, and held to be absent.
//!
//! Here the CPU and pressure; a subject a file beside.

mod block_io;
mod files;
mod host;
mod network;
mod oom;
mod preemption;
mod programs;

use std::{fs, path::Path, process::Child};

use nix::errno::Errno;

use crate::{
    group::Group,
    harness::{Entry, eventually},
    lab::{Counter, PATIENCE, Told, lab},
    sums::all_is_the_root,
};

/// What is compared with the kernel's own files while it grows.
const COUNTERS: [Counter; 9] = [
    Counter {
        measurement: "container_cpu",
        field: "usage_ns",
        loads: &[
            "busy",
            "throttled",
            "forking",
            "piping",
            "allocating",
            "talking",
            "holding",
            "crowded",
            "starved",
            "direct",
            "writing",
            "dirtying",
            "serving",
            "asking",
        ],
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
    stalled(
        "cpu_some_ns",
        |group| group.stalled_ns("cpu.pressure", "some"),
        |entry| entry.value("psi", "cpu_some_ns"),
    ),
    // Since 5.13.
    stalled(
        "cpu_full_ns",
        |group| group.stalled_ns("cpu.pressure", "full"),
        |entry| entry.value("psi", "cpu_full_ns"),
    ),
    stalled(
        "memory_some_ns",
        |group| group.stalled_ns("memory.pressure", "some"),
        |entry| entry.value("psi", "memory_some_ns"),
    ),
    stalled(
        "memory_full_ns",
        |group| group.stalled_ns("memory.pressure", "full"),
        |entry| entry.value("psi", "memory_full_ns"),
    ),
    stalled(
        "io_some_ns",
        |group| group.stalled_ns("io.pressure", "some"),
        |entry| entry.value("psi", "io_some_ns"),
    ),
    stalled(
        "io_full_ns",
        |group| group.stalled_ns("io.pressure", "full"),
        |entry| entry.value("psi", "io_full_ns"),
    ),
    // Where the kernel accounts the time of interrupts, since 6.1.
    stalled(
        "irq_full_ns",
        |group| group.stalled_ns("irq.pressure", "full"),
        |entry| entry.value("psi", "irq_full_ns"),
    ),
];

/// Long enough for some hundred readings of the root's counter.
const SUMS_LENGTH_NS: i64 = 4_000_000_000;

#[test]
fn what_is_counted_lies_between_the_kernels_own_readings() {
    let lab = lab();
    let batch = lab.between(&COUNTERS);
    for name in lab.names() {
        let entry = lab.entry(&batch, name);
        assert!(entry.usage_ns() > 1_000_000, "{entry:?}");
        let parts_ns = entry.expect("user_ns") + entry.expect("system_ns");
        assert_eq!(parts_ns, entry.usage_ns(), "{entry:?}");
    }
}

#[test]
fn a_limit_and_what_it_costs_are_told() {
    let lab = lab();
    let batch = lab.agent.next_batch();
    let entry = lab.entry(&batch, "throttled");
    assert_eq!(entry.expect("quota_us"), 5_000, "{entry:?}");
    assert!(entry.expect("throttled_periods") > 0, "{entry:?}");
}

#[test]
fn switches_forks_and_waits_are_counted() {
    let lab = lab();
    let batch = lab.agent.next_batch();
    let [forking, piping, busy] = ["forking", "piping", "busy"].map(|name| lab.entry(&batch, name));
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
        "unslotted_packets",
        "block_records_exhausted",
        "paths_exhausted",
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

/// Time stalled, of groups whose tasks wait for something.
const fn stalled(
    field: &'static str,
    kernel: fn(&Group) -> Option<Told>,
    ours: fn(&Entry) -> Option<u64>,
) -> Counter {
    Counter {
        measurement: "container_psi",
        field,
        loads: &["throttled", "starved", "writing"],
        kernel,
        ours,
    }
}
