//! What was measured, and how one compares with another: always within a round, so that a drift of the machine cancels.

use std::collections::BTreeMap;

use super::{spread::spread, variant::Variant};

/// A variant in a round.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Figures {
    /// Answers a second.
    pub(crate) rate: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// All that was not answered well.
    pub(crate) errors: u64,
    /// CPU time of the server for a request, user and system; none where there is no server.
    pub(crate) server_us: Option<f64>,
    /// The part of it in user mode.
    pub(crate) user_share: f64,
    /// CPU time of Redis for a request; none where there is no Redis.
    pub(crate) redis_us: Option<f64>,
    /// CPU time of the load generator for a request.
    pub(crate) client_us: f64,
    /// Resident memory of the server.
    pub(crate) resident_bytes: u64,
}

/// System calls a request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Syscalls {
    pub(crate) server: Option<f64>,
    pub(crate) redis: Option<f64>,
}

/// Something to compare by, and which of two is the better.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measure {
    pub(crate) of: fn(&Figures) -> Option<f64>,
    /// Of the better one it is less.
    pub(crate) less_is_better: bool,
}

/// CPU time of the server for a request.
pub(crate) const SERVER_CPU: Measure = Measure {
    of: |it| it.server_us,
    less_is_better: true,
};

/// CPU time of Redis for a request.
pub(crate) const REDIS_CPU: Measure = Measure {
    of: |it| it.redis_us,
    less_is_better: true,
};

/// Answers a second.
pub(crate) const RATE: Measure = Measure {
    of: |it| Some(it.rate),
    less_is_better: false,
};

/// The slowest of a hundred answers.
pub(crate) const P99: Measure = Measure {
    of: |it| Some(it.p99_us),
    less_is_better: true,
};

/// Figures by connections, variant and round.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    figures: BTreeMap<(u32, Variant), BTreeMap<u32, Figures>>,
    syscalls: BTreeMap<(u32, Variant), Syscalls>,
}

impl Rounds {
    pub(crate) fn add(&mut self, round: u32, connections: u32, variant: Variant, seen: Figures) {
        let rounds = self.figures.entry((connections, variant)).or_default();
        rounds.insert(round, seen);
    }

    pub(crate) fn add_syscalls(&mut self, connections: u32, variant: Variant, seen: Syscalls) {
        self.syscalls.insert((connections, variant), seen);
    }

    /// A variant's rounds.
    pub(crate) fn of(&self, connections: u32, variant: Variant) -> Vec<Figures> {
        let rounds = self.figures.get(&(connections, variant));
        rounds.map_or_else(Vec::new, |rounds| rounds.values().copied().collect())
    }

    pub(crate) fn syscalls(&self, connections: u32, variant: Variant) -> Syscalls {
        let seen = self.syscalls.get(&(connections, variant));
        seen.copied().unwrap_or_default()
    }

    /// `ours` divided by the best of `others`, in each round in which all of them were measured.
    pub(crate) fn ratios(
        &self,
        connections: u32,
        ours: Variant,
        others: &[Variant],
        measure: Measure,
    ) -> Vec<f64> {
        let in_round = |variant: Variant, round: u32| {
            let figures = self.figures.get(&(connections, variant))?.get(&round)?;
            (measure.of)(figures)
        };
        let ratio = |round: u32| {
            let others = others.iter().map(|other| in_round(*other, round));
            let others: Option<Vec<f64>> = others.collect();
            let best = others?.into_iter().reduce(|one, other| {
                if measure.less_is_better {
                    one.min(other)
                } else {
                    one.max(other)
                }
            })?;
            Some(in_round(ours, round)? / best)
        };
        let rounds = self.figures.get(&(connections, ours));
        let rounds = rounds.into_iter().flat_map(BTreeMap::keys);
        rounds.filter_map(|round| ratio(*round)).collect()
    }

    /// Everything that was not answered well, with however many connections; none where nothing was asked.
    pub(crate) fn errors(&self, variant: Variant) -> Option<u64> {
        let all = self.figures.iter().filter(|((_, it), _)| *it == variant);
        let errors = all.flat_map(|(_, rounds)| rounds.values().map(|figures| figures.errors));
        errors.reduce(|sum, errors| sum + errors)
    }
}

/// The same ratios, the other way round.
pub(crate) fn inverse(ratios: &[f64]) -> String {
    spread(ratios.iter().map(|ratio| 1.0 / ratio).collect(), 2)
}

#[cfg(test)]
mod tests {
    use super::{super::variant::POOLS, *};

    fn rate(rate: f64) -> Figures {
        Figures {
            rate,
            ..Figures::default()
        }
    }

    fn cpu(us: f64) -> Figures {
        Figures {
            server_us: Some(us),
            ..Figures::default()
        }
    }

    #[test]
    fn the_better_pool_of_each_round_is_the_one_to_beat() {
        let mut rounds = Rounds::default();
        for (round, ours, pool10, pool64) in [(1, 10.0, 30.0, 40.0), (2, 12.0, 60.0, 48.0)] {
            rounds.add(round, 64, Variant::Pipeline, cpu(ours));
            rounds.add(round, 64, Variant::Pool10, cpu(pool10));
            rounds.add(round, 64, Variant::Pool64, cpu(pool64));
        }
        let ratios = rounds.ratios(64, Variant::Pipeline, &POOLS, SERVER_CPU);
        assert_eq!(ratios, [10.0 / 30.0, 12.0 / 48.0]);
        assert_eq!(inverse(&[0.5, 0.25, 0.2]), "4.00 [2.00, 4.00]");
        let none = rounds.ratios(1, Variant::Pipeline, &POOLS, SERVER_CPU);
        assert_eq!(none, [0.0; 0]);
    }

    #[test]
    fn more_answers_are_better() {
        let mut rounds = Rounds::default();
        rounds.add(1, 64, Variant::Pipeline, rate(80.0));
        rounds.add(1, 64, Variant::Pool10, rate(20.0));
        rounds.add(1, 64, Variant::Pool64, rate(40.0));
        let ratios = rounds.ratios(64, Variant::Pipeline, &POOLS, RATE);
        assert_eq!(ratios, [2.0]);
    }

    #[test]
    fn a_round_in_which_one_was_dropped_is_no_pair() {
        let mut rounds = Rounds::default();
        rounds.add(1, 64, Variant::Pipeline, rate(80.0));
        rounds.add(2, 64, Variant::Pipeline, rate(90.0));
        rounds.add(2, 64, Variant::Nginx, rate(100.0));
        rounds.add(3, 64, Variant::Nginx, rate(100.0));
        let ratios = rounds.ratios(64, Variant::Pipeline, &[Variant::Nginx], RATE);
        assert_eq!(ratios, [0.9]);
    }

    #[test]
    fn who_was_never_asked_made_no_mistake_nor_none() {
        let mut rounds = Rounds::default();
        let bad = |errors| Figures {
            errors,
            ..Figures::default()
        };
        rounds.add(1, 64, Variant::Pipeline, bad(1));
        rounds.add(1, 256, Variant::Pipeline, bad(2));
        assert_eq!(rounds.errors(Variant::Pipeline), Some(3));
        assert_eq!(rounds.errors(Variant::Nginx), None);
    }
}
