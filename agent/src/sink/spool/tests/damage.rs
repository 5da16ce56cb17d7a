//! A file that is not what it was.

use std::{collections::BTreeSet, fs::OpenOptions, os::unix::fs::FileExt as _, sync::OnceLock};

use proptest::prelude::*;

use super::*;

const FLIPPED: &str = "flipped";

/// Batches of many sizes, so that all kinds of pages are there.
fn filled() -> (Fixture, Vec<Packed>) {
    static FILE: OnceLock<(Vec<u8>, Vec<Packed>)> = OnceLock::new();
    let (file, batches) = FILE.get_or_init(|| {
        let mut it = Fixture::new(LIMITS);
        let sizes = [300, 20_000, 900, 60_000, 5_000].into_iter().cycle();
        let batches: Vec<Packed> = (0..40)
            .zip(sizes)
            .map(|(mark, bytes)| batch(mark, 7, bytes, Times::at(1)))
            .collect();
        for batch in &batches {
            it.append(batch);
        }
        it.close();
        (fs::read(it.path()).unwrap(), batches)
    });
    let mut it = Fixture::new(LIMITS);
    it.close();
    fs::write(it.path(), file).unwrap();
    (it, batches.clone())
}

/// Opens what is left, takes all, and checks that it is a part of what was there, and that the account is right.
fn check(it: &mut Fixture, batches: &[Packed], what: &str) -> (u64, Vec<SetAside>) {
    let spool = it.open();
    let mut points = 0;
    let mut last = Seq::FIRST;
    let mut given = BTreeSet::new();
    while let Some(stored) = spool.take(Seq::FIRST).unwrap() {
        assert!(given.insert(stored.seq), "{what}: twice");
        // What stands out of order is found late.
        assert!(stored.seq > last || what == FLIPPED, "{what}");
        last = last.max(stored.seq);
        assert!(batches.contains(&stored.packed), "{what}");
        points += stored.packed.points as u64;
        spool.settle(stored.seq, &[]);
    }
    spool.flush().unwrap();
    assert_eq!(spool.depth(), Depth::default(), "{what}");
    // A batch whose own count was damaged takes what others count: never is more stored than was.
    assert!(spool.totals().stored <= points, "{what}");
    if what != FLIPPED {
        assert_eq!(spool.totals().stored, points, "{what}");
    }
    let set_aside = spool.take_set_aside();
    let seq = it.append(&small(99)).unwrap();
    assert!(seq > last, "{what}");
    assert_eq!(
        it.spool().take(Seq::FIRST).unwrap().unwrap().packed,
        small(99),
        "{what}"
    );
    (points, set_aside)
}

#[test]
fn a_file_that_is_no_database_is_set_aside() {
    for garbage in [b"garbage".to_vec(), vec![0; 5000], vec![0xA5; 20_000]] {
        let (mut it, batches) = filled();
        fs::write(it.path(), &garbage).unwrap();
        let (points, set_aside) = check(&mut it, &batches, "garbage");
        assert_eq!((points, set_aside.len()), (0, 1));
        assert_eq!(set_aside[0].why, Why::Corrupt);
        assert!(fs::read(&set_aside[0].path).unwrap() == garbage);
    }
}

#[test]
fn a_file_of_a_later_version_is_set_aside_whole() {
    let (mut it, batches) = filled();
    for number in 1..=5 {
        let path = it.path();
        rusqlite::Connection::open(&path)
            .unwrap()
            .execute_batch("PRAGMA user_version = 2")
            .unwrap();
        let newer = fs::read(&path).unwrap();
        let set_aside = it.open().take_set_aside();
        assert_eq!(set_aside.len(), 1);
        assert_eq!(set_aside[0].why, Why::NewerFormat);
        let name = format!("db.db.newer-{number}");
        assert_eq!(set_aside[0].path, path.with_file_name(name));
        let kept = fs::read(&set_aside[0].path).unwrap();
        let differs: Vec<usize> = (0..newer.len())
            .filter(|at| kept.get(*at) != newer.get(*at))
            .collect();
        assert_eq!((kept.len(), differs), (newer.len(), Vec::new()), "{number}");
        assert_eq!(it.spool().depth(), Depth::default());
        it.append(&batches[0]);
        it.close();
    }
    assert_eq!(it.names().len(), 6);
}

#[test]
fn at_most_three_damaged_files_are_kept_and_the_last_is_one_of_them() {
    let (mut it, _) = filled();
    for number in 1..=5 {
        it.close();
        fs::write(it.path(), format!("no {number}")).unwrap();
        it.open();
    }
    let names = it.names();
    let kept = ["db.db.corrupt-3", "db.db.corrupt-4", "db.db.corrupt-5"];
    assert_eq!(names[2..5], kept);
    let last = it.path().with_file_name("db.db.corrupt-5");
    assert_eq!(fs::read(last).unwrap(), b"no 5");
}

#[test]
fn damage_that_shows_later_costs_what_stood_there_and_no_more() {
    let (mut it, batches) = filled();
    let spool = it.open();
    let held = spool.take(Seq::FIRST).unwrap().unwrap();
    let settled = spool.take(Seq::FIRST).unwrap().unwrap();
    spool.settle(settled.seq, &[]);
    // The second half, but for the last rows: that of the rows in between is what cannot be reached.
    let bytes = fs::metadata(it.path()).unwrap().len();
    let file = OpenOptions::new().write(true).open(it.path()).unwrap();
    let zeros = vec![0; 4096 * 40];
    file.write_all_at(&zeros, bytes / 2 / 4096 * 4096).unwrap();
    drop(file);
    it.spool()
        .store
        .as_ref()
        .unwrap()
        .connection
        .execute_batch("PRAGMA shrink_memory")
        .unwrap();

    let mut seen = vec![held.seq, settled.seq];
    while let Some(stored) = it.spool().take(Seq::FIRST).unwrap() {
        assert!(batches.contains(&stored.packed));
        seen.push(stored.seq);
    }
    assert!(seen.is_sorted());
    let set_aside = it.spool().take_set_aside();
    assert_eq!(set_aside.len(), 1);
    let spool = it.spool();
    let lost = spool.totals().lost(LossReason::Damaged);
    assert_eq!(spool.depth().batches, seen.len() as u64 - 1);
    assert_eq!(
        (spool.totals().stored, spool.depth().points + lost),
        (7, 273)
    );
    assert!((7..140).contains(&lost), "{lost}");
    // The caller goes on where it was.
    spool.settle(held.seq, &[]);
    spool.flush().unwrap();
    assert_eq!(spool.totals().stored, 14);
    assert!(it.append(&small(1)) > seen.last().copied());
}

#[test]
fn an_account_with_a_changed_count_begins_anew_and_no_batch_is_lost() {
    for change in [
        "UPDATE ledger SET next_seq = next_seq + 64",
        "UPDATE ledger SET newest_ns = newest_ns + (1 << 40)",
        "UPDATE ledger SET batches = batches + 1",
        "UPDATE ledger SET points = points + 512",
        "UPDATE ledger SET bytes = bytes + 1",
        "UPDATE ledger SET stored = 4096",
        "UPDATE ledger SET crc = crc + 1",
        "UPDATE loss SET total = total + 1",
        "UPDATE loss SET untold = untold + 8",
        "UPDATE loss SET newest_ns = newest_ns + 1",
        "DELETE FROM loss",
        "DELETE FROM ledger",
    ] {
        let (mut it, batches) = filled();
        it.open().lost_elsewhere(&Loss {
            reason: LossReason::Overflow,
            points: 3,
            times: Times::at(1),
        });
        it.spool().flush().unwrap();
        it.close();
        let file = rusqlite::Connection::open(it.path()).unwrap();
        assert!(file.execute(change, []).unwrap() > 0, "{change}");
        drop(file);

        let (points, set_aside) = check(&mut it, &batches, change);
        assert_eq!(points, 7 * batches.len() as u64, "{change}");
        assert_eq!(set_aside.len(), 1, "{change}");
        assert_eq!(set_aside[0].points_saved, points, "{change}");
        // What was lost before stood in that account alone.
        assert!(set_aside[0].is_account_lost, "{change}");
        assert_eq!(
            it.spool().totals().lost(LossReason::Overflow),
            0,
            "{change}"
        );
    }
}

#[test]
fn a_tree_that_is_out_of_order_is_read_to_an_end() {
    for seq in 1..=40_u8 {
        let (mut it, batches) = filled();
        let mut bytes = fs::read(it.path()).unwrap();
        // The number, then the record's header: its length, no number, one byte of points, twice the constant 1.
        let cell = |it: &[u8]| it[0] == seq && it[2..] == [0, 1, 9, 9];
        let at = bytes.windows(6).position(cell).unwrap();
        bytes[at] ^= 0x40;
        fs::write(it.path(), bytes).unwrap();
        check(&mut it, &batches, FLIPPED);
    }
}

#[test]
fn an_empty_file_is_begun() {
    let (mut it, batches) = filled();
    fs::write(it.path(), b"").unwrap();
    let (points, set_aside) = check(&mut it, &batches, "empty");
    assert_eq!((points, set_aside), (0, Vec::new()));
}

#[test]
fn a_file_that_was_cut_short_gives_what_is_left_of_it() {
    let mut saved = Vec::new();
    for tenths in 1..10 {
        let (mut it, batches) = filled();
        let bytes = fs::metadata(it.path()).unwrap().len();
        let file = OpenOptions::new().write(true).open(it.path()).unwrap();
        file.set_len(bytes * tenths / 10).unwrap();
        let (points, set_aside) = check(&mut it, &batches, "cut short");
        assert_eq!(set_aside.len(), 1, "{tenths}");
        assert_eq!(set_aside[0].points_saved, points);
        let lost = it.spool().totals().lost(LossReason::Damaged);
        assert_eq!(points + lost, 280, "{tenths}");
        saved.push(points);
    }
    assert!(saved.is_sorted() && saved[8] > 140, "{saved:?}");
}

#[test]
fn a_page_of_zeros_costs_what_stood_there() {
    let (it, _) = filled();
    let pages = fs::metadata(it.path()).unwrap().len() / 4096;
    let mut saved = Vec::new();
    for page in 1..pages {
        let (mut it, batches) = filled();
        let file = OpenOptions::new().write(true).open(it.path()).unwrap();
        file.write_all_at(&[0; 4096], page * 4096).unwrap();
        let (points, _) = check(&mut it, &batches, &format!("page {page}"));
        let lost = it.spool().totals().lost(LossReason::Damaged);
        assert_eq!(points + lost, 280, "page {page}");
        saved.push(points);
    }
    let root_of_all = saved.iter().filter(|points| **points < 280 - 2 * 7);
    assert_eq!(root_of_all.count(), 1, "{saved:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_file_with_flipped_bits_never_gives_what_was_not_appended(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 1..30),
        in_log in any::<bool>(),
    ) {
        let (mut it, mut batches) = filled();
        if in_log {
            // A log with something in it, as after a crash.
            it.open();
            for mark in 100..110 {
                let more = batch(mark, 7, 9000, Times::at(1));
                it.append(&more);
                batches.push(more);
            }
            let path = it.path();
            let log = fs::read(path.with_extension("db-wal")).unwrap();
            let file = fs::read(&path).unwrap();
            it.close();
            fs::write(&path, file).unwrap();
            fs::write(path.with_extension("db-wal"), log).unwrap();
        }
        let damaged = it.path().with_extension(if in_log { "db-wal" } else { "db" });
        let mut bytes = fs::read(&damaged).unwrap();
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        fs::write(&damaged, bytes).unwrap();
        check(&mut it, &batches, FLIPPED);
    }
}
