//! Which programs have something to do: settings, and what is loaded already → the reason for each that has not.

use super::{
    Options,
    programs::{ProgramSpec, Role},
    report::{NotNeeded, ProgramReport, is_loaded},
};
use crate::metrics::catalog::Source;

/// Where CPU time is counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    /// Where the kernel charges it, not at switches.
    pub(super) exact: bool,
    /// Whether the kernel's charges tell the time of real-time tasks too.
    pub(super) tells_realtime: bool,
}

impl Timing {
    /// Whether CPU time is counted at switches: all of it, or that of real-time tasks.
    pub(super) fn is_told_by_switches(self) -> bool {
        !self.exact || !self.tells_realtime
    }
}

/// Why a program has nothing to do beside those of `programs`; `None` if it has.
pub(super) fn not_needed(
    options: &Options,
    timing: Timing,
    spec: &ProgramSpec,
    programs: &[ProgramReport],
) -> Option<NotNeeded> {
    if let Some(off) = off(options, timing, spec, programs) {
        return Some(off);
    }
    if let Some(better) = spec.better()
        && is_loaded(programs, |it| it.name == better)
    {
        return Some(NotNeeded::Better(better));
    }
    let charges = spec.role == Role::Metric(Source::SchedStatRuntime);
    (charges && !timing.exact).then_some(NotNeeded::ChargedAtSwitches)
}

/// Why the families that are on have no use for a program; `None` if one has.
pub(super) fn off(
    options: &Options,
    timing: Timing,
    spec: &ProgramSpec,
    programs: &[ProgramReport],
) -> Option<NotNeeded> {
    let source = spec.role.source()?;
    let family = source.family().filter(|it| !options.families.has(*it))?;
    let charges = Role::Metric(Source::SchedStatRuntime);
    let tells_time = source == Source::SchedSwitch
        && (timing.is_told_by_switches() || !is_loaded(programs, |it| it.role == charges));
    (!tells_time).then_some(NotNeeded::Off(family))
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            Anchor,
            programs::PROGRAMS,
            report::ProgramState::{self, Loaded, Unsupported},
        },
        *,
    };
    use crate::{
        container::CgroupId,
        metrics::catalog::{Families, Family},
    };

    const EXACT: Timing = Timing {
        exact: true,
        tells_realtime: true,
    };

    fn without(families: &[Family]) -> Options {
        let mut options = Options {
            slots: 64,
            exact: true,
            anchor: Anchor::Unified,
            hierarchy: 0,
            root: CgroupId(1),
            mount: "/sys/fs/cgroup".into(),
            io_hierarchy: None,
            memory_hierarchy: None,
            skip: Vec::new(),
            network: true,
            families: Families::ALL,
            storage: None,
        };
        for family in families {
            options.families = options.families.without(*family);
        }
        options
    }

    fn spec(name: &str) -> &'static ProgramSpec {
        PROGRAMS.iter().find(|it| it.name == name).unwrap()
    }

    fn report(name: &str, state: ProgramState) -> ProgramReport {
        ProgramReport {
            spec: spec(name),
            state,
            forbidden: false,
        }
    }

    #[test]
    fn a_copy_is_not_needed_beside_the_better_program() {
        let options = without(&[]);
        for (name, better) in [
            ("cgroup_mkdir_pathless", "cgroup_mkdir"),
            ("sched_switch", "sched_switch_turns"),
            ("block_rq_complete_by_bio", "block_rq_complete"),
        ] {
            let beside = |state| {
                let programs = [report(better, state)];
                not_needed(&options, EXACT, spec(name), &programs)
            };
            assert_eq!(beside(Loaded), Some(NotNeeded::Better(better)));
            assert_eq!(beside(Unsupported(String::new())), None);
        }
    }

    #[test]
    fn a_family_that_is_off_has_no_programs() {
        let options = without(&[Family::BlockIo, Family::Oom]);
        for program in &PROGRAMS {
            let family = program.role.source().and_then(Source::family);
            let off = [Family::BlockIo, Family::Oom].into_iter();
            let mut off = off.filter(|it| Some(*it) == family).map(NotNeeded::Off);
            let said = not_needed(&options, EXACT, program, &[]);
            assert_eq!(said, off.next_back(), "{}", program.name);
        }
    }

    #[test]
    fn switches_are_seen_as_long_as_they_tell_time() {
        let options = without(&[Family::Sched, Family::Preemption]);
        let switch = |timing, charges| {
            let programs = [report("sched_stat_runtime", charges)];
            not_needed(&options, timing, spec("sched_switch"), &programs)
        };
        let off = Some(NotNeeded::Off(Family::Sched));
        assert_eq!(switch(EXACT, Loaded), off);
        assert_eq!(switch(EXACT, Unsupported(String::new())), None);
        let fair_only = Timing {
            tells_realtime: false,
            ..EXACT
        };
        assert_eq!(switch(fair_only, Loaded), None);
    }

    #[test]
    fn time_is_not_charged_twice() {
        let at_switches = Timing {
            exact: false,
            ..EXACT
        };
        let charges = |timing| not_needed(&without(&[]), timing, spec("sched_stat_runtime"), &[]);
        assert_eq!(charges(at_switches), Some(NotNeeded::ChargedAtSwitches));
        assert_eq!(charges(EXACT), None);
    }
}
