//! What becomes of each program, and where each metric comes from, by kernel and layout. Each expectation stands here;
//! none is taken from what the agent says.

use cgflux::kernel::PROGRAMS;

use crate::{checked::check, lab::lab, machine::machine};

/// The first version with storage that belongs to a cgroup.
const FIRST_WITH_CGRP_STORAGE: (u32, u32) = (6, 2);

/// What a program is to come to.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Attached,
    /// Another one does its work.
    NotNeeded,
    /// The kernel lacks something, in these words.
    Unsupported(&'static str),
    /// The kernel refuses it.
    Refused,
}

#[test]
fn every_program_is_attached_or_is_said_to_lack_what_this_machine_lacks() {
    let report = check();
    for program in &PROGRAMS {
        let item = report.item("programs", program.name);
        let (fate, state) = (fate(program.name), &item["details"]["state"]);
        println!("{}: {}", program.name, item["finding"]);
        let (wanted, words) = match fate {
            Fate::Attached => ("attached", ""),
            Fate::NotNeeded => ("not_needed", ""),
            Fate::Unsupported(words) => ("unsupported", words),
            Fate::Refused => ("refused", ""),
        };
        assert_eq!(state, wanted, "{item}");
        let finding = item["finding"].as_str().unwrap_or_default();
        assert!(finding.contains(words), "no `{words}` in {item}");
    }
}

#[test]
fn slots_are_kept_in_the_best_place_that_this_kernel_has() {
    let report = check();
    let storage = &report.item("programs", "slots")["details"]["storage"];
    let version = machine().version;
    let best = if version >= FIRST_WITH_CGRP_STORAGE {
        "cgrp_storage"
    } else {
        "hash"
    };
    println!("{version:?}: {storage}");
    assert_eq!(storage, best);
}

#[test]
fn each_metric_comes_from_the_best_source_that_this_machine_has_and_check_says_so() {
    let report = check();
    let metrics = lab().agent.metrics();
    for (metric, source) in sources() {
        let item = report.item("metrics", metric);
        let told = item["details"]["source"].as_str();
        println!("{metric}: {}", item["finding"]);
        assert_eq!(told, source, "{item}");
        let labels = format!("metric=\"{metric}\",source=\"");
        let published = metrics.lines().find_map(|line| {
            let (_, rest) = line.split_once(&labels)?;
            rest.split('"').next()
        });
        assert_eq!(published, source, "{metric}");
        if source.is_none() {
            assert_eq!(item["finding"], "absent", "{item}");
        }
    }
}

/// Debian's 5.10 has what came later elsewhere, too: sockets with a pointer to their cgroup (5.15), and a `mark_victim`
/// that tells the task and not only its number (6.9).
fn fate(program: &str) -> Fate {
    let machine = machine();
    // The path of a new cgroup and the owner of a page are copied from kernel memory.
    let copies = !machine.is_locked_down();
    match program {
        "cgroup_mkdir" | "block_rq_complete" if !copies => Fate::Refused,
        "cgroup_mkdir_pathless" | "block_rq_complete_by_bio" if copies => Fate::NotNeeded,
        // Its family is off unless asked for.
        "sched_switch_turns" => Fate::NotNeeded,
        "network_ingress"
        | "network_egress"
        | "inet_sock_set_state"
        | "tcp_retransmit_skb"
        | "tcp_retransmit_synack"
            if !machine.has_unified() =>
        {
            Fate::Unsupported("no cgroup2 hierarchy is mounted")
        }
        _ => Fate::Attached,
    }
}

/// The source of a metric of each family; `None` for one that is absent here.
fn sources() -> [(&'static str, Option<&'static str>); 14] {
    let machine = machine();
    let file = |is_there: bool| is_there.then_some("cgroup_file");
    let has_unified = machine.has_unified();
    let packets = if has_unified {
        "cgroup_skb"
    } else {
        "proc_file"
    };
    [
        ("usage_ns", Some("sched_stat_runtime")),
        ("runq_wait_ns", Some("sched_switch")),
        ("forks", Some("sched_process_fork")),
        ("throttled_ns", file(machine.has("cpu"))),
        ("usage_bytes", file(machine.has("memory"))),
        ("anon_bytes", file(machine.has("memory"))),
        ("oom_kills", Some("mark_victim")),
        ("pids", file(machine.has("pids"))),
        ("cpu_some_ns", file(machine.has_pressure_of_cgroups())),
        ("write_bytes", Some("block_rq_complete")),
        ("rx_bytes", Some(packets)),
        ("tx_bytes", Some(packets)),
        ("tcp_connects", has_unified.then_some("inet_sock_set_state")),
        (
            "tcp_retransmits",
            has_unified.then_some("tcp_retransmit_skb"),
        ),
    ]
}
