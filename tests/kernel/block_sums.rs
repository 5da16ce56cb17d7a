//! Block I/O of all entries together, against the disk's own counters.
//!
//! The kernel of some virtual machines does not call the programs for each request it counts (README, what falls
//! short), so a round may lack a few; what we leave out ourselves lacks in every round. None may have too much.

use std::{fs, path::PathBuf, thread};

use super::block_io::{Disk, METADATA, MIB, SIZE, here, sync, wait_for_done};
use crate::harness::{Batch, Container, Docker, Home, LoopFilesystem};

/// Rounds of which one must be whole.
const ROUNDS: usize = 3;

/// Sectors of `/proc/diskstats`, whatever the device's are.
const SECTOR: u64 = 512;

/// A disk's own counters.
#[derive(Clone, Copy, Debug)]
struct DiskStats {
    reads: u64,
    read_bytes: u64,
    writes: u64,
    write_bytes: u64,
    discard_bytes: u64,
}

/// Some work, and what was counted of it.
struct Round<T> {
    /// What all entries together have less of than 99.9 % of the disk's.
    lacking: Vec<String>,
    /// The last batch, after all was done.
    last: Batch,
    /// What the work left.
    left: T,
}

#[test]
fn all_entries_together_are_the_disks_own_counters() {
    let Some((docker, disk)) = here() else { return };
    let size_mib = SIZE / MIB;
    let script = format!(
        "dd if=/dev/zero of=/a bs=1M count={size_mib} oflag=direct; \
         dd if=/dev/zero of=/b bs=64k count={} conv=fsync; \
         dd if=/a of=/dev/null bs=1M iflag=direct; rm /a; sync",
        size_mib * 16
    );
    one_is_whole(
        &disk,
        |_| (),
        || {
            let lives = docker.run(&[], &format!("{script}; sleep 1000"));
            // One that comes and goes: its last values are in the sum.
            docker.run_to_its_end(&["--rm"], &script);
            // And something of the host's.
            let folder = tempfile::tempdir_in(on_disk(&docker)).unwrap();
            let data = vec![7; usize::try_from(SIZE).unwrap()];
            fs::write(folder.path().join("host"), data).unwrap();
            sync();
            lives
        },
    );
}

#[test]
fn of_direct_io_a_container_has_its_own_and_all_together_are_the_disk() {
    let Some((docker, disk)) = here() else { return };
    let size_mib = SIZE / MIB;
    let script = format!(
        "dd if=/dev/zero of=/direct bs=1M count={size_mib} oflag=direct; \
         dd if=/direct of=/dev/null bs=1M iflag=direct; touch /done; sleep 1000"
    );
    let work = || {
        let container = docker.run(&[], &script);
        wait_for_done(&docker, &container);
        container
    };
    one_is_whole(
        &disk,
        |round| has_its_own(round, &disk, &["read_bytes", "write_bytes"]),
        work,
    );
}

#[test]
fn of_buffered_writes_a_container_has_its_own_and_all_together_are_the_disk() {
    let Some((docker, disk)) = here() else { return };
    let script = format!(
        "dd if=/dev/zero of=/buffered bs=1M count={}; touch /done; sleep 1000",
        SIZE / MIB
    );
    let work = || {
        let container = docker.run(&[], &script);
        wait_for_done(&docker, &container);
        sync();
        container
    };
    one_is_whole(
        &disk,
        |round| has_its_own(round, &disk, &["write_bytes"]),
        work,
    );
}

#[test]
fn what_is_written_through_a_loop_device_is_counted_once_on_the_disk_below() {
    /// What fits, twice.
    const EACH: u64 = 8;
    let Some((docker, disk)) = here() else { return };
    let folder = tempfile::tempdir_in(on_disk(&docker)).unwrap();
    let Some(filesystem) = LoopFilesystem::within(folder, "loop") else {
        return;
    };
    let above = Disk::of(filesystem.point()).expect("a loop device");
    let volume = format!("{}:/loop", filesystem.point().display());
    let script = format!(
        "dd if=/dev/zero of=/loop/direct bs=1M count={EACH} oflag=direct; \
         dd if=/dev/zero of=/loop/buffered bs=1M count={EACH} conv=fsync; touch /done; sleep 1000"
    );
    let check = |round: &Round<(Container, u64)>| {
        let (container, passed) = &round.left;
        println!("{} wrote {passed}", above.name);
        assert!(*passed >= 2 * EACH * MIB, "{passed}");
        for entry in &round.last.containers {
            let devices = entry.io_devices();
            assert!(!devices.contains(above.name.as_str()), "{entry:?}");
        }
        let entry = round.last.container(&container.id).expect("it is listed");
        let host = round.last.at("/").expect("the host is listed");
        let [its, hosts] = [entry, host].map(|it| it.io(&disk.name, "write_bytes"));
        println!(
            "of {}: the container: {its:?}, the host in all: {hosts:?}",
            disk.name
        );
    };
    one_is_whole(&disk, check, || {
        let before = above.stats().write_bytes;
        let container = docker.run(&["--volume", &volume], &script);
        wait_for_done(&docker, &container);
        sync();
        (container, above.stats().write_bytes - before)
    });
}

/// Does this work until nothing lacks, with a look at each round.
#[track_caller]
fn one_is_whole<T: Send>(disk: &Disk, look: impl Fn(&Round<T>), work: impl Fn() -> T + Sync) {
    let is_whole = (0..ROUNDS).any(|_| {
        let round = round(disk, &work);
        look(&round);
        round.lacking.is_empty()
    });
    assert!(is_whole, "each round lacked something");
}

/// No more than what the container asked for, and no less where nothing lacks.
#[track_caller]
fn has_its_own(round: &Round<Container>, disk: &Disk, fields: &[&str]) {
    let entry = round.last.container(&round.left.id).expect("it is listed");
    for field in fields {
        let its = entry.io(&disk.name, field).unwrap_or_default();
        println!("{field} of the container: asked={SIZE} ours={its}");
        assert!(its < SIZE + METADATA, "{field}={its}");
        assert!(
            its >= SIZE * 999 / 1_000 || !round.lacking.is_empty(),
            "{field}={its}"
        );
    }
}

fn round<T: Send>(disk: &Disk, work: impl FnOnce() -> T + Send) -> Round<T> {
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let before = disk.stats();
    let first = agent.next_batch();
    let start = (before, disk.stats());
    // Last values stand in one batch only, so none may be missed.
    let mut batches = vec![first];
    let left = thread::scope(|scope| {
        let work = scope.spawn(work);
        while let Some(before) = batches.last()
            && !work.is_finished()
        {
            batches.push(agent.batch_after(before));
        }
        work.join().unwrap()
    });
    // The end of one that is gone is told two seconds later at most.
    for _ in 0..3 {
        let last = &batches[batches.len() - 1];
        batches.push(agent.batch_after(last));
    }
    let before = disk.stats();
    // The first of these was perhaps read before that.
    for _ in 0..2 {
        let last = &batches[batches.len() - 1];
        batches.push(agent.batch_after(last));
    }
    let end = (before, disk.stats());
    let lacking = compare(&batches, disk, start, end);
    let last = batches.pop().expect("there are some");
    assert_eq!(last.losses("block_records_exhausted"), 0);
    Round {
        lacking,
        last,
        left,
    }
}

/// What lacks; `start` and `end` are what the disk said before and after the first and the last batch.
#[track_caller]
fn compare(
    batches: &[Batch],
    disk: &Disk,
    start: (DiskStats, DiskStats),
    end: (DiskStats, DiskStats),
) -> Vec<String> {
    let ours = |field| grown(batches, &disk.name, field);
    let mut lacking = Vec::new();
    for (name, ours, kernel) in [
        (
            "read_bytes",
            ours("read_bytes"),
            (|it| it.read_bytes) as fn(&DiskStats) -> u64,
        ),
        ("write_bytes", ours("write_bytes"), |it| it.write_bytes),
        ("discard_bytes", ours("discard_bytes"), |it| {
            it.discard_bytes
        }),
        ("reads", ours("reads"), |it| it.reads),
        // The kernel counts flushes among writes.
        ("writes", ours("writes") + ours("flushes"), |it| it.writes),
    ] {
        let least = kernel(&end.0) - kernel(&start.1);
        let most = kernel(&end.1) - kernel(&start.0);
        let facts = format!("{name}: ours={ours} kernel={least}..{most}");
        println!("{facts}");
        assert!(ours as f64 <= most as f64 * 1.001, "{facts}");
        if (ours as f64) < least as f64 * 0.999 {
            lacking.push(facts);
        }
    }
    lacking
}

/// What all entries together did from the first to the last of these batches.
fn grown(batches: &[Batch], disk: &str, field: &str) -> u64 {
    let of = |batch: &Batch, alive| -> u64 {
        let entries = batch.containers.iter().filter(|it| it.alive == alive);
        entries.filter_map(|it| it.io(disk, field)).sum()
    };
    let finals: u64 = batches[1..].iter().map(|batch| of(batch, false)).sum();
    of(&batches[batches.len() - 1], true) + finals - of(&batches[0], true)
}

/// A folder on the disk that containers' files are on.
fn on_disk(docker: &Docker) -> PathBuf {
    docker
        .command(&["info", "--format", "{{.DockerRootDir}}"])
        .into()
}

impl Disk {
    fn stats(&self) -> DiskStats {
        let text = fs::read_to_string("/proc/diskstats").unwrap();
        let line = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .find(|line| line[2] == self.name)
            .unwrap();
        let number = |at: usize| line[at].parse::<u64>().unwrap();
        DiskStats {
            reads: number(3),
            read_bytes: number(5) * SECTOR,
            writes: number(7),
            write_bytes: number(9) * SECTOR,
            discard_bytes: number(16) * SECTOR,
        }
    }
}
