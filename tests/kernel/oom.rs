//! Processes that memory runs out for: each is counted once and told by name, their container's end says whether it
//! was one, and the count outlives the container and the agent.

use std::{fs, time::Duration};

use crate::harness::{AgentProcess, Docker, Home, Line, cgroup, eventually, written};

const PATIENCE: Duration = Duration::from_mins(1);

/// Room for a shell and little else.
const LITTLE_MEMORY: [&str; 4] = ["--memory", "16m", "--memory-swap", "16m"];

/// Reads a line without an end into memory.
const GREEDY: &str = "tail /dev/zero";

#[test]
fn every_kill_is_counted_once_and_the_end_of_a_killed_container_says_so() {
    let Some(docker) = Docker::here() else { return };
    let (home, _agent) = start();
    let name = cgroup::unique("greedy");
    let before = oom_kills();
    docker.run_to_any_end(
        &[&["--rm", "--name", &name], &LITTLE_MEMORY[..]].concat(),
        &format!("for i in 1 2 3; do {GREEDY}; done; exec {GREEDY}"),
    );
    let counted = oom_kills() - before;
    let lines = until_exit(&home, &name);
    let kills: Vec<&Line> = lines.iter().filter(|it| it.tag("event") == "oom").collect();
    let (exit, told) = (exit(&lines), kill_total(&lines));
    println!(
        "kernel={counted} told={told:?} events={} {exit:?}",
        kills.len()
    );
    assert_eq!((counted, told, kills.len()), (4, Some(4), 4));
    for kill in &kills {
        assert_eq!(kill.fields["comm"], "tail");
        assert!(kill.wall_ns < exit.wall_ns);
    }
    let pids: Vec<u64> = kills.iter().filter_map(|it| it.integer("pid")).collect();
    assert!(pids.is_sorted_by(|a, b| a != b), "{pids:?}");
    assert_eq!(exit.fields["oom"], "true");
    assert_eq!(exit.integer("exit_code"), Some(137));
    assert_eq!(exit.integer("signal"), Some(9));
}

#[test]
fn an_end_of_another_kind_says_which() {
    let Some(docker) = Docker::here() else { return };
    let (home, _agent) = start();
    for (script, code, signal, kills) in [
        (format!("{GREEDY}; exit 3"), 3, None, 1),
        // What a shell says when its last command was killed; nobody killed the shell.
        (format!("{GREEDY}; exit 137"), 137, None, 1),
        ("kill -9 $$; exit 4".to_owned(), 4, None, 0),
        ("trap - TERM; exit 0".to_owned(), 0, None, 0),
    ] {
        let name = cgroup::unique("ended");
        let options = [&["--rm", "--name", &name], &LITTLE_MEMORY[..]].concat();
        docker.run_to_any_end(&options, &script);
        let lines = until_exit(&home, &name);
        let exit = exit(&lines);
        println!("{script}: {exit:?}");
        assert_eq!(exit.fields["oom"], "false", "{script}");
        assert_eq!(exit.integer("exit_code"), Some(code), "{script}");
        assert_eq!(exit.integer("signal"), signal, "{script}");
        assert_eq!(kill_total(&lines), Some(kills), "{script}");
    }
    let name = cgroup::unique("killed");
    let container = docker.run(&["--name", &name], "sleep 1000");
    docker.command(&["kill", &container.id]);
    let lines = until_exit(&home, &name);
    let exit = exit(&lines);
    assert_eq!(exit.fields["oom"], "false");
    assert_eq!(exit.integer("signal"), Some(9));
}

#[test]
fn kills_go_on_being_counted_over_a_restart_of_the_agent() {
    let Some(docker) = Docker::here() else { return };
    let (home, mut agent) = start();
    let name = cgroup::unique("again");
    let container = docker.run(
        &[&["--name", &name], &LITTLE_MEMORY[..]].concat(),
        "while :; do sleep 1000; done",
    );
    container.exec(GREEDY);
    let told = |agent: &AgentProcess, kills: u64| {
        eventually(PATIENCE, "the kill is told", || {
            let batch = agent.next_batch();
            let entry = batch.container(&container.id).ok_or("not there")?;
            let told = entry.value("mem", "oom_kills");
            (told == Some(kills)).then_some(()).ok_or("not yet")
        });
    };
    told(&agent, 1);
    agent.kill();
    let agent = home.start(&arguments(&home));
    told(&agent, 1);
    container.exec(GREEDY);
    told(&agent, 2);
}

#[test]
fn kills_before_the_agent_are_counted_and_without_the_program_the_file_tells() {
    let Some(docker) = Docker::here() else { return };
    let container = docker.run(&LITTLE_MEMORY, "while :; do sleep 1000; done");
    let before = oom_kills();
    container.exec(GREEDY);
    eventually(PATIENCE, "the kernel kills", || {
        (oom_kills() > before).then_some(()).ok_or("not yet")
    });
    for (told_before, (source, skipped)) in (1..).zip([
        ("kernel", ""),
        ("files", ""),
        ("kernel", "skip_programs = [\"mark_victim\"]\n"),
    ]) {
        let home = Home::with(&format!("[collect]\nfile_interval = \"1s\"\n{skipped}"));
        let agent = home.start(&["--source", source]);
        let told = || {
            let batch = agent.next_batch();
            let entry = batch.container(&container.id);
            entry.and_then(|entry| entry.value("mem", "oom_kills"))
        };
        let first = told();
        let before = oom_kills();
        container.exec(GREEDY);
        let next = eventually(PATIENCE, "the kill is told", || {
            let next = told();
            (next > first).then_some(next).ok_or("not yet")
        });
        let counted = oom_kills() - before;
        println!("source={source} {skipped:?} first={first:?} kernel={counted} next={next:?}");
        assert_eq!(next, first.map(|first| first + counted), "source={source}");
        assert_eq!(first, Some(told_before));
    }
}

#[test]
fn a_kill_has_the_slow_files_read_at_once() {
    let Some(docker) = Docker::here() else { return };
    let home = Home::with("[collect]\nfile_interval = \"1h\"\n");
    let agent = home.start::<&str>(&[]);
    let container = docker.run(&["--memory", "16m"], "while :; do sleep 1000; done");
    let told = |field: &str| {
        let batch = agent.next_batch();
        batch.container(&container.id)?.value("mem", field)
    };
    let before = eventually(PATIENCE, "its files are read", || {
        told("max_events").ok_or("not yet")
    });
    container.exec(GREEDY);
    let (kills, limit) = eventually(PATIENCE, "the kill is told", || {
        let batch = agent.next_batch();
        let entry = batch.container(&container.id).ok_or("not there")?;
        let values = (
            entry.value("mem", "oom_kills"),
            entry.value("mem", "max_events"),
        );
        (values.0 == Some(1)).then_some(values).ok_or("not yet")
    });
    println!("max_events before={before} with {kills:?} kill={limit:?}");
    assert!(limit > Some(before), "the files were not read again");
}

/// An agent that writes what it ships to a file.
fn start() -> (Home, AgentProcess) {
    let home = Home::new();
    let agent = home.start(&arguments(&home));
    (home, agent)
}

fn arguments(home: &Home) -> [String; 2] {
    let file = home.path().join("points");
    ["--file".to_owned(), file.to_str().unwrap().to_owned()]
}

/// All lines of the container `name`, once its end is among them.
#[track_caller]
fn until_exit(home: &Home, name: &str) -> Vec<Line> {
    eventually(PATIENCE, "the exit is written", || {
        let lines = written(&home.path().join("points")).into_iter();
        let lines: Vec<Line> = lines.filter(|it| it.tag("container") == name).collect();
        let has_ended = lines.iter().any(|line| line.tag("event") == "exit");
        has_ended.then_some(lines).ok_or("not yet")
    })
}

fn exit(lines: &[Line]) -> &Line {
    let exit = lines.iter().find(|line| line.tag("event") == "exit");
    exit.expect("an exit among the lines")
}

/// What the container's last point says.
fn kill_total(lines: &[Line]) -> Option<u64> {
    let of_memory = lines.iter().filter(|it| it.measurement == "container_mem");
    of_memory.max_by_key(|it| it.wall_ns)?.integer("oom_kills")
}

/// Processes that the kernel killed on this machine because memory ran out.
fn oom_kills() -> u64 {
    let stat = fs::read_to_string("/proc/vmstat").unwrap();
    let count = stat.lines().find_map(|line| line.strip_prefix("oom_kill "));
    count.unwrap().parse().unwrap()
}
