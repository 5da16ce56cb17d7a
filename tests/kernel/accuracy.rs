//! A live container's CPU time lies between two readings of the kernel's own counter, whatever it does.

use std::time::Duration;

use crate::harness::{AgentProcess, Container, Docker, Entry, Home, cgroup, pause};

/// How long each load runs before it is looked at, and between two looks.
const LOAD: Duration = Duration::from_secs(1);

/// How often each is looked at.
const LOOKS: usize = 3;

const BUSY: &str = "while :; do :; done";

#[test]
fn a_throttled_container_is_charged_as_the_kernel_charges_it() {
    check(&["--cpus", "0.25"], BUSY);
}

#[test]
fn a_fork_storm_is_charged_as_the_kernel_charges_it() {
    let Some(entry) = check(&[], "while :; do (true); done") else {
        return;
    };
    let (forks, exits) = (entry.expect("forks"), entry.expect("exits"));
    println!("forks={forks} exits={exits}");
    // Its own shell, the child at work, and one between the two readings.
    assert!(forks > 1_000, "forks={forks}");
    assert!(forks.abs_diff(exits) <= 3, "forks={forks} exits={exits}");
}

#[test]
fn a_pipe_ping_pong_is_charged_as_the_kernel_charges_it() {
    let script = "mkfifo /a /b; (cat </a >/b) & exec 3>/a 4</b; \
                  while :; do echo x >&3; read -r line <&4; done";
    let Some(entry) = check(&[], script) else {
        return;
    };
    let switches = entry.expect("voluntary_switches");
    println!("voluntary_switches={switches}");
    assert!(switches > 10_000, "voluntary_switches={switches}");
}

#[test]
fn a_pipe_at_full_speed_is_charged_as_the_kernel_charges_it() {
    check(&[], "yes | cat >/dev/null");
}

#[test]
fn a_sleeper_is_charged_what_its_start_took() {
    check(&[], "sleep 1000");
}

#[test]
fn two_busy_cpus_are_charged_as_the_kernel_charges_them() {
    check(&[], &format!("({BUSY}) & {BUSY}"));
}

#[test]
fn a_process_executed_in_a_container_is_charged_to_it() {
    let Some(docker) = Docker::here() else { return };
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let container = docker.run(&[], "sleep 1000");
    let idle_ns = lies_between(&agent, &container).usage_ns();
    container.exec(BUSY);
    pause(LOAD);
    let busy_ns = lies_between(&agent, &container).usage_ns();
    let facts = format!("idle={idle_ns} busy={busy_ns}");
    assert!(busy_ns > idle_ns + 100_000_000, "{facts}");
}

#[test]
fn a_container_older_than_the_agent_begins_with_its_own_total() {
    let Some(docker) = Docker::here() else { return };
    let container = docker.run(&[], BUSY);
    pause(LOAD);
    let before_us = cgroup::usage_us(&container.cgroup_path()).unwrap();
    assert!(before_us > 0, "it has not run");
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    for _ in 0..LOOKS {
        lies_between(&agent, &container);
    }
}

/// Runs a container with this load and looks at it a few times; returns the last look.
#[track_caller]
fn check(options: &[&str], script: &str) -> Option<Entry> {
    let docker = Docker::here()?;
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let container = docker.run(options, script);
    let mut last = None;
    for _ in 0..LOOKS {
        pause(LOAD);
        last = Some(lies_between(&agent, &container));
    }
    last
}

#[track_caller]
fn lies_between(agent: &AgentProcess, container: &Container) -> Entry {
    let path = container.cgroup_path();
    let before_us = cgroup::usage_us(&path).unwrap();
    let batch = agent.next_batch();
    let after_us = cgroup::usage_us(&path).unwrap();
    let entry = batch
        .container(&container.id)
        .expect("the container is listed");
    let ours_ns = entry.usage_ns();
    let facts = format!("kernel={before_us}us ours={ours_ns}ns kernel={after_us}us");
    println!("{facts}");
    // The kernel's file cuts to whole microseconds.
    assert!(before_us * 1_000 <= ours_ns + 1_000, "{facts}");
    assert!(ours_ns <= after_us * 1_000 + 1_000, "{facts}");
    let parts_ns = entry.expect("user_ns") + entry.expect("system_ns");
    assert_eq!(parts_ns, ours_ns, "{entry:?}");
    entry.clone()
}
