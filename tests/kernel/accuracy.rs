//! A live container's CPU time lies between two readings of the kernel's own counter.

use std::time::Duration;

use crate::harness::{AgentProcess, Container, Docker, Home, cgroup, pause};

/// How long each load runs before it is looked at.
const LOAD: Duration = Duration::from_secs(3);

#[test]
fn a_throttled_container_is_charged_as_the_kernel_charges_it() {
    check(&["--cpus", "0.25"], "while :; do :; done");
}

#[test]
fn a_fork_storm_is_charged_as_the_kernel_charges_it() {
    check(&[], "while :; do (true); done");
}

fn check(options: &[&str], script: &str) {
    let Some(docker) = Docker::here() else { return };
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let container = docker.run(options, script);
    pause(LOAD);
    lies_between(&agent, &container);
}

#[track_caller]
fn lies_between(agent: &AgentProcess, container: &Container) {
    let path = container.cgroup_path();
    let before_ns = cgroup::usage_us(&path).unwrap() * 1_000;
    let batch = agent.next_batch();
    // The kernel's file tells whole microseconds.
    let after_ns = cgroup::usage_us(&path).unwrap() * 1_000 + 999;
    let entry = batch
        .container(&container.id)
        .expect("the container is listed");
    let usage_ns = entry.usage_ns();
    let facts = format!("kernel before={before_ns} ours={usage_ns} kernel after={after_ns}");
    println!("{facts}");
    assert!((before_ns..=after_ns).contains(&usage_ns), "{facts}");
}
