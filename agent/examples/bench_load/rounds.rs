//! What was measured: by what makes load, and by rate.

use std::collections::BTreeMap;

use super::{
    generator::{Generator, Seen},
    told::Percentiles,
};

/// A run of one that goes as fast as it is answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fast {
    pub(crate) seen: Seen,
    /// CPU time of the generator for a request, user and system.
    pub(crate) client_us: f64,
    /// CPU time of nginx for a request.
    pub(crate) server_us: f64,
}

/// A run at a rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Steady {
    /// Requests a second.
    pub(crate) rate: f64,
    /// From when a request was due to its answer.
    pub(crate) due: Percentiles,
    /// From when it was sent to its answer.
    pub(crate) service: Percentiles,
    /// Never sent.
    pub(crate) unsent: u64,
    pub(crate) errors: u64,
    pub(crate) client_us: f64,
}

/// Runs by connections and what they were of, by round.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    fast: BTreeMap<(u32, Generator), BTreeMap<u32, Fast>>,
    steady: BTreeMap<(u32, u32), Vec<Steady>>,
}

impl Rounds {
    pub(crate) fn add_fast(&mut self, round: u32, connections: u32, by: Generator, run: Fast) {
        let rounds = self.fast.entry((connections, by)).or_default();
        rounds.insert(round, run);
    }

    pub(crate) fn add_steady(&mut self, connections: u32, rate: u32, run: Steady) {
        self.steady
            .entry((connections, rate))
            .or_default()
            .push(run);
    }

    pub(crate) fn fast(&self, connections: u32, by: Generator) -> Vec<Fast> {
        let rounds = self.fast.get(&(connections, by));
        rounds.map_or_else(Vec::new, |rounds| rounds.values().copied().collect())
    }

    pub(crate) fn steady(&self, connections: u32, rate: u32) -> &[Steady] {
        self.steady
            .get(&(connections, rate))
            .map_or(&[], Vec::as_slice)
    }

    /// Ours divided by wrk's, in each round that has both.
    pub(crate) fn ratios(&self, connections: u32, of: fn(&Fast) -> f64) -> Vec<f64> {
        let rounds = |by| self.fast.get(&(connections, by));
        let (Some(ours), Some(wrk)) = (rounds(Generator::Ours), rounds(Generator::Wrk)) else {
            return Vec::new();
        };
        ours.iter()
            .filter_map(|(round, ours)| Some(of(ours) / of(wrk.get(round)?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(client_us: f64) -> Fast {
        let seen = Seen {
            requests: 1,
            rate: 1.0,
            p50_us: 1.0,
            p99_us: 1.0,
            errors: 0,
        };
        Fast {
            seen,
            client_us,
            server_us: 1.0,
        }
    }

    #[test]
    fn a_round_with_one_of_the_two_is_no_pair() {
        let mut rounds = Rounds::default();
        rounds.add_fast(1, 64, Generator::Ours, cpu(8.0));
        rounds.add_fast(2, 64, Generator::Ours, cpu(9.0));
        rounds.add_fast(2, 64, Generator::Wrk, cpu(10.0));
        rounds.add_fast(3, 64, Generator::Wrk, cpu(11.0));
        assert_eq!(rounds.ratios(64, |it| it.client_us), [0.9]);
        assert_eq!(rounds.ratios(1, |it| it.client_us), [0.0; 0]);
    }
}
