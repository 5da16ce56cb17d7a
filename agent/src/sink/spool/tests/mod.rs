//! The spool as a whole: here what it promises call by call.

use std::{fs, os::unix::fs::PermissionsExt as _};

use bytes::Bytes;
use tempfile::TempDir;

use super::*;
use crate::encode::Times;

mod damage;
mod model;
mod unsure;

const LIMITS: Limits = Limits {
    bytes: LEAST_BYTES,
    age: Duration::from_secs(1000),
};

/// A spool in a folder of its own.
struct Fixture {
    folder: TempDir,
    spool: Option<Spool>,
    limits: Limits,
}

impl Fixture {
    fn new(limits: Limits) -> Self {
        let mut fixture = Self {
            folder: tempfile::tempdir().unwrap(),
            spool: None,
            limits,
        };
        fixture.open();
        fixture
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("spool/db.db")
    }

    fn open(&mut self) -> &mut Spool {
        self.spool = None;
        self.spool = Some(Spool::open(&self.path(), self.limits).unwrap());
        self.spool()
    }

    fn close(&mut self) {
        self.spool = None;
    }

    fn spool(&mut self) -> &mut Spool {
        self.spool.as_mut().unwrap()
    }

    /// The account as committed.
    fn ledger(&mut self) -> Ledger {
        self.spool().store.as_ref().unwrap().ledger.clone()
    }

    /// Appends one batch.
    fn append(&mut self, batch: &Packed) -> Option<Seq> {
        let now_ns = batch.times.newest_ns;
        let seqs = self
            .spool()
            .append(std::slice::from_ref(batch), &[], now_ns);
        seqs.unwrap()[0]
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path().join("spool")).unwrap();
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
        let mut names: Vec<String> = entries.map(|entry| name(entry.unwrap())).collect();
        names.sort();
        names
    }
}

/// A batch of bytes that stand for compressed ones, told apart by `mark`.
fn batch(mark: u64, points: usize, bytes: usize, times: Times) -> Packed {
    let mut random = fastrand::Rng::with_seed(mark);
    let mut gzip = vec![0; bytes];
    random.fill(&mut gzip);
    Packed {
        gzip: Bytes::from(gzip),
        points,
        times,
    }
}

fn small(mark: u64) -> Packed {
    batch(mark, 3, 500, Times::at(1))
}

#[test]
fn what_is_appended_is_taken_in_order_and_gone_when_settled() {
    let mut it = Fixture::new(LIMITS);
    let batches = [small(1), small(2), small(3)];
    let seqs = it.spool().append(&batches, &[], 7).unwrap();
    let spool = it.open();
    assert_eq!(spool.newest_ns(), Some(7));
    let first = spool.take(Seq::FIRST).unwrap().unwrap();
    assert_eq!((Some(first.seq), &first.packed), (seqs[0], &batches[0]));
    let second = spool.take(Seq::FIRST).unwrap().unwrap();
    assert_eq!((Some(second.seq), &second.packed), (seqs[1], &batches[1]));
    spool.settle(second.seq, &[]);
    assert_eq!(spool.depth().batches, 2);
    assert_eq!(spool.totals().stored, 3);
    spool.release(first.seq);
    spool.flush().unwrap();
    let spool = it.open();
    assert_eq!(spool.depth().points, 6);
    assert_eq!(spool.totals().stored, 3);
    let first = spool.take(Seq::FIRST).unwrap().unwrap();
    assert_eq!(first.packed, batches[0]);
    let third = spool.take(first.seq.next()).unwrap().unwrap();
    assert_eq!(third.packed, batches[2]);
    assert_eq!(spool.take(Seq::FIRST).unwrap(), None);
}

#[test]
fn the_files_are_for_their_owner_alone() {
    let mut it = Fixture::new(LIMITS);
    it.append(&small(1));
    assert_eq!(it.names(), ["db.db", "db.db-wal"]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = it.folder.path().join("spool");
    assert_eq!(mode(&folder), 0o700);
    for name in it.names() {
        assert_eq!(mode(&folder.join(&name)), 0o600, "{name}");
    }
    fs::set_permissions(it.path(), fs::Permissions::from_mode(0o644)).unwrap();
    it.open();
    assert_eq!(mode(&it.path()), 0o600);
}

#[test]
fn a_second_owner_is_refused_and_told_the_file() {
    let mut it = Fixture::new(LIMITS);
    it.append(&small(1));
    let refused = Spool::open(&it.path(), LIMITS).unwrap_err();
    assert!(matches!(refused, SpoolError::Held { .. }), "{refused:?}");
    assert!(refused.to_string().contains("spool/db.db"), "{refused}");
    assert_eq!(it.append(&small(2)), Some(Seq(2)));
    it.open();
}

#[test]
fn a_number_is_never_given_twice() {
    let mut it = Fixture::new(LIMITS);
    let first = it.append(&small(1)).unwrap();
    assert!(it.spool().hold(first).unwrap());
    it.spool().settle(first, &[]);
    it.spool().flush().unwrap();
    assert!(!it.spool().hold(first).unwrap());
    it.open();
    assert_eq!(it.spool().depth(), Depth::default());
    assert!(it.append(&small(2)) > Some(first));
}

#[test]
fn what_is_too_old_goes_and_what_is_held_stays() {
    let mut it = Fixture::new(LIMITS);
    let second_ns = 1_000_000_000;
    let at = |mark, at_s: i64| batch(mark, 10, 100, Times::at(at_s * second_ns));
    let held = it.append(&at(1, 1)).unwrap();
    assert!(it.spool().hold(held).unwrap());
    it.append(&at(2, 2));
    it.append(&at(3, 3));
    it.append(&at(4, 1002));
    assert_eq!(it.spool().depth().points, 40);
    it.append(&at(5, 1003));
    assert_eq!(it.spool().totals().lost(LossReason::Aged), 10);
    let untold = it.spool().untold();
    let loss = Loss {
        reason: LossReason::Aged,
        points: 10,
        times: Times::at(2 * second_ns),
    };
    assert_eq!(untold, [loss]);
    assert_eq!(it.spool().depth().oldest_ns, Some(second_ns));
    // A point of another process may have any time: it makes nothing old.
    let odd = batch(6, 10, 100, Times::at(i64::MAX));
    it.spool().append(&[odd], &[], 1003 * second_ns).unwrap();
    assert_eq!(it.spool().totals().lost(LossReason::Aged), 10);
    assert_eq!(it.spool().newest_ns(), Some(1003 * second_ns));
}

#[test]
fn a_loss_is_untold_until_a_point_that_tells_it_is_kept() {
    let mut it = Fixture::new(LIMITS);
    let loss = |points, at_ns| Loss {
        reason: LossReason::Overflow,
        points,
        times: Times::at(at_ns),
    };
    it.spool().lost_elsewhere(&loss(5, 10));
    let told = it.spool().untold();
    it.spool().lost_elsewhere(&loss(2, 20));
    let too_large = batch(1, 1, 3 << 20, Times::at(1));
    let refused = it.spool().append(&[too_large], &told, 1).unwrap();
    assert_eq!(refused, [None]);
    assert_eq!(it.open().untold()[0].points, 7);
    it.spool().append(&[small(1)], &told, 1).unwrap();
    let left = it.open().untold();
    assert_eq!(left[0].points, 2);
    assert_eq!(left[0].times.newest_ns, 20);
    let told = it.spool().untold();
    assert_eq!(told[1].reason, LossReason::Oversized);
    it.spool().append(&[small(2)], &told, 1).unwrap();
    assert_eq!(it.open().untold(), []);
    assert_eq!(it.spool().totals().lost(LossReason::Overflow), 7);
    assert_eq!(it.spool().totals().lost(LossReason::Oversized), 1);
}

#[test]
fn a_batch_of_a_mebibyte_fits_in_the_smallest_spool_though_another_is_held() {
    let mut it = Fixture::new(LIMITS);
    let large = |mark| batch(mark, 5000, 1 << 20, Times::at(1));
    let first = it.append(&large(1)).unwrap();
    assert!(it.spool().hold(first).unwrap());
    let second = it.append(&large(2)).unwrap();
    let third = it.append(&large(3)).unwrap();
    assert!(!it.spool().hold(second).unwrap());
    assert!(it.spool().hold(third).unwrap());
    // Both are being written: what comes now finds no place.
    assert_eq!(it.append(&large(4)), None);
    assert_eq!(it.spool().totals().lost(LossReason::Evicted), 10_000);
    assert_eq!(it.append(&small(5)), Some(Seq(4)));
    assert!(it.spool().file_bytes() <= LEAST_BYTES);
}

#[test]
fn what_does_not_go_in_one_transaction_is_left_to_the_caller() {
    let mut it = Fixture::new(LIMITS);
    let batches: Vec<Packed> = (0..9)
        .map(|mark| batch(mark, 1, 400_000, Times::at(1)))
        .collect();
    let mut rest = &batches[..];
    let mut calls = 0;
    while !rest.is_empty() {
        let kept = it.spool().append(rest, &[], 1).unwrap().len();
        assert!(kept > 0);
        rest = &rest[kept..];
        calls += 1;
    }
    assert_eq!(calls, 3);
    let depth = it.spool().depth();
    let lost = it.spool().totals().lost(LossReason::Evicted);
    assert_eq!(depth.points + lost, 9);
    assert!(it.spool().file_bytes() <= LEAST_BYTES);
}

#[test]
fn a_lower_limit_makes_the_file_smaller_and_a_higher_one_lets_it_grow() {
    let mut it = Fixture::new(Limits {
        bytes: 16 << 20,
        ..LIMITS
    });
    let middle = |mark| batch(mark, 1, 100_000, Times::at(1));
    for mark in 0..120 {
        it.append(&middle(mark));
    }
    assert_eq!(it.spool().depth().points, 120);
    it.limits.bytes = LEAST_BYTES;
    let spool = it.open();
    assert!(spool.file_bytes() <= LEAST_BYTES, "{}", spool.file_bytes());
    let depth = spool.depth();
    assert!((15..24).contains(&depth.points), "{depth:?}");
    assert_eq!(depth.points + spool.totals().lost(LossReason::Evicted), 120);
    let first = spool.take(Seq::FIRST).unwrap().unwrap();
    assert_eq!(first.packed, middle(120 - depth.points));
    it.limits.bytes = 16 << 20;
    it.open();
    for mark in 0..60 {
        it.append(&middle(mark));
    }
    assert!(it.spool().depth().points > 70);
}

#[test]
fn room_that_is_no_longer_needed_is_given_back() {
    let mut it = Fixture::new(Limits {
        bytes: 64 << 20,
        ..LIMITS
    });
    for mark in 0..200 {
        it.append(&batch(mark, 1, 100_000, Times::at(1)));
    }
    let full = it.spool().file_bytes();
    while let Some(stored) = it.spool().take(Seq::FIRST).unwrap() {
        it.spool().settle(stored.seq, &[]);
    }
    for _ in 0..9 {
        it.spool().flush().unwrap();
    }
    let empty = it.spool().file_bytes();
    assert!(
        full > 20_000_000 && empty < full / 2,
        "full={full} empty={empty}"
    );
    assert_eq!(it.spool().totals().stored, 200);
}

#[test]
fn a_folder_that_cannot_be_made_is_told_with_the_cause() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no/such/db.db");
    let error = Spool::open(&path, LIMITS).unwrap_err();
    assert!(matches!(error, SpoolError::Unavailable { .. }));
    assert!(error.to_string().contains("no/such/db.db"), "{error}");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("No such file"), "{cause}");
}
