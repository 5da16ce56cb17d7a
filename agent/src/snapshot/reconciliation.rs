//! Whether the sums close: what all entries used, beside what the root's own counter says.

use super::Interval;

/// Both sides since the first snapshot.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Reconciliation {
    /// What all entries together used, in nanoseconds.
    pub accounted_ns: u64,
    /// What the root's counter grew by, in nanoseconds; `None` until it has been read twice.
    pub root_ns: Option<u64>,
    /// The root's counter when it was first read.
    root_began_ns: Option<u64>,
}

impl Reconciliation {
    /// Takes in an interval, at whose end the root's counter stood at `root_ns`. The first has no length and only says
    /// where both sides begin.
    pub fn advance(&mut self, interval: &Interval, root_ns: Option<u64>) {
        let used_ns = interval.spans.iter().filter_map(|span| span.run_ns);
        self.accounted_ns = used_ns.fold(self.accounted_ns, u64::saturating_add);
        match (self.root_began_ns, root_ns) {
            (Some(began_ns), Some(now_ns)) => self.root_ns = Some(now_ns.saturating_sub(began_ns)),
            (None, Some(now_ns)) if interval.length.is_zero() => self.root_began_ns = Some(now_ns),
            _ => {}
        }
    }

    /// The part of the root's time that no entry has; negative for what entries have beyond it. Of little meaning in
    /// the first seconds, for the two sides are not read at the very same time.
    pub fn unaccounted(&self) -> Option<f64> {
        let root_ns = self.root_ns.filter(|ns| *ns > 0)?;
        Some(1.0 - self.accounted_ns as f64 / root_ns as f64)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        container::CgroupId,
        snapshot::{CpuTotals, Entry, Snapshot, Timestamp, Totals},
    };

    fn at(second: u64, used_ns: &[u64]) -> Snapshot {
        let entries = used_ns.iter().zip(1..).map(|(used_ns, cgroup)| {
            Arc::new(Entry {
                cgroup: CgroupId(cgroup),
                alive: true,
                totals: Totals {
                    cpu: CpuTotals {
                        run_ns: Some(*used_ns),
                        ..CpuTotals::default()
                    },
                    ..Totals::default()
                },
            })
        });
        Snapshot {
            taken: Timestamp {
                boot_ns: second * 1_000_000_000,
                wall_ns: 0,
            },
            entries: entries.collect(),
        }
    }

    /// Both sides after snapshots of these entries and roots.
    fn after(steps: &[(&[u64], Option<u64>)]) -> Reconciliation {
        let mut sums = Reconciliation::default();
        let mut before: Option<Snapshot> = None;
        for (second, (used_ns, root_ns)) in (1..).zip(steps) {
            let now = at(second, used_ns);
            sums.advance(&Interval::between(before.as_ref(), &now), *root_ns);
            before = Some(now);
        }
        sums
    }

    #[test]
    fn both_sides_begin_with_the_first_snapshot() {
        let sums = after(&[(&[900, 50], Some(5_000)), (&[940, 80], Some(5_070))]);
        assert_eq!((sums.accounted_ns, sums.root_ns), (70, Some(70)));
        assert_eq!(sums.unaccounted(), Some(0.0));
    }

    #[test]
    fn what_no_entry_has_is_a_part_of_the_roots_time() {
        let sums = after(&[(&[0], Some(0)), (&[75], Some(100))]);
        assert_eq!(sums.unaccounted(), Some(0.25));
        let sums = after(&[(&[0], Some(0)), (&[150], Some(100))]);
        assert_eq!(sums.unaccounted(), Some(-0.5));
    }

    #[test]
    fn without_a_root_from_the_beginning_there_is_nothing_to_compare() {
        for steps in [
            [(&[0][..], None), (&[5], None)],
            [(&[0], None), (&[5], Some(9))],
        ] {
            let sums = after(&steps);
            assert_eq!((sums.root_ns, sums.unaccounted()), (None, None));
            assert_eq!(sums.accounted_ns, 5);
        }
    }
}
