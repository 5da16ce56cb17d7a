//! How many new names an hour become series of their own: short-lived containers, each with a name of its own, would
//! otherwise fill a database's index without bound.

use std::collections::HashMap;

/// Over what time names are counted, and how long a name that nobody carries is remembered.
const WINDOW_NS: u64 = 3_600 * 1_000_000_000;

/// How often forgotten names are looked for.
const SWEEP_NS: u64 = WINDOW_NS / 60;

/// Grants names. In any hour at most so many are granted that were not known before; a name is known while its entry
/// lives and for an hour after, so that what restarts keeps its series.
///
/// Bounded by the entries with a series that live or lived within the hour. Times are on the boot clock.
#[derive(Debug)]
pub(super) struct SeriesGuard {
    most: usize,
    /// When the newest `most` new names were granted, as a ring; `oldest` is the next to be overwritten.
    granted_ns: Vec<u64>,
    oldest: usize,
    /// Known names; since when nobody carries them.
    known: HashMap<String, Option<u64>>,
    now_ns: u64,
    swept_ns: u64,
    refused: u64,
    refused_ns: Option<u64>,
}

/// What became of a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// It is a series of its own.
    Granted,
    /// It is one too many.
    Refused {
        /// Whether it is the first for an hour.
        first: bool,
    },
}

impl SeriesGuard {
    /// A guard that grants at most `most` new names an hour.
    pub(super) fn new(most: u32) -> Self {
        Self {
            most: most as usize,
            granted_ns: Vec::new(),
            oldest: 0,
            known: HashMap::new(),
            now_ns: 0,
            swept_ns: 0,
            refused: 0,
            refused_ns: None,
        }
    }

    /// Goes on to `now_ns`.
    pub(super) fn advance(&mut self, now_ns: u64) {
        self.now_ns = self.now_ns.max(now_ns);
        if self.now_ns - self.swept_ns >= SWEEP_NS {
            self.swept_ns = self.now_ns;
            let now_ns = self.now_ns;
            self.known
                .retain(|_, free_ns| free_ns.is_none_or(|free_ns| now_ns - free_ns < WINDOW_NS));
        }
    }

    /// Asks for `name`, which one live entry carries at most.
    pub(super) fn ask(&mut self, name: &str) -> Verdict {
        if let Some(free_ns) = self.known.get_mut(name) {
            *free_ns = None;
            return Verdict::Granted;
        }
        if !self.take_place() {
            let before_ns = self.refused_ns.replace(self.now_ns);
            self.refused += 1;
            return Verdict::Refused {
                first: before_ns.is_none_or(|before_ns| self.now_ns - before_ns >= WINDOW_NS),
            };
        }
        self.known.insert(name.to_owned(), None);
        Verdict::Granted
    }

    /// Nobody carries `name` from now on.
    pub(super) fn free(&mut self, name: &str) {
        if let Some(free_ns) = self.known.get_mut(name) {
            *free_ns = Some(self.now_ns);
        }
    }

    /// How many names were refused.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    /// Takes one of the hour's places, if one is left.
    fn take_place(&mut self) -> bool {
        if self.granted_ns.len() < self.most {
            self.granted_ns.push(self.now_ns);
            return true;
        }
        match self.granted_ns.get_mut(self.oldest) {
            Some(then_ns) if self.now_ns - *then_ns >= WINDOW_NS => {
                *then_ns = self.now_ns;
                self.oldest = (self.oldest + 1) % self.most;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    const MINUTE_NS: u64 = WINDOW_NS / 60;

    fn is_granted(guard: &mut SeriesGuard, name: &str) -> bool {
        guard.ask(name) == Verdict::Granted
    }

    #[test]
    fn a_place_is_free_again_after_an_hour_and_one_warning_is_due_an_episode() {
        let mut guard = SeriesGuard::new(1);
        assert!(is_granted(&mut guard, "a"));
        guard.advance(59 * MINUTE_NS);
        assert_eq!(guard.ask("b"), Verdict::Refused { first: true });
        assert_eq!(guard.ask("c"), Verdict::Refused { first: false });
        guard.advance(60 * MINUTE_NS);
        assert!(is_granted(&mut guard, "b"));
        guard.advance(118 * MINUTE_NS);
        assert_eq!(guard.ask("c"), Verdict::Refused { first: false });
        guard.advance(180 * MINUTE_NS);
        assert!(is_granted(&mut guard, "c"));
        assert_eq!(guard.ask("d"), Verdict::Refused { first: true });
        assert_eq!(guard.refused(), 4);
    }

    #[test]
    fn what_restarts_keeps_its_name_however_long_it_lived() {
        let mut guard = SeriesGuard::new(1);
        assert!(is_granted(&mut guard, "db"));
        guard.advance(600 * MINUTE_NS);
        assert!(is_granted(&mut guard, "job-1"));
        guard.free("db");
        guard.advance(659 * MINUTE_NS);
        assert!(is_granted(&mut guard, "db"));
        guard.free("db");
        guard.advance(659 * MINUTE_NS + WINDOW_NS - 1);
        assert!(!is_granted(&mut guard, "job-2") || !is_granted(&mut guard, "db-2"));
    }

    proptest! {
        /// However names come and go, no hour has more new ones than there are places, and none that is carried is
        /// forgotten.
        #[test]
        fn no_hour_has_more_new_names_than_places(
            most in 1_u32..6,
            steps in prop::collection::vec((0_u64..20, 0_u32..30, any::<bool>()), 1..200),
        ) {
            let mut guard = SeriesGuard::new(most);
            let mut now_ns = 0;
            let mut carried = HashSet::new();
            let mut new = Vec::new();
            for (minutes, name, free) in steps {
                now_ns += minutes * MINUTE_NS;
                guard.advance(now_ns);
                let name = format!("job-{name}");
                if free {
                    guard.free(&name);
                    carried.remove(&name);
                } else {
                    let is_known = guard.known.contains_key(&name);
                    if is_granted(&mut guard, &name) {
                        carried.insert(name);
                        new.extend((!is_known).then_some(now_ns));
                    } else {
                        prop_assert!(!is_known);
                    }
                }
                let in_hour = new.iter().filter(|then_ns| now_ns - **then_ns < WINDOW_NS).count();
                prop_assert!(in_hour <= most as usize, "in_hour={in_hour}");
                prop_assert!(guard.granted_ns.len() <= most as usize);
                prop_assert!(carried.iter().all(|it| guard.known.contains_key(it)));
            }
        }
    }
}
