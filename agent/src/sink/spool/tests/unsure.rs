//! Calls whose end is not known, and files that went while a spool was alive.

use super::*;

#[test]
fn what_an_append_left_whose_end_was_not_known_is_taken_back() {
    let mut it = Fixture::new(LIMITS);
    it.append(&small(1));
    // As after a commit of which the disk did not say whether it went well.
    let unsure = Unsure::after(&it.ledger());
    it.append(&small(2));
    it.spool().store = None;
    it.spool().unsure = Some(unsure);
    assert_eq!(it.append(&small(2)), Some(Seq(3)));
    assert_eq!(it.spool().depth().points, 6);
    assert_eq!(it.spool().take(Seq(2)).unwrap().unwrap().seq, Seq(3));
    assert_eq!(it.spool().totals(), &Totals::default());
}

#[test]
fn what_was_counted_counts_once_whether_its_transaction_was_made_or_not() {
    let lost = Loss {
        reason: LossReason::Overflow,
        points: 3,
        times: Times::at(1),
    };
    for is_made in [true, false] {
        let mut it = Fixture::new(LIMITS);
        it.append(&small(1));
        it.spool().lost_elsewhere(&lost);
        it.spool().flush().unwrap();
        let held = it.spool().take(Seq::FIRST).unwrap().unwrap();
        it.spool().settle(held.seq, &[]);
        it.spool().stored_elsewhere(5);
        let untold = it.spool().untold();

        let mut ledger = it.ledger();
        let unsure = Unsure::after(&ledger);
        let spool = it.spool();
        let mut pending = spool.pending.clone();
        if is_made {
            let _seqs = spool.append(&[small(2)], &untold, 0).unwrap();
        }
        // Its caller was not told that it went well, and goes on counting.
        pending.take_along(&mut ledger);
        pending.carry(&untold);
        spool.pending = pending;
        spool.store = None;
        spool.unsure = Some(unsure);
        spool.stored_elsewhere(7);
        spool.flush().unwrap();

        let small_points = small(1).points as u64;
        assert_eq!(spool.totals().stored, small_points + 5 + 7, "{is_made}");
        assert_eq!(spool.totals().lost(LossReason::Overflow), 3, "{is_made}");
        // No point that is kept tells of them.
        assert_eq!(spool.untold(), untold, "{is_made}");
        assert_eq!(spool.depth(), Depth::default(), "{is_made}");
    }
}

#[test]
fn a_transaction_that_was_not_made_changes_nothing_and_is_made_up_for() {
    let mut it = Fixture::new(LIMITS);
    it.append(&small(1));
    let held = it.spool().take(Seq::FIRST).unwrap().unwrap();
    it.spool().settle(held.seq, &[]);
    it.spool().stored_elsewhere(5);
    it.spool().lost_elsewhere(&Loss {
        reason: LossReason::Unreported,
        points: 3,
        times: Times::at(1),
    });
    let shown = it.spool().totals().to_owned();
    // As of a file system that has become read-only.
    let connection = &it.spool().store.as_ref().unwrap().connection;
    connection.execute_batch("PRAGMA query_only = ON").unwrap();
    let failed = it.spool().append(&[small(2)], &[], 0);
    assert!(
        matches!(failed, Err(SpoolError::Unavailable { .. })),
        "{failed:?}"
    );
    assert!(it.spool().store.is_none());
    assert_eq!(it.spool().totals(), &shown);

    assert!(it.append(&small(3)).is_some());
    assert_eq!(it.spool().totals(), &shown);
    assert_eq!(it.spool().depth().batches, 1);
    it.close();
    assert_eq!(it.open().totals(), &shown);
    assert_eq!(shown.stored, small(1).points as u64 + 5);
    assert_eq!(shown.lost(LossReason::Unreported), 3);
    assert_eq!(it.spool().untold(), []);
}

#[test]
fn no_number_is_given_twice_though_the_file_vanishes() {
    let mut it = Fixture::new(LIMITS);
    let before = it.append(&small(1)).unwrap();
    it.spool().store = None;
    for file in store::files_of(&it.path()) {
        drop(fs::remove_file(file));
    }
    assert_eq!(it.append(&small(2)), Some(before.next()));
}

#[test]
fn what_was_moved_away_is_salvaged_though_the_new_file_cannot_be_begun_at_once() {
    let mut it = Fixture::new(LIMITS);
    it.append(&small(1));
    it.spool().store = None;
    let path = aside::move_away(&it.path(), Why::Corrupt, LIMITS.bytes).unwrap();
    it.spool().moved = Some(Moved { path, known: None });
    // SQLite makes no file where a folder is.
    fs::create_dir(it.path()).unwrap();
    assert!(it.spool().take(Seq::FIRST).is_err());
    fs::remove_dir(it.path()).unwrap();

    let stored = it.spool().take(Seq::FIRST).unwrap().unwrap();
    assert_eq!(stored.packed, small(1));
    let set_aside = it.spool().take_set_aside();
    assert_eq!((set_aside.len(), set_aside[0].points_saved), (1, 3));
    assert_eq!(it.spool().totals(), &Totals::default());
}

#[test]
fn a_damaged_file_with_a_transaction_of_unknown_end_counts_once() {
    for is_made in [true, false] {
        let mut it = Fixture::new(LIMITS);
        it.append(&small(1));
        it.append(&small(2));
        let held = it.spool().take(Seq::FIRST).unwrap().unwrap();
        it.spool().settle(held.seq, &[]);
        it.spool().stored_elsewhere(5);

        let mut ledger = it.ledger();
        let unsure = Unsure::after(&ledger);
        let spool = it.spool();
        let mut pending = spool.pending.clone();
        if is_made {
            spool.flush().unwrap();
        }
        pending.take_along(&mut ledger);
        spool.pending = pending;
        spool.store = None;
        spool.unsure = Some(unsure);
        let path = aside::move_away(&it.path(), Why::Corrupt, LIMITS.bytes).unwrap();
        it.spool().moved = Some(Moved { path, known: None });

        it.spool().flush().unwrap();
        let spool = it.spool();
        let points = small(1).points as u64;
        assert_eq!(spool.totals().stored, points + 5, "{is_made}");
        assert_eq!(spool.totals().lost(LossReason::Damaged), 0, "{is_made}");
        assert_eq!(spool.depth().points, points, "{is_made}");
        let left = spool.take(Seq::FIRST).unwrap().unwrap();
        assert_eq!(left.packed, small(2), "{is_made}");
    }
}
