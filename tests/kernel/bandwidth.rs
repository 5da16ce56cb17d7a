//! A container's CPU limit and what was throttled lie between two readings of its cgroup's files.

use std::{fs, time::Duration};

use crate::harness::{Docker, Home, cgroup, pause};

/// Slow files are read every tick.
const OFTEN: &str = "[collect]\nfile_interval = \"1s\"\n";

/// Between two looks.
const LOAD: Duration = Duration::from_secs(1);

const LOOKS: usize = 4;

#[test]
fn limit_periods_and_throttled_time_are_those_of_the_files() {
    let Some(docker) = Docker::here() else { return };
    let container = docker.run(&["--cpus", "0.2"], "while :; do :; done");
    let path = container.cgroup_path();
    for source in ["kernel", "files"] {
        let home = Home::with(OFTEN);
        let agent = home.start(&["--source", source]);
        for _ in 0..LOOKS {
            pause(LOAD);
            let before = counters(&path);
            let batch = agent.next_batch();
            let after = counters(&path);
            let entry = batch.container(&container.id).expect("it is listed");
            let fields = ["periods", "throttled_periods", "throttled_ns"];
            for ((field, before), after) in fields.into_iter().zip(before).zip(after) {
                let ours = entry.expect(field);
                let facts = format!("{field}: kernel={before} ours={ours} kernel={after}");
                println!("{facts}");
                assert!((before..=after).contains(&ours), "{facts}");
                assert!(ours > 0, "{facts}");
            }
            let ours = ["quota_us", "period_us"].map(|field| entry.expect(field));
            assert_eq!(ours, limit(&path));
            assert_eq!(ours, [20_000, 100_000]);
        }
    }
}

#[test]
fn without_a_limit_there_is_no_quota() {
    let Some(docker) = Docker::here() else { return };
    let home = Home::with(OFTEN);
    let agent = home.start::<&str>(&[]);
    let container = docker.run(&[], "sleep 1000");
    let batch = agent.next_batch();
    let entry = batch.container(&container.id).expect("it is listed");
    println!("quota={:?}", entry.total("quota_us"));
    assert_eq!(entry.total("quota_us"), None);
}

/// Periods, those in which it was throttled, and for how many nanoseconds.
#[track_caller]
fn counters(path: &str) -> [u64; 3] {
    let (folder, is_v1) = cgroup::folder_with("cpu", path);
    let stat = fs::read_to_string(folder.join("cpu.stat")).unwrap();
    let line = |key: &str| -> u64 {
        let mut lines = stat.lines();
        let value = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        value.expect("a line for it").parse().unwrap()
    };
    let throttled_ns = if is_v1 {
        line("throttled_time")
    } else {
        line("throttled_usec") * 1_000
    };
    [line("nr_periods"), line("nr_throttled"), throttled_ns]
}

/// Microseconds of CPU time that it may use, and in how many.
#[track_caller]
fn limit(path: &str) -> [u64; 2] {
    let (folder, is_v1) = cgroup::folder_with("cpu", path);
    let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap();
    let text = if is_v1 {
        read("cpu.cfs_quota_us") + &read("cpu.cfs_period_us")
    } else {
        read("cpu.max")
    };
    let numbers: Vec<u64> = text
        .split_ascii_whitespace()
        .map(|it| it.parse().unwrap())
        .collect();
    numbers.try_into().expect("two numbers")
}
