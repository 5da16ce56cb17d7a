//! What dead containers used is told at their end, and nothing of it is missing: their parent cgroup keeps their time.

use std::time::Duration;

use crate::harness::{AgentProcess, Cgroup, Docker, Home, Line, cgroup, eventually, written};

const PATIENCE: Duration = Duration::from_mins(1);

/// How far apart the sums may be, as a share, with the kernel's own charges and without.
const EXACT: f64 = 0.000_1;
const AT_SWITCHES: f64 = 0.000_5;

/// About 150 ms of CPU time on the machines of 2024.
const SHORT: &str = "i=0; while [ $i -lt 150000 ]; do i=$((i+1)); done";

/// Children of their own, and an end while others still run.
const FORKING: &str = "(while :; do :; done) & for i in $(seq 200); do (true); done";

#[test]
fn the_finals_of_dead_containers_are_their_parents_time() {
    let Some(docker) = Docker::here() else { return };
    check(&docker, "", EXACT);
}

#[test]
fn the_finals_of_time_taken_at_switches_only_are_nearly_their_parents_time() {
    let Some(docker) = Docker::here() else { return };
    check(&docker, "[collect]\nexact = false\n", AT_SWITCHES);
}

#[test]
fn the_finals_are_complete_beside_six_cpu_hogs() {
    let Some(docker) = Docker::here() else { return };
    let mut hogs = Cgroup::new("hogs");
    for _ in 0..6 {
        hogs.run("while :; do :; done");
    }
    check(&docker, "", EXACT);
}

#[test]
fn a_container_of_200_ms_is_told_by_name_with_all_it_used() {
    let Some(docker) = Docker::here() else { return };
    let (home, _agent) = start("");
    let parent = docker.parent();
    let name = cgroup::unique("short");
    docker.run_to_its_end(
        &["--rm", "--name", &name, "--cgroup-parent", &parent.name],
        SHORT,
    );
    let exit = exits(&home, 1, |line| line.tag("container") == name);
    let told_us = exit[0].integer("usage_ns").unwrap() / 1_000;
    let used_us = parent.usage_us();
    let facts = format!("kernel={used_us}us told={told_us}us");
    println!("{facts}");
    assert!(told_us * 1_000 >= used_us * 998, "{facts}");
    assert!(told_us <= used_us, "{facts}");
}

fn check(docker: &Docker, configuration: &str, allowed: f64) {
    let (home, _agent) = start(configuration);
    let parent = docker.parent();
    let mut containers = Vec::new();
    for script in [SHORT, "true", FORKING, "sleep 0.2"].repeat(2) {
        containers.push(docker.run(&["--cgroup-parent", &parent.name], script));
    }
    for container in &containers {
        container.wait();
    }
    let ids: Vec<String> = containers.iter().map(|it| it.id[..12].to_owned()).collect();
    let exits = exits(&home, ids.len(), |line| ids.contains(&line.fields["id"]));
    let told_ns: u64 = exits.iter().filter_map(|it| it.integer("usage_ns")).sum();
    let used_ns = parent.usage_us() * 1_000;
    let part = told_ns.abs_diff(used_ns) as f64 / used_ns as f64;
    let facts = format!(
        "containers={} kernel={used_ns}ns told={told_ns}ns apart={part:.7}",
        ids.len()
    );
    println!("{facts}");
    assert!(part <= allowed, "{facts}");
}

/// An agent that writes what it ships to a file.
fn start(configuration: &str) -> (Home, AgentProcess) {
    let home = Home::with(configuration);
    let file = home.path().join("points");
    let agent = home.start(&["--file", file.to_str().unwrap()]);
    (home, agent)
}

/// Waits until the exits of `count` containers that `wanted` accepts have been written.
#[track_caller]
fn exits(home: &Home, count: usize, wanted: impl Fn(&Line) -> bool) -> Vec<Line> {
    eventually(PATIENCE, "the exits are written", || {
        let lines = written(&home.path().join("points"));
        let exits = lines.into_iter().filter(|line| {
            line.measurement == "container_event" && line.tag("event") == "exit" && wanted(line)
        });
        let exits: Vec<Line> = exits.collect();
        (exits.len() >= count)
            .then(|| exits.clone())
            .ok_or(format!("{} of {count}", exits.len()))
    })
}
