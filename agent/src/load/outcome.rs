//! What came of a run, and what it says about target and generator.

use std::time::Duration;

use super::{
    engine::{Cost, Ended},
    numbers::Verdict,
    window::{Latencies, Window},
};

/// From this share of its time on a thread is too busy to be on time.
const BUSY: f64 = 0.85;

/// From this share of requests on, late ones are the generator's mark on the numbers.
const LATE: f64 = 0.01;

/// One run, or one trial of several.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) total: Window,
    /// How long requests were sent that count.
    pub(super) elapsed: Duration,
    /// In an open loop: on average over the run.
    pub(super) target_rate: Option<f64>,
    /// Requests that were due and not sent at the end.
    pub(super) unsent: u64,
    /// Requests that were not waited for.
    pub(super) unanswered: u64,
    pub(super) costs: Vec<Cost>,
    pub(super) counter: Option<Verdict>,
    /// Somebody stopped it before its end.
    pub(super) is_stopped: bool,
    /// When it began and ended, by the wall clock, in nanoseconds.
    pub(super) wall_ns: (i64, i64),
}

impl Outcome {
    /// OK replies a second.
    pub(super) fn rate(&self) -> f64 {
        per_second(self.total.ok, self.elapsed)
    }

    /// Whether latencies are from when requests were due.
    pub(super) fn is_open(&self) -> bool {
        self.target_rate.is_some()
    }

    /// Errors among all requests that ended; 0 without any.
    pub(super) fn error_share(&self) -> f64 {
        let errors = self.total.errors();
        let all = errors + self.total.ok;
        if all == 0 {
            0.0
        } else {
            errors as f64 / all as f64
        }
    }

    /// The latencies from when requests were sent: in a closed loop there are no others.
    pub(super) fn service(&self) -> &Latencies {
        if self.is_open() {
            &self.total.service
        } else {
            &self.total.latency
        }
    }

    /// CPU time of this program's threads for each reply, in microseconds.
    pub(super) fn cpu_us_per_request(&self) -> Option<f64> {
        let cpu_ns: u64 = self.costs.iter().map(|cost| cost.cpu_ns).sum();
        let replies = self.total.replies();
        (replies > 0).then(|| cpu_ns as f64 / 1e3 / replies as f64)
    }

    /// The share of its time that the busiest thread was on a CPU, and that it waited for one.
    pub(super) fn busiest(&self) -> (f64, f64) {
        let share = |cost: &Cost| {
            let wall_ns = cost.wall_ns.max(1) as f64;
            (
                cost.cpu_ns as f64 / wall_ns,
                cost.waited_ns as f64 / wall_ns,
            )
        };
        let shares = self.costs.iter().map(share);
        shares.fold((0.0, 0.0), |most, next| {
            if next.0 + next.1 > most.0 + most.1 {
                next
            } else {
                most
            }
        })
    }

    /// Why numbers of this run may be the generator's rather than the target's.
    pub(super) fn client_bound(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        let (busy, waiting) = self.busiest();
        if busy >= BUSY {
            reasons.push(format!(
                "a thread of it was busy {:.0} % of the time",
                busy * 100.0
            ));
        } else if busy + waiting >= BUSY {
            reasons.push(format!(
                "a thread of it was busy {:.0} % of the time and waited for a CPU {:.0} %",
                busy * 100.0,
                waiting * 100.0
            ));
        }
        let late = self.total.sent_late as f64 / self.total.sent.max(1) as f64;
        if late >= LATE {
            reasons.push(format!(
                "{:.1} % of the requests were sent more than 1 ms late though a connection was free",
                late * 100.0
            ));
        }
        reasons
    }
}

/// So many in such a time, by the second.
pub(super) fn per_second(count: u64, elapsed: Duration) -> f64 {
    if elapsed.is_zero() {
        0.0
    } else {
        count as f64 / elapsed.as_secs_f64()
    }
}

/// What the workers said at their end: their costs, when sending ceased, and how much was not sent.
pub(super) fn together(ended: &[Ended]) -> (Vec<Cost>, u64, u64) {
    let costs = ended.iter().map(|it| it.cost).collect();
    let ceased_ns = ended.iter().map(|it| it.ceased_ns).max().unwrap_or(0);
    (costs, ceased_ns, ended.iter().map(|it| it.unsent).sum())
}

#[cfg(test)]
pub(super) fn fixture() -> Outcome {
    let mut total = Window::empty();
    for ms in 1..=100 {
        total.sent += 1;
        total.reply(200);
        total.took(ms * 1_000_000, Some(1_000_000));
    }
    Outcome {
        total,
        elapsed: Duration::from_secs(1),
        target_rate: Some(100.0),
        unsent: 0,
        unanswered: 0,
        costs: vec![Cost {
            cpu_ns: 100_000_000,
            waited_ns: 0,
            wall_ns: 1_000_000_000,
        }],
        counter: None,
        is_stopped: false,
        wall_ns: (1_000_000_000, 2_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generator_that_is_the_bottleneck_says_so() {
        let mut outcome = fixture();
        assert!(outcome.client_bound().is_empty());
        assert_eq!(outcome.cpu_us_per_request(), Some(1_000.0));
        outcome.costs.push(Cost {
            cpu_ns: 500_000_000,
            waited_ns: 400_000_000,
            wall_ns: 1_000_000_000,
        });
        let reasons = outcome.client_bound();
        assert!(
            reasons[0].contains("50 % of the time and waited for a CPU 40 %"),
            "{reasons:?}"
        );
        outcome.costs = vec![Cost {
            cpu_ns: 900_000_000,
            waited_ns: 0,
            wall_ns: 1_000_000_000,
        }];
        outcome.total.sent_late = 1;
        assert_eq!(outcome.client_bound().len(), 2);
    }
}
