//! What cgroup files tell: memory and tasks are those files, in either version, and what a version lacks is absent.

use crate::{
    group::Group,
    harness::Entry,
    lab::{Counter, Told, lab},
};

/// What holds memory, and where a limit was met.
const HOLDERS: [&str; 3] = ["holding", "starved", "writing"];

const MEMORY: [Counter; 17] = [
    memory(
        "usage_bytes",
        |group| group.number("memory", "memory.usage_in_bytes", "memory.current"),
        |entry| entry.value("mem", "usage_bytes"),
    ),
    memory(
        "anon_bytes",
        |group| group.memory_stat("total_rss", "anon"),
        |entry| entry.value("mem", "anon_bytes"),
    ),
    memory(
        "file_bytes",
        |group| group.memory_stat("total_cache", "file"),
        |entry| entry.value("mem", "file_bytes"),
    ),
    memory(
        "shmem_bytes",
        |group| group.memory_stat("total_shmem", "shmem"),
        |entry| entry.value("mem", "shmem_bytes"),
    ),
    memory(
        "kernel_bytes",
        |group| {
            let v1 = || group.number("memory", "memory.kmem.usage_in_bytes", "");
            // Since 5.18.
            v1().or_else(|| group.memory_stat("", "kernel"))
        },
        |entry| entry.value("mem", "kernel_bytes"),
    ),
    memory(
        "slab_bytes",
        |group| group.memory_stat("", "slab"),
        |entry| entry.value("mem", "slab_bytes"),
    ),
    memory(
        "sock_bytes",
        |group| group.memory_stat("", "sock"),
        |entry| entry.value("mem", "sock_bytes"),
    ),
    memory(
        "limit_bytes",
        |group| {
            let limit = group.number("memory", "memory.limit_in_bytes", "memory.max");
            // No limit is a word in v2 and the most pages there can be in v1.
            limit.filter(|told| told.value < 1 << 62)
        },
        |entry| entry.value("mem", "limit_bytes"),
    ),
    memory(
        "high_bytes",
        |group| group.number("memory", "", "memory.high"),
        |entry| entry.value("mem", "high_bytes"),
    ),
    memory(
        "peak_bytes",
        // v2 since 5.19.
        |group| group.number("memory", "memory.max_usage_in_bytes", "memory.peak"),
        |entry| entry.value("mem", "peak_bytes"),
    ),
    memory(
        "pgfault",
        |group| group.memory_stat("total_pgfault", "pgfault"),
        |entry| entry.value("mem", "pgfault"),
    ),
    memory(
        "pgmajfault",
        |group| group.memory_stat("total_pgmajfault", "pgmajfault"),
        |entry| entry.value("mem", "pgmajfault"),
    ),
    memory(
        "refaults",
        |group| {
            let of = |kind: &str| {
                let name = format!("workingset_refault_{kind}");
                let told = group.memory_stat(&format!("total_{name}"), &name)?;
                Some(told.value)
            };
            let value = of("anon")? + of("file")?;
            Some(Told { value, slack: 0 })
        },
        |entry| entry.value("mem", "refaults"),
    ),
    memory(
        "working_set_bytes",
        |group| {
            let usage = group.number("memory", "memory.usage_in_bytes", "memory.current")?;
            let inactive = group.memory_stat("total_inactive_file", "inactive_file")?;
            let value = usage.value.saturating_sub(inactive.value);
            Some(Told { value, slack: 0 })
        },
        |entry| entry.value("mem", "working_set_bytes"),
    ),
    memory(
        "max_events",
        |group| {
            let v1 = || group.number("memory", "memory.failcnt", "");
            v1().or_else(|| group.line("memory", ("", ""), ("memory.events", "max")))
        },
        |entry| entry.value("mem", "max_events"),
    ),
    memory(
        "high_events",
        |group| group.line("memory", ("", ""), ("memory.events", "high")),
        |entry| entry.value("mem", "high_events"),
    ),
    memory(
        "oom_events",
        |group| group.line("memory", ("", ""), ("memory.events", "oom")),
        |entry| entry.value("mem", "oom_events"),
    ),
];

const PIDS: [Counter; 4] = [
    pids(
        "pids",
        |group| group.number("pids", "pids.current", "pids.current"),
        |entry| entry.value("pids", "pids"),
    ),
    pids(
        "pids_limit",
        |group| group.number("pids", "pids.max", "pids.max"),
        |entry| entry.value("pids", "pids_limit"),
    ),
    pids(
        "pids_peak",
        |group| group.number("pids", "pids.peak", "pids.peak"),
        |entry| entry.value("pids", "pids_peak"),
    ),
    pids(
        "pids_refused",
        |group| group.line("pids", ("pids.events", "max"), ("pids.events", "max")),
        |entry| entry.value("pids", "pids_refused"),
    ),
];

#[test]
fn memory_is_that_of_the_files() {
    let batch = lab().agree(&MEMORY);
    let lab = lab();
    // Without the controller there is nothing to compare, and nothing told.
    let is_there = crate::machine::machine().has("memory");
    let entry = lab.entry(&batch, "holding");
    assert_eq!(entry.value("mem", "usage_bytes").is_some(), is_there);
}

#[test]
fn tasks_their_limit_and_what_it_refused_are_those_of_the_files() {
    let lab = lab();
    let batch = lab.agree(&PIDS);
    let crowded = lab.entry(&batch, "crowded");
    assert_eq!(crowded.value("pids", "pids_limit"), Some(4));
    assert_eq!(crowded.value("pids", "pids_refused"), Some(1));
}

const fn memory(
    field: &'static str,
    kernel: fn(&Group) -> Option<Told>,
    ours: fn(&Entry) -> Option<u64>,
) -> Counter {
    Counter {
        measurement: "container_mem",
        field,
        loads: &HOLDERS,
        kernel,
        ours,
    }
}

const fn pids(
    field: &'static str,
    kernel: fn(&Group) -> Option<Told>,
    ours: fn(&Entry) -> Option<u64>,
) -> Counter {
    Counter {
        measurement: "container_pids",
        field,
        loads: &["holding", "crowded"],
        kernel,
        ours,
    }
}
