//! Block I/O over the death of the agent: no total goes backwards, each goes on exactly.

use std::fs;

use super::block_io::{Disk, METADATA, MIB, PATIENCE, here, io_at_least, throttled};
use crate::harness::{AgentProcess, Container, Docker, Home, Line, eventually, written};

/// What a container writes at a time.
const SIZE: u64 = 8 * MIB;
/// Totals that must never go backwards.
const TOTALS: [&str; 8] = [
    "read_bytes",
    "write_bytes",
    "reads",
    "writes",
    "flushes",
    "discards",
    "read_ns",
    "write_ns",
];

#[test]
fn totals_go_on_exactly_over_sigkill_and_what_files_tell_of_the_meantime_is_in_them() {
    let Some((docker, disk)) = here() else { return };
    let home = Home::new();
    let mut agent = home.start::<&str>(&[]);
    // A limit that is never met makes the files of cgroup v1 tell, too.
    let limit = format!("{}:1tb", disk.path.display());
    let limited = writer(&docker, &["--device-write-bps", &limit]);
    let other = writer(&docker, &[]);
    let both = [&limited, &other];
    for container in both {
        container.exec("touch /go0");
        let (written, _) = io_at_least(&agent, container, &disk, "write_bytes", SIZE);
        assert!((SIZE..SIZE + METADATA).contains(&written), "{written}");
    }
    for round in 1..4 {
        // Not all of the last write is in what was seen last; the next agent has all that was told.
        let before = both.map(|container| totals(&agent, container, &disk));
        agent.kill();
        agent = home.start::<&str>(&[]);
        for (container, before) in both.into_iter().zip(before) {
            let now = totals(&agent, container, &disk);
            println!("round {round}: {TOTALS:?} before={before:?} after={now:?}");
            for (name, (before, now)) in TOTALS.iter().zip(before.into_iter().zip(now)) {
                assert!(now >= before, "{name}: {before} before, {now} after");
            }
            let before_bytes = now[1];
            container.exec(&format!("touch /go{round}"));
            let least = before_bytes + SIZE;
            let (written, _) = io_at_least(&agent, container, &disk, "write_bytes", least);
            println!("written={}", written - before_bytes);
            assert!((least..least + METADATA).contains(&written), "{written}");
        }
    }
    let [_, before, ..] = totals(&agent, &limited, &disk);
    let [_, other_before, ..] = totals(&agent, &other, &disk);
    agent.kill();
    for container in both {
        container.exec("touch /go4; while [ ! -e /done4 ]; do sleep 0.1; done");
    }
    agent = home.start::<&str>(&[]);
    let [_, after, ..] = totals(&agent, &limited, &disk);
    let [_, other_after, ..] = totals(&agent, &other, &disk);
    println!(
        "written without an agent: {SIZE}; limited: {before} → {after}, throttle file (read, write)={:?}; other: \
         {other_before} → {other_after}",
        throttled(&limited, &disk)
    );
    assert!(after >= before, "{before} → {after}");
    // What the kernel wrote back for the container is in ours only.
    if let Some((_, written)) = throttled(&limited, &disk) {
        assert!((written..written + METADATA).contains(&after), "{after}");
    }
    assert!(other_after >= other_before);
    let batch = agent.next_batch();
    assert_eq!(batch.losses("regressions"), 0);
    assert_eq!(batch.losses("unsaved_totals"), 0);
}

#[test]
fn the_shipped_host_goes_on_over_sigkill() {
    let Some((docker, disk)) = here() else { return };
    let home = Home::with("[sinks.file]\ninterval = \"1s\"\n");
    let file = home.path().join("points");
    let arguments = ["--file", file.to_str().unwrap()];
    let told = || -> Vec<u64> {
        let lines = written(&file);
        let of_host = |line: &&Line| {
            line.measurement == "container_io"
                && line.tag("container") == "_host"
                && line.tag("device") == disk.name
        };
        let lines = lines.iter().filter(of_host);
        lines
            .filter_map(|line| line.integer("write_bytes"))
            .collect()
    };
    let root = docker.command(&["info", "--format", "{{.DockerRootDir}}"]);
    let folder = tempfile::tempdir_in(root).unwrap();
    let mut agent = home.start(&arguments);
    for round in 0..3 {
        let before = told();
        let least = before.last().copied().unwrap_or_default();
        let data = vec![round; usize::try_from(SIZE).unwrap()];
        let path = folder.path().join(format!("host{round}"));
        fs::write(&path, data).unwrap();
        fs::File::open(&path).unwrap().sync_all().unwrap();
        let last = eventually(PATIENCE, "the host is told again", || {
            let told = told();
            let last = told.last().copied().unwrap_or_default();
            if last >= least + SIZE {
                Ok(last)
            } else {
                Err(format!("{last} of {}", least + SIZE))
            }
        });
        agent.kill();
        let count = told().len();
        agent = home.start(&arguments);
        let after = eventually(PATIENCE, "the host is told after the restart", || {
            told().get(count).copied().ok_or("not yet")
        });
        println!("host: {least} then {last} before the kill, {after} after");
        assert!(after >= last, "{last} before the kill, {after} after");
    }
}

/// Writes [`SIZE`] bytes when it is told to, again and again.
fn writer(docker: &Docker, options: &[&str]) -> Container {
    docker.run(
        options,
        &format!(
            "n=0; while :; do while [ ! -e /go$n ]; do sleep 0.1; done; \
             dd if=/dev/zero of=/data$n bs=1M count={} oflag=direct; touch /done$n; n=$((n+1)); done",
            SIZE / MIB
        ),
    )
}

/// What is told of a container now.
#[track_caller]
fn totals(agent: &AgentProcess, container: &Container, disk: &Disk) -> [u64; TOTALS.len()] {
    let batch = agent.next_batch();
    let entry = batch.container(&container.id).expect("it is listed");
    TOTALS.map(|name| entry.io(&disk.name, name).unwrap_or_default())
}
