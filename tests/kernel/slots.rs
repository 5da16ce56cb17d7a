//! Slots run out and come back. Nothing is counted twice or left out meanwhile.

use std::{process::Command, time::Duration};

use super::{
    churn::settled,
    sums::{LENGTH_NS, all_is_the_root},
};
use crate::harness::{Cgroup, Home, eventually};

const PATIENCE: Duration = Duration::from_mins(1);
const BUSY: &str = "while :; do :; done";

#[test]
fn with_more_cgroups_than_slots_it_is_counted_and_told_and_the_sums_still_close() {
    let home = Home::new();
    let agent = home.start(&["--slots", "64"]);
    let crowd = Cgroup::new("crowd");
    let mut cgroups: Vec<Cgroup> = (0..100).map(|it| crowd.child(&it.to_string())).collect();
    // The last ones got no slot.
    for late in &mut cgroups[98..] {
        late.run(BUSY);
    }
    let exhausted = agent.next_batch().losses("slots_exhausted");
    println!("slots_exhausted={exhausted}");
    assert!(exhausted >= 100 - 64, "slots_exhausted={exhausted}");
    let log = agent.log();
    assert!(
        log.contains("ERROR") && log.contains("collect.slots"),
        "{log}"
    );
    all_is_the_root(&agent, LENGTH_NS);
    let late = &cgroups[99];
    let before_us = late.usage_us();
    let batch = agent.next_batch();
    let after_us = late.usage_us();
    let entry = batch.at(late.path()).expect("it is listed");
    let ours_ns = entry.usage_ns();
    let facts = format!("kernel={before_us}us ours={ours_ns}ns kernel={after_us}us");
    println!("late: {facts}");
    assert!(before_us * 1_000 <= ours_ns + 1_000, "{facts}");
    assert!(ours_ns <= after_us * 1_000 + 1_000, "{facts}");
    assert_eq!(entry.total("runq_wait_ns"), None, "{entry:?}");
    // Those that are free again serve those that come.
    cgroups.clear();
    settled(&agent);
    let next = crowd.child("next");
    let batch = agent.next_batch();
    let entry = batch.at(next.path()).expect("it is listed");
    assert_eq!(entry.total("runq_wait_ns"), Some(0), "{entry:?}");
}

#[test]
fn a_cgroup_that_the_kernel_does_not_let_go_of_gives_its_slot_back() {
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let parent = Cgroup::new("parent");
    let pinned = parent.child("pinned");
    let mut process = Command::new("sleep").arg("1000").spawn().unwrap();
    pinned.enter(&process.id().to_string());
    settled(&agent);
    // A dead process that nobody has waited for keeps its cgroup, as do pages and sockets.
    process.kill().unwrap();
    let path = pinned.path().to_owned();
    drop(pinned);
    eventually(PATIENCE, "its end is told", || {
        let gone = agent.next_batch().at(&path).is_none();
        gone.then_some(()).ok_or("it is listed")
    });
    let after = settled(&agent);
    let dying = parent.dying();
    process.wait().unwrap();
    println!("dying={dying} slots={}", after.agent("slots_in_use"));
    assert_eq!(dying, 1, "the kernel has let go of it");
}
