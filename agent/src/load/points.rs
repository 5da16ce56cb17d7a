//! The points that a run tells of itself: the measurement `load`, each second. Counts are since the run's begin,
//! latencies those of the second. A field has one type for ever.

use super::{
    engine::Standing,
    window::{Latencies, Window},
};
use crate::encode::Field;

/// The measurement.
pub(super) const MEASUREMENT: &str = "load";

/// One second: what was counted in it, and since the begin.
pub(super) struct Point<'a> {
    pub(super) second: &'a Window,
    pub(super) total: Counts,
    pub(super) standing: Standing,
    pub(super) rate: f64,
    pub(super) target_rate: Option<f64>,
}

/// Counts since the begin.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) sent: u64,
    pub(super) ok: u64,
    pub(super) errors: u64,
}

impl Point<'_> {
    /// Its fields. A closed loop has no target rate, and its only latencies are those since sending.
    pub(super) fn fields(&self) -> Vec<(&'static str, Field<'static>)> {
        let Counts { sent, ok, errors } = self.total;
        let mut fields = vec![
            ("rate", Field::Float(self.rate)),
            ("sent", Field::Integer(sent)),
            ("ok", Field::Integer(ok)),
            ("errors", Field::Integer(errors)),
            ("unsent", Field::Integer(self.standing.overdue)),
            ("in_flight", Field::Integer(self.standing.in_flight)),
            ("conns", Field::Integer(self.standing.connections)),
        ];
        add(
            &mut fields,
            ["p50_us", "p90_us", "p99_us", "p999_us", "max_us"],
            &self.second.latency,
        );
        if let Some(rate) = self.target_rate {
            fields.push(("target_rate", Field::Float(rate)));
            let names = [
                "service_p50_us",
                "service_p90_us",
                "service_p99_us",
                "service_p999_us",
                "service_max_us",
            ];
            add(&mut fields, names, &self.second.service);
        }
        fields
    }
}

/// A second without a reply has no latency.
fn add(
    fields: &mut Vec<(&'static str, Field<'static>)>,
    names: [&'static str; 5],
    latencies: &Latencies,
) {
    if latencies.histogram.is_empty() {
        return;
    }
    for (name, part) in names.into_iter().zip([0.5, 0.9, 0.99, 0.999, 1.0]) {
        fields.push((
            name,
            Field::Integer(super::summary::of_part(latencies, part)),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::{super::outcome::fixture, *};

    #[test]
    fn an_open_loop_has_latencies_since_sending_too() {
        let outcome = fixture();
        let mut point = Point {
            second: &outcome.total,
            total: Counts {
                sent: 100,
                ok: 99,
                errors: 1,
            },
            standing: Standing {
                connections: 64,
                in_flight: 5,
                overdue: 7,
            },
            rate: 99.0,
            target_rate: Some(100.0),
        };
        let fields = point.fields();
        for field in [
            ("target_rate", Field::Float(100.0)),
            ("unsent", Field::Integer(7)),
            ("max_us", Field::Integer(100_000)),
            ("service_p50_us", Field::Integer(1_000)),
        ] {
            assert!(fields.contains(&field), "{field:?} in {fields:?}");
        }
        point.target_rate = None;
        let fields = point.fields();
        assert!(
            fields.contains(&("max_us", Field::Integer(100_000))),
            "{fields:?}"
        );
        assert!(
            !fields
                .iter()
                .any(|(name, _)| matches!(*name, "service_p50_us" | "target_rate"))
        );
    }
}
