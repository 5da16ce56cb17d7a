//! Who took the CPU: an entry's waits by who ran meanwhile → samples labelled with the name.

use super::{Metric, Sample, Value, catalog};
use crate::snapshot::{PreemptionTotals, Span, TOLD, Waited};

/// What `by` says of an entry's own tasks, of all that are not told by name, and of nobody that is known. No runtime gives
/// such names; who has one all the same is among the others.
const WORDS: [&str; 3] = ["_own", "_other", "_unknown"];

/// Lines that an entry has at most: of those told by name, and of the words.
pub const MOST_LINES: usize = TOLD + WORDS.len();

/// Whether somebody of this name can be told by it.
pub fn is_told_by_name(name: &str) -> bool {
    !WORDS.contains(&name)
}

/// Whether a metric tells of takers: such a total is of one entry alone, whose takers are not those of another.
pub(crate) fn is_by_taker(metric: &Metric) -> bool {
    [&catalog::PREEMPTION_WAIT, &catalog::PREEMPTION_WAITING]
        .iter()
        .any(|it| std::ptr::eq(*it, metric))
}

/// Adds the samples of one entry: one taker after the other, the three words last.
pub(super) fn add(samples: &mut Vec<Sample>, span: &Span) {
    let Some(totals) = &span.after.totals.preemption else {
        return;
    };
    let PreemptionTotals {
        takers,
        own,
        other,
        unknown,
    } = &**totals;
    for taker in takers {
        add_one(samples, span, &taker.name, taker.waited);
    }
    for (word, waited) in WORDS.into_iter().zip([own, other, unknown]) {
        add_one(samples, span, word, *waited);
    }
}

fn add_one(samples: &mut Vec<Sample>, span: &Span, by: &str, waited: Waited) {
    let mut push = |metric, value| {
        samples.push(Sample::new(metric, value).labelled("by", by.to_owned()));
    };
    push(&catalog::PREEMPTION_WAIT, Value::Integer(waited.total_ns));
    if let Some(waiting) = span.share_of(waited.grown_ns) {
        push(&catalog::PREEMPTION_WAITING, Value::Float(waiting));
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::{
        container::CgroupId,
        snapshot::{Entry, TakerTotal, Totals},
    };

    #[test]
    fn each_taker_has_a_total_and_a_rate_under_its_name_and_so_has_what_has_none() {
        let waited = |total_ns, grown_ns| Waited { total_ns, grown_ns };
        let totals = PreemptionTotals {
            takers: vec![TakerTotal {
                name: Arc::from("web"),
                cgroup: CgroupId(9),
                waited: waited(900, 500_000_000),
            }],
            own: waited(1, 0),
            other: waited(2, 0),
            unknown: waited(3, 1_000_000_000),
        };
        let entry = Entry {
            cgroup: CgroupId(1),
            alive: true,
            totals: Totals {
                preemption: Some(Box::new(totals)),
                ..Totals::default()
            },
        };
        let mut span = Span {
            after: Arc::new(entry),
            length: Duration::from_secs(1),
            run_ns: Some(0),
            wait_ns: None,
        };
        let told = |span: &Span| {
            let mut samples = Vec::new();
            add(&mut samples, span);
            let text =
                |it: &Sample| format!("{} {} {:?}", it.metric.field, it.labels[0].1, it.value);
            samples.iter().map(text).collect::<Vec<String>>()
        };
        assert_eq!(
            told(&span),
            [
                "wait_ns web Integer(900)",
                "waiting web Float(0.5)",
                "wait_ns _own Integer(1)",
                "waiting _own Float(0.0)",
                "wait_ns _other Integer(2)",
                "waiting _other Float(0.0)",
                "wait_ns _unknown Integer(3)",
                "waiting _unknown Float(1.0)",
            ]
        );
        // Without rates, as at the first tick.
        span.run_ns = None;
        assert!(told(&span).iter().all(|it| it.starts_with("wait_ns")));
        assert!(is_told_by_name("web") && !is_told_by_name("_own"));
    }
}
