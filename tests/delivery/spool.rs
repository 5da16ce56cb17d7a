//! The spool on a disk that is full or fails, and in a process that is killed.

use std::{
    collections::BTreeSet,
    env, fs,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use bytes::Bytes;
use cgflux::{
    encode::{Packed, Times},
    sink::spool::{Limits, Seq, Spool, SpoolError, Stored},
};

use crate::harness::{LoopFilesystem, SmallDisk, disk_folder, pause};

const LIMITS: Limits = Limits {
    bytes: 64 << 20,
    age: Duration::from_hours(24),
};

/// Tells a child of this binary where to work until it is killed.
const CHILD_SPOOL: &str = "CGFLUX_TESTS_CHILD_SPOOL";
/// The first number of its batches.
const CHILD_MARK: &str = "CGFLUX_TESTS_CHILD_MARK";
const KILLS: usize = 60;

#[test]
fn a_full_disk_costs_nothing_and_what_waits_is_still_read() {
    let Some(disk) = SmallDisk::new(16 << 20) else {
        return;
    };
    let filler = disk.point().join("filler");
    fs::write(&filler, vec![1; 8 << 20]).unwrap();
    let path = disk.point().join("db.db");
    let mut spool = Spool::open(&path, LIMITS).unwrap();
    let mut kept = 0_i64;
    let error = loop {
        match spool.append(&[large(kept)], &[], 1) {
            Ok(seqs) => kept += i64::from(seqs[0].is_some()),
            Err(error) => break error,
        }
    };
    println!("kept={kept} of 100 kB each: {error:?}");
    assert!(matches!(error, SpoolError::Unavailable { .. }));
    assert!(kept > 20, "{kept}");
    for _ in 0..5 {
        assert!(spool.append(&[large(kept)], &[], 1).is_err());
    }
    let first = spool.take(Seq::FIRST).unwrap().unwrap();
    assert_eq!(first.packed, large(0));
    spool.settle(first.seq, &[]);
    assert_eq!(spool.depth().batches, kept.unsigned_abs() - 1);

    fs::remove_file(&filler).unwrap();
    let seqs = spool.append(&[large(kept)], &[], 1).unwrap();
    assert!(seqs[0].is_some());
    drop(spool);
    let mut spool = Spool::open(&path, LIMITS).unwrap();
    let left: Vec<Packed> = all(&mut spool).into_iter().map(|it| it.packed).collect();
    assert!(left == (1..=kept).map(large).collect::<Vec<_>>());
    assert_eq!(spool.totals().stored, 1);
    assert!(spool.untold().is_empty());

    // Nor can one be begun where nothing fits.
    drop(spool);
    fs::write(&filler, vec![1; 16 << 20]).unwrap_err();
    let none = Spool::open(&disk.point().join("none/db.db"), LIMITS);
    assert!(
        matches!(none, Err(SpoolError::Unavailable { .. })),
        "{none:?}"
    );
}

#[test]
fn a_file_system_that_turns_read_only_costs_nothing_and_the_same_spool_goes_on_after_it() {
    let Some(disk) = LoopFilesystem::new("spool") else {
        return;
    };
    let path = disk.point().join("db.db");
    let mut spool = Spool::open(&path, LIMITS).unwrap();
    let seqs = spool.append(&[large(1), large(2)], &[], 1).unwrap();
    let taken = spool.take(Seq::FIRST).unwrap().unwrap();
    disk.fail();
    for _ in 0..3 {
        let error = spool.append(&[large(3)], &[], 2).unwrap_err();
        assert!(matches!(error, SpoolError::Unavailable { .. }), "{error:?}");
    }
    let another = Spool::open(&disk.point().join("another.db"), LIMITS);
    assert!(
        matches!(another, Err(SpoolError::Unavailable { .. })),
        "{another:?}"
    );
    spool.settle(taken.seq, &[]);
    spool.flush().unwrap_err();
    assert_eq!(spool.depth().batches, 1);
    assert_eq!(spool.totals().stored, 1);

    disk.mend();
    let later = spool.append(&[large(3)], &[], 2).unwrap();
    assert!(later[0] > seqs[1]);
    let left: Vec<Packed> = all(&mut spool).into_iter().map(|it| it.packed).collect();
    assert!(left == [large(2), large(3)]);
    assert_eq!(spool.totals().stored, 1);
}

#[test]
fn a_process_that_is_killed_loses_nothing_that_it_was_told_is_kept() {
    if let Some(path) = env::var_os(CHILD_SPOOL) {
        work_until_killed(path.as_ref());
    }
    let folder = disk_folder();
    let path = folder.path().join("spool/db.db");
    let mut random = fastrand::Rng::with_seed(5);
    let mut waiting = BTreeSet::new();
    let (mut first_mark, mut gone) = (1, 0);
    for kill in 0..KILLS {
        let told = told_by_a_killed_child(&path, first_mark, &mut random);
        let mut spool = Spool::open(&path, LIMITS).unwrap();
        assert_eq!(spool.take_set_aside(), []);
        let depth = spool.depth();
        let found: BTreeSet<i64> = all(&mut spool).iter().map(mark_of).collect();
        assert_eq!(
            (depth.batches, depth.points),
            (found.len() as u64, found.len() as u64)
        );

        waiting.extend(&told.kept);
        waiting.retain(|mark| !told.gone.contains(mark));
        let lost: Vec<&i64> = waiting
            .difference(&found)
            .filter(|mark| !told.going.contains(mark))
            .collect();
        assert!(lost.is_empty(), "kill {kill}: lost={lost:?}");
        // What was being appended when the process was killed may be there, though it was not told.
        let last_told = told.kept.last().copied().unwrap_or(0);
        let back: Vec<&i64> = found
            .difference(&waiting)
            .filter(|mark| **mark <= last_told)
            .collect();
        assert!(back.is_empty(), "kill {kill}: back={back:?}");
        gone += told.gone.len() + waiting.difference(&found).count();
        assert_eq!(spool.totals().stored, gone as u64, "kill {kill}");
        assert_eq!(spool.untold(), []);
        waiting = found;
        first_mark += 1_000_000;
    }
    println!("kills={KILLS} gone={gone} waiting={}", waiting.len());
    assert!(gone > 0 && !waiting.is_empty());
}

/// What a child said before it was killed.
#[derive(Default)]
struct Told {
    /// Appended.
    kept: BTreeSet<i64>,
    /// Settled, with a flush under way or done.
    going: BTreeSet<i64>,
    /// Settled and flushed.
    gone: BTreeSet<i64>,
}

/// Starts this test as a process of its own, which appends and settles, and kills it after a while.
fn told_by_a_killed_child(path: &Path, first_mark: i64, random: &mut fastrand::Rng) -> Told {
    let name = "delivery::spool::a_process_that_is_killed_loses_nothing_that_it_was_told_is_kept";
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "--nocapture", name])
        .env(CHILD_SPOOL, path)
        .env(CHILD_MARK, first_mark.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    while !said.contains("+ ") {
        assert!(output.read_line(&mut said).unwrap() > 0, "{said}");
    }
    pause(Duration::from_micros(random.u64(0..40_000)));
    child.kill().unwrap();
    child.wait().unwrap();
    output.read_to_string(&mut said).unwrap();
    let mut told = Told::default();
    for line in said.lines() {
        let Some((what, Ok(mark))) = line
            .split_once(' ')
            .map(|(what, mark)| (what, mark.parse()))
        else {
            continue;
        };
        match what {
            "+" => told.kept.insert(mark),
            "~" => told.going.insert(mark),
            "-" => told.gone.insert(mark),
            _ => false,
        };
    }
    told
}

/// Appends and settles, and says so.
fn work_until_killed(path: &Path) -> ! {
    let mut mark: i64 = env::var(CHILD_MARK).unwrap().parse().unwrap();
    let mut random = fastrand::Rng::with_seed(mark.unsigned_abs());
    let mut spool = Spool::open(path, LIMITS).unwrap();
    loop {
        let sizes: Vec<usize> = (0..random.usize(1..4))
            .map(|_| random.usize(0..20_000))
            .collect();
        let batches: Vec<Packed> = (mark..)
            .zip(sizes)
            .map(|(mark, bytes)| batch(mark, bytes))
            .collect();
        assert_eq!(
            spool.append(&batches, &[], mark).unwrap().len(),
            batches.len()
        );
        for _ in &batches {
            println!("\n+ {mark}");
            mark += 1;
        }
        let mut settled = Vec::new();
        for _ in 0..random.usize(0..4) {
            let Some(stored) = spool.take(Seq::FIRST).unwrap() else {
                break;
            };
            println!("\n~ {}", mark_of(&stored));
            spool.settle(stored.seq, &[]);
            settled.push(mark_of(&stored));
        }
        spool.flush().unwrap();
        for mark in settled {
            println!("\n- {mark}");
        }
    }
}

/// All that waits, in order.
fn all(spool: &mut Spool) -> Vec<Stored> {
    let mut all = Vec::new();
    let mut from = Seq::FIRST;
    while let Some(stored) = spool.take(from).unwrap() {
        from = stored.seq.next();
        all.push(stored);
    }
    all
}

/// One point, of bytes that stand for compressed ones.
fn batch(mark: i64, bytes: usize) -> Packed {
    let mut gzip = vec![0; bytes];
    fastrand::Rng::with_seed(mark.unsigned_abs()).fill(&mut gzip);
    Packed {
        gzip: Bytes::from(gzip),
        points: 1,
        times: Times::at(mark),
    }
}

fn large(mark: i64) -> Packed {
    batch(mark, 100_000)
}

fn mark_of(stored: &Stored) -> i64 {
    stored.packed.times.oldest_ns
}
