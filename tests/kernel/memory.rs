//! A container's memory is what its cgroup's own files say, with both sources.

use std::{collections::BTreeMap, fs, time::Duration};

use crate::harness::{
    AgentProcess, Batch, Container, Docker, Entry, Home, Line, cgroup, eventually, written,
};

/// Slow files are read every tick.
const EVERY_TICK: &str = "[collect]\nfile_interval = \"1s\"\n";

const PATIENCE: Duration = Duration::from_secs(30);

const MIB: u64 = 1 << 20;

#[test]
fn memory_limits_and_faults_are_those_of_the_files() {
    let Some(docker) = Docker::here() else { return };
    let options = [
        "--memory",
        "96m",
        "--memory-swap",
        "128m",
        "--shm-size",
        "64m",
    ];
    // Shared memory to stay, and more page cache than the limit leaves room for.
    let script = "dd if=/dev/zero of=/dev/shm/held bs=1M count=20; dd if=/dev/zero of=/file bs=1M count=120; \
                  echo written; sleep 1000";
    for source in ["kernel", "files"] {
        let home = Home::with(EVERY_TICK);
        let agent = home.start(&["--source", source]);
        let container = docker.run(&options, script);
        eventually(PATIENCE, "its memory is written", || {
            let said = docker.command(&["logs", &container.id]);
            said.contains("written").then_some(()).ok_or(said)
        });
        let entry = lies_between(&agent, &container);
        let value = |field| entry.value("mem", field).unwrap_or_default();
        assert_eq!(value("shmem_bytes"), 20 * MIB, "{entry:?}");
        assert_eq!(value("limit_bytes"), 96 * MIB, "{entry:?}");
        assert!(value("peak_bytes") > 90 * MIB, "{entry:?}");
        assert_eq!(value("swap_limit_bytes"), 32 * MIB, "{entry:?}");
        assert!(value("max_events") > 0, "{entry:?}");
        assert!(value("pgfault") > 0, "{entry:?}");
        let (usage, working_set) = (value("usage_bytes"), value("working_set_bytes"));
        assert!((20 * MIB..=usage).contains(&working_set), "{entry:?}");
    }
}

#[test]
fn memory_that_a_process_takes_is_seen_in_the_tick_after_and_gone_when_it_ends() {
    let Some(docker) = Docker::here() else { return };
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let container = docker.run(&[], "sleep 1000");
    let usage = |batch: &Batch| {
        let entry = batch
            .container(&container.id)
            .expect("the container is listed");
        entry
            .value("mem", "usage_bytes")
            .expect("its memory is told")
    };
    let idle = usage(&agent.next_batch());
    // `tail` holds what it may have to print; the pipe's other end stays open.
    container.exec("(head -c 64000000 /dev/zero; sleep 1000) | tail -c 60000000");
    let busy = eventually(PATIENCE, "the memory is taken", || {
        let now = usage(&agent.next_batch());
        (now >= idle + 60_000_000).then_some(now).ok_or(now)
    });
    docker.command(&["exec", &container.id, "killall", "tail"]);
    let after = eventually(PATIENCE, "the memory is given back", || {
        let now = usage(&agent.next_batch());
        (now < idle + 10_000_000).then_some(now).ok_or(now)
    });
    println!("idle={idle} busy={busy} after={after}");
}

#[test]
fn a_container_without_limits_has_none() {
    let Some(docker) = Docker::here() else { return };
    let home = Home::with(EVERY_TICK);
    let agent = home.start::<&str>(&[]);
    let container = docker.run(&[], "sleep 1000");
    let entry = lies_between(&agent, &container);
    for field in ["limit_bytes", "swap_limit_bytes", "high_bytes"] {
        assert_eq!(entry.value("mem", field), None, "{field}: {entry:?}");
    }
}

#[test]
fn a_container_that_ended_is_told_with_what_it_held_last() {
    let Some(docker) = Docker::here() else { return };
    let home = Home::with("");
    let points = home.path().join("points");
    let agent = home.start(&["--file", points.to_str().unwrap()]);
    let name = cgroup::unique("ended");
    let options = ["--rm", "--name", &name, "--memory", "80m"];
    let container = docker.run(
        &options,
        "dd if=/dev/zero of=/dev/shm/held bs=1M count=20; sleep 1000",
    );
    let held = eventually(PATIENCE, "its files are read", || {
        let batch = agent.next_batch();
        let held = batch
            .container(&container.id)
            .and_then(|it| it.value("mem", "shmem_bytes"));
        held.filter(|bytes| *bytes > 0).ok_or("not yet")
    });
    docker.command(&["kill", &name]);
    let last = eventually(PATIENCE, "its exit is written", || {
        let lines = written(&points);
        let of_it = |line: &&Line| line.tag("container") == name;
        let ended = lines
            .iter()
            .filter(of_it)
            .any(|line| line.tag("event") == "exit");
        let memory = lines
            .iter()
            .filter(of_it)
            .filter(|line| line.measurement == "container_mem");
        let last = memory.max_by_key(|line| line.wall_ns).cloned();
        last.filter(|_| ended).ok_or(lines.len())
    });
    println!("held={held} last={last:?}");
    assert_eq!(last.integer("limit_bytes"), Some(80 * MIB), "{last:?}");
    assert!(last.integer("peak_bytes") >= Some(held), "{last:?}");
    // A last reading of the dying cgroup may find that freed which its processes held.
    let shared = last.integer("shmem_bytes");
    assert!(shared == Some(held) || shared == Some(0), "{last:?}");
}

/// Each value lies between two readings of its file, and a value that no file tells is absent.
#[track_caller]
fn lies_between(agent: &AgentProcess, container: &Container) -> Entry {
    let path = container.cgroup_path();
    let before = told_by_files(&path);
    let batch = agent.next_batch();
    let after = told_by_files(&path);
    let entry = batch
        .container(&container.id)
        .expect("the container is listed");
    for (field, after) in &after {
        let (before, ours) = (before[field], entry.value("mem", field));
        let facts = format!("{field}: kernel={before:?} ours={ours:?} kernel={after:?}");
        println!("{facts}");
        let between = before.min(*after)..=before.max(*after);
        assert!(between.contains(&ours), "{facts}");
    }
    entry.clone()
}

/// The files' values by our names.
fn told_by_files(path: &str) -> BTreeMap<&'static str, Option<u64>> {
    let (folder, is_v1) = cgroup::folder_with("memory", path);
    let text = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let number = |name: &str| -> Option<u64> {
        let number = text(name)?.trim().parse().ok()?;
        // The largest number of pages there can be is no limit.
        (number < 1 << 62).then_some(number)
    };
    let line = |name: &str, key: &str| -> Option<u64> {
        let text = text(name)?;
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))?;
        value.parse().ok()
    };
    let stat = |key: &str| line("memory.stat", key);
    let sum = |keys: [&str; 2]| Some(stat(keys[0])? + stat(keys[1])?);
    let v1 = || {
        BTreeMap::from([
            ("usage_bytes", number("memory.usage_in_bytes")),
            ("anon_bytes", stat("total_rss")),
            ("file_bytes", stat("total_cache")),
            ("shmem_bytes", stat("total_shmem")),
            ("kernel_bytes", number("memory.kmem.usage_in_bytes")),
            ("slab_bytes", None),
            ("sock_bytes", None),
            ("swap_bytes", stat("total_swap")),
            ("limit_bytes", number("memory.limit_in_bytes")),
            (
                "swap_limit_bytes",
                number("memory.memsw.limit_in_bytes")
                    .zip(number("memory.limit_in_bytes"))
                    .map(|(both, memory)| both - memory),
            ),
            ("high_bytes", None),
            ("peak_bytes", number("memory.max_usage_in_bytes")),
            ("pgfault", stat("total_pgfault")),
            ("pgmajfault", stat("total_pgmajfault")),
            (
                "refaults",
                sum([
                    "total_workingset_refault_anon",
                    "total_workingset_refault_file",
                ]),
            ),
            ("high_events", None),
            ("max_events", number("memory.failcnt")),
            ("oom_events", None),
        ])
    };
    let v2 = || {
        BTreeMap::from([
            ("usage_bytes", number("memory.current")),
            ("anon_bytes", stat("anon")),
            ("file_bytes", stat("file")),
            ("shmem_bytes", stat("shmem")),
            ("kernel_bytes", stat("kernel")),
            ("slab_bytes", stat("slab")),
            ("sock_bytes", stat("sock")),
            ("swap_bytes", number("memory.swap.current")),
            ("limit_bytes", number("memory.max")),
            ("swap_limit_bytes", number("memory.swap.max")),
            ("high_bytes", number("memory.high")),
            ("peak_bytes", number("memory.peak")),
            ("pgfault", stat("pgfault")),
            ("pgmajfault", stat("pgmajfault")),
            (
                "refaults",
                sum(["workingset_refault_anon", "workingset_refault_file"]),
            ),
            ("high_events", line("memory.events", "high")),
            ("max_events", line("memory.events", "max")),
            ("oom_events", line("memory.events", "oom")),
        ])
    };
    if is_v1 { v1() } else { v2() }
}
