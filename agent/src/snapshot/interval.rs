//! Two snapshots → what happened between them.

use std::time::Duration;

use super::{CpuTotals, Entry, Snapshot, Timestamp};

/// What happened between two snapshots.
#[derive(Clone, Debug)]
pub struct Interval<'a> {
    /// When the later snapshot was taken.
    pub taken: Timestamp,
    /// How long it lasted; zero for the first snapshot.
    pub length: Duration,
    /// One per entry of the later snapshot, in its order.
    pub spans: Vec<Span<'a>>,
    /// Totals that went backwards. They are bugs or restarted counters; each was taken as no change.
    pub regressions: u64,
}

/// One entry over an interval.
#[derive(Clone, Debug)]
pub struct Span<'a> {
    /// Its counters at the interval's end.
    pub after: &'a Entry,
    /// CPU time used within the interval, in nanoseconds; of an entry born in it, all it used.
    pub run_ns: Option<u64>,
    /// Time spent waiting for a CPU within the interval, in nanoseconds.
    pub wait_ns: Option<u64>,
    /// Whether the entry is not in the earlier snapshot.
    pub born: bool,
}

impl<'a> Interval<'a> {
    /// The interval between two snapshots. Without an earlier one its length is zero and nothing in it has a rate:
    /// lifetime totals are not use within an interval.
    pub fn between(before: Option<&Snapshot>, after: &'a Snapshot) -> Self {
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
                        after: entry,
                        run_ns: None,
                        wait_ns: None,
                        born: true,
                    };
                };
                let earlier = before
                    .entries
                    .binary_search_by_key(&entry.cgroup, |entry| entry.cgroup)
                    .ok()
                    .and_then(|at| before.entries.get(at));
                let mut grown = |total: fn(&CpuTotals) -> Option<u64>| {
                    let now = total(&entry.cpu)?;
                    let then = earlier.map_or(Some(0), |earlier| total(&earlier.cpu))?;
                    if now < then {
                        regressions += 1;
                    }
                    Some(now.saturating_sub(then))
                };
                Span {
                    run_ns: grown(|cpu| cpu.run_ns),
                    wait_ns: grown(|cpu| cpu.wait_ns),
                    after: entry,
                    born: earlier.is_none(),
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
}

impl Interval<'_> {
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

impl Span<'_> {
    /// CPUs used on average over `length` (1.0 is one CPU fully used); `None` without a length.
    pub fn cpus(&self, length: Duration) -> Option<f64> {
        per_second(self.run_ns?, length)
    }

    /// Seconds of run-queue wait per second over `length`; `None` without a length.
    pub fn waiting(&self, length: Duration) -> Option<f64> {
        per_second(self.wait_ns?, length)
    }
}

fn per_second(ns: u64, length: Duration) -> Option<f64> {
    (!length.is_zero()).then(|| ns as f64 / 1e9 / length.as_secs_f64())
}
