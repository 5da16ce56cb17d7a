//! The figures as tables: medians over the rounds, and ours beside others within a round.

use std::fmt;

use super::{
    goals,
    median::median,
    quiet::QuietGate,
    rounds::{Figures, P99, RATE, REDIS_CPU, Rounds, SERVER_CPU, inverse},
    spread::spread,
    variant::{OURS, POOLS, VARIANTS, Variant},
};

/// What is told in the end.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) rounds: &'a Rounds,
    /// The first is what the goals are about.
    pub(crate) connections: &'a [u32],
    pub(crate) gate: &'a QuietGate,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for connections in self.connections {
            self.figures(f, *connections)?;
            self.beside(f, *connections)?;
        }
        if let Some(connections) = self.connections.first() {
            writeln!(
                f,
                "Goals, cgflux web as it is by default, {connections} connections"
            )?;
            for goal in goals::of(self.rounds, *connections) {
                writeln!(f, "{goal}")?;
            }
        }
        write!(
            f,
            "\n{}. user: the part of the server's CPU in user \
             mode.\nrss: the server's resident memory. bad: answers that were not good, and connections that broke.\n\
             Before each turn 64 clients at once were told 1,600 numbers, none twice and none left out; after each run Redis had\n\
             counted every hit.",
            self.gate
        )
    }
}

impl Report<'_> {
    fn figures(&self, f: &mut fmt::Formatter<'_>, connections: u32) -> fmt::Result {
        writeln!(
            f,
            "{:<34}{:>3}{:>11}{:>9}{:>9}{:>12}{:>7}{:>10}{:>10}{:>20}{:>9}{:>5}",
            format!("{connections} connections, medians"),
            "n",
            "req/s",
            "p50 us",
            "p99 us",
            "CPU us/req",
            "user",
            "Redis's",
            "client's",
            "syscalls/req, Redis",
            "rss MiB",
            "bad"
        )?;
        for variant in VARIANTS {
            let all = self.rounds.of(connections, variant);
            let figure = |of: fn(&Figures) -> Option<f64>, decimals: usize| {
                told(median(all.iter().filter_map(of).collect()), decimals)
            };
            let syscalls = self.rounds.syscalls(connections, variant);
            let calls = |count: Option<f64>| told(count.unwrap_or(f64::NAN), 2);
            let has_server = all.iter().any(|it| it.server_us.is_some());
            let of_server = |text: String| if has_server { text } else { "–".to_owned() };
            writeln!(
                f,
                "{:<34}{:>3}{:>11}{:>9}{:>9}{:>12}{:>7}{:>10}{:>10}{:>20}{:>9}{:>5}",
                variant.name(),
                all.len(),
                figure(|it| Some(it.rate), 0),
                figure(|it| Some(it.p50_us), 0),
                figure(|it| Some(it.p99_us), 0),
                figure(|it| it.server_us, 2),
                of_server(figure(|it| Some(it.user_share * 100.0), 0) + "%"),
                figure(|it| it.redis_us, 2),
                figure(|it| Some(it.client_us), 2),
                format!("{}, {}", calls(syscalls.server), calls(syscalls.redis)),
                of_server(figure(
                    |it| Some(it.resident_bytes as f64 / f64::from(1 << 20)),
                    1
                )),
                all.iter().map(|it| it.errors).sum::<u64>(),
            )?;
        }
        writeln!(f)
    }

    /// Above 1 is better, in all columns.
    fn beside(&self, f: &mut fmt::Formatter<'_>, connections: u32) -> fmt::Result {
        writeln!(
            f,
            "{:<34}{:>3}{:>22}{:>22}{:>22}{:>22}{:>22}",
            "times better, median [quartiles]",
            "n",
            "CPU, than Go",
            "Redis's CPU",
            "req/s",
            "p99",
            "req/s, of nginx's"
        )?;
        for ours in OURS {
            let ratios = |others: &[Variant], measure| {
                self.rounds.ratios(connections, ours, others, measure)
            };
            let cpu = ratios(&POOLS, SERVER_CPU);
            writeln!(
                f,
                "{:<34}{:>3}{:>22}{:>22}{:>22}{:>22}{:>22}",
                ours.name(),
                cpu.len(),
                inverse(&cpu),
                inverse(&ratios(&POOLS, REDIS_CPU)),
                spread(ratios(&POOLS, RATE), 2),
                inverse(&ratios(&POOLS, P99)),
                spread(ratios(&[Variant::Nginx], RATE), 2),
            )?;
        }
        writeln!(f)
    }
}

/// A figure, if there is one.
fn told(figure: f64, decimals: usize) -> String {
    if figure.is_nan() {
        "–".to_owned()
    } else {
        format!("{figure:.decimals$}")
    }
}
