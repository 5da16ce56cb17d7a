//! A run as people read it.

use std::fmt::Write as _;

use super::{
    expect::Judgement,
    numbers::Verdict,
    outcome::Outcome,
    summary::{PERCENTILES, of_part},
    window::Latencies,
    words::{grouped, latency, percent, rate},
};
use crate::text::{padded, printable};

/// The widest bar of the histogram.
const BAR: usize = 40;

/// What a run is called and does.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) name: String,
    pub(super) target: String,
    /// The pace in words.
    pub(super) pace: String,
    pub(super) connections: usize,
    pub(super) threads: usize,
}

impl Run {
    /// One line that says what begins.
    pub(super) fn title(&self) -> String {
        let many = |count: usize, what| {
            if count == 1 {
                format!("1 {what}")
            } else {
                format!("{} {what}s", grouped(count as u64))
            }
        };
        format!(
            "{}: {}, {}, {}",
            printable(&self.target),
            self.pace,
            many(self.connections, "connection"),
            many(self.threads, "thread")
        )
    }
}

/// The whole report. Writing to memory does not fail.
pub(super) fn text(run: &Run, outcome: &Outcome, expectations: &[Judgement]) -> String {
    let mut text = String::new();
    let total = &outcome.total;
    let mut row = |name: &str, value: String| {
        writeln!(text, "  {name:<10} {value}").unwrap_or_default();
    };
    let stopped = if outcome.is_stopped {
        ", stopped early"
    } else {
        ""
    };
    row(
        "run",
        format!(
            "{}, {:.2} s{stopped}",
            run.name,
            outcome.elapsed.as_secs_f64()
        ),
    );
    let mut requests = format!(
        "{} sent, {} ok, {} errors ({})",
        grouped(total.sent),
        grouped(total.ok),
        grouped(total.errors()),
        percent(outcome.error_share())
    );
    if outcome.unanswered > 0 {
        write!(requests, ", {} not waited for", grouped(outcome.unanswered)).unwrap_or_default();
    }
    if outcome.is_open() {
        write!(requests, ", {} due but unsent", grouped(outcome.unsent)).unwrap_or_default();
    }
    row("requests", requests);
    row(
        "rate",
        match outcome.target_rate {
            Some(target) if target > 0.0 => {
                format!(
                    "{} of {} ({})",
                    rate(outcome.rate()),
                    rate(target),
                    percent(outcome.rate() / target)
                )
            }
            _ => rate(outcome.rate()),
        },
    );
    let statuses = total
        .statuses
        .iter()
        .map(|(status, count)| format!("{status}: {}", grouped(*count)));
    row(
        "status",
        if total.statuses.is_empty() {
            "no reply".to_owned()
        } else {
            statuses.collect::<Vec<_>>().join(", ")
        },
    );
    for (fault, met) in &total.faults {
        row(
            "error",
            format!(
                "{}: {} ({})",
                fault.name(),
                grouped(met.count),
                printable(&met.example)
            ),
        );
    }
    let (busy, waiting) = outcome.busiest();
    let cpu = outcome.cpu_us_per_request();
    row(
        "generator",
        format!(
            "{} CPU for each reply; its busiest thread {} busy, {} waiting for a CPU",
            cpu.map_or_else(|| "-".to_owned(), |us| format!("{us:.1} µs")),
            percent(busy),
            percent(waiting)
        ),
    );
    text += "\n";
    text += &latencies(outcome);
    text += &histogram(&total.latency);
    if let Some(verdict) = &outcome.counter {
        text += &counter(verdict);
    }
    for judgement in expectations {
        let word = if judgement.holds { "holds" } else { "BROKEN" };
        writeln!(
            text,
            "  {word:<10} {}: {}",
            printable(&judgement.expected),
            judgement.seen
        )
        .unwrap_or_default();
    }
    text + &warnings(outcome)
}

fn latencies(outcome: &Outcome) -> String {
    let total = &outcome.total;
    if total.latency.histogram.is_empty() {
        return String::new();
    }
    let mut text = if outcome.is_open() {
        "  latency    since due     since sent\n".to_owned()
    } else {
        "  latency    closed loop: since sent, and nothing is sent while replies are late\n"
            .to_owned()
    };
    let mut row = |name: &str, value: &dyn Fn(&Latencies) -> f64| {
        let since_due = padded(&latency(value(&total.latency)), 10, false);
        let since_sent = if outcome.is_open() {
            padded(&latency(value(outcome.service())), 14, false)
        } else {
            String::new()
        };
        writeln!(text, "  {name:<9} {since_due}{since_sent}").unwrap_or_default();
    };
    for (name, part) in PERCENTILES {
        row(name, &|it| of_part(it, part) as f64);
    }
    row("mean", &|it| it.histogram.mean());
    text + "\n"
}

/// A bar for each step of 1, 2, 5, 10 and so on that has replies.
fn histogram(latencies: &Latencies) -> String {
    let steps = (0..9).flat_map(|power| [1, 2, 5].map(|it| it * 10_u64.pow(power)));
    let mut rows: Vec<(u64, u64)> = steps.map(|bound| (bound, 0)).collect();
    for step in latencies.histogram.iter_recorded() {
        let row = rows.partition_point(|&(bound, _)| bound <= step.value_iterated_to());
        if let Some((_, count)) = rows.get_mut(row) {
            *count += step.count_at_value();
        }
    }
    let most = rows.iter().map(|&(_, count)| count).max().unwrap_or(0);
    let first = rows.iter().position(|&(_, count)| count > 0);
    let last = rows.iter().rposition(|&(_, count)| count > 0);
    let (Some(first), Some(last)) = (first, last) else {
        return String::new();
    };
    let mut text = String::new();
    for &(bound, count) in &rows[first..=last] {
        let length = (count as f64 / most as f64 * BAR as f64).ceil();
        let bar = "█".repeat((1..=BAR).filter(|&it| it as f64 <= length).count());
        let bound = padded(&latency(bound as f64), 9, false);
        let space = if bar.is_empty() { "" } else { " " };
        writeln!(text, "  < {bound}  {bar}{space}{}", grouped(count)).unwrap_or_default();
    }
    text + "\n"
}

fn counter(verdict: &Verdict) -> String {
    let Verdict {
        holds,
        replies,
        first,
        last,
        distinct,
        missing,
        unanswered,
        ..
    } = verdict;
    let word = if *holds { "holds" } else { "BROKEN" };
    let range = match (first, last) {
        (Some(first), Some(last)) => format!(", {} to {}", grouped(*first), grouped(*last)),
        _ => String::new(),
    };
    let mut text = format!(
        "  {word:<10} the counter: {} replies, {} different integers{range}, growing on each connection\n",
        grouped(*replies),
        grouped(*distinct)
    );
    let mut add = |count: u64, what: &str, example: Option<&String>| {
        if count > 0 {
            let example = example.map_or_else(String::new, |it| format!(" (first: {it})"));
            writeln!(text, "             {} {what}{example}", grouped(count)).unwrap_or_default();
        }
    };
    add(
        verdict.repeated.count,
        "came more than once",
        verdict.repeated.example.as_ref(),
    );
    add(
        verdict.fell.count,
        "are not larger than the one before",
        verdict.fell.example.as_ref(),
    );
    add(
        verdict.restarts,
        "of these are smaller than all before: the counter began anew",
        None,
    );
    add(verdict.not_integers, "replies are no integer", None);
    let lost = format!(
        "in between nobody got here; {} requests went unanswered{}",
        grouped(*unanswered),
        if missing > unanswered {
            ": somebody else hit the counter, or hits were counted twice"
        } else {
            ", and may have been counted"
        }
    );
    add(*missing, &lost, None);
    add(
        verdict.unchecked,
        "lie too far apart to be looked up for repetitions",
        None,
    );
    if !holds {
        text = text.replace(", growing on each connection", "");
    }
    text
}

fn warnings(outcome: &Outcome) -> String {
    let mut text = String::new();
    let mut warn = |warning: String| writeln!(text, "  warning: {warning}").unwrap_or_default();
    for reason in outcome.client_bound() {
        warn(format!(
            "client-bound: {reason}; the numbers are this generator's as much as the target's"
        ));
    }
    if outcome.unsent > 0 {
        warn(format!(
            "{} requests that were due found no free connection; their waiting is not in the latencies: more --connections, or a lower --rate",
            grouped(outcome.unsent)
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{
        super::{numbers::Numbers, outcome::fixture, window::Fault},
        *,
    };

    fn run() -> Run {
        Run {
            name: "r".to_owned(),
            target: "http://127.0.0.1/\u{1b}[2J".to_owned(),
            pace: "open loop at 100/s".to_owned(),
            connections: 1,
            threads: 2,
        }
    }

    #[test]
    fn a_report_says_it_all() {
        let mut outcome = fixture();
        outcome.unsent = 3;
        outcome
            .total
            .fault(Fault::Timeout, || "evil\u{1b}[2J".to_owned());
        let mut numbers = Numbers::default();
        numbers.note(0, Some(7));
        numbers.note(0, Some(7));
        outcome.counter = Some(numbers.verdict(0));
        let judgement = Judgement {
            expected: "p99<5ms".to_owned(),
            seen: "99.0 ms".to_owned(),
            holds: false,
        };
        let report = text(&run(), &outcome, &[judgement]);
        for part in [
            "100 sent, 100 ok, 1 errors (1.0 %), 3 due but unsent",
            "100/s of 100/s (100.0 %)",
            "status     200: 100",
            "timeout: 1 (evil\\u{1b}[2J)",
            "p50          50.0 ms       1.00 ms",
            "<   10.0 ms  ",
            "BROKEN     p99<5ms: 99.0 ms",
            "BROKEN     the counter: 2 replies, 1 different integers, 7 to 7\n",
            "1 came more than once (first: 7 on connection 0)",
            "warning: 3 requests that were due",
        ] {
            assert!(report.contains(part), "{part}\n{report}");
        }
        assert!(!report.contains('\u{1b}') && !run().title().contains('\u{1b}'));
    }

    #[test]
    fn all_replies_are_in_the_histogram() {
        let bars = histogram(&fixture().total.latency);
        let counts = bars
            .lines()
            .filter_map(|it| it.split_whitespace().last()?.parse::<u64>().ok());
        assert_eq!(counts.sum::<u64>(), 100, "{bars}");
    }
}
