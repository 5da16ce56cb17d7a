//! Cgroups that come and go as fast as the kernel allows: each is told with all it used, and nothing is left of it.

use std::{
    collections::HashMap,
    path::Path,
    time::{Duration, Instant},
};

use cgflux::live::Limits;

use crate::harness::{AgentProcess, Batch, Cgroup, Home, eventually, written};

const CGROUPS: usize = 2_000;
/// A slot whose cgroup the kernel does not let go of is given back after half a minute.
const PATIENCE: Duration = Duration::from_secs(90);

/// Rounds after which histories and pools, which are bounded, are full.
const WARMING_ROUNDS: usize = 2;
const ROUNDS: usize = 4;
/// What an agent that keeps nothing may grow by over those rounds: 786 bytes a cgroup, less than an entry with its
/// files, its samples and its name takes.
const GROWTH_BYTES: u64 = 6 << 20;
/// The heap itself is larger or smaller by some megabytes, as the ticks fell, and stays so: what is kept of each cgroup
/// shows every time.
const TIMES: usize = 3;

#[test]
fn of_two_thousand_cgroups_at_full_speed_none_is_lost_and_nothing_is_left() {
    let home = Home::with("[ship]\ncgroups = true\nmax_names = 100000\n");
    let points = home.path().join("points");
    let agent = home.start(&["--file", points.to_str().unwrap()]);
    let rounds = |count| {
        (0..count).for_each(|_| round(&points));
        settled(&agent).agent("rss_bytes")
    };
    // The details of the last ticks fill up for some minutes.
    let growth = GROWTH_BYTES + Limits::default().detail_bytes as u64;
    let mut before = rounds(WARMING_ROUNDS);
    let has_stayed = (0..TIMES).any(|_| {
        let burst = rounds(ROUNDS).saturating_sub(before);
        // What a burst took is given back once a minute.
        let after = least_memory(&agent, before + growth);
        println!(
            "rss={before} grown={burst} kept={}",
            after.saturating_sub(before)
        );
        let has_stayed = after <= before + growth;
        before = after;
        has_stayed
    });
    assert!(has_stayed, "it grows each time");
    let after = agent.next_batch();
    for reason in [
        "slots_exhausted",
        "events_lost",
        "event_mishaps",
        "nameless",
        "regressions",
    ] {
        assert_eq!(after.losses(reason), 0, "{reason}");
    }
}

/// The least memory it is seen with until that is `enough`, or for a while.
fn least_memory(agent: &AgentProcess, enough: u64) -> u64 {
    let start = Instant::now();
    let mut least = u64::MAX;
    while least > enough && start.elapsed() < PATIENCE {
        least = least.min(agent.next_batch().agent("rss_bytes"));
    }
    least
}

/// Makes cgroups with a busy process that goes from one to the next, and waits until all their ends have been told.
#[track_caller]
fn round(points: &Path) {
    let parent = Cgroup::new("churn");
    let mut walker = Cgroup::new("walker");
    let walker = walker.run("while :; do :; done").id().to_string();
    let mut made = Vec::new();
    let mut last: Option<Cgroup> = None;
    for number in 0..CGROUPS {
        let next = parent.child(&number.to_string());
        next.enter(&walker);
        made.push(next.id());
        drop(last.replace(next));
    }
    drop(last);
    let told = eventually(PATIENCE, "all ends are told", || {
        let told = exits(points);
        let missing = made.iter().filter(|id| !told.contains_key(id)).count();
        (missing == 0)
            .then_some(told)
            .ok_or(format!("{missing} of {CGROUPS} missing"))
    });
    let told_ns: u64 = made.iter().map(|id| told[id]).sum();
    let used_ns = parent.usage_us() * 1_000;
    let part = told_ns.abs_diff(used_ns) as f64 / used_ns as f64;
    let facts = format!("cgroups={CGROUPS} kernel={used_ns}ns told={told_ns}ns apart={part:.7}");
    println!("{facts}");
    assert!(part <= 0.000_1, "{facts}");
}

/// The cgroups whose exit has been told, and what each used.
fn exits(points: &Path) -> HashMap<u64, u64> {
    let lines = written(points).into_iter();
    let exits = lines.filter(|line| line.tag("event") == "exit");
    let exits = exits.filter_map(|it| Some((it.integer("cgroup_id")?, it.integer("usage_ns")?)));
    exits.collect()
}

/// The first batch in which every slot in use belongs to an entry that lives.
#[track_caller]
pub(super) fn settled(agent: &AgentProcess) -> Batch {
    eventually(PATIENCE, "all slots are given back", || {
        let batch = agent.next_batch();
        let slots = batch.agent("slots_in_use");
        let live = batch.containers.iter().filter(|it| it.alive).count();
        let facts = format!("slots={slots} live entries={live}");
        (slots == live as u64).then_some(batch).ok_or(facts)
    })
}
