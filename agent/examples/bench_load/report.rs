//! The figures as tables: medians over the rounds, and ours beside wrk within a round.

use std::fmt;

use super::{
    generator::{GENERATORS, Generator},
    median::median,
    quiet::QuietGate,
    rounds::{Fast, Rounds, Steady},
    spread::spread,
};

/// Ours is to take no more CPU than wrk's.
const MOST: f64 = 1.0;

/// What is told in the end.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) rounds: &'a Rounds,
    pub(crate) connections: &'a [u32],
    pub(crate) rates: &'a [u32],
    pub(crate) gate: &'a QuietGate,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for connections in self.connections {
            self.fast(f, *connections)?;
            self.steady(f, *connections)?;
        }
        for connections in self.connections {
            self.goal(f, *connections)?;
        }
        write!(
            f,
            "\n{}.\n\
             wrk's percentiles are of its own making; those from the due moment include what a late request waited for.",
            self.gate
        )
    }
}

impl Report<'_> {
    fn fast(&self, f: &mut fmt::Formatter<'_>, connections: u32) -> fmt::Result {
        writeln!(
            f,
            "{:<28}{:>3}{:>10}{:>9}{:>9}{:>24}{:>22}{:>22}{:>10}{:>5}",
            format!("{connections} connections, medians"),
            "n",
            "req/s",
            "p50 us",
            "p99 us",
            "CPU us/req [quartiles]",
            "of wrk's CPU",
            "of wrk's req/s",
            "nginx's",
            "bad"
        )?;
        for by in GENERATORS {
            let runs = self.rounds.fast(connections, by);
            let every = |of: fn(&Fast) -> f64| -> Vec<f64> { runs.iter().map(of).collect() };
            let beside = |of: fn(&Fast) -> f64| match by {
                Generator::Wrk => "1".to_owned(),
                Generator::Ours => spread(self.rounds.ratios(connections, of), 2),
            };
            writeln!(
                f,
                "{:<28}{:>3}{:>10.0}{:>9.0}{:>9.0}{:>24}{:>22}{:>22}{:>10.2}{:>5}",
                by.name(),
                runs.len(),
                median(every(|it| it.seen.rate)),
                median(every(|it| it.seen.p50_us)),
                median(every(|it| it.seen.p99_us)),
                spread(every(|it| it.client_us), 2),
                beside(|it| it.client_us),
                beside(|it| it.seen.rate),
                median(every(|it| it.server_us)),
                runs.iter().map(|it| it.seen.errors).sum::<u64>(),
            )?;
        }
        writeln!(f)
    }

    fn steady(&self, f: &mut fmt::Formatter<'_>, connections: u32) -> fmt::Result {
        writeln!(
            f,
            "{:<28}{:>3}{:>10}{:>22}{:>22}{:>22}{:>12}{:>8}{:>5}",
            format!("{connections} connections, at a rate"),
            "n",
            "req/s",
            "p50, p99 us from due",
            "from sending",
            "difference",
            "CPU us/req",
            "unsent",
            "bad"
        )?;
        for rate in self.rates {
            let runs = self.rounds.steady(connections, *rate);
            let middle = |of: fn(&Steady) -> f64| median(runs.iter().map(of).collect());
            let two = |p50: f64, p99: f64| format!("{p50:.0}, {p99:.0}");
            writeln!(
                f,
                "{:<28}{:>3}{:>10.0}{:>22}{:>22}{:>22}{:>12.2}{:>8}{:>5}",
                rate,
                runs.len(),
                middle(|it| it.rate),
                two(middle(|it| it.due.p50), middle(|it| it.due.p99)),
                two(middle(|it| it.service.p50), middle(|it| it.service.p99)),
                two(
                    middle(|it| it.due.p50 - it.service.p50),
                    middle(|it| it.due.p99 - it.service.p99)
                ),
                middle(|it| it.client_us),
                runs.iter().map(|it| it.unsent).sum::<u64>(),
                runs.iter().map(|it| it.errors).sum::<u64>(),
            )?;
        }
        writeln!(f)
    }

    fn goal(&self, f: &mut fmt::Formatter<'_>, connections: u32) -> fmt::Result {
        let ratios = self.rounds.ratios(connections, |it| it.client_us);
        let seen = median(ratios.clone());
        let verdict = if seen.is_nan() {
            "unknown"
        } else if seen <= MOST {
            "met"
        } else {
            "MISSED"
        };
        writeln!(
            f,
            "{verdict:<9}CPU a request, of wrk's, at {connections} connections: at most {MOST:.2}, seen {}",
            spread(ratios, 2)
        )
    }
}
