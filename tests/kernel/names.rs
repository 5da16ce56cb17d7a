//! Real Docker tells who its containers are: at birth, when renamed, and how they end.

use std::time::Duration;

use crate::harness::{AgentProcess, Docker, Entry, Home, cgroup::unique, eventually};

/// Ticks of one second; Docker's word comes within a few.
const SOON: Duration = Duration::from_secs(15);

#[test]
fn a_container_is_known_by_name_label_and_image_and_follows_a_rename() {
    let Some(docker) = Docker::here() else { return };
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let name = unique("named");
    let container = docker.run(&["--name", &name, "--label", "team=blue"], "sleep 1000");

    let entry = until(&agent, &container.id, |entry| entry.name == name);
    assert_eq!(entry.labels.get("team").map(String::as_str), Some("blue"));

    let renamed = unique("renamed");
    docker.command(&["rename", &name, &renamed]);
    until(&agent, &container.id, |entry| entry.name == renamed);
}

#[test]
fn a_container_that_ran_before_the_agent_is_known_too() {
    let Some(docker) = Docker::here() else { return };
    let name = unique("before");
    let container = docker.run(&["--name", &name], "sleep 1000");
    let home = Home::new();
    let agent = home.start::<&str>(&[]);

    until(&agent, &container.id, |entry| {
        entry.name == name && entry.kind == "container"
    });
}

#[track_caller]
fn until(agent: &AgentProcess, id: &str, holds: impl Fn(&Entry) -> bool) -> Entry {
    eventually(SOON, "the container is told as it is", || {
        let batch = agent.batch();
        match batch.container(id) {
            Some(entry) if holds(entry) => Ok(entry.clone()),
            other => Err(format!("{other:?}")),
        }
    })
}
