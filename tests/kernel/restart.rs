//! An agent that is killed and comes back takes nothing back, misses no CPU time, and mixes nothing up.

use std::time::Duration;

use crate::harness::{
    AgentProcess, Cgroup, Container, Docker, Entry, Home, Line, cgroup, eventually, pause, written,
};

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

#[test]
fn the_shipped_host_keeps_what_ended_cgroups_used() {
    let home = Home::with("[sinks.file]\ninterval = \"1s\"\n");
    let file = home.path().join("points");
    let arguments = ["--file", file.to_str().unwrap()];
    let told = || -> Vec<u64> {
        let lines = written(&file);
        let of_host =
            |line: &&Line| line.measurement == "container_cpu" && line.tag("container") == "_host";
        lines
            .iter()
            .filter(of_host)
            .filter_map(|line| line.integer("usage_ns"))
            .collect()
    };
    let mut agent = home.start(&arguments);
    let mut used_us = 0;
    for end in 0..2 {
        let mut cgroup = Cgroup::new("ended");
        cgroup.run("i=0; while [ $i -lt 1000000 ]; do i=$((i+1)); done");
        cgroup.wait();
        used_us += cgroup.usage_us();
        if end == 0 {
            // It ends before the agent does, the second one while there is none.
            drop(cgroup);
            pause(Duration::from_secs(4));
            agent.kill();
        } else {
            pause(Duration::from_secs(2));
            agent.kill();
            drop(cgroup);
        }
        let before = told();
        agent = home.start(&arguments);
        let after = eventually(Duration::from_secs(20), "the host is told again", || {
            told().get(before.len()).copied().ok_or("not yet")
        });
        let last = *before.last().unwrap();
        println!("host: {last}ns before the kill, {after}ns after; the cgroups used {used_us}us");
        assert!(
            last > used_us * 1_000,
            "the cgroups used {used_us}us: {last}ns"
        );
        assert!(after >= last, "{last}ns before the kill, {after}ns after");
    }
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
