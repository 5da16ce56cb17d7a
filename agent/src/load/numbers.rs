//! Whether a counter counts: the integers in its replies are all different, and each connection sees them grow.

use std::collections::HashMap;

use serde::Serialize;

/// Integers of one page.
const PAGE: u64 = 1 << 16;

/// Most pages, of 8 KiB each: 64 MiB for half a thousand million hits in a row.
const MAX_PAGES: usize = 8_192;

/// The integers that came so far.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// A bit for each integer that came.
    pages: HashMap<u64, Box<[u64]>>,
    /// The last of each connection.
    last: HashMap<u32, u64>,
    bounds: Option<(u64, u64)>,
    replies: u64,
    distinct: u64,
    repeated: Fault,
    fell: Fault,
    restarts: u64,
    not_integers: u64,
    /// So many could not be looked up for want of memory.
    unchecked: u64,
}

/// How often, and the first time in words.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub(super) struct Fault {
    /// How often.
    pub count: u64,
    /// The first time.
    pub example: Option<String>,
}

/// What was found.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(super) struct Verdict {
    /// Whether the counter counted: each hit once, in order.
    pub holds: bool,
    /// Replies with a status below 400.
    pub replies: u64,
    /// The smallest integer.
    pub first: Option<u64>,
    /// The largest.
    pub last: Option<u64>,
    /// Different integers.
    pub distinct: u64,
    /// Integers between first and last that nobody got here.
    pub missing: u64,
    /// Requests that may have been counted, and gave no integer.
    pub unanswered: u64,
    /// Integers that came more than once.
    pub repeated: Fault,
    /// Integers that are not larger than the one before on the same connection.
    pub fell: Fault,
    /// How often one of these was smaller than all before: the counter began anew.
    pub restarts: u64,
    /// Replies that are no integer.
    pub not_integers: u64,
    /// Integers not looked up for repetitions: so far apart that memory did not suffice.
    pub unchecked: u64,
}

impl Fault {
    fn note(&mut self, example: impl FnOnce() -> String) {
        self.count += 1;
        self.example.get_or_insert_with(example);
    }
}

impl Numbers {
    /// Takes in the next reply on a connection.
    pub(super) fn note(&mut self, connection: u32, number: Option<u64>) {
        self.replies += 1;
        let Some(number) = number else {
            self.not_integers += 1;
            return;
        };
        let smallest = self.bounds.map_or(number, |(smallest, _)| smallest);
        if let Some(before) = self.last.insert(connection, number)
            && number <= before
        {
            self.restarts += u64::from(number < smallest);
            self.fell
                .note(|| format!("{number} after {before} on connection {connection}"));
        }
        let largest = self.bounds.map_or(number, |(_, largest)| largest);
        self.bounds = Some((smallest.min(number), largest.max(number)));
        match self.insert(number) {
            Some(true) => self.distinct += 1,
            Some(false) => self
                .repeated
                .note(|| format!("{number} on connection {connection}")),
            None => self.unchecked += 1,
        }
    }

    /// Whether `number` is new; `None` if that cannot be told.
    fn insert(&mut self, number: u64) -> Option<bool> {
        let page = number / PAGE;
        if self.pages.len() >= MAX_PAGES && !self.pages.contains_key(&page) {
            return None;
        }
        let words = self
            .pages
            .entry(page)
            .or_insert_with(|| vec![0; 1_024].into_boxed_slice());
        let (word, bit) = ((number % PAGE) / 64, 1 << (number % 64));
        let word = words.get_mut(usize::try_from(word).ok()?)?;
        let is_new = *word & bit == 0;
        *word |= bit;
        Some(is_new)
    }

    /// What that says, if so many requests may have been counted without an integer for us. Nobody else may hit the
    /// counter meanwhile: what they get is missing here.
    pub(super) fn verdict(&self, unanswered: u64) -> Verdict {
        let span = self
            .bounds
            .map_or(0, |(first, last)| (last - first).saturating_add(1));
        let missing = span.saturating_sub(self.distinct + self.unchecked);
        let faults = self.repeated.count + self.fell.count + self.not_integers;
        Verdict {
            holds: faults == 0 && missing <= unanswered && self.replies > 0,
            replies: self.replies,
            first: self.bounds.map(|(first, _)| first),
            last: self.bounds.map(|(_, last)| last),
            distinct: self.distinct,
            missing,
            unanswered,
            repeated: self.repeated.clone(),
            fell: self.fell.clone(),
            restarts: self.restarts,
            not_integers: self.not_integers,
            unchecked: self.unchecked,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn verdict(replies: &[(u32, u64)], unanswered: u64) -> Verdict {
        let mut numbers = Numbers::default();
        for &(connection, number) in replies {
            numbers.note(connection, Some(number));
        }
        numbers.verdict(unanswered)
    }

    #[test]
    fn each_hit_once_in_order_holds() {
        let found = verdict(&[(0, 7), (1, 9), (0, 8), (1, 10)], 0);
        assert!(found.holds, "{found:?}");
        assert_eq!(
            (found.first, found.last, found.distinct),
            (Some(7), Some(10), 4)
        );
    }

    #[test]
    fn faults_are_found_and_shown() {
        let repeated = verdict(&[(0, 7), (1, 8), (2, 8)], 0);
        assert_eq!(
            repeated.repeated.example.as_deref(),
            Some("8 on connection 2")
        );
        let fell = verdict(&[(0, 7), (1, 9), (1, 8)], 0);
        assert_eq!(
            fell.fell.example.as_deref(),
            Some("8 after 9 on connection 1")
        );
        let restarted = verdict(&[(0, 7), (0, 8), (0, 1)], 0);
        assert_eq!((restarted.restarts, restarted.fell.count), (1, 1));
        let missing = verdict(&[(0, 7), (0, 9)], 0);
        assert_eq!(missing.missing, 1);
        for found in [repeated, fell, restarted, missing] {
            assert!(!found.holds, "{found:?}");
        }
        assert!(verdict(&[(0, 7), (0, 9)], 1).holds, "its reply was lost");
        assert!(!verdict(&[], 0).holds, "nothing was seen");
        let mut numbers = Numbers::default();
        numbers.note(0, None);
        assert_eq!(numbers.verdict(0).not_integers, 1);
    }

    #[test]
    fn memory_is_bounded_and_what_is_not_checked_is_told() {
        let mut numbers = Numbers::default();
        for page in 0..MAX_PAGES as u64 + 10 {
            numbers.note(0, Some(page * PAGE));
        }
        assert_eq!(
            (numbers.pages.len(), numbers.verdict(0).unchecked),
            (MAX_PAGES, 10)
        );
    }

    proptest! {
        #[test]
        fn distinct_and_repeated_are_those_of_a_set(replies in prop::collection::vec((0_u32..4, 0_u64..200_000), 0..300)) {
            let found = verdict(&replies, 0);
            let set: std::collections::BTreeSet<u64> = replies.iter().map(|&(_, number)| number).collect();
            prop_assert_eq!(found.distinct, set.len() as u64);
            prop_assert_eq!(found.repeated.count, (replies.len() - set.len()) as u64);
        }
    }
}
