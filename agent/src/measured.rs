//! What is measured now, and why the rest is not: what the operator asks for, less what the CPU budget sheds.

use std::time::Duration;

use crate::{
    budget::{Keeper, Step, Use, Window},
    config::{Budget, Order},
    metrics::{
        Sample, Value,
        catalog::{self, Families, Family},
    },
};

/// Which families are measured.
#[derive(Debug)]
pub struct Measured {
    order: Order,
    keeper: Keeper,
    /// Absent until the next tick: a step and what it costs itself belong to no window.
    window: Option<Window>,
    /// What was used in the window before.
    used: Option<Use>,
    /// How often a family was shed.
    sheds: u64,
    /// Whether the budget is exceeded with nothing left to shed.
    is_exhausted: bool,
}

impl Measured {
    /// All that is asked for.
    pub fn new(order: Order) -> Self {
        Self {
            order,
            keeper: Keeper::new(order.budget.cpu.ratio()),
            window: None,
            used: None,
            sheds: 0,
            is_exhausted: false,
        }
    }

    /// The families to measure now.
    pub fn families(&self) -> Families {
        self.order.families.minus(self.keeper.shed())
    }

    /// Takes a new order. With another budget everything that was shed is taken back, and has to show anew what it
    /// costs.
    pub fn take(&mut self, order: Order) {
        if order.budget != self.order.budget {
            self.keeper = Keeper::new(order.budget.cpu.ratio());
            self.is_exhausted = false;
        }
        self.order = order;
        self.window = None;
    }

    /// How often slow work is to be done that is done every `usual` otherwise: what the programs cost is measured then,
    /// and a short window wants to know it sooner.
    pub fn slow_work(&self, usual: Duration) -> Duration {
        let of_window = self.order.budget.window / Budget::TICKS_PER_WINDOW;
        usual.min(of_window)
    }

    /// Takes in a tick at `now_ns`: the daemon used `agent_ns` of CPU time so far, its programs used `programs_cpus`
    /// when last measured. Says loudly what it sheds and takes back.
    pub fn tick(&mut self, now_ns: u64, agent_ns: u64, programs_cpus: Option<f64>) {
        let length = self.order.budget.window;
        let Some(window) = &mut self.window else {
            self.window = Some(Window::begin(length, now_ns, agent_ns));
            return;
        };
        let Some(used) = window.tick(now_ns, agent_ns, programs_cpus) else {
            return;
        };
        self.used = Some(used);
        let step = self.keeper.judge(used, self.order.families);
        self.tell(step, used);
        self.is_exhausted = step == Step::Exhausted;
        match step {
            Step::Shed(_) => self.sheds += 1,
            Step::TakeBack(_) => {}
            Step::Stay | Step::Exhausted => return,
        }
        self.window = None;
    }

    fn tell(&self, step: Step, used: Use) {
        let agent = percent(used.agent_cpus);
        let programs = used.programs_cpus.map_or("unknown".to_owned(), percent);
        let budget = percent(self.keeper.limit_cpus());
        match step {
            Step::Shed(family) => tracing::warn!(
                family = family.as_str(),
                agent,
                programs,
                budget,
                "the CPU budget is exceeded: this family is not measured any more until there is room for it"
            ),
            Step::TakeBack(family) => tracing::warn!(
                family = family.as_str(),
                agent,
                programs,
                budget,
                "there is room in the CPU budget: this family is measured again"
            ),
            Step::Exhausted if !self.is_exhausted => tracing::warn!(
                agent,
                programs,
                budget,
                "the CPU budget is exceeded, and nothing is left to shed; raise budget.cpu_percent or collect.interval"
            ),
            Step::Exhausted | Step::Stay => {}
        }
    }

    /// All of it as samples.
    pub fn samples(&self) -> Vec<Sample> {
        let integer = |metric, value| Sample::new(metric, Value::Integer(value));
        let shed = self.keeper.shed();
        let mut samples = Vec::new();
        if let Some(used) = self.used {
            let cpus = Value::Float(used.cpus());
            samples.push(Sample::new(&catalog::AGENT_BUDGET_USED, cpus));
        }
        let mut count = 0;
        let mut states = Vec::new();
        for family in Family::SWITCHABLE {
            let state = if !self.order.families.has(family) {
                "off"
            } else if shed.has(family) {
                count += 1;
                "shed"
            } else {
                continue;
            };
            let sample = integer(&catalog::AGENT_FAMILY_STATE, 1);
            let sample = sample.labelled("family", family.as_str());
            states.push(sample.labelled("state", state));
        }
        samples.push(integer(&catalog::AGENT_FAMILIES_SHED, count));
        samples.push(integer(&catalog::AGENT_SHEDS, self.sheds));
        samples.extend(states);
        samples
    }
}

fn percent(cpus: f64) -> String {
    format!("{:.3} %", cpus * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Percent;

    const SECOND_NS: u64 = 1_000_000_000;

    fn order(thousandths: u32) -> Order {
        Order {
            families: Families::DEFAULT.without(Family::Host),
            budget: Budget {
                cpu: Percent(thousandths),
                window: Duration::from_secs(2),
            },
        }
    }

    /// Ticks each second from `first_s` on, with half a CPU used.
    fn run(measured: &mut Measured, seconds: std::ops::Range<u64>) {
        for second in seconds {
            measured.tick(second * SECOND_NS, second * SECOND_NS / 2, None);
        }
    }

    #[test]
    fn what_is_shed_is_measured_no_more_until_the_budget_is_another() {
        let mut measured = Measured::new(order(10));
        run(&mut measured, 0..7);
        let wanted = order(10).families;
        let left = wanted.without(Family::Space).without(Family::Pressure);
        assert_eq!(measured.families(), left);
        measured.take(Order {
            families: wanted.without(Family::Oom),
            ..order(10)
        });
        assert_eq!(measured.families(), left.without(Family::Oom));
        measured.take(order(0));
        assert_eq!(measured.families(), wanted);
        run(&mut measured, 7..20);
        assert_eq!(measured.families(), wanted);
    }

    #[test]
    fn states_are_told_of_what_is_not_measured() {
        let mut measured = Measured::new(order(10));
        run(&mut measured, 0..3);
        let told: Vec<String> = measured
            .samples()
            .iter()
            .map(|it| {
                let labels: Vec<&str> = it.labels.iter().map(|(_, value)| value.as_ref()).collect();
                format!("{} {labels:?} {:?}", it.metric.field, it.value)
            })
            .collect();
        assert_eq!(
            told,
            [
                r"budget_used_cpus [] Float(0.5)",
                r"families_shed [] Integer(1)",
                r"sheds [] Integer(1)",
                r#"family_state ["preemption", "off"] Integer(1)"#,
                r#"family_state ["space", "shed"] Integer(1)"#,
                r#"family_state ["host", "off"] Integer(1)"#,
            ]
        );
    }
}
