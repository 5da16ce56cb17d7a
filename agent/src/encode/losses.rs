//! Losses → line protocol: where a hole in a chart is not the chart's fault.
//!
//! `agent_loss` has one point for each reason, once delivery works again: how many points of which time never came.

use super::{Payload, Tagging, line::Page};
use crate::loss::Losses;

const MEASUREMENT: &str = "agent_loss";

/// Fields of `agent_loss`.
pub(super) const FIELDS: [&str; 3] = ["from_ns", "points", "to_ns"];

/// The points that tell of `losses` of `sink`; `None` if there are none.
pub fn losses(tagging: &Tagging, sink: &str, losses: &Losses, wall_ns: i64) -> Option<Payload> {
    let mut page = Page::default();
    for loss in losses.iter() {
        let tags = tagging.of_no_container([("reason", loss.reason.as_str()), ("sink", sink)]);
        let mut line = page.line(MEASUREMENT, &tags);
        line.signed("from_ns", loss.times.oldest_ns);
        line.integer("points", loss.points);
        line.signed("to_ns", loss.times.newest_ns);
        line.end(wall_ns);
    }
    page.finish().into_iter().next()
}

/// Whether a line is one of these points.
pub fn tells_of_losses(line: &[u8]) -> bool {
    let tags = line.strip_prefix(MEASUREMENT.as_bytes());
    tags.is_some_and(|tags| tags.starts_with(b","))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        loss::{Loss, LossReason},
        times::Times,
    };

    #[test]
    fn each_reason_has_a_point_with_its_range() {
        let tagging = Tagging::new("box", &BTreeMap::new(), &[]).unwrap();
        let mut lost = Losses::default();
        assert_eq!(losses(&tagging, "db", &lost, 7), None);
        for reason in [LossReason::Evicted, LossReason::Refused] {
            lost.add(Loss {
                reason,
                points: 12,
                times: Times {
                    oldest_ns: 3,
                    newest_ns: 5,
                },
            });
        }
        let payload = losses(&tagging, "db", &lost, 7).unwrap();
        assert!(payload.each_line().all(|line| tells_of_losses(&line)));
        assert!(!tells_of_losses(b"agent_losses v=1i 1\n"));
        assert_eq!(
            payload.lines(),
            "agent_loss,host=box,reason=evicted,sink=db from_ns=3i,points=12i,to_ns=5i 7\n\
             agent_loss,host=box,reason=refused,sink=db from_ns=3i,points=12i,to_ns=5i 7\n"
        );
    }
}
