//! As the unit starts it, the agent keeps what it needs, each thread for itself, and measures all the same.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, time::Duration};

use nix::sys::signal::Signal;

use crate::harness::{
    AgentProcess, Cgroup, Docker, Home, cgroup, eventually, pause,
    unprivileged::{OF_THE_UNIT, started},
};

/// How long the slowest of what is waited for may take: loading programs again, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// `CAP_DAC_READ_SEARCH` and `CAP_SYS_PTRACE`, as bits of include/uapi/linux/capability.h.
const READING: u64 = 1 << 2 | 1 << 19;

/// Those, `CAP_NET_ADMIN`, `CAP_PERFMON` and `CAP_BPF`.
const ALL: u64 = READING | 1 << 12 | 1 << 38 | 1 << 39;

fn start_as_nobody(home: &Home) -> AgentProcess {
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o777)).unwrap();
    home.launch(home.command("run"), |command| {
        started(command, &OF_THE_UNIT, |it| it.spawn().unwrap())
    })
}

/// Name, effective, permitted, inheritable and ambient set of each thread, and whether it can gain new ones.
fn threads(agent: &AgentProcess) -> Vec<(String, [u64; 4], bool)> {
    let tasks = PathBuf::from(format!("/proc/{}/task", agent.pid()));
    let tasks = fs::read_dir(tasks).unwrap().flatten();
    let statuses = tasks.filter_map(|task| fs::read_to_string(task.path().join("status")).ok());
    let thread = |status: String| {
        let line = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            line.unwrap().trim().to_owned()
        };
        let sets = ["CapEff:", "CapPrm:", "CapInh:", "CapAmb:"];
        let sets = sets.map(|key| u64::from_str_radix(&line(key), 16).unwrap());
        (line("Name:"), sets, line("NoNewPrivs:") == "0")
    };
    statuses.map(thread).collect()
}

#[test]
fn only_the_collector_keeps_capabilities_and_families_come_back_all_the_same() {
    let Some(docker) = Docker::here() else { return };
    let everything = "[collect]\nfile_interval = \"1s\"\n";
    let home = Home::with(everything);
    let agent = start_as_nobody(&home);
    let name = cgroup::unique("kept");
    let load = docker.run(&["--name", &name], "while :; do (true); done");
    let seen = || {
        let batch = agent.next_batch();
        let entry = batch.container(&load.id).expect("it is listed");
        (entry.name.clone(), entry.expect("forks"), entry.usage_ns())
    };
    let before = seen();
    assert_eq!(before.0, name, "its name stands in a file of root's");
    pause(Duration::from_secs(2));
    let of_threads = threads(&agent);
    println!("{of_threads:x?}");
    assert!(of_threads.len() > 1);
    for (thread, [effective, permitted, inheritable, ambient], may_gain) in &of_threads {
        let (may_do, may_raise) = match thread.as_str() {
            "collector" => (READING, ALL),
            "space" | "filesystems" => (READING, READING),
            _ => (0, 0),
        };
        assert_eq!((*effective, *permitted), (may_do, may_raise), "{thread}");
        assert_eq!(
            (*inheritable, *ambient, *may_gain),
            (0, 0, false),
            "{thread}"
        );
    }
    assert!(
        agent.log().contains("CAP_DAC_READ_SEARCH"),
        "{}",
        agent.log()
    );

    let programs = || {
        let metrics = agent.metrics();
        let of = |it: &&str| {
            it.starts_with("cgflux_kernel_programs{") || it.starts_with("cgflux_kernel_programs ")
        };
        let line = metrics
            .lines()
            .find(of)
            .unwrap_or_else(|| panic!("{metrics}"));
        line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    let attached = programs();
    home.configure(
        "[collect]\nfile_interval = \"1s\"\n[families.network]\nenabled = false\n[families.block_io]\nenabled = false\n",
    );
    agent.signal(Signal::SIGHUP);
    let fewer = eventually(PATIENCE, "programs go", || {
        let now = programs();
        (now < attached).then_some(now).ok_or(now)
    });
    home.configure(everything);
    agent.signal(Signal::SIGHUP);
    eventually(PATIENCE, "programs come back", || {
        let now = programs();
        (now == attached).then_some(()).ok_or(now)
    });
    println!("programs: {attached}, then {fewer}, then {attached}");
    // One that the programs see come: slots are given and taken still.
    let mut late = Cgroup::new("late");
    late.run("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done");
    late.wait();
    let (_, forks, usage_ns) = seen();
    println!(
        "forks: {} then {forks}; CPU time: {} then {usage_ns}",
        before.1, before.2
    );
    assert!(forks > before.1 && usage_ns > before.2);
    assert_eq!(agent.batch().losses("regressions"), 0);
    assert_eq!(agent.batch().losses("event_mishaps"), 0);
}
