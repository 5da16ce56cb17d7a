//! A gap → line protocol: where a hole in a chart is because no agent ran.
//!
//! `agent_gap` has one point for each start after another run of the agent, at the time of the first tick.

use super::{Payload, Tagging, line::Page};
use crate::gap::Gap;

/// The point that tells of `gap`.
pub fn gap(tagging: &Tagging, gap: &Gap) -> Option<Payload> {
    let mut page = Page::default();
    let tags = tagging.of_no_container([("reason", gap.reason.as_str())]);
    let mut line = page.line("agent_gap", &tags);
    // The names of the fields of a loss, and no others.
    line.signed("from_ns", gap.from_ns);
    line.signed("to_ns", gap.to_ns);
    line.end(gap.to_ns);
    page.finish().into_iter().next()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::gap::GapReason;

    #[test]
    fn a_gap_is_a_point_at_its_end() {
        let tagging = Tagging::new("box", &BTreeMap::new(), &[]).unwrap();
        let reboot = Gap {
            from_ns: 3,
            to_ns: 5,
            reason: GapReason::Reboot,
        };
        assert_eq!(
            gap(&tagging, &reboot).unwrap().lines(),
            "agent_gap,host=box,reason=reboot from_ns=3i,to_ns=5i 5\n"
        );
    }
}
