//! The disk space of a container is what it sees itself.

use std::time::Duration;

use crate::harness::{Docker, Home, eventually};

const PATIENCE: Duration = Duration::from_secs(30);

/// What others may write to the same disk meanwhile.
const SLACK_KIB: u64 = 512 << 10;

#[test]
fn disk_space_is_what_the_container_sees_and_only_containers_have_it() {
    let Some(docker) = Docker::here() else { return };
    let home = Home::with("[collect]\nfile_interval = \"1s\"\n");
    let agent = home.start::<&str>(&[]);
    let container = docker.run(&[], "sleep 1000");
    // `df -P`: filesystem, blocks of 1 KiB, used, available.
    let seen = |option: &str, column: usize| -> u64 {
        let table = docker.command(&["exec", &container.id, "df", option, "/"]);
        let line = table.lines().nth(1).expect("a line").to_owned();
        let columns: Vec<&str> = line.split_whitespace().collect();
        columns[column].parse().expect("a number")
    };
    eventually(PATIENCE, "its disk space is told", || {
        let batch = agent.next_batch();
        let entry = batch.container(&container.id).ok_or("not listed")?;
        let ours = |field| entry.value("fs", field);
        let size_kib = ours("size_bytes").ok_or("not told")? / 1024;
        let available_kib = ours("available_bytes").ok_or("not told")? / 1024;
        let (size, available) = (seen("-Pk", 1), seen("-Pk", 3));
        let inodes = seen("-Pi", 1);
        println!(
            "size: ours={size_kib} seen={size}; available: ours={available_kib} seen={available} KiB"
        );
        println!("inodes: ours={:?} seen={inodes}", ours("inodes"));
        assert_eq!(size_kib, size);
        assert!(available_kib.abs_diff(available) < SLACK_KIB);
        assert_eq!(ours("inodes").unwrap_or_default(), inodes);
        let others = batch.containers.iter().filter(|it| it.kind != "container");
        assert!(
            others
                .clone()
                .all(|it| it.value("fs", "size_bytes").is_none())
        );
        Ok::<(), &str>(())
    });
}
