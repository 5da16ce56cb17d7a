//! What a run is expected to show: `p99<5ms`, `errors<0.1%`, `rate>=99%`.

use std::{fmt, str::FromStr};

use serde::Serialize;

use super::{
    amount::{amount, plain, time},
    outcome::Outcome,
    words,
};

/// One expectation.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    text: String,
    metric: Metric,
    comparison: Comparison,
    bound: Bound,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Metric {
    /// A percentile of latency, as a part of 1.
    Quantile(f64),
    Max,
    Mean,
    Errors,
    Rate,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Comparison {
    Less,
    AtMost,
    More,
    AtLeast,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Bound {
    /// A latency in microseconds.
    Us(f64),
    /// A part of 1: of requests, or of the target rate.
    Part(f64),
    /// A number of errors, or of replies a second.
    Count(f64),
}

/// Whether an expectation holds.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(super) struct Judgement {
    /// The expectation, as given.
    pub expected: String,
    /// What was seen.
    pub seen: String,
    /// Whether that is as expected.
    pub holds: bool,
}

impl fmt::Display for Expectation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl FromStr for Expectation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || {
            "is no expectation; write it as p99<5ms, max<1s, mean<2ms, errors<0.1%, errors<=3, rate>=99% or rate>=20k".to_owned()
        };
        let at = text.find(['<', '>']).ok_or_else(form)?;
        let (name, rest) = (text[..at].trim(), &text[at..]);
        let signs = [
            ("<=", Comparison::AtMost),
            (">=", Comparison::AtLeast),
            ("<", Comparison::Less),
            (">", Comparison::More),
        ];
        let found = signs.iter().find_map(|&(sign, comparison)| {
            rest.strip_prefix(sign)
                .map(|value| (comparison, value.trim()))
        });
        let (comparison, value) = found.ok_or_else(form)?;
        let metric = metric(name).ok_or_else(form)?;
        let bound = bound(metric, value).ok_or_else(form)?;
        Ok(Self {
            text: text.trim().to_owned(),
            metric,
            comparison,
            bound,
        })
    }
}

fn metric(name: &str) -> Option<Metric> {
    Some(match name {
        "max" => Metric::Max,
        "mean" => Metric::Mean,
        "errors" => Metric::Errors,
        "rate" => Metric::Rate,
        _ => {
            let percentile = plain(name.strip_prefix('p')?)?;
            (percentile > 0.0 && percentile < 100.0)
                .then_some(Metric::Quantile(percentile / 100.0))?
        }
    })
}

fn bound(metric: Metric, value: &str) -> Option<Bound> {
    match metric {
        Metric::Quantile(_) | Metric::Max | Metric::Mean => {
            Some(Bound::Us(time(value)?.as_secs_f64() * 1e6))
        }
        Metric::Errors | Metric::Rate => match value.strip_suffix('%') {
            Some(percent) => Some(Bound::Part(plain(percent)? / 100.0)),
            None => amount(value).map(Bound::Count),
        },
    }
}

impl Expectation {
    /// Whether it needs a rate to be compared with, which only an open loop has.
    pub(super) fn needs_target_rate(&self) -> bool {
        matches!((self.metric, self.bound), (Metric::Rate, Bound::Part(_)))
    }

    /// Compares it with what was seen. Without any reply no latency is as expected.
    pub(super) fn judge(&self, outcome: &Outcome) -> Judgement {
        let latency = &outcome.total.latency;
        let has_latency = !latency.histogram.is_empty();
        let us = |us: f64| has_latency.then(|| (us, words::latency(us)));
        let seen = match (self.metric, self.bound) {
            (Metric::Quantile(quantile), _) => us(latency.at(quantile) as f64),
            (Metric::Max, _) => us(latency.max_us as f64),
            (Metric::Mean, _) => us(latency.histogram.mean()),
            (Metric::Errors, Bound::Part(_)) => {
                let share = outcome.error_share();
                Some((share, words::percent(share)))
            }
            (Metric::Errors, _) => {
                let errors = outcome.total.errors();
                Some((errors as f64, words::grouped(errors)))
            }
            (Metric::Rate, Bound::Part(_)) => outcome.target_rate.map(|target| {
                let share = if target > 0.0 {
                    outcome.rate() / target
                } else {
                    1.0
                };
                (share, words::percent(share))
            }),
            (Metric::Rate, _) => Some((outcome.rate(), words::rate(outcome.rate()))),
        };
        let holds = seen.as_ref().is_some_and(|&(seen, _)| self.holds(seen));
        Judgement {
            expected: self.text.clone(),
            seen: seen.map_or_else(|| "no reply".to_owned(), |(_, words)| words),
            holds,
        }
    }

    fn holds(&self, seen: f64) -> bool {
        let (Bound::Us(bound) | Bound::Part(bound) | Bound::Count(bound)) = self.bound;
        match self.comparison {
            Comparison::Less => seen < bound,
            Comparison::AtMost => seen <= bound,
            Comparison::More => seen > bound,
            Comparison::AtLeast => seen >= bound,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{outcome::fixture, window::Window},
        *,
    };

    fn judged(text: &str) -> (bool, String) {
        let judgement = text.parse::<Expectation>().unwrap().judge(&fixture());
        (judgement.holds, judgement.seen)
    }

    #[test]
    fn what_was_seen_is_compared_and_named() {
        // Latencies of 1 to 100 ms, one each; the histogram tells a thousandth apart.
        for (text, holds, seen) in [
            ("p50<51ms", true, "50.0 ms"),
            ("p50 < 50ms", false, "50.0 ms"),
            ("p99.9<=101ms", true, "100 ms"),
            ("max<0.1s", false, "100 ms"),
            ("mean<51ms", true, "50.5 ms"),
            ("errors<0.1%", true, "0.0 %"),
            ("errors<=0", true, "0"),
            ("rate>=99%", true, "100.0 %"),
            ("rate>=20k", false, "100/s"),
            ("rate>99", true, "100/s"),
        ] {
            assert_eq!(judged(text), (holds, seen.to_owned()), "{text}");
        }
    }

    #[test]
    fn without_a_reply_no_latency_is_as_expected() {
        let mut outcome = fixture();
        outcome.total = Window::empty();
        let judgement = "p99<5s".parse::<Expectation>().unwrap().judge(&outcome);
        assert_eq!(
            (judgement.holds, judgement.seen.as_str()),
            (false, "no reply")
        );
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "p99",
            "p99<",
            "<5ms",
            "p99=5ms",
            "p99<5",
            "p0<5ms",
            "p100<5ms",
            "p-1<5ms",
            "p99<-5ms",
            "errors<1ms",
            "rate>=5ms",
            "rate>=x%",
            "q99<5ms",
            "p99<5ms x",
            "p99<<5ms",
            "errors<0.1%%",
            "p<5ms",
            "max<5%",
        ] {
            assert!(text.parse::<Expectation>().is_err(), "{text}");
        }
    }
}
