//! What the counter is meant to reach, and whether it did: told either way.

use std::fmt;

use super::{
    rounds::{P99, RATE, Rounds, SERVER_CPU},
    spread::spread,
    variant::{POOLS, Variant},
};

/// A bound, and what was seen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Goal {
    what: &'static str,
    bound: Bound,
    /// One figure, or one of each round.
    seen: Vec<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Bound {
    Most(f64),
    Least(f64),
}

/// The goals, for the counter as it is by default.
pub(crate) fn of(rounds: &Rounds, connections: u32) -> Vec<Goal> {
    let ours = Variant::Pipeline;
    let beside = |others: &[Variant], measure| rounds.ratios(connections, ours, others, measure);
    let syscalls = rounds.syscalls(connections, ours);
    vec![
        Goal {
            what: "server CPU a request, of the better Go pool's",
            bound: Bound::Most(1.0 / 3.0),
            seen: beside(&POOLS, SERVER_CPU),
        },
        Goal {
            what: "requests a second, of nginx's",
            bound: Bound::Least(0.8),
            seen: beside(&[Variant::Nginx], RATE),
        },
        Goal {
            what: "p99, of the better Go pool's",
            bound: Bound::Most(0.5),
            seen: beside(&POOLS, P99),
        },
        Goal {
            what: "system calls a request, of the server",
            bound: Bound::Most(2.6),
            seen: syscalls.server.into_iter().collect(),
        },
        Goal {
            what: "system calls a request, of Redis",
            bound: Bound::Most(0.3),
            seen: syscalls.redis.into_iter().collect(),
        },
        Goal {
            what: "requests not answered well, at any number of connections",
            bound: Bound::Most(0.0),
            seen: rounds
                .errors(ours)
                .map(|errors| errors as f64)
                .into_iter()
                .collect(),
        },
    ]
}

impl Goal {
    /// In how many rounds it was kept.
    fn kept(&self) -> usize {
        let keeps = |seen: &&f64| match self.bound {
            Bound::Most(most) => **seen <= most,
            Bound::Least(least) => **seen >= least,
        };
        self.seen.iter().filter(keeps).count()
    }

    /// Whether it was in more than half of them; unknown where nothing was seen.
    fn is_met(&self) -> Option<bool> {
        let rounds = self.seen.len();
        (rounds > 0).then_some(2 * self.kept() > rounds)
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.is_met() {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "unknown",
        };
        let (at, bound) = match self.bound {
            Bound::Most(bound) => ("at most", bound),
            Bound::Least(bound) => ("at least", bound),
        };
        let seen = match self.seen.as_slice() {
            [one] => format!("{one:.2}"),
            several => format!(
                "{}, kept in {} of {} rounds",
                spread(several.to_vec(), 2),
                self.kept(),
                several.len()
            ),
        };
        write!(
            f,
            "{verdict:<9}{:<58}{at:<9}{bound:>5.2}   seen {seen}",
            self.what
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goal(bound: Bound, seen: &[f64]) -> Goal {
        Goal {
            what: "it",
            bound,
            seen: seen.to_vec(),
        }
    }

    #[test]
    fn more_than_half_of_the_rounds_decide() {
        let most = Bound::Most(0.5);
        assert_eq!(goal(most, &[0.4, 0.5, 0.9]).is_met(), Some(true));
        assert_eq!(goal(most, &[0.4, 0.6, 0.9]).is_met(), Some(false));
        assert_eq!(goal(most, &[0.4, 0.6]).is_met(), Some(false));
        assert_eq!(goal(Bound::Least(0.8), &[0.79]).is_met(), Some(false));
        assert_eq!(goal(Bound::Least(0.8), &[0.81]).is_met(), Some(true));
    }

    #[test]
    fn what_was_not_measured_is_neither_met_nor_missed() {
        let unknown = goal(Bound::Most(0.5), &[]);
        assert_eq!(unknown.is_met(), None);
        assert!(unknown.to_string().starts_with("unknown"));
    }
}
