//! The CPU budget of the daemon and its programs: what they used → which family to shed or to take back. Pure; what a
//! step means is left to the caller.

use std::time::Duration;

use crate::metrics::catalog::{Families, Family};

/// Families in the order in which they are shed; they are taken back the other way round. First what is least missed,
/// last what tells most. CPU time and kills for want of memory are not among them.
pub const ORDER: [Family; 9] = [
    Family::Preemption,
    Family::Space,
    Family::Pressure,
    Family::Pids,
    Family::Memory,
    Family::Host,
    Family::Sched,
    Family::Network,
    Family::BlockIo,
];

/// Windows far below the budget before a family is taken back, at first.
const PATIENCE: u32 = 3;

/// The same at most, where what was taken back had to be shed again.
const MOST_PATIENCE: u32 = 48;

/// What was used on average over a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Use {
    /// CPUs of the daemon itself.
    pub agent_cpus: f64,
    /// CPUs of the kernel programs; `None` where that cannot be measured, or there are none.
    pub programs_cpus: Option<f64>,
}

/// What to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Nothing.
    Stay,
    /// Measure this family no more.
    Shed(Family),
    /// Measure this one again.
    TakeBack(Family),
    /// The budget is exceeded, and nothing is left to shed.
    Exhausted,
}

/// Decides, one window after the other.
#[derive(Clone, Debug)]
pub struct Keeper {
    limit_cpus: f64,
    /// Shed and not taken back, the last one last.
    shed: Vec<Family>,
    /// The family that was taken back last.
    taken_back: Option<Family>,
    /// Windows in a row that were far below the budget.
    calm: u32,
    /// How many of those it takes.
    patience: u32,
}

/// Adds up what was used since it began.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    length_ns: u64,
    began_ns: u64,
    agent_ns: u64,
    /// What the programs used, by tick, and for how many ticks that is known.
    programs: (f64, u32),
}

impl Keeper {
    /// Keeps to `limit_cpus`; sheds nothing if that is zero.
    pub fn new(limit_cpus: f64) -> Self {
        Self {
            limit_cpus,
            shed: Vec::new(),
            taken_back: None,
            calm: 0,
            patience: PATIENCE,
        }
    }

    /// The budget, in CPUs.
    pub fn limit_cpus(&self) -> f64 {
        self.limit_cpus
    }

    /// What is shed now.
    pub fn shed(&self) -> Families {
        let shed = self.shed.iter();
        shed.fold(Families::NONE, |all, family| all.with(*family))
    }

    /// Decides after a window in which so much was used. Of `wanted`, which the operator asks for, only these are shed.
    pub fn judge(&mut self, used: Use, wanted: Families) -> Step {
        self.shed.retain(|family| wanted.has(*family));
        if self.limit_cpus <= 0.0 {
            return Step::Stay;
        }
        if used.cpus() > self.limit_cpus {
            self.calm = 0;
            return self.shed_next(wanted);
        }
        if used.cpus() >= self.limit_cpus / 2.0 {
            self.calm = 0;
            return Step::Stay;
        }
        self.calm = self.calm.saturating_add(1);
        if self.calm < self.patience {
            return Step::Stay;
        }
        self.calm = 0;
        match self.shed.pop() {
            Some(family) => {
                self.taken_back = Some(family);
                Step::TakeBack(family)
            }
            None => Step::Stay,
        }
    }

    fn shed_next(&mut self, wanted: Families) -> Step {
        let is_left = |family: &Family| wanted.has(*family) && !self.shed.contains(family);
        let Some(family) = ORDER.into_iter().find(is_left) else {
            return Step::Exhausted;
        };
        if self.taken_back == Some(family) {
            self.patience = (self.patience * 2).min(MOST_PATIENCE);
        }
        self.taken_back = None;
        self.shed.push(family);
        Step::Shed(family)
    }
}

impl Use {
    /// All together.
    pub fn cpus(self) -> f64 {
        self.agent_cpus + self.programs_cpus.unwrap_or(0.0)
    }
}

impl Window {
    /// Begins at `now_ns`, when the daemon had used `agent_ns` of CPU time in all.
    pub fn begin(length: Duration, now_ns: u64, agent_ns: u64) -> Self {
        Self {
            length_ns: u64::try_from(length.as_nanos()).unwrap_or(u64::MAX),
            began_ns: now_ns,
            agent_ns,
            programs: (0.0, 0),
        }
    }

    /// Takes in a tick at `now_ns`, with what the programs used when last measured. Returns what was used on average
    /// when the window is over, which then begins anew.
    pub fn tick(&mut self, now_ns: u64, agent_ns: u64, programs_cpus: Option<f64>) -> Option<Use> {
        if let Some(cpus) = programs_cpus {
            self.programs.0 += cpus;
            self.programs.1 += 1;
        }
        let passed_ns = now_ns.saturating_sub(self.began_ns);
        if passed_ns < self.length_ns.max(1) {
            return None;
        }
        let (sum, ticks) = self.programs;
        let used = Use {
            agent_cpus: agent_ns.saturating_sub(self.agent_ns) as f64 / passed_ns as f64,
            programs_cpus: (ticks > 0).then(|| sum / f64::from(ticks)),
        };
        *self = Self {
            began_ns: now_ns,
            agent_ns,
            programs: (0.0, 0),
            ..*self
        };
        Some(used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOVE: f64 = 0.031;
    const BELOW: f64 = 0.02;
    const FAR_BELOW: f64 = 0.014;

    fn used(cpus: f64) -> Use {
        Use {
            agent_cpus: cpus / 2.0,
            programs_cpus: Some(cpus / 2.0),
        }
    }

    fn steps(keeper: &mut Keeper, windows: impl IntoIterator<Item = f64>) -> Vec<Step> {
        let windows = windows.into_iter();
        windows
            .map(|cpus| keeper.judge(used(cpus), Families::ALL))
            .filter(|step| *step != Step::Stay)
            .collect()
    }

    #[test]
    fn families_are_shed_in_order_and_taken_back_the_other_way() {
        let mut keeper = Keeper::new(0.03);
        let shed = steps(&mut keeper, [ABOVE; ORDER.len() + 2]);
        let mut expected: Vec<Step> = ORDER.map(Step::Shed).into();
        expected.extend([Step::Exhausted; 2]);
        assert_eq!(shed, expected);
        for family in [Family::Cpu, Family::Oom] {
            assert!(!keeper.shed().has(family), "{family:?}");
        }
        let back = steps(&mut keeper, [FAR_BELOW; 3 * ORDER.len() + 3]);
        let expected: Vec<Step> = ORDER.into_iter().rev().map(Step::TakeBack).collect();
        assert_eq!(back, expected);
        assert_eq!(keeper.shed(), Families::NONE);
    }

    #[test]
    fn between_half_and_all_of_the_budget_nothing_changes() {
        let mut keeper = Keeper::new(0.03);
        assert_eq!(steps(&mut keeper, [ABOVE]), [Step::Shed(ORDER[0])]);
        assert_eq!(steps(&mut keeper, [BELOW; 99]), []);
        // One window that is not calm begins the waiting anew.
        let calm_but_once = [FAR_BELOW, FAR_BELOW, BELOW, FAR_BELOW, FAR_BELOW];
        assert_eq!(steps(&mut keeper, calm_but_once), []);
        assert_eq!(steps(&mut keeper, [FAR_BELOW]), [Step::TakeBack(ORDER[0])]);
    }

    #[test]
    fn what_has_to_be_shed_again_is_taken_back_later_and_later() {
        let mut keeper = Keeper::new(0.03);
        let mut waits = Vec::new();
        for _ in 0..7 {
            assert_eq!(steps(&mut keeper, [ABOVE]), [Step::Shed(ORDER[0])]);
            let mut wait = 1;
            while keeper.judge(used(FAR_BELOW), Families::ALL) == Step::Stay {
                wait += 1;
            }
            waits.push(wait);
        }
        assert_eq!(waits, [3, 6, 12, 24, 48, 48, 48]);
    }

    #[test]
    fn what_is_off_is_neither_shed_nor_taken_back() {
        let mut keeper = Keeper::new(0.03);
        let wanted = Families::ALL.without(ORDER[0]);
        assert_eq!(keeper.judge(used(ABOVE), wanted), Step::Shed(ORDER[1]));
        let wanted = wanted.without(ORDER[1]);
        let back = (0..9).map(|_| keeper.judge(used(FAR_BELOW), wanted));
        assert!(back.into_iter().all(|step| step == Step::Stay));
        assert_eq!(keeper.shed(), Families::NONE);
    }

    #[test]
    fn without_a_budget_nothing_is_shed() {
        assert_eq!(steps(&mut Keeper::new(0.0), [9.0; 3]), []);
    }

    #[test]
    fn a_window_tells_the_mean_of_both_shares_and_begins_anew() {
        let second = 1_000_000_000;
        let mut window = Window::begin(Duration::from_secs(4), 10 * second, 7_000_000);
        assert_eq!(window.tick(11 * second, 8_000_000, None), None);
        assert_eq!(window.tick(12 * second, 9_000_000, Some(0.01)), None);
        assert_eq!(window.tick(13 * second, 9_500_000, Some(0.03)), None);
        let used = window.tick(14 * second, 47_000_000, Some(0.02)).unwrap();
        assert!((used.agent_cpus - 0.01).abs() < 1e-9, "{used:?}");
        assert!((used.cpus() - 0.03).abs() < 1e-9, "{used:?}");
        assert_eq!(
            window,
            Window::begin(Duration::from_secs(4), 14 * second, 47_000_000)
        );
        let used = window.tick(18 * second, 47_000_000, None).unwrap();
        assert_eq!(used.programs_cpus, None);
    }
}
