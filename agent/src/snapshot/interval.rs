//! Two snapshots → what happened between them.

use std::{sync::Arc, time::Duration};

use super::{CpuTotals, Entry, Snapshot, Timestamp};

/// What happened between two snapshots.
#[derive(Clone, Debug)]
pub struct Interval {
    /// When the later snapshot was taken.
    pub taken: Timestamp,
    /// How long it lasted; zero for the first snapshot.
    pub length: Duration,
    /// One per entry of the later snapshot, in its order.
    pub spans: Vec<Span>,
    /// Totals that went backwards: a bug, or a counter that was started anew. Each was taken as no change.
    pub regressions: u64,
}

/// One entry over an interval.
#[derive(Clone, Debug)]
pub struct Span {
    /// Its counters at the interval's end.
    pub after: Arc<Entry>,
    /// How long the interval lasted.
    pub length: Duration,
    /// CPU time used within the interval, in nanoseconds; of an entry born in it, all it used.
    pub run_ns: Option<u64>,
    /// Time spent waiting for a CPU within the interval, in nanoseconds.
    pub wait_ns: Option<u64>,
}

impl Interval {
    /// The interval between two snapshots. Without an earlier one its length is zero and nothing in it has a rate:
    /// lifetime totals are not use within an interval.
    pub fn between(before: Option<&Snapshot>, after: &Snapshot) -> Self {
        let mut regressions = 0;
        let length = before.map_or(Duration::ZERO, |before| {
            Duration::from_nanos(after.taken.boot_ns.saturating_sub(before.taken.boot_ns))
        });
        let spans = after
            .entries
            .iter()
            .map(|entry| {
                let Some(before) = before else {
                    return Span {
                        after: Arc::clone(entry),
                        length,
                        run_ns: None,
                        wait_ns: None,
                    };
                };
                let earlier = before
                    .entries
                    .binary_search_by_key(&entry.cgroup, |entry| entry.cgroup)
                    .ok()
                    .and_then(|at| before.entries.get(at));
                let mut grown = |total: fn(&CpuTotals) -> Option<u64>| {
                    let now = total(&entry.totals.cpu)?;
                    let then = earlier.map_or(Some(0), |earlier| total(&earlier.totals.cpu))?;
                    if now < then {
                        regressions += 1;
                    }
                    Some(now.saturating_sub(then))
                };
                Span {
                    run_ns: grown(|cpu| cpu.run_ns),
                    wait_ns: grown(|cpu| cpu.wait_ns),
                    after: Arc::clone(entry),
                    length,
                }
            })
            .collect();
        Self {
            taken: after.taken,
            length,
            spans,
            regressions,
        }
    }

    /// The same without rates, for an interval that is too short for them: the kernel charges a running task a tick
    /// at a time, so that over a millisecond a CPU can seem to be used fourfold.
    #[must_use]
    pub fn without_rates(mut self) -> Self {
        for span in &mut self.spans {
            (span.run_ns, span.wait_ns) = (None, None);
        }
        self
    }
}

impl Span {
    /// An entry of which nothing is known but its totals.
    pub fn without_rates(entry: Entry) -> Self {
        Self {
            after: Arc::new(entry),
            length: Duration::ZERO,
            run_ns: None,
            wait_ns: None,
        }
    }

    /// CPUs used on average (1.0 is one CPU fully used); `None` without a length.
    pub fn cpus(&self) -> Option<f64> {
        per_second(self.run_ns?, self.length)
    }

    /// Seconds per second of something that took `ns` within the interval; `None` where nothing in it has a rate.
    pub fn share_of(&self, ns: u64) -> Option<f64> {
        self.run_ns.and_then(|_| per_second(ns, self.length))
    }

    /// Seconds of run-queue wait per second; `None` without a length.
    pub fn waiting(&self) -> Option<f64> {
        per_second(self.wait_ns?, self.length)
    }
}

fn per_second(ns: u64, length: Duration) -> Option<f64> {
    (!length.is_zero()).then(|| ns as f64 / 1e9 / length.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{container::CgroupId, snapshot::Totals};

    const SECOND_NS: u64 = 1_000_000_000;

    fn entry(cgroup: u64, run_ns: Option<u64>) -> Entry {
        Entry {
            cgroup: CgroupId(cgroup),
            alive: true,
            totals: Totals {
                cpu: CpuTotals {
                    run_ns,
                    wait_ns: run_ns.map(|ns| ns / 10),
                    ..CpuTotals::default()
                },
                ..Totals::default()
            },
        }
    }

    fn at(boot_ns: u64, entries: Vec<Entry>) -> Snapshot {
        let taken = Timestamp {
            boot_ns,
            wall_ns: 0,
        };
        let entries = entries.into_iter().map(Arc::new).collect();
        Snapshot { taken, entries }
    }

    /// The `run_ns` of the one span, and how many totals went backwards.
    fn grown(before: Vec<Entry>, after: Entry) -> (Option<u64>, u64) {
        let (before, after) = (at(0, before), at(SECOND_NS, vec![after]));
        let interval = Interval::between(Some(&before), &after);
        (interval.spans[0].run_ns, interval.regressions)
    }

    #[test]
    fn an_entry_used_what_its_total_grew_by() {
        let before = at(SECOND_NS, vec![entry(1, Some(40)), entry(2, Some(500))]);
        let after = at(
            3 * SECOND_NS,
            vec![entry(1, Some(40)), entry(2, Some(4 * SECOND_NS + 500))],
        );
        let interval = Interval::between(Some(&before), &after);
        assert_eq!(interval.length, Duration::from_secs(2));
        let [idle, busy] = &interval.spans[..] else {
            panic!("{interval:?}");
        };
        assert_eq!((idle.run_ns, idle.cpus()), (Some(0), Some(0.0)));
        assert_eq!(busy.cpus(), Some(2.0));
        assert_eq!(busy.waiting(), Some(0.2));
    }

    #[test]
    fn an_entry_born_within_it_used_all_it_has() {
        assert_eq!(
            grown(vec![entry(1, Some(9))], entry(2, Some(70))),
            (Some(70), 0)
        );
    }

    #[test]
    fn an_entry_that_ended_stands_in_it_once_more_and_then_no_more() {
        let last = Entry {
            alive: false,
            ..entry(1, Some(30))
        };
        let (before, death) = (at(0, vec![entry(1, Some(10))]), at(1, vec![last]));
        let interval = Interval::between(Some(&before), &death);
        assert_eq!(interval.spans[0].run_ns, Some(20));
        let gone = at(2, Vec::new());
        assert!(Interval::between(Some(&death), &gone).spans.is_empty());
    }

    #[test]
    fn a_total_that_goes_backwards_is_no_change_and_counted() {
        // Run time and wait.
        assert_eq!(
            grown(vec![entry(1, Some(90))], entry(1, Some(50))),
            (Some(0), 2)
        );
    }

    #[test]
    fn a_total_that_becomes_known_was_not_used_within_it() {
        assert_eq!(grown(vec![entry(1, None)], entry(1, Some(50))), (None, 0));
        assert_eq!(grown(vec![entry(1, Some(50))], entry(1, None)), (None, 0));
    }

    #[test]
    fn the_first_snapshot_has_totals_and_no_rates() {
        let first = at(SECOND_NS, vec![entry(1, Some(50))]);
        let interval = Interval::between(None, &first);
        assert_eq!(interval.length, Duration::ZERO);
        assert_eq!(interval.spans[0].run_ns, None);
    }

    #[test]
    fn two_snapshots_of_one_instant_have_no_rates() {
        for later_ns in [SECOND_NS, SECOND_NS - 1] {
            let (before, after) = (
                at(SECOND_NS, vec![entry(1, Some(50))]),
                at(later_ns, vec![entry(1, Some(60))]),
            );
            let interval = Interval::between(Some(&before), &after);
            assert_eq!(interval.length, Duration::ZERO);
            assert_eq!(interval.spans[0].run_ns, Some(10));
            assert_eq!(interval.spans[0].cpus(), None);
        }
    }

    #[test]
    fn rates_can_be_left_out() {
        let (before, after) = (at(0, Vec::new()), at(1, vec![entry(1, Some(4_000_000))]));
        let interval = Interval::between(Some(&before), &after).without_rates();
        assert_eq!(interval.length, Duration::from_nanos(1));
        assert_eq!(interval.spans[0].cpus(), None);
        assert_eq!(interval.spans[0].waiting(), None);
    }
}
