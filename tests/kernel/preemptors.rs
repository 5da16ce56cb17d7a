//! Who took the CPU, where that is known: tasks that can always run, all on one CPU.
//!
//! Such a task waits whenever another runs there and at no other time. So what it waited for another is what that one used,
//! as the kernel counts it, whatever else the machine does; that is the host's.

use std::time::Duration;

use nix::{
    sched::{CpuSet, sched_setaffinity},
    sys::signal::Signal,
    unistd::Pid,
};

use super::families::programs_of;
use crate::harness::{AgentProcess, Batch, Cgroup, Entry, Home, eventually};

const ON: &str = "[families.preemption]\nenabled = true\n[ship]\ncgroups = true\n";

const OFF: &str = "[families.preemption]\nenabled = false\n[ship]\ncgroups = true\n";

const BUSY: &str = "while :; do :; done";

/// Runs some 1 ms at a time, and rests for longer.
const NOW_AND_THEN: &str =
    "while :; do sleep 0.005; i=0; while [ $i -lt 1000 ]; do i=$((i+1)); done; done";

/// CPU time after which there is enough to compare.
const ENOUGH_US: u64 = 600_000;

const PATIENCE: Duration = Duration::from_mins(1);

/// The part of a wait that must be somebody's who took it.
const RIGHT: f64 = 0.95;

#[test]
fn what_a_busy_container_waited_for_another_is_what_that_one_used() {
    let home = Home::with(ON);
    let mut agent = home.start::<&str>(&[]);
    let mut all = ["a", "b", "c"].map(Cgroup::new);
    for (cgroup, script) in all.iter_mut().zip([BUSY, BUSY, NOW_AND_THEN]) {
        run_on(0, cgroup, script);
    }
    for cgroup in &all {
        uses_enough(cgroup, 0);
    }
    let [a, b, c] = &mut all;
    for cgroup in [&mut *a, &mut *b, &mut *c] {
        cgroup.kill();
    }
    let batch = settled(&agent, &[a, b, c]);
    for waiting in [&*a, b, c] {
        assert_dealt_out(&batch, waiting);
    }
    for (waiting, taker) in [(&*a, &*b), (b, a), (a, c), (b, c)] {
        let waited_us = waited_for(&batch, waiting, taker) / 1_000;
        let used_us = taker.usage_us();
        let facts = format!(
            "{} waited for {} for {waited_us} us, which used {used_us} us",
            waiting.path(),
            taker.path()
        );
        println!("{facts}");
        assert_as_used(waited_us, used_us);
    }
    for waiting in [&*a, b] {
        let entry = entry(&batch, waiting);
        let all_ns = entry.expect("runq_wait_ns");
        let unknown_ns = entry.waited_for("_unknown").expect("it is told");
        let known = 1.0 - unknown_ns as f64 / all_ns as f64;
        // On some virtual machines not all switches are seen (README, limits).
        let unseen = batch.losses("unseen_switch_ins");
        let path = waiting.path();
        println!("{path}: {known:.4} of {all_ns} ns has a taker; switches not seen: {unseen}");
        assert!(known >= 0.9, "{known}");
    }
    // Over a restart nothing goes backwards.
    let before = waited_for(&batch, a, b);
    agent.stop();
    let agent = home.start::<&str>(&[]);
    run_on(0, a, BUSY);
    run_on(0, b, BUSY);
    uses_enough(a, a.usage_us());
    a.kill();
    b.kill();
    let batch = settled(&agent, &[a, b]);
    let after = waited_for(&batch, a, b);
    println!("waited for b: {before} ns before the restart, {after} ns after it");
    assert!(after > before, "{before} {after}");
}

#[test]
fn tasks_of_one_container_that_wait_for_each_other_blame_nobody_else() {
    let home = Home::with(ON);
    let agent = home.start::<&str>(&[]);
    let mut cgroup = Cgroup::new("own");
    run_on(0, &mut cgroup, BUSY);
    run_on(0, &mut cgroup, BUSY);
    uses_enough(&cgroup, 0);
    cgroup.kill();
    let batch = settled(&agent, &[&cgroup]);
    assert_dealt_out(&batch, &cgroup);
    let entry = entry(&batch, &cgroup);
    let own_ns = entry.waited_for("_own").expect("it is told");
    // Whenever one of them runs, the other waits.
    println!(
        "{own_ns} ns for its own tasks, which used {} us",
        cgroup.usage_us()
    );
    assert_as_used(own_ns / 1_000, cgroup.usage_us());
    assert_eq!(entry.waited_for(cgroup.path()), None);
}

#[test]
fn who_ended_is_not_taken_for_who_has_its_place_now() {
    let home = Home::with(ON);
    let agent = home.start::<&str>(&[]);
    let mut waiting = Cgroup::new("waiting");
    run_on(0, &mut waiting, BUSY);
    let mut former = Cgroup::new("former");
    run_on(0, &mut former, BUSY);
    uses_enough(&former, 0);
    former.kill();
    let (former_path, used_us) = (former.path().to_owned(), former.usage_us());
    drop(former);
    eventually(PATIENCE, "it is let go of", || {
        let batch = agent.next_batch();
        batch
            .at(&former_path)
            .is_none()
            .then_some(())
            .ok_or("it is there")
    });
    // The slot that was given back last is taken first; in it one that runs, but waits itself for most of the time.
    let mut next = Cgroup::new("next");
    run_on(0, &mut next, NOW_AND_THEN);
    uses_enough(&next, 0);
    next.kill();
    waiting.kill();
    let batch = settled(&agent, &[&waiting, &next]);
    assert_dealt_out(&batch, &waiting);
    let of_former = entry(&batch, &waiting)
        .waited_for(&former_path)
        .expect("it is still told");
    let of_next = waited_for(&batch, &waiting, &next);
    println!(
        "former: {of_former} ns of {used_us} us; next: {of_next} ns of {} us",
        next.usage_us()
    );
    for (waited_ns, used_us) in [(of_former, used_us), (of_next, next.usage_us())] {
        assert_as_used(waited_ns / 1_000, used_us);
    }
}

#[test]
fn it_goes_and_comes_by_sighup_where_it_was_on_at_the_start() {
    let home = Home::with(ON);
    let agent = home.start::<&str>(&[]);
    let (mut one, mut other) = (Cgroup::new("one"), Cgroup::new("other"));
    run_on(0, &mut one, BUSY);
    run_on(0, &mut other, BUSY);
    let told = |batch: &Batch| entry(batch, &one).waited_for(other.path());
    let mut before = 0;
    for _ in 0..2 {
        before = eventually(PATIENCE, "it is told", || {
            let ns = told(&agent.next_batch()).filter(|ns| *ns > before);
            ns.ok_or("nothing new")
        });
        assert_eq!(programs(&agent), ["sched_switch_tu"]);
        home.configure(OFF);
        agent.signal(Signal::SIGHUP);
        eventually(PATIENCE, "it is told no more", || {
            let batch = agent.next_batch();
            told(&batch).is_none().then_some(()).ok_or("still told")
        });
        // Waits are counted on.
        assert_eq!(programs(&agent), ["sched_switch"]);
        let waited = |batch: &Batch| entry(batch, &one).expect("runq_wait_ns");
        assert!(waited(&agent.next_batch()) > before);
        home.configure(ON);
        agent.signal(Signal::SIGHUP);
    }
    drop(agent);
    home.configure(OFF);
    let agent = home.start::<&str>(&[]);
    assert_eq!(programs(&agent), ["sched_switch"]);
    home.configure(ON);
    agent.signal(Signal::SIGHUP);
    eventually(PATIENCE, "it says when it begins", || {
        let is_said = agent.log().contains("it begins with the next start");
        is_said.then_some(()).ok_or("not said")
    });
    assert_eq!(programs(&agent), ["sched_switch"]);
    assert_eq!(told(&agent.next_batch()), None);
}

/// Waits are timed by the wall: interrupts, and what a machine's host takes, are in them and not in CPU time.
#[track_caller]
fn assert_as_used(waited_us: u64, used_us: u64) {
    let ratio = waited_us as f64 / used_us as f64;
    assert!(
        (RIGHT..1.15).contains(&ratio),
        "{waited_us} for {used_us}: {ratio:.3}"
    );
}

/// Which of the programs on switches this agent has loaded, as the kernel cuts their names.
fn programs(agent: &AgentProcess) -> Vec<String> {
    let all = programs_of(agent).into_iter();
    all.filter(|name| name.starts_with("sched_switch"))
        .collect()
}

/// Waits until a cgroup has used enough since it had used so much.
fn uses_enough(cgroup: &Cgroup, before_us: u64) {
    eventually(PATIENCE, "it uses enough", || {
        let used_us = cgroup.usage_us() - before_us;
        (used_us >= ENOUGH_US).then_some(()).ok_or(used_us)
    });
}

/// Runs a script in a cgroup on one CPU.
fn run_on(cpu: usize, cgroup: &mut Cgroup, script: &str) {
    let pid = cgroup.run(script).id().try_into().expect("a process id");
    let mut cpus = CpuSet::new();
    cpus.set(cpu).unwrap();
    sched_setaffinity(Pid::from_raw(pid), &cpus).unwrap();
}

/// A batch in which nothing runs in these cgroups any more, so that all their waits are told and dealt out.
fn settled(agent: &AgentProcess, cgroups: &[&Cgroup]) -> Batch {
    let batch = agent.next_batch();
    for cgroup in cgroups {
        let entry = entry(&batch, cgroup);
        let dealt = entry.waited_by_taker().expect("it is told");
        println!("{}: {dealt:?}", cgroup.path());
        let (sum, all_ns) = (sum(&dealt), entry.expect("runq_wait_ns"));
        assert!(sum <= all_ns, "{sum} of {all_ns}");
    }
    batch
}

/// All that a cgroup waited is somebody's who is told, or nobody's. Not so once somebody took of it who is not told any
/// more, as who has rested since a restart.
fn assert_dealt_out(batch: &Batch, cgroup: &Cgroup) {
    let entry = entry(batch, cgroup);
    let sum = sum(&entry.waited_by_taker().expect("it is told"));
    let all_ns = entry.expect("runq_wait_ns");
    assert!(sum as f64 >= all_ns as f64 * RIGHT, "{sum} of {all_ns}");
}

fn sum<T>(dealt: &[(T, u64)]) -> u64 {
    dealt.iter().map(|(_, ns)| ns).sum()
}

fn entry<'a>(batch: &'a Batch, cgroup: &Cgroup) -> &'a Entry {
    batch.at(cgroup.path()).expect("it is listed")
}

/// Nanoseconds that `waiting` waited while `taker` ran.
fn waited_for(batch: &Batch, waiting: &Cgroup, taker: &Cgroup) -> u64 {
    let waited = entry(batch, waiting).waited_for(taker.path());
    waited.expect("it is told")
}
