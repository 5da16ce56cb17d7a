//! Whatever is done, against a model in memory.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// What is done with a spool.
#[derive(Clone, Debug)]
enum Step {
    /// Appends batches of these points and bytes, after so many seconds.
    Append(Vec<(usize, usize)>, i64),
    Take,
    /// Settles a held batch, with up to so many of its points lost.
    Settle(usize, u64),
    Release(usize),
    Flush,
    Elsewhere(u64),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = prop_oneof![
        4 => 0_usize..2_000,
        4 => 2_000_usize..100_000,
        2 => 100_000_usize..1_000_000,
        1 => 1_000_000_usize..1_700_000,
    ];
    let batches = prop::collection::vec((1_usize..50, size), 1..6);
    let step = prop_oneof![
        8 => (batches, 0_i64..150).prop_map(|(batches, after_s)| Step::Append(batches, after_s)),
        3 => Just(Step::Take),
        3 => (any::<usize>(), 0_u64..60).prop_map(|(which, lost)| Step::Settle(which, lost)),
        1 => any::<usize>().prop_map(Step::Release),
        1 => Just(Step::Flush),
        1 => (0_u64..9).prop_map(Step::Elsewhere),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..40)
}

/// What should be in the spool.
#[derive(Default)]
struct Model {
    now_s: i64,
    marks: u64,
    appended: u64,
    /// All batches that ever were in the spool and are not known to have left it.
    inside: BTreeMap<Seq, Packed>,
    held: Vec<Seq>,
    ever_held: BTreeSet<Seq>,
    /// Settled, and not flushed.
    settled: BTreeMap<Seq, Packed>,
    last: Option<Seq>,
}

impl Model {
    fn make(&mut self, sizes: &[(usize, usize)]) -> Vec<Packed> {
        let times = Times::at(self.now_s * 1_000_000_000);
        let make = |&(points, bytes)| {
            self.marks += 1;
            self.appended += points as u64;
            batch(self.marks, points, bytes, times)
        };
        sizes.iter().map(make).collect()
    }

    fn pick(&self, which: usize) -> Option<Seq> {
        let at = which.checked_rem(self.held.len())?;
        Some(self.held[at])
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever is done: the files never are larger than the limit, each point is waiting, stored or lost, and what is
    /// inside is what was appended, but for the oldest.
    #[test]
    fn no_point_is_unaccounted_for_and_the_bound_holds(steps in steps(), limit in LEAST_BYTES..8 << 20) {
        let mut it = Fixture::new(Limits { bytes: limit, ..LIMITS });
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Append(sizes, after_s) => {
                    model.now_s += after_s;
                    let batches = model.make(&sizes);
                    let now_ns = model.now_s * 1_000_000_000;
                    let mut rest = &batches[..];
                    while !rest.is_empty() {
                        let seqs = it.spool().append(rest, &[], now_ns).unwrap();
                        prop_assert!(it.spool().file_bytes() <= limit);
                        for (seq, batch) in seqs.iter().zip(rest) {
                            let Some(seq) = *seq else { continue };
                            prop_assert!(Some(seq) > model.last);
                            model.last = Some(seq);
                            model.inside.insert(seq, batch.clone());
                        }
                        rest = &rest[seqs.len()..];
                    }
                    model.settled.clear();
                }
                Step::Take => {
                    if let Some(stored) = it.spool().take(Seq::FIRST).unwrap() {
                        prop_assert_eq!(&model.inside[&stored.seq], &stored.packed);
                        prop_assert!(!model.held.contains(&stored.seq));
                        model.held.push(stored.seq);
                        model.ever_held.insert(stored.seq);
                    }
                }
                Step::Settle(which, lost) => {
                    let Some(seq) = model.pick(which) else { continue };
                    let loss = Loss { reason: LossReason::Refused, points: lost, times: Times::at(1) };
                    let before = *it.spool().totals();
                    let points = model.inside[&seq].points as u64;
                    it.spool().settle(seq, &[loss]);
                    let refused = it.spool().totals().lost(LossReason::Refused);
                    prop_assert_eq!(refused - before.lost(LossReason::Refused), lost.min(points));
                    model.held.retain(|held| *held != seq);
                    let batch = model.inside.remove(&seq).unwrap();
                    model.settled.insert(seq, batch);
                }
                Step::Release(which) => {
                    let Some(seq) = model.pick(which) else { continue };
                    it.spool().release(seq);
                    model.held.retain(|held| *held != seq);
                }
                Step::Flush => {
                    it.spool().flush().unwrap();
                    model.settled.clear();
                }
                Step::Elsewhere(points) => {
                    it.spool().stored_elsewhere(points);
                    it.spool().flush().unwrap();
                    model.settled.clear();
                    model.appended += points;
                }
                Step::Reopen => {
                    it.open();
                    model.held.clear();
                    model.inside.append(&mut model.settled);
                }
            }
            let spool = it.spool();
            prop_assert!(spool.file_bytes() <= limit, "{} of {limit}", spool.file_bytes());
            // The log may have been longer in the midst of a transaction, and cut at its end.
            let most_frames = spool.room().frames;
            let (frames, _) = spool.store.as_ref().unwrap().log("NOOP").unwrap();
            prop_assert!(frames <= most_frames, "{frames} of {most_frames}");
            let lost: u64 = LossReason::ALL.iter().map(|reason| spool.totals().lost(*reason)).sum();
            prop_assert_eq!(model.appended, spool.totals().stored + lost + spool.depth().points);
            let untold: u64 = spool.untold().iter().map(|loss| loss.points).sum();
            prop_assert_eq!(untold, lost);
        }
        let held: Vec<Seq> = model.held.drain(..).collect();
        for seq in held {
            it.spool().release(seq);
        }
        it.spool().flush().unwrap();
        let depth = it.spool().depth();
        let mut left = Vec::new();
        while let Some(stored) = it.spool().take(Seq::FIRST).unwrap() {
            prop_assert_eq!(&model.inside[&stored.seq], &stored.packed);
            left.push(stored);
        }
        prop_assert_eq!(depth.batches, left.len() as u64);
        // What was never held went in the order in which it came.
        let mut seqs = left.iter().map(|it| it.seq);
        let oldest_left = seqs.find(|seq| !model.ever_held.contains(seq));
        let gone = |seq: &&Seq| left.iter().all(|it| it.seq != **seq);
        let youngest_gone = model.inside.keys().rfind(gone);
        prop_assert!(oldest_left.as_ref().is_none_or(|left| youngest_gone.is_none_or(|gone| gone < left)));
        let points: usize = left.iter().map(|it| it.packed.points).sum();
        let bytes: usize = left.iter().map(|it| it.packed.gzip.len()).sum();
        prop_assert_eq!((depth.points, depth.bytes), (points as u64, bytes as u64));
        prop_assert_eq!(depth.oldest_ns, left.first().map(|it| it.packed.times.oldest_ns));
    }
}
