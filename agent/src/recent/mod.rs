//! The last moments of every entry in full, for those who ask for stats by cAdvisor's API: kept from the first question on
//! until ten minutes after the last, or all the time where the agent stands in for cAdvisor.
//!
//! A store and nothing else: `http::cadvisor` records each tick into it and reads from it.
//!
//! Memory: a moment is kept as what changed since the one before, so an idle entry takes next to nothing. All of it together
//! is held within [`BUDGET_BYTES`], by giving up the oldest moments of all entries.

mod strip;

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{container::CgroupId, encode::cadvisor::Moment};

use strip::Strip;

/// What all entries' moments may take.
pub const BUDGET_BYTES: usize = 4 << 20;

/// Moments of an entry; at one tick a second as long as cAdvisor keeps its own (`--storage_duration=2m`).
const MOST_MOMENTS: usize = 120;

/// How long nobody need ask before the moments are given up.
const PATIENCE_NS: u64 = 600_000_000_000;

/// The moments kept.
#[derive(Debug)]
pub struct Recent {
    /// Taken for the time of one tick's packing or of one entry's unpacking, never across an await.
    kept: Mutex<HashMap<CgroupId, Strip>>,
    /// Until when somebody cares, on the clock since boot; 0 before anybody asked.
    wanted_until_ns: AtomicU64,
}

impl Recent {
    /// An empty store; with `always` it is filled without anybody's asking.
    pub fn new(always: bool) -> Self {
        Self {
            kept: Mutex::default(),
            wanted_until_ns: AtomicU64::new(if always { u64::MAX } else { 0 }),
        }
    }

    /// Somebody asks, at this time since boot.
    pub fn ask(&self, boot_ns: u64) {
        let until_ns = boot_ns.saturating_add(PATIENCE_NS);
        self.wanted_until_ns.fetch_max(until_ns, Ordering::Relaxed);
    }

    /// Whether anybody has asked lately.
    pub fn is_wanted(&self, boot_ns: u64) -> bool {
        boot_ns < self.wanted_until_ns.load(Ordering::Relaxed)
    }

    /// Takes in a tick. What is not in it has ended and is forgotten.
    pub fn record(&self, moments: &[(CgroupId, Moment)]) {
        let mut kept = self.kept();
        let newest_ns = moments.first().map(|(_, moment)| moment.wall_ns);
        for (cgroup, moment) in moments {
            kept.entry(*cgroup).or_default().push(moment, MOST_MOMENTS);
        }
        kept.retain(|_, strip| strip.newest_ns() == newest_ns);
        while kept.values().map(Strip::bytes).sum::<usize>() > BUDGET_BYTES {
            for strip in kept.values_mut() {
                strip.forget_oldest();
                strip.shrink();
            }
            kept.retain(|_, strip| strip.newest_ns().is_some());
        }
    }

    /// Forgets everything.
    pub fn forget(&self) {
        *self.kept() = HashMap::new();
    }

    /// What is kept of one entry, oldest first.
    pub fn of(&self, cgroup: CgroupId) -> Vec<Moment> {
        self.kept()
            .get(&cgroup)
            .map_or_else(Vec::new, Strip::moments)
    }

    /// Bytes that the moments take.
    pub fn bytes(&self) -> usize {
        self.kept().values().map(Strip::bytes).sum()
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<CgroupId, Strip>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::cadvisor::Number;

    fn moment(second: i64, busy: u64) -> Moment {
        let second_ns = second * 1_000_000_000;
        let numbers = Number::ALL.map(|number| {
            // Every one changes by an odd amount, as those of a busy entry may.
            let pace = (number as u64 + busy) * 7_654_321;
            Some(second.unsigned_abs() * pace)
        });
        Moment {
            wall_ns: second_ns,
            numbers,
            parts: Vec::new(),
        }
    }

    fn tick(second: i64, entries: u64) -> Vec<(CgroupId, Moment)> {
        (1..=entries)
            .map(|id| (CgroupId(id), moment(second, id)))
            .collect()
    }

    #[test]
    fn it_is_kept_while_somebody_asks_and_for_ten_minutes_more() {
        let recent = Recent::new(false);
        assert!(!recent.is_wanted(5));
        recent.ask(5);
        assert!(recent.is_wanted(PATIENCE_NS));
        assert!(!recent.is_wanted(PATIENCE_NS + 5));
        recent.ask(7);
        recent.ask(6);
        assert!(recent.is_wanted(PATIENCE_NS + 6));
        assert!(Recent::new(true).is_wanted(u64::MAX - 1));
    }

    #[test]
    fn what_ended_is_forgotten_and_the_rest_is_as_it_was() {
        let recent = Recent::new(true);
        for second in 0..200 {
            recent.record(&tick(second, 2));
        }
        recent.record(&tick(200, 1));
        let moments = recent.of(CgroupId(1));
        assert_eq!(moments.len(), MOST_MOMENTS);
        assert_eq!(moments[0], moment(81, 1));
        assert_eq!(moments.last(), Some(&moment(200, 1)));
        assert!(recent.of(CgroupId(2)).is_empty());
        recent.forget();
        assert_eq!(recent.bytes(), 0);
    }

    #[test]
    fn a_thousand_busy_entries_stay_within_the_budget() {
        let recent = Recent::new(true);
        for second in 0..130 {
            recent.record(&tick(second, 1_000));
            assert!(recent.bytes() <= BUDGET_BYTES, "{}", recent.bytes());
        }
        let kept = recent.of(CgroupId(1_000));
        println!("{} moments of each in {} bytes", kept.len(), recent.bytes());
        assert!(kept.len() > 10);
        assert_eq!(kept.last(), Some(&moment(129, 1_000)));
    }
}
