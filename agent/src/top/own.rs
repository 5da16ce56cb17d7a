//! What ticks tell beside entries: of the host as a whole, and what the agent says of itself.

use std::collections::VecDeque;

use crate::stream::{self, AgentSelf, Counts, Labels};

/// Of the host as a whole.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Machine {
    pub(super) load: Option<f64>,
    pub(super) memory_bytes: Option<f64>,
    pub(super) available_bytes: Option<f64>,
}

/// What the agent says of itself.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnCost {
    /// Its CPU time at the last ticks, by their times, for the rate.
    past: VecDeque<(i64, f64)>,
    pub(super) programs_cpus: Option<f64>,
    pub(super) rss_bytes: Option<f64>,
    /// What was lost, by reason and by sink; `None` where it is not told.
    pub(super) lost: Option<Vec<(String, f64)>>,
    /// Families that are not measured, to keep to the budget.
    pub(super) shed: Vec<String>,
}

impl Machine {
    pub(super) fn of(machine: &stream::Machine) -> Self {
        Self {
            load: machine.load.load1,
            memory_bytes: machine.mem.total_bytes,
            available_bytes: machine.mem.available_bytes,
        }
    }
}

impl OwnCost {
    /// Ticks over which its CPU is told.
    const WINDOW: usize = 10;

    /// No CPU time is lost by it: of turns whose beginning was not seen, only the wait before them is not counted.
    const MINOR: &str = "unseen_switch_ins";

    /// Takes in what a tick says.
    pub(super) fn take(&mut self, wall_ms: i64, own: &AgentSelf) {
        if let Some(cpu_ns) = own.cpu_ns {
            // The agent was started anew.
            if self.past.back().is_some_and(|(_, then)| cpu_ns < *then) {
                self.past.clear();
            }
            if self.past.len() == Self::WINDOW {
                self.past.pop_front();
            }
            self.past.push_back((wall_ms, cpu_ns));
        }
        self.programs_cpus = own.programs_cpus;
        self.rss_bytes = own.rss_bytes;
        self.lost = own.losses.as_ref().map(|losses| {
            let mut lost = counted(losses, |labels| labels.reason.as_ref());
            lost.retain(|(reason, _)| reason != Self::MINOR);
            let points = own.points_dropped.iter();
            lost.extend(points.flat_map(|it| counted(it, |labels| labels.sink.as_ref())));
            lost
        });
        let states = own.family_state.iter().flat_map(|it| it.iter());
        let shed = states.filter(|it| it.labels.state.as_deref() == Some("shed"));
        self.shed = shed.filter_map(|it| it.labels.family.clone()).collect();
    }

    /// CPUs that the agent itself used over the last ticks.
    pub(super) fn cpus(&self) -> Option<f64> {
        let ((from_ms, before_ns), (to_ms, after_ns)) = (self.past.front()?, self.past.back()?);
        let passed_ns = to_ms.saturating_sub(*from_ms) as f64 * 1e6;
        (passed_ns > 0.0).then(|| (after_ns - before_ns) / passed_ns)
    }

    /// All that was lost.
    pub(super) fn lost_total(&self) -> Option<f64> {
        let lost = self.lost.as_ref()?;
        Some(lost.iter().map(|(_, count)| count).sum())
    }
}

/// What there is any of, by a label.
fn counted(counts: &Counts, label: fn(&Labels) -> Option<&String>) -> Vec<(String, f64)> {
    let counts = counts.iter().filter_map(|count| {
        let value = count.value.filter(|value| *value > 0.0)?;
        Some((label(&count.labels)?.clone(), value))
    });
    counts.collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use crate::stream;

    #[test]
    fn what_is_lost_that_matters_is_told_and_what_measuring_costs() {
        let mut model = fixture::model(&["web"], 3);
        assert_eq!(model.own.lost_total(), Some(0.0));
        assert_eq!(model.own.cpus(), Some(0.003));
        let agent = r#"{"t":1764428700000,"agent":{"agent_self":{"cpu_ns":5,
            "losses":[{"labels":{"reason":"events_lost"},"value":3}],
            "points_dropped":[{"labels":{"sink":"db"},"value":4}],
            "family_state":[{"labels":{"family":"space","state":"shed"},"value":1}]}}}"#;
        model.tick(&stream::tick(agent).unwrap());
        assert_eq!(model.own.lost_total(), Some(7.0));
        assert_eq!(model.own.shed, ["space"]);
        // Another agent, whose CPU time begins at nothing.
        assert_eq!(model.own.cpus(), None);
    }
}
