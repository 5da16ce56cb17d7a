//! Block I/O: a container's own, against what it asked for and the kernel's throttle counter.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use agent_ebpf::block_io::{device, major_minor};

use crate::harness::{AgentProcess, Container, Docker, Home, cgroup, eventually, skip};

pub(super) const PATIENCE: Duration = Duration::from_mins(1);
pub(super) const MIB: u64 = 1 << 20;
/// What the tests write and read.
pub(super) const SIZE: u64 = 32 * MIB;
/// What a file system writes beside the data.
pub(super) const METADATA: u64 = MIB;

/// The disk that containers' files are on.
pub(super) struct Disk {
    /// As in `/proc/diskstats`.
    pub(super) name: String,
    /// As in `/dev`.
    pub(super) path: PathBuf,
    number: (u32, u32),
}

#[test]
fn direct_and_synced_writes_and_cold_reads_are_what_was_asked_for_and_what_the_throttle_counts() {
    let Some((docker, disk)) = here() else { return };
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let size_mib = SIZE / MIB;
    // A limit that is never met makes the kernel count what it throttles.
    let limit = format!("{}:1tb", disk.path.display());
    let container = docker.run(
        &["--device-write-bps", &limit, "--device-read-bps", &limit],
        &format!(
            "dd if=/dev/zero of=/direct bs=1M count={size_mib} oflag=direct; \
             dd if=/dev/zero of=/synced bs=1M count={size_mib} conv=fsync; \
             while [ ! -e /read ]; do sleep 0.1; done; \
             cat /synced >/dev/null; dd if=/direct of=/dev/null bs=1M iflag=direct; touch /done; sleep 1000"
        ),
    );
    let written = io_at_least(&agent, &container, &disk, "write_bytes", 2 * SIZE);
    let (direct, write_ns) = (written.0, written.1);
    println!("asked={} written={direct} write_ns={write_ns}", 2 * SIZE);
    assert!((2 * SIZE..2 * SIZE + METADATA).contains(&direct));
    drop_caches();
    container.exec("touch /read");
    let (read, _) = io_at_least(&agent, &container, &disk, "read_bytes", 2 * SIZE);
    let Some(throttled) = throttled(&container, &disk) else {
        return skip("the kernel tells no throttled bytes here").unwrap_or_default();
    };
    let batch = agent.next_batch();
    let entry = batch.container(&container.id).unwrap();
    let io = |field| entry.io(&disk.name, field).unwrap();
    println!(
        "read={read} throttle file: read={} write={}; ours: read={} write={}",
        throttled.0,
        throttled.1,
        io("read_bytes"),
        io("write_bytes"),
    );
    assert_eq!(io("read_bytes"), throttled.0);
    // The synced file's pages are written by whoever comes first: the container, or the kernel's own thread, which the
    // throttle does not count for the container.
    assert!(io("write_bytes") >= throttled.1, "{throttled:?}");
    for (count, total_ns, device_ns) in [
        ("reads", "read_ns", "read_device_ns"),
        ("writes", "write_ns", "write_device_ns"),
    ] {
        let (count, total_ns) = (io(count), io(total_ns));
        let device_ns = entry.io(&disk.name, device_ns);
        println!("operations={count} total_ns={total_ns} device_ns={device_ns:?}");
        // A megabyte is at most so many requests; none is faster than a microsecond.
        assert!((2..=2 * SIZE / 4096).contains(&count), "{count}");
        assert!(total_ns > count * 1_000, "{total_ns}");
        assert!(device_ns.is_none_or(|device_ns| device_ns <= total_ns));
    }
}

#[test]
fn a_buffered_write_that_the_kernel_writes_back_later_is_its_writers() {
    let Some((docker, disk)) = here() else { return };
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let container = docker.run(
        &[],
        &format!(
            "dd if=/dev/zero of=/buffered bs=1M count={}; touch /done; sleep 1000",
            SIZE / MIB
        ),
    );
    wait_for_done(&docker, &container);
    sync();
    let (written, _) = io_at_least(&agent, &container, &disk, "write_bytes", SIZE * 999 / 1_000);
    println!("asked={SIZE} written={written}");
    assert!((SIZE * 999 / 1_000..SIZE + METADATA).contains(&written));
}

#[test]
fn small_files_that_were_written_back_together_are_their_writers() {
    const FILES: u64 = 1_000;
    let Some((docker, disk)) = here() else { return };
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    // Both at once: the file system lays their files side by side, and a request takes many of them.
    let writers = [8, 16].map(|kib| {
        let script = format!(
            "i=0; while [ $i -lt {FILES} ]; do dd if=/dev/zero of=/$i bs={kib}k count=1; i=$((i+1)); done; \
             touch /done; sleep 1000"
        );
        (docker.run(&[], &script), FILES * kib * 1024)
    });
    for (container, _) in &writers {
        wait_for_done(&docker, container);
    }
    sync();
    for (container, asked) in &writers {
        let least = asked * 999 / 1_000;
        let (written, _) = io_at_least(&agent, container, &disk, "write_bytes", least);
        println!("asked={asked} written={written}");
        // Of so many files the metadata may be written several times over, but what one is told too much the other
        // would lack.
        assert!((least..2 * asked).contains(&written), "{written}");
    }
}

#[test]
fn a_container_older_than_the_agent_and_cgroups_inside_it_count_for_it() {
    let Some((docker, disk)) = here() else { return };
    let container = docker.run(
        &[],
        &format!(
            "while [ ! -e /go ]; do sleep 0.1; done; \
             dd if=/dev/zero of=/direct bs=1M count={} oflag=direct; sleep 1000",
            SIZE / MIB
        ),
    );
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    // Made in the block I/O hierarchy alone: what is in it counts for the cgroup above.
    let path = container.cgroup_path();
    let inner: Vec<PathBuf> = cgroup::hierarchies()
        .into_iter()
        .filter(|hierarchy| hierarchy.ends_with("blkio"))
        .map(|hierarchy| hierarchy.join(path.trim_start_matches('/')).join("inner"))
        .collect();
    for folder in &inner {
        fs::create_dir(folder).unwrap();
        // The shell's sleeps come and go meanwhile.
        eventually(PATIENCE, "all processes are inside", || {
            let outside = fs::read_to_string(folder.join("../cgroup.procs")).unwrap();
            for pid in outside.lines() {
                // One that is gone by now need not move.
                fs::write(folder.join("cgroup.procs"), pid).unwrap_or_default();
            }
            outside.is_empty().then_some(()).ok_or(outside)
        });
    }
    container.exec("touch /go");
    let (written, _) = io_at_least(&agent, &container, &disk, "write_bytes", SIZE);
    println!("asked={SIZE} written={written} inside={}", inner.len());
    assert!((SIZE..SIZE + METADATA).contains(&written));
    drop(container);
    for folder in inner {
        if folder.exists() {
            cgroup::remove(&folder);
        }
    }
}

#[test]
fn cgroup_files_tell_what_the_throttle_counts() {
    let home = Home::new();
    agrees_with_the_throttle(&home.start(&["--source", "files"]));
}

#[test]
fn without_the_program_alone_cgroup_files_tell_it_beside_the_others() {
    let home = Home::with(
        "[collect]\nskip_programs = [\"block_rq_complete\", \"block_rq_complete_by_bio\"]\n",
    );
    agrees_with_the_throttle(&home.start(&["--source", "kernel"]));
}

/// An agent that reads block I/O from files.
fn agrees_with_the_throttle(agent: &AgentProcess) {
    let Some((docker, disk)) = here() else { return };
    let limit = format!("{}:1tb", disk.path.display());
    let container = docker.run(
        &["--device-write-bps", &limit],
        &format!(
            "dd if=/dev/zero of=/direct bs=1M count={} oflag=direct; sleep 1000",
            SIZE / MIB
        ),
    );
    let (written, _) = io_at_least(agent, &container, &disk, "write_bytes", SIZE);
    let throttled = throttled(&container, &disk);
    println!("asked={SIZE} written={written} throttle file (read, write)={throttled:?}");
    if let Some((_, throttled)) = throttled {
        assert_eq!(written, throttled);
    }
    // What files do not give is absent, not zero.
    let batch = agent.batch();
    let entry = batch.container(&container.id).unwrap();
    assert_eq!(entry.io(&disk.name, "write_ns"), None, "{entry:?}");
    // Nor is anything told of one for which the files count nothing.
    let other = docker.run(
        &[],
        "dd if=/dev/zero of=/x bs=1M count=1 oflag=direct; touch /done; sleep 1000",
    );
    wait_for_done(&docker, &other);
    if self::throttled(&other, &disk).is_none_or(|(_, written)| written == 0) {
        let batch = agent.next_batch();
        let entry = batch.container(&other.id).unwrap();
        let written = entry.io(&disk.name, "write_bytes");
        assert!(written.is_none_or(|written| written >= MIB), "{written:?}");
    }
}

/// The Docker daemon and its disk.
#[track_caller]
pub(super) fn here() -> Option<(Docker, Disk)> {
    let docker = Docker::here()?;
    let root = docker.command(&["info", "--format", "{{.DockerRootDir}}"]);
    match Disk::of(Path::new(&root)) {
        Some(disk) => Some((docker, disk)),
        None => skip("containers' files are on no block device"),
    }
}

impl Disk {
    /// The whole disk under the file system at `path`.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let number = fs::metadata(path).ok()?.dev();
        let (major, minor) = (nix::sys::stat::major(number), nix::sys::stat::minor(number));
        let folder = fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()?;
        let folder = if folder.join("partition").exists() {
            folder.parent()?.to_owned()
        } else {
            folder
        };
        let name = folder.file_name()?.to_str()?.to_owned();
        let number = fs::read_to_string(folder.join("dev")).ok()?;
        let (major, minor) = number.trim().split_once(':')?;
        let number = (major.parse().ok()?, minor.parse().ok()?);
        assert_eq!(major_minor(device(number.0, number.1)), number);
        Some(Self {
            path: Path::new("/dev").join(&name),
            name,
            number,
        })
    }
}

/// The container's bytes once they are at least so many, and the time its operations of that kind took.
#[track_caller]
pub(super) fn io_at_least(
    agent: &AgentProcess,
    container: &Container,
    disk: &Disk,
    field: &str,
    least: u64,
) -> (u64, u64) {
    let time = field.replace("_bytes", "_ns");
    eventually(PATIENCE, "the container's I/O is done", || {
        let batch = agent.next_batch();
        let entry = batch.container(&container.id).ok_or("not listed")?;
        let bytes = entry.io(&disk.name, field).unwrap_or_default();
        let time_ns = entry.io(&disk.name, &time).unwrap_or_default();
        if bytes >= least {
            Ok((bytes, time_ns))
        } else {
            Err(format!("{field}={bytes} of {least}"))
        }
    })
}

#[track_caller]
pub(super) fn wait_for_done(docker: &Docker, container: &Container) {
    eventually(PATIENCE, "the script is done", || {
        let listed = docker.command(&["exec", &container.id, "ls", "/"]);
        listed.contains("done").then_some(()).ok_or(listed)
    });
}

/// Bytes read and written by the container, as the v1 throttle counts them.
pub(super) fn throttled(container: &Container, disk: &Disk) -> Option<(u64, u64)> {
    let path = container.cgroup_path();
    let blkio = cgroup::hierarchies()
        .into_iter()
        .find(|hierarchy| hierarchy.ends_with("blkio"))?;
    let file = blkio
        .join(path.trim_start_matches('/'))
        .join("blkio.throttle.io_service_bytes");
    let text = fs::read_to_string(file).ok()?;
    let of = |kind: &str| {
        let start = format!("{}:{} {kind} ", disk.number.0, disk.number.1);
        let value = text.lines().find_map(|line| line.strip_prefix(&start))?;
        value.parse().ok()
    };
    Some((of("Read")?, of("Write")?))
}

pub(super) fn sync() {
    assert!(Command::new("sync").status().unwrap().success());
}

fn drop_caches() {
    sync();
    fs::write("/proc/sys/vm/drop_caches", "3").unwrap();
}
