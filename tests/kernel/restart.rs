//! An agent that is killed and comes back takes nothing back, misses no CPU time, and mixes nothing up.

use std::time::Duration;

use crate::harness::{AgentProcess, Container, Docker, Entry, Home, cgroup, pause};

const KILLS: u32 = 4;

/// Totals that must never go backwards.
const TOTALS: [&str; 8] = [
    "usage_ns",
    "user_ns",
    "system_ns",
    "runq_wait_ns",
    "voluntary_switches",
    "involuntary_switches",
    "forks",
    "exits",
];

#[test]
fn no_total_goes_backwards_over_sigkill_and_what_was_used_meanwhile_is_in_it() {
    let Some(docker) = Docker::here() else { return };
    let home = Home::new();
    let mut agent = home.start::<&str>(&[]);
    let loads = [
        docker.run(&[], "while :; do (true); done"),
        docker.run(&[], "yes | cat >/dev/null"),
        docker.run(&["--cpus", "0.25"], "while :; do :; done"),
        docker.run(&[], "sleep 1000"),
    ];
    let mut before: Vec<Entry> = Vec::new();
    for kill in 0..KILLS {
        let mut seen: Vec<Entry> = loads.iter().map(|load| look(&agent, load)).collect();
        seen.iter()
            .zip(&before)
            .for_each(|(now, then)| not_backwards(then, now));
        // At any point of a tick, a little after the last batch that was seen.
        pause(Duration::from_millis(137 * u64::from(kill)));
        seen = loads.iter().map(|load| latest(&agent, load)).collect();
        agent.kill();
        pause(Duration::from_secs(1));
        agent = home.start::<&str>(&[]);
        before = seen;
    }
    let last: Vec<Entry> = loads.iter().map(|load| look(&agent, load)).collect();
    last.iter()
        .zip(&before)
        .for_each(|(now, then)| not_backwards(then, now));
    assert_eq!(agent.batch().losses("regressions"), 0);
}

#[test]
fn a_new_container_begins_with_nothing_of_an_old_one() {
    let Some(docker) = Docker::here() else { return };
    let home = Home::new();
    let mut agent = home.start::<&str>(&[]);
    let name = cgroup::unique("reborn");
    let old = docker.run(&["--name", &name], "while :; do (true); done");
    pause(Duration::from_secs(2));
    let old_forks = look(&agent, &old).expect("forks");
    agent.kill();
    drop(old);
    let new = docker.run(&["--name", &name], "sleep 1000");
    agent = home.start::<&str>(&[]);
    let new = look(&agent, &new);
    let facts = format!("old forks={old_forks} new={new:?}");
    println!("forks: old={old_forks} new={}", new.expect("forks"));
    assert!(old_forks > 500, "{facts}");
    // What it did while no agent ran, nobody counted.
    assert_eq!(new.expect("forks"), 0, "{facts}");
    assert!(new.expect("voluntary_switches") < 50, "{facts}");
    assert_eq!(new.name, name, "{facts}");
}

/// A fresh look at a container; its CPU time is what the kernel says.
#[track_caller]
fn look(agent: &AgentProcess, container: &Container) -> Entry {
    let path = container.cgroup_path();
    let before_us = cgroup::usage_us(&path).unwrap();
    let batch = agent.next_batch();
    let after_us = cgroup::usage_us(&path).unwrap();
    let entry = batch
        .container(&container.id)
        .expect("it is listed")
        .clone();
    let ours_ns = entry.usage_ns();
    let facts = format!("kernel={before_us}us ours={ours_ns}ns kernel={after_us}us");
    println!("{facts}");
    assert!(before_us * 1_000 <= ours_ns + 1_000, "{facts}");
    assert!(ours_ns <= after_us * 1_000 + 1_000, "{facts}");
    entry
}

/// The last that was told of a container.
#[track_caller]
fn latest(agent: &AgentProcess, container: &Container) -> Entry {
    let batch = agent.batch();
    batch
        .container(&container.id)
        .expect("it is listed")
        .clone()
}

#[track_caller]
fn not_backwards(then: &Entry, now: &Entry) {
    for total in TOTALS {
        let (then, now) = (then.expect(total), now.expect(total));
        assert!(then <= now, "{total} was {then} before the kill, is {now}");
    }
}
