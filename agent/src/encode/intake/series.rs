//! How many series other processes may begin: each costs every database memory for as long as it is kept.

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, RandomState},
};

/// How long a series is remembered.
const WINDOW_NS: u64 = 3_600_000_000_000;

/// The series of the current hour, by the hash of their text: 10,000 of them are a few hundred kB, however long their
/// tags are.
#[derive(Debug)]
pub(super) struct Series {
    most: usize,
    began_boot_ns: u64,
    hasher: RandomState,
    known: HashSet<u64>,
}

impl Series {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            began_boot_ns: 0,
            hasher: RandomState::new(),
            known: HashSet::new(),
        }
    }

    /// How many there may be within an hour.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// Begins anew if an hour has passed.
    pub(super) fn tick(&mut self, boot_ns: u64) {
        if boot_ns.saturating_sub(self.began_boot_ns) >= WINDOW_NS {
            self.began_boot_ns = boot_ns;
            self.known = HashSet::new();
        }
    }

    /// Whether a series is known or there is room for one more, which it then takes.
    pub(super) fn admits(&mut self, measurement: &str, tags: &str) -> bool {
        let hash = self.hasher.hash_one((measurement, tags));
        if self.known.len() < self.most {
            self.known.insert(hash);
            return true;
        }
        self.known.contains(&hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_series_stay_and_new_ones_wait_for_the_next_hour() {
        let mut series = Series::new(2);
        series.tick(5 * WINDOW_NS);
        assert!(series.admits("m", ",t=1") && series.admits("m", ",t=2"));
        assert!(!series.admits("m", ",t=3") && series.admits("m", ",t=1"));
        series.tick(6 * WINDOW_NS - 1);
        assert!(!series.admits("m", ",t=3"));
        series.tick(6 * WINDOW_NS);
        assert!(series.admits("m", ",t=3") && series.admits("m", ",t=1"));
        assert!(!series.admits("m", ",t=2"));
    }
}
