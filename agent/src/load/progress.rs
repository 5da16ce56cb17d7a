//! The run so far, a line a second.

use std::{
    io::{self, IsTerminal as _, Write as _},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::{
    engine::Standing,
    outcome::per_second,
    window::Window,
    words::{grouped, latency, rate},
};
use crate::text::cut;

/// Takes the cursor to the begin of its line and clears that (CR; EL of ECMA-48).
const BEGIN: &str = "\r\u{1b}[K";

/// How often there is a line where it cannot be drawn again.
const PLAIN_EVERY: u64 = 5;

/// One second of a run.
#[derive(Debug)]
pub(super) struct Second<'a> {
    /// What was counted in it, and how long it was.
    pub(super) window: &'a Window,
    pub(super) length: Duration,
    pub(super) standing: Standing,
    pub(super) since_start: Duration,
    /// Until the end; unknown if that is when all is sent.
    pub(super) left: Option<Duration>,
    pub(super) errors: u64,
    pub(super) target_rate: Option<f64>,
}

/// Shows it on standard error: on a terminal each second in the same line, else now and then in a line of its own.
#[derive(Debug)]
pub(super) struct Progress {
    is_on: bool,
    is_terminal: bool,
    seconds: AtomicU64,
}

impl Progress {
    pub(super) fn new(is_quiet: bool) -> Self {
        Self {
            is_on: !is_quiet,
            is_terminal: io::stderr().is_terminal(),
            seconds: AtomicU64::new(0),
        }
    }

    /// Shows one more second.
    pub(super) fn show(&self, second: &Second<'_>) {
        let seconds = self.seconds.fetch_add(1, Ordering::Relaxed) + 1;
        if self.is_terminal {
            let size = terminal_size::terminal_size_of(io::stderr());
            let width = size.map_or(80, |(width, _)| usize::from(width.0));
            self.write(&format!(
                "{BEGIN}{}",
                cut(&line(second), width.saturating_sub(1))
            ));
        } else if seconds.is_multiple_of(PLAIN_EVERY) {
            self.write(&format!("{}\n", line(second)));
        }
    }

    /// Says something in a line of its own.
    pub(super) fn say(&self, text: &str) {
        let begin = if self.is_terminal { BEGIN } else { "" };
        self.write(&format!("{begin}{text}\n"));
    }

    /// Takes the line away.
    pub(super) fn clear(&self) {
        if self.is_terminal {
            self.write(BEGIN);
        }
    }

    fn write(&self, text: &str) {
        if self.is_on {
            // Without standard error there is nobody to show it to.
            io::stderr().write_all(text.as_bytes()).unwrap_or_default();
        }
    }
}

fn line(second: &Second<'_>) -> String {
    let achieved = rate(per_second(second.window.ok, second.length));
    let target = second
        .target_rate
        .map_or_else(String::new, |target| format!(" of {}", rate(target)));
    let latencies = &second.window.latency;
    let at = |part| latency(latencies.at(part) as f64);
    let overdue = match second.standing.overdue {
        0 => String::new(),
        overdue => format!(", {} overdue", grouped(overdue)),
    };
    let left = second.left.map_or_else(String::new, |left| {
        format!(", {} s left", left.as_secs_f64().ceil())
    });
    format!(
        "{:3.0} s: {achieved}{target}, p50 {}, p99 {}, {} in flight{overdue}, {} errors{left}",
        second.since_start.as_secs_f64(),
        at(0.5),
        at(0.99),
        grouped(second.standing.in_flight),
        grouped(second.errors),
    )
}

#[cfg(test)]
mod tests {
    use super::{super::outcome::fixture, *};

    #[test]
    fn a_second_is_one_line() {
        let outcome = fixture();
        let second = Second {
            window: &outcome.total,
            length: Duration::from_millis(500),
            standing: Standing {
                connections: 64,
                in_flight: 5,
                overdue: 1_234,
            },
            since_start: Duration::from_secs(7),
            left: Some(Duration::from_millis(2_500)),
            errors: 2,
            target_rate: Some(1e3),
        };
        assert_eq!(
            line(&second),
            "  7 s: 200/s of 1,000/s, p50 50.0 ms, p99 99.0 ms, 5 in flight, 1,234 overdue, 2 errors, 3 s left"
        );
    }
}
