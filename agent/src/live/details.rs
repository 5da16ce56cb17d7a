//! The details of the last ticks, within so many bytes.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use super::{
    detail::Detail,
    packed::{Packed, Packer},
    step,
};
use crate::{container::CgroupId, metrics::Batch};

/// As many of the last ticks as fit.
#[derive(Debug)]
pub(super) struct Details {
    /// At most so many ticks.
    ticks: usize,
    /// Of at most so many bytes in all; the oldest go first.
    limit_bytes: usize,
    /// With the time of each tick, strictly increasing.
    kept: VecDeque<(i64, Packed)>,
    bytes: usize,
    packer: Packer,
    /// The names of those that took the CPU in one of the ticks, each with the time of the last of these.
    names: HashMap<CgroupId, (Arc<str>, i64)>,
}

impl Details {
    pub(super) fn new(ticks: usize, limit_bytes: usize) -> Self {
        Self {
            ticks,
            limit_bytes,
            kept: VecDeque::new(),
            bytes: 0,
            packer: Packer::default(),
            names: HashMap::new(),
        }
    }

    /// Takes in a tick; `before` is the batch before.
    pub(super) fn record(&mut self, before: Option<&Batch>, batch: &Batch) {
        if self.limit_bytes == 0 {
            return;
        }
        let wall_ns = batch.taken.wall_ns;
        if let Some(before) = before {
            let (packer, names) = (&mut self.packer, &mut self.names);
            step::details(before, batch, |detail| {
                packer.push(detail);
                for taker in detail.preemptors.iter().flatten() {
                    names.insert(taker.cgroup, (Arc::clone(&taker.name), wall_ns));
                }
            });
        }
        let packed = self.packer.finish();
        self.bytes += packed.len();
        self.kept.push_back((wall_ns, packed));
        while self.kept.len() > self.ticks || self.bytes > self.limit_bytes {
            let Some((_, oldest)) = self.kept.pop_front() else {
                break;
            };
            self.bytes -= oldest.len();
        }
        let oldest_ns = self.kept.front().map_or(i64::MAX, |it| it.0);
        self.names.retain(|_, (_, last_ns)| *last_ns >= oldest_ns);
    }

    /// The details of the tick at `wall_ns` of the entries that `is_wanted`.
    pub(super) fn at(&self, wall_ns: i64, is_wanted: impl Fn(CgroupId) -> bool) -> Vec<Detail> {
        let at = self.kept.binary_search_by_key(&wall_ns, |it| it.0);
        let found = at.ok().and_then(|at| self.kept.get(at));
        let mut details = found.map_or_else(Vec::new, |(_, packed)| packed.details(is_wanted));
        for detail in &mut details {
            self.name(detail);
        }
        details
    }

    /// The details of one entry, oldest first, with the times of their ticks.
    pub(super) fn of(&self, cgroup: CgroupId) -> Vec<(i64, Detail)> {
        let found = self.kept.iter().flat_map(|(wall_ns, packed)| {
            let its = packed.details(|it| it == cgroup).into_iter();
            its.map(|detail| (*wall_ns, detail))
        });
        let mut details: Vec<(i64, Detail)> = found.collect();
        for (_, detail) in &mut details {
            self.name(detail);
        }
        details
    }

    /// Gives those that took the CPU their names.
    fn name(&self, detail: &mut Detail) {
        for taker in detail.preemptors.iter_mut().flatten() {
            if let Some((name, _)) = self.names.get(&taker.cgroup) {
                taker.name = Arc::clone(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::{
        encode::fixture::{container, counted, tick_of},
        snapshot::{MemoryTotals, Totals},
    };

    /// A tick in which each entry that is there holds so much memory.
    fn batch(second: u32, held: &[Option<u64>]) -> Batch {
        let subject = |(cgroup, bytes): (u64, &Option<u64>)| {
            let memory = MemoryTotals {
                usage_bytes: Some((*bytes)?),
                ..MemoryTotals::default()
            };
            let totals = Totals {
                memory,
                ..Totals::default()
            };
            Some(counted(container(cgroup, "c"), totals))
        };
        tick_of(second, (1..).zip(held).filter_map(subject).collect())
    }

    proptest! {
        #[test]
        fn the_last_ticks_are_kept_whole_as_many_as_fit(
            ticks in 1_usize..6,
            limit_bytes in 1_usize..200,
            held in vec(vec(any::<Option<u64>>(), 4), 1..12),
        ) {
            let mut kept = Details::new(ticks, limit_bytes);
            let batches: Vec<Batch> = (1..).zip(&held).map(|(second, held)| batch(second, held)).collect();
            let mut model: Vec<(i64, Vec<Detail>)> = Vec::new();
            let mut before = None;
            for batch in &batches {
                kept.record(before, batch);
                let mut told = Vec::new();
                if let Some(before) = before {
                    step::details(before, batch, |it| told.push(it.clone()));
                }
                model.push((batch.taken.wall_ns, told));
                before = Some(batch);

                let gone = model.len() - kept.kept.len();
                for (at, (wall_ns, details)) in model.iter().enumerate() {
                    let expected = if at < gone { &[] } else { &details[..] };
                    prop_assert_eq!(&kept.at(*wall_ns, |_| true), expected);
                }
                for cgroup in (0..=4).map(CgroupId) {
                    let its = model[gone..].iter().flat_map(|(wall_ns, details)| {
                        let its = details.iter().filter(|it| it.cgroup == cgroup);
                        its.map(|it| (*wall_ns, it.clone()))
                    });
                    prop_assert_eq!(kept.of(cgroup), its.collect::<Vec<_>>());
                }
                let bytes: usize = kept.kept.iter().map(|it| it.1.len()).sum();
                prop_assert_eq!(bytes, kept.bytes);
                prop_assert!(bytes <= limit_bytes && kept.kept.len() <= ticks, "{bytes} bytes");
                // What went had to go.
                let lost = gone.checked_sub(1).map(|at| &model[at].1);
                let fits = lost.is_some_and(|lost| {
                    let mut packer = Packer::default();
                    for detail in lost {
                        packer.push(detail);
                    }
                    bytes + packer.finish().len() <= limit_bytes && kept.kept.len() < ticks
                });
                prop_assert!(!fits);
            }
        }
    }
}
