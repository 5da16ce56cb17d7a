//! Which metric comes from which source on this host.

use crate::{
    kernel::{NotNeeded, ProgramReport, ProgramState, Role},
    metrics::{
        Metric, Sample, Value,
        catalog::{self, Families, Family, Source},
    },
};

/// What is there without any program.
const FILES: [Source; 3] = [Source::CgroupFile, Source::ProcFile, Source::Statfs];

/// The sources that are in use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Coverage {
    available: Vec<Source>,
    /// What is wanted of it.
    families: Families,
    /// Measurements of which cgroups have no files here.
    without_files: Vec<&'static str>,
}

impl Coverage {
    /// What these kernel programs and the files beside them give of these families.
    pub fn of(programs: &[ProgramReport], families: Families) -> Self {
        let counts = |it: &ProgramReport| {
            let by_another = |reason: &NotNeeded| matches!(reason, NotNeeded::Better(_));
            match &it.state {
                ProgramState::Loaded => true,
                ProgramState::NotNeeded(reason) => by_another(reason),
                _ => false,
            }
        };
        // Where several programs make up a source, one alone tells only half of it.
        let lacking = |source| {
            let mut of_it = programs
                .iter()
                .filter(|it| it.spec.role == Role::Metric(source));
            of_it.any(|it| !counts(it))
        };
        let counting = programs.iter().filter(|it| counts(it));
        let mut available: Vec<Source> = counting
            .filter_map(|report| match report.spec.role {
                Role::Metric(source) => (!lacking(source)).then_some(source),
                Role::Instead(source) => Some(source),
                Role::Lifecycle | Role::Path => None,
            })
            .collect();
        available.dedup();
        available.extend(FILES);
        Self {
            available,
            families,
            without_files: Vec::new(),
        }
    }

    /// What files alone give of these families.
    pub fn files(families: Families) -> Self {
        Self {
            available: FILES.to_vec(),
            families,
            without_files: Vec::new(),
        }
    }

    /// The same where cgroups have no files of these measurements.
    #[must_use]
    pub fn without_files(self, measurements: Vec<&'static str>) -> Self {
        Self {
            without_files: measurements,
            ..self
        }
    }

    /// Whether `family` is measured.
    pub fn is_on(&self, family: Family) -> bool {
        self.families.has(family)
    }

    /// Whether `source` is in use.
    pub fn has(&self, source: Source) -> bool {
        self.available.contains(&source)
    }

    /// The best of a metric's sources that is in use; `None` if the metric is absent here.
    pub fn source_of(&self, metric: &Metric) -> Option<Source> {
        let has_files = !self.without_files.contains(&metric.measurement);
        let mut sources = metric.sources.iter().copied();
        let best = sources.find(|it| self.has(*it) && (has_files || *it != Source::CgroupFile));
        best.filter(|_| self.families.cover(metric))
    }

    /// The source of each metric of a container, as samples.
    pub fn samples(&self) -> impl Iterator<Item = Sample> {
        catalog::container().filter_map(|metric| {
            let source = self.source_of(metric)?;
            Some(
                Sample::new(&catalog::AGENT_METRIC_SOURCE, Value::Integer(1))
                    .labelled("measurement", metric.measurement)
                    .labelled("metric", metric.field)
                    .labelled("source", source.as_str()),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::PROGRAMS;

    /// All programs loaded but those that count for one of `missing`.
    fn without(missing: &[Source]) -> Coverage {
        Coverage::of(&reports(missing), Families::ALL)
    }

    fn reports(missing: &[Source]) -> Vec<ProgramReport> {
        PROGRAMS
            .iter()
            .map(|spec| ProgramReport {
                spec,
                state: match spec.role {
                    Role::Metric(source) | Role::Instead(source) if missing.contains(&source) => {
                        ProgramState::Unsupported("no such tracepoint".to_owned())
                    }
                    _ => ProgramState::Loaded,
                },
                forbidden: false,
            })
            .collect()
    }

    #[test]
    fn with_all_programs_each_metric_has_its_best_source() {
        let all = without(&[]);
        for metric in catalog::container() {
            assert_eq!(all.source_of(metric), metric.sources.first().copied());
        }
        assert_eq!(all.samples().count(), catalog::container().count());
    }

    #[test]
    fn a_metric_whose_program_is_missing_falls_back_or_is_absent() {
        let usage = |missing: &[Source]| without(missing).source_of(&catalog::CPU_USAGE);
        let (exact, switch) = (Source::SchedStatRuntime, Source::SchedSwitch);
        assert_eq!(usage(&[exact]), Some(switch));
        assert_eq!(usage(&[exact, switch]), Some(Source::CgroupFile));
        let no_forks = without(&[Source::SchedProcessFork]);
        assert_eq!(no_forks.source_of(&catalog::FORKS), None);
        assert_eq!(
            no_forks.source_of(&catalog::EXECS),
            Some(Source::SchedProcessExec)
        );
    }

    #[test]
    fn without_its_program_block_io_has_files_for_bytes_and_nothing_for_times() {
        let source = |metric, missing: &[Source]| without(missing).source_of(metric);
        let program = Source::BlockRqComplete;
        for (metric, next) in [
            (&catalog::READ_BYTES, Some(Source::CgroupFile)),
            (&catalog::WRITES, Some(Source::CgroupFile)),
            (&catalog::FLUSHES, None),
            (&catalog::WRITE_TIME, None),
            (&catalog::READ_DEVICE_LATENCY, None),
        ] {
            assert_eq!(source(metric, &[]), Some(program));
            assert_eq!(source(metric, &[program]), next, "{}", metric.field);
        }
    }

    #[test]
    fn what_counts_instead_serves_the_same_source() {
        let mut reports = reports(&[Source::BlockRqComplete]);
        let mut report = reports.iter_mut();
        let report = report.rfind(|it| matches!(it.spec.role, Role::Instead(_)));
        report.expect("one that counts instead").state = ProgramState::Loaded;
        assert!(Coverage::of(&reports, Families::ALL).has(Source::BlockRqComplete));
    }

    #[test]
    fn a_program_that_another_does_the_work_of_serves_its_source() {
        let mut reports = reports(&[]);
        let switch = reports.iter_mut().find(|it| it.spec.name == "sched_switch");
        switch.expect("it is in the table").state =
            ProgramState::NotNeeded(NotNeeded::Better("sched_switch_turns"));
        let coverage = Coverage::of(&reports, Families::ALL);
        assert!(coverage.has(Source::SchedSwitch) && coverage.has(Source::SchedSwitchTurns));
    }

    #[test]
    fn one_of_several_programs_alone_is_not_enough() {
        let mut reports = reports(&[]);
        let ingress = reports.iter_mut().find(|it| it.spec.role.counts_packets());
        ingress.expect("a program on packets").state = ProgramState::Refused(String::new());
        assert!(!Coverage::of(&reports, Families::ALL).has(Source::CgroupSkb));
    }

    #[test]
    fn files_alone_give_time_and_limits_but_no_waits() {
        let files = Coverage::files(Families::ALL);
        let given: Vec<&str> = catalog::container()
            .filter(|metric| files.source_of(metric).is_some())
            .filter(|metric| {
                [
                    "container_cpu",
                    "container_sched",
                    "container_io",
                    "container_net",
                ]
                .contains(&metric.measurement)
            })
            .map(|metric| metric.field)
            .collect();
        assert_eq!(
            given,
            [
                "usage_ns",
                "user_ns",
                "system_ns",
                "periods",
                "throttled_periods",
                "throttled_ns",
                "quota_us",
                "period_us",
                "usage_cpus",
                "usage_cpus_max",
                "read_bytes",
                "write_bytes",
                "discard_bytes",
                "reads",
                "writes",
                "discards",
                "rx_bytes",
                "rx_packets",
                "tx_bytes",
                "tx_packets",
            ]
        );
    }

    #[test]
    fn what_is_off_has_no_source_and_the_rest_keeps_its_own() {
        for off in Family::SWITCHABLE {
            let coverage = Coverage::of(&reports(&[]), Families::ALL.without(off));
            for metric in catalog::container() {
                let source = metric.sources.first().copied();
                let expected = source.filter(|_| metric.family() != Some(off));
                assert_eq!(
                    coverage.source_of(metric),
                    expected,
                    "{off:?}: {}",
                    metric.field
                );
            }
        }
    }

    #[test]
    fn each_metric_that_is_there_tells_its_source() {
        let told: Vec<String> = Coverage::files(Families::ALL)
            .samples()
            .map(|sample| format!("{:?} {:?}", sample.labels, sample.value))
            .collect();
        assert_eq!(
            told.first().map(String::as_str),
            Some(
                r#"[("measurement", "container_cpu"), ("metric", "usage_ns"), ("source", "cgroup_file")] Integer(1)"#
            )
        );
        let files = Coverage::files(Families::ALL);
        let given = catalog::container().filter(|metric| files.source_of(metric).is_some());
        assert_eq!(told.len(), given.count());
    }
}
