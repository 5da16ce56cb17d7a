//! What is told of the host as a whole lies between two readings of the same files.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    net::UdpSocket,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use nix::sys::statvfs::statvfs;

use super::sums::{grown_ns, tick_ns};
use crate::harness::{
    Batch, Cgroup, DeadShare, Docker, Home, LoopFilesystem, RootCounter, eventually, written,
};

const TICK_NS: u64 = 10_000_000;
const MS_NS: u64 = 1_000_000;
const PATIENCE: Duration = Duration::from_mins(1);

/// How far a value that goes up and down may stray between two looks at it, a millisecond apart.
const STRAY_BYTES: u64 = 16 << 20;

/// What a filesystem may be called.
const HOSTILE: &str = "a \"b\" c=d,e\\f\n} ü";

#[test]
fn cpu_time_by_mode_is_that_of_proc_stat() {
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let mut hog = Cgroup::new("modes");
    hog.run("while :; do :; done");
    hog.run("nice sh -c 'while :; do :; done'");
    hog.run("while :; do dd if=/dev/zero of=/dev/null bs=1M count=999 2>&-; done");
    let modes = [
        "user_ns",
        "nice_ns",
        "system_ns",
        "idle_ns",
        "iowait_ns",
        "irq_ns",
        "softirq_ns",
        "steal_ns",
        "guest_ns",
        "guest_nice_ns",
    ];
    let read = || -> BTreeMap<&str, u64> {
        let stat = fs::read_to_string("/proc/stat").unwrap();
        let cpu = stat.lines().next().unwrap_or_default();
        let ticks = cpu.split_whitespace().skip(1).map(|it| it.parse().unwrap());
        let of = |name: &str| {
            let line = stat.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap().trim().parse::<u64>().unwrap()
        };
        let mut values: BTreeMap<&str, u64> = modes
            .into_iter()
            .zip(ticks.map(|ticks: u64| ticks * TICK_NS))
            .collect();
        values.insert("context_switches", of("ctxt "));
        values.insert("forks", of("processes "));
        values
    };
    for _ in 0..3 {
        let (before, batch, after) = (read(), agent.next_batch(), read());
        for (field, before) in before {
            // Idle and waiting time are estimates that the kernel may take back.
            let slack = if modes.contains(&field) { TICK_NS } else { 0 };
            lies_between(&batch, "cpu", field, before, after[field], slack);
        }
    }
    let cpus = fs::read_to_string("/proc/stat").unwrap();
    let cpus = cpus.lines().filter(|line| line.starts_with("cpu")).count() - 1;
    assert_eq!(agent.batch().machine("cpu", "cpus"), Some(cpus as u64));
}

#[test]
fn memory_is_that_of_meminfo_and_vmstat() {
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let steady = [
        ("total_bytes", "MemTotal"),
        ("commit_limit_bytes", "CommitLimit"),
        ("hugetlb_bytes", "Hugetlb"),
        ("swap_total_bytes", "SwapTotal"),
    ];
    let moving = [
        ("free_bytes", "MemFree"),
        ("available_bytes", "MemAvailable"),
        ("buffers_bytes", "Buffers"),
        ("cached_bytes", "Cached"),
        ("active_bytes", "Active"),
        ("inactive_bytes", "Inactive"),
        ("anon_bytes", "AnonPages"),
        ("mapped_bytes", "Mapped"),
        ("shmem_bytes", "Shmem"),
        ("slab_reclaimable_bytes", "SReclaimable"),
        ("slab_unreclaimable_bytes", "SUnreclaim"),
        ("kernel_stack_bytes", "KernelStack"),
        ("page_tables_bytes", "PageTables"),
        ("dirty_bytes", "Dirty"),
        ("writeback_bytes", "Writeback"),
        ("committed_bytes", "Committed_AS"),
        ("swap_free_bytes", "SwapFree"),
        ("swap_cached_bytes", "SwapCached"),
    ];
    let (extremes, batch) = watched(read_meminfo, || agent.next_batch());
    for (field, name) in steady {
        let (least, most) = extremes[name];
        lies_between(&batch, "mem", field, least, most, 0);
    }
    for (field, name) in moving {
        let (least, most) = extremes[name];
        lies_between(&batch, "mem", field, least, most, STRAY_BYTES);
    }
    let paging = || {
        let vmstat = fs::read_to_string("/proc/vmstat").unwrap();
        ["pgfault", "pgmajfault", "oom_kill"].map(|name| {
            let line = vmstat
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap().parse::<u64>().unwrap()
        })
    };
    let (before, batch, after) = (paging(), agent.next_batch(), paging());
    for (at, field) in ["faults", "major_faults", "oom_kills"]
        .into_iter()
        .enumerate()
    {
        lies_between(&batch, "mem", field, before[at], after[at], 0);
    }
}

#[test]
fn disks_did_what_diskstats_says_while_they_work() {
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let folder = tempfile::tempdir_in(".").unwrap();
    let written = while_it_runs(
        || write_directly(&folder.path().join("data")),
        || {
            let (before, batch, after) = (diskstats(), agent.next_batch(), diskstats());
            let mut compared = 0;
            for (device, before) in &before {
                for (field, before) in before {
                    let after = after[device][field];
                    let label = ("device", device.as_str());
                    let ours = batch.machine_with("disk", field, label);
                    let facts =
                        format!("{device} {field}: before={before} ours={ours:?} after={after}");
                    println!("{facts}");
                    assert!(
                        ours.is_some_and(|ours| (*before..=after).contains(&ours)),
                        "{facts}"
                    );
                    compared += 1;
                }
            }
            assert!(compared > 0, "no disk was used");
        },
    );
    assert!(written > 0, "nothing was written");
}

#[test]
fn the_loopback_carried_what_net_dev_says_while_traffic_runs() {
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = receiver.local_addr().unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let first = agent.next_batch();
    let sent = while_it_runs(
        || sender.send_to(&[7; 1_000], address).map_or(0, |_| 1_000),
        || {
            for _ in 0..3 {
                let (before, batch, after) = (loopback(), agent.next_batch(), loopback());
                for (field, before) in before {
                    let ours = batch.machine_with("net", field, ("interface", "lo"));
                    let after = after[field];
                    let facts = format!("lo {field}: before={before} ours={ours:?} after={after}");
                    println!("{facts}");
                    assert!(
                        ours.is_some_and(|ours| (before..=after).contains(&ours)),
                        "{facts}"
                    );
                }
            }
        },
    );
    let last = agent.next_batch();
    let of = |batch: &Batch| {
        batch
            .machine_with("net", "rx_bytes", ("interface", "lo"))
            .unwrap()
    };
    let grown = of(&last) - of(&first);
    println!("sent={sent} grown={grown}");
    assert!(grown >= sent, "sent={sent} grown={grown}");
}

#[test]
fn a_filesystem_is_as_full_as_statvfs_says_whatever_it_is_called() {
    let Some(filesystem) = LoopFilesystem::new(HOSTILE) else {
        return;
    };
    let home = Home::with("[collect]\nfile_interval = \"1s\"\n");
    let agent = home.start(&["--file", "out.lp"].map(|it| match it {
        "out.lp" => home.path().join(it).display().to_string(),
        other => other.to_owned(),
    }));
    let point = filesystem.point();
    let is_told = |step: &str| {
        let kernel = statvfs(point).unwrap();
        let bytes = |blocks| blocks * kernel.fragment_size();
        let expected = [
            ("size_bytes", bytes(kernel.blocks())),
            ("free_bytes", bytes(kernel.blocks_free())),
            ("available_bytes", bytes(kernel.blocks_available())),
            ("inodes", kernel.files()),
            ("inodes_free", kernel.files_free()),
        ];
        let label = ("mount", point.to_str().unwrap());
        eventually(PATIENCE, step, || {
            let batch = agent.batch();
            let ours = expected.map(|(field, _)| (field, batch.machine_with("fs", field, label)));
            let facts = format!("{step}: kernel={expected:?} ours={ours:?}");
            let is_equal =
                |((_, kernel), (_, ours)): (&(_, u64), &(_, Option<u64>))| *ours == Some(*kernel);
            let equal = expected.iter().zip(&ours).all(is_equal);
            equal.then(|| println!("{facts}")).ok_or(facts)
        });
    };
    is_told("empty");
    fs::write(point.join("data"), vec![7; 8 << 20]).unwrap();
    nix::unistd::sync();
    is_told("with 8 MiB");
    let metrics = agent.metrics();
    let shown = point.to_str().unwrap().replace('\\', r"\\");
    let shown = shown.replace('"', "\\\"").replace('\n', r"\n");
    let line = format!("cgflux_host_fs_size_bytes{{mount=\"{shown}\",device=\"/dev/loop");
    assert!(metrics.contains(&line), "{line} in {metrics}");
    eventually(PATIENCE, "it stands in line protocol", || {
        let lines = written(&home.path().join("out.lp"));
        let stored = point.to_str().unwrap().replace('\n', "_");
        let mut of_fs = lines.iter().filter(|it| it.measurement == "host_fs");
        let found = of_fs.any(|it| it.tag("mount") == stored && it.tag("fstype") == "ext4");
        found.then_some(()).ok_or("not yet")
    });
}

#[test]
fn a_share_that_does_not_answer_holds_up_nothing() {
    let Some(filesystem) = LoopFilesystem::new("alive") else {
        return;
    };
    let Some(mut share) = DeadShare::new() else {
        return;
    };
    let home = Home::with("[collect]\nfile_interval = \"1s\"\n");
    let mut agent = home.start::<&str>(&[]);
    let label = ("mount", filesystem.point().to_str().unwrap());
    let mut batch = agent.next_batch();
    eventually(PATIENCE, "it is noticed", || {
        let log = agent.log();
        log.contains("does not answer").then_some(()).ok_or(log)
    });
    for _ in 0..3 {
        let next = agent.next_batch();
        let took_ms = (next.taken - batch.taken) / 1_000_000;
        println!(
            "tick_ns={} since the batch before={took_ms}ms",
            next.agent("tick_ns")
        );
        assert_eq!(next.agent("ticks_skipped"), batch.agent("ticks_skipped"));
        assert!(
            next.machine_with("fs", "size_bytes", label).is_some(),
            "{next:?}"
        );
        batch = next;
    }
    let dead = ("mount", share.point().to_str().unwrap());
    assert_eq!(batch.machine_with("fs", "size_bytes", dead), None);
    share.answer();
    eventually(PATIENCE, "it comes back", || {
        let log = agent.log();
        log.contains("answers again").then_some(()).ok_or(log)
    });
    assert!(agent.stop().success());
}

#[test]
fn pressure_is_that_of_the_kernels_files() {
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let mut hog = Cgroup::new("pressure");
    for _ in 0..4 {
        hog.run("while :; do :; done");
    }
    let fields = [
        ("cpu_some_ns", "cpu", "some"),
        ("memory_some_ns", "memory", "some"),
        ("memory_full_ns", "memory", "full"),
        ("io_some_ns", "io", "some"),
        ("io_full_ns", "io", "full"),
        ("irq_full_ns", "irq", "full"),
    ];
    let read = || fields.map(|(_, file, kind)| stalled_ns(file, kind));
    let (before, batch, after) = (read(), agent.next_batch(), read());
    for (at, (field, ..)) in fields.into_iter().enumerate() {
        match before[at].zip(after[at]) {
            Some((before, after)) => lies_between(&batch, "psi", field, before, after, 0),
            None => assert_eq!(batch.machine("psi", field), None, "{field}"),
        }
    }
}

#[test]
fn load_and_uptime_are_the_kernels() {
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let read = |file: &str| fs::read_to_string(file).unwrap();
    let uptime_ns = || {
        let text = read("/proc/uptime");
        // `18464.50 3021.33`
        let hundredths = text.split(' ').next().unwrap().replace('.', "");
        hundredths.parse::<u64>().unwrap() * TICK_NS
    };
    let (before, batch, after) = (uptime_ns(), agent.next_batch(), uptime_ns());
    lies_between(&batch, "load", "uptime_ns", before, after, TICK_NS);
    // The kernel reckons a load anew each five seconds.
    eventually(PATIENCE, "the same load", || {
        let before = read("/proc/loadavg");
        let api = agent
            .get("/api/v1/containers")
            .map_err(|it| it.to_string())?;
        let after = read("/proc/loadavg");
        let api: serde_json::Value = serde_json::from_str(&api).map_err(|it| it.to_string())?;
        let ours = ["load1", "load5", "load15"].map(|it| api["machine"]["load"][it].as_f64());
        let kernel = |text: &str| -> Vec<Option<f64>> {
            text.split(' ').take(3).map(|it| it.parse().ok()).collect()
        };
        let facts = format!("before={before:?} ours={ours:?} after={after:?}");
        let same = kernel(&before) == ours && kernel(&after) == ours;
        same.then(|| println!("{facts}")).ok_or(facts)
    });
}

#[test]
fn the_published_sums_are_those_of_the_entries_and_of_the_roots_own_counter() {
    let Some(docker) = Docker::here() else { return };
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let _busy = docker.run(&["--cpus", "0.5"], "while :; do :; done");
    let _churn = docker.run(&[], "while :; do (true); done");
    let root = RootCounter::start();
    let mut batches = vec![agent.next_batch()];
    while batches.len() <= 5 {
        batches.push(agent.batch_after(&batches[batches.len() - 1]));
    }
    let after = agent.batch_after(&batches[5]);
    let root = root.stop();
    let (first, last) = (&batches[0], &batches[5]);
    let grown = |field| last.agent(field) - first.agent(field);
    let (accounted_ns, root_ns) = (grown("accounted_cpu_ns"), grown("root_cpu_ns"));
    let entries_ns = grown_ns(&batches);
    let span = |batch: &Batch, took: &Batch| batch.taken..batch.taken + tick_ns(took);
    let (start, end) = (
        root.within(&span(first, &batches[1])),
        root.within(&span(last, &after)),
    );
    let (least_ns, most_ns) = (end.0 - start.1, end.1 - start.0);
    let facts = format!(
        "entries={entries_ns}ns accounted={accounted_ns}ns root={root_ns}ns, between {least_ns} and {most_ns}"
    );
    println!("{facts}");
    assert_eq!(accounted_ns, entries_ns, "{facts}");
    assert!((least_ns..=most_ns).contains(&root_ns), "{facts}");
    let metrics = agent.metrics();
    let [accounted, root, unaccounted] = [
        "cgflux_accounted_cpu_seconds_total",
        "cgflux_root_cpu_seconds_total",
        "cgflux_unaccounted_cpu_ratio",
    ]
    .map(|name| {
        let value = |line: &str| line.strip_prefix(name)?.trim().parse::<f64>().ok();
        metrics.lines().find_map(value).expect("it is told")
    });
    let facts = format!("accounted={accounted}s root={root}s unaccounted={unaccounted}");
    println!("{facts}");
    assert!(
        (1.0 - accounted / root - unaccounted).abs() < 1e-9,
        "{facts}"
    );
}

#[test]
fn a_host_that_is_not_wanted_is_not_told() {
    let home = Home::with("[families.host]\nenabled = false\n");
    let agent = home.start::<&str>(&[]);
    let batch = agent.next_batch();
    assert_eq!(batch.machine("cpu", "user_ns"), None);
    assert!(!agent.metrics().contains("cgflux_host_"));
    assert!(batch.agent("accounted_cpu_ns") < u64::MAX);
}

#[track_caller]
fn lies_between(batch: &Batch, family: &str, field: &str, before: u64, after: u64, slack: u64) {
    let ours = batch.machine(family, field);
    let facts = format!("{family} {field}: kernel={before} ours={ours:?} kernel={after}");
    println!("{facts}");
    let (least, most) = (before.min(after), before.max(after));
    let fits = |ours| (least.saturating_sub(slack)..=most + slack).contains(&ours);
    assert!(ours.is_some_and(fits), "{facts}");
}

/// Reads all the time while `work` runs; returns the least and the most of each value.
fn watched<T>(
    read: fn() -> BTreeMap<String, u64>,
    work: impl FnOnce() -> T,
) -> (BTreeMap<String, (u64, u64)>, T) {
    let stop = Arc::new(AtomicBool::new(false));
    let until = Arc::clone(&stop);
    let mut extremes: BTreeMap<String, (u64, u64)> = read()
        .into_iter()
        .map(|(name, it)| (name, (it, it)))
        .collect();
    let watcher = thread::spawn(move || {
        loop {
            let is_last = until.load(Ordering::Relaxed);
            for (name, value) in read() {
                if let Some((least, most)) = extremes.get_mut(&name) {
                    (*least, *most) = (value.min(*least), value.max(*most));
                }
            }
            if is_last {
                return extremes;
            }
            thread::park_timeout(Duration::from_millis(1));
        }
    });
    let result = work();
    stop.store(true, Ordering::Relaxed);
    (watcher.join().unwrap(), result)
}

/// Runs `load` over and over while `work` is done; returns what it says it did, added up.
fn while_it_runs(load: impl Fn() -> u64 + Sync, work: impl FnOnce()) -> u64 {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let loader = scope.spawn(|| {
            let mut done = 0;
            while !stop.load(Ordering::Relaxed) {
                done += load();
            }
            done
        });
        let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        stop.store(true, Ordering::Relaxed);
        let done = loader.join().unwrap();
        match worked {
            Ok(()) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn read_meminfo() -> BTreeMap<String, u64> {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let line = |line: &str| {
        let (name, value) = line.split_once(':')?;
        let kibibytes = value.trim().strip_suffix(" kB")?.parse::<u64>().ok()?;
        Some((name.to_owned(), kibibytes * 1024))
    };
    text.lines().filter_map(line).collect()
}

/// Whole devices that were used, by name; what only grows, by the catalog's fields.
fn diskstats() -> BTreeMap<String, BTreeMap<&'static str, u64>> {
    let text = fs::read_to_string("/proc/diskstats").unwrap();
    let device = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| columns.get(at)?.parse::<u64>().ok();
        let partition = format!("/sys/dev/block/{}:{}/partition", columns[0], columns[1]);
        // Column, and what one of it is.
        let fields = [
            ("reads", 3, 1),
            ("reads_merged", 4, 1),
            ("read_bytes", 5, 512),
            ("read_ns", 6, MS_NS),
            ("writes", 7, 1),
            ("writes_merged", 8, 1),
            ("write_bytes", 9, 512),
            ("write_ns", 10, MS_NS),
            ("io_ns", 12, MS_NS),
            ("weighted_io_ns", 13, MS_NS),
            ("discards", 14, 1),
            ("discard_bytes", 16, 512),
            ("discard_ns", 17, MS_NS),
            ("flushes", 18, 1),
            ("flush_ns", 19, MS_NS),
        ];
        let values = fields.map(|(field, at, unit)| Some((field, number(at)? * unit)));
        let values: BTreeMap<&str, u64> = values.into_iter().flatten().collect();
        let is_used = values["reads"] + values["writes"] > 0;
        (is_used && !Path::new(&partition).exists()).then(|| (columns[2].to_owned(), values))
    };
    text.lines().filter_map(device).collect()
}

/// Writes past the page cache; returns how many bytes.
fn write_directly(path: &Path) -> u64 {
    let mut file = fs::File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .custom_flags(libc::O_DSYNC)
        .open(path)
        .unwrap();
    let data = vec![7; 64 << 10];
    file.write_all(&data).unwrap();
    data.len() as u64
}

fn loopback() -> BTreeMap<&'static str, u64> {
    let text = fs::read_to_string("/proc/net/dev").unwrap();
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("lo:"));
    let numbers: Vec<u64> = line
        .unwrap()
        .split_whitespace()
        .map(|it| it.parse().unwrap())
        .collect();
    let fields = [
        ("rx_bytes", 0),
        ("rx_packets", 1),
        ("rx_errors", 2),
        ("rx_drops", 3),
        ("tx_bytes", 8),
        ("tx_packets", 9),
        ("tx_errors", 10),
        ("tx_drops", 11),
    ];
    fields.map(|(field, at)| (field, numbers[at])).into()
}

fn stalled_ns(file: &str, kind: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/pressure/{file}")).ok()?;
    let line = text.lines().find(|line| line.starts_with(kind))?;
    let (_, total_us) = line.split_once("total=")?;
    Some(total_us.parse::<u64>().ok()? * 1_000)
}
