//! Looks for the highest rate at which an expectation holds: doubles until it does not, then halves the gap.

use super::schedule::MAX_RATE;

/// How near together the rates that hold and do not hold are in the end.
const NEAR: f64 = 1.05;

/// A search under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search {
    held: Option<f64>,
    broke: Option<f64>,
    next: f64,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
    /// Try this rate.
    Try(f64),
    /// It is over.
    Found,
}

impl Search {
    /// Begins with `first` requests a second.
    pub(super) fn new(first: f64) -> Self {
        Self {
            held: None,
            broke: None,
            next: first.clamp(1.0, MAX_RATE),
        }
    }

    /// What was found so far: the highest rate that held, the lowest that did not.
    pub(super) fn so_far(&self) -> (Option<f64>, Option<f64>) {
        (self.held, self.broke)
    }

    /// The next step.
    pub(super) fn step(&self) -> Step {
        let Self { held, broke, next } = *self;
        let is_over = match (held, broke) {
            (Some(held), Some(broke)) => broke / held <= NEAR,
            (Some(held), None) => held >= MAX_RATE,
            (None, Some(broke)) => broke <= 1.0,
            (None, None) => false,
        };
        if is_over {
            Step::Found
        } else {
            Step::Try(next)
        }
    }

    /// Takes in how the last trial went.
    pub(super) fn tell(&mut self, holds: bool) {
        if holds {
            self.held = Some(self.next);
        } else {
            self.broke = Some(self.next);
        }
        self.next = match (self.held, self.broke) {
            (Some(held), Some(broke)) => f64::midpoint(held, broke),
            (Some(held), None) => (held * 2.0).min(MAX_RATE),
            (None, Some(broke)) => (broke / 4.0).max(1.0),
            (None, None) => self.next,
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(limit: f64, first: f64) -> (Option<f64>, Option<f64>, u32) {
        let mut search = Search::new(first);
        for trials in 0..60 {
            match search.step() {
                Step::Try(rate) => search.tell(rate <= limit),
                Step::Found => {
                    let (held, broke) = search.so_far();
                    return (held, broke, trials);
                }
            }
        }
        panic!("no end: {search:?}");
    }

    #[test]
    fn bounds_end_the_search() {
        assert_eq!(found(f64::MAX, 1e3).0, Some(MAX_RATE));
        assert_eq!(found(0.0, 1e3).0, None);
    }

    proptest! {
        #[test]
        fn the_knee_is_found_from_wherever_it_begins(limit in 1.1_f64..9e5, first in 1.0_f64..1e6) {
            let (held, broke, trials) = found(limit, first);
            let (held, broke) = (held.unwrap(), broke.unwrap());
            prop_assert!(held <= limit && limit < broke && broke / held <= NEAR, "{held} {limit} {broke}");
            prop_assert!(trials <= 30, "{trials}");
        }
    }
}
