//! What ticks tell beside entries: of the host as a whole, and what the agent says of itself.

use std::collections::VecDeque;

use serde_json::Value as Json;

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
    pub(super) fn of(machine: &Json) -> Self {
        let number = |path| machine.pointer(path).and_then(Json::as_f64);
        Self {
            load: number("/load/load1"),
            memory_bytes: number("/mem/total_bytes"),
            available_bytes: number("/mem/available_bytes"),
        }
    }
}

impl OwnCost {
    /// Ticks over which its CPU is told.
    const WINDOW: usize = 10;

    /// No CPU time is lost by it: of turns whose beginning was not seen, only the wait before them is not counted.
    const MINOR: &str = "unseen_switch_ins";

    /// Takes in what a tick says.
    pub(super) fn take(&mut self, wall_ms: i64, agent: &Json) {
        let Some(own) = agent.get("agent_self") else {
            return;
        };
        let number = |field| own.get(field).and_then(Json::as_f64);
        if let Some(cpu_ns) = number("cpu_ns") {
            // The agent was started anew.
            if self.past.back().is_some_and(|(_, then)| cpu_ns < *then) {
                self.past.clear();
            }
            if self.past.len() == Self::WINDOW {
                self.past.pop_front();
            }
            self.past.push_back((wall_ms, cpu_ns));
        }
        self.programs_cpus = number("programs_cpus");
        self.rss_bytes = number("rss_bytes");
        let by = |field, label: &str| -> Vec<(String, f64)> {
            let samples = own.get(field).and_then(Json::as_array);
            let counts = samples.into_iter().flatten().filter_map(|sample| {
                let word = sample.get("labels")?.get(label)?.as_str()?;
                let count = sample.get("value")?.as_f64()?;
                (count > 0.0).then(|| (word.to_owned(), count))
            });
            counts.collect()
        };
        self.lost = own.get("losses").map(|_| {
            let mut lost = by("losses", "reason");
            lost.retain(|(reason, _)| reason != Self::MINOR);
            lost.extend(by("points_dropped", "sink"));
            lost
        });
        let states = own.get("family_state").and_then(Json::as_array);
        let shed = states.into_iter().flatten().filter_map(|sample| {
            let labels = sample.get("labels")?;
            let is_shed = labels.get("state")?.as_str()? == "shed";
            is_shed.then(|| Some(labels.get("family")?.as_str()?.to_owned()))?
        });
        self.shed = shed.collect();
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
