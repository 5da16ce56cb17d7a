//! As the unit starts it, the agent goes on counting with what its threads have kept, on whatever kernel.

use std::{fs, time::Duration};

use nix::sys::{
    resource::{RLIM_INFINITY, Resource, setrlimit},
    signal::Signal,
};

use crate::{
    harness::{
        Cgroup, Home, eventually, pause,
        unprivileged::{OF_THE_UNIT, started},
    },
    lab::PATIENCE,
    unprivileged::command,
};

/// Plain cgroups are shipped, files read every second.
const ALL: &str = "[collect]\nfile_interval = \"1s\"\n[ship]\ncgroups = true\n";

#[test]
fn without_rights_it_counts_on_and_loads_programs_again() {
    // As LimitMEMLOCK= of the unit has it.
    setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY).unwrap();
    let home = Home::with(ALL);
    let agent = home.launch(command(&home, "run"), |command| {
        started(command, &OF_THE_UNIT, |it| it.spawn().unwrap())
    });
    let collector = eventually(PATIENCE, "the collector has begun", || {
        let tasks = fs::read_dir(format!("/proc/{}/task", agent.pid())).unwrap();
        let mut statuses = tasks.flatten().filter_map(|task| {
            let status = fs::read_to_string(task.path().join("status")).ok()?;
            status.contains("Name:\tcollector\n").then_some(status)
        });
        statuses.next().ok_or("no thread of that name")
    });
    let kept = collector.lines().filter(|line| line.starts_with("Cap"));
    kept.for_each(|line| println!("{line}"));

    let mut group = Cgroup::new("kept");
    group.run("while :; do (true); sleep 0.05; done");
    let forks = || {
        let batch = agent.next_batch();
        let entry = batch.at(group.path()).ok_or("it is not listed")?;
        entry.total("forks").filter(|it| *it > 0).ok_or("no forks")
    };
    let before = eventually(PATIENCE, "its forks are counted", forks);
    let without =
        format!("{ALL}[families.network]\nenabled = false\n[families.block_io]\nenabled = false\n");
    for configuration in [without.as_str(), ALL] {
        home.configure(configuration);
        agent.signal(Signal::SIGHUP);
        pause(Duration::from_secs(3));
    }
    let after = eventually(PATIENCE, "they are counted on", || {
        forks().ok().filter(|it| *it > before).ok_or(before)
    });
    println!("forks: {before}, then {after}");
    let batch = agent.batch();
    assert_eq!(batch.losses("event_mishaps"), 0);
    assert_eq!(batch.losses("regressions"), 0);
    assert!(
        !agent.log().contains("could not be loaded"),
        "{}",
        agent.log()
    );
}
