//! Processes that memory runs out for: each is counted once and, where the kernel says which it is, told by name.

use crate::{
    checked::check,
    group::Group,
    harness::{eventually, written},
    lab::{Counter, PATIENCE, POINTS, lab},
    machine::machine,
};

/// How many processes the load loses.
const KILLS: u64 = 3;

const KILLED: Counter = Counter {
    measurement: "container_mem",
    field: "oom_kills",
    loads: &["starved"],
    kernel: |group: &Group| {
        let (v1, v2) = ("memory.oom_control", "memory.events");
        group.line("memory", (v1, "oom_kill"), (v2, "oom_kill"))
    },
    ours: |entry| entry.value("mem", "oom_kills"),
};

#[test]
fn every_kill_is_counted_once() {
    let lab = lab();
    let batch = lab.agree(&[KILLED]);
    if machine().has("memory") {
        let kills = lab.entry(&batch, "starved").value("mem", "oom_kills");
        assert_eq!(kills, Some(KILLS));
    }
}

#[test]
fn a_kill_is_an_event_where_the_kernel_tells_whom() {
    if !machine().has("memory") {
        // No limit, and so nobody is killed.
        return;
    }
    let lab = lab();
    lab.rests();
    let is_told = check().is_attached("mark_victim");
    let wanted = if is_told { KILLS } else { 0 };
    let told = || {
        let lines = written(POINTS.as_ref());
        let kills = lines.iter().filter(|line| line.tag("event") == "oom");
        let named = kills.map(|line| {
            (
                line.tag("container").to_owned(),
                line.fields["comm"].clone(),
            )
        });
        named.collect::<Vec<_>>()
    };
    let kills = eventually(PATIENCE, "all kills are told", || {
        let kills = told();
        let count = kills.len() as u64;
        (count >= wanted).then_some(kills).ok_or(count)
    });
    println!("mark_victim attached={is_told}: {kills:?}");
    assert_eq!(kills.len() as u64, wanted);
    let batch = lab.agent.next_batch();
    let name = &lab.entry(&batch, "starved").name;
    for (container, comm) in &kills {
        assert_eq!((container, comm.as_str()), (name, "tail"));
    }
}
