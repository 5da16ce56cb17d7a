//! Which metric comes from which source on this host.

use crate::{
    kernel::{Kernel, ProgramReport, ProgramState, Role},
    metrics::{
        Metric, Sample, Value,
        catalog::{self, Source},
    },
};

/// The sources that are in use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Coverage {
    available: Vec<Source>,
}

impl Coverage {
    /// What a loaded kernel side and the files beside it give.
    pub fn of(kernel: &Kernel) -> Self {
        Self::of_programs(kernel.programs())
    }

    /// What these programs and the files beside them give.
    pub fn of_programs(programs: &[ProgramReport]) -> Self {
        let mut available: Vec<Source> = programs
            .iter()
            .filter(|report| report.state == ProgramState::Loaded)
            .filter_map(|report| match report.spec.role {
                Role::Metric(source) => Some(source),
                Role::Lifecycle | Role::Path => None,
            })
            .collect();
        available.push(Source::CgroupFile);
        Self { available }
    }

    /// What files alone give.
    pub fn files() -> Self {
        Self {
            available: vec![Source::CgroupFile],
        }
    }

    /// Whether `source` is in use.
    pub fn has(&self, source: Source) -> bool {
        self.available.contains(&source)
    }

    /// The best of a metric's sources that is in use; `None` if the metric is absent here.
    pub fn source_of(&self, metric: &Metric) -> Option<Source> {
        metric
            .sources
            .iter()
            .copied()
            .find(|source| self.has(*source))
    }

    /// The source of each metric of a container, as samples.
    pub fn samples(&self) -> impl Iterator<Item = Sample> {
        catalog::CONTAINER.into_iter().filter_map(|metric| {
            let source = self.source_of(metric)?;
            Some(
                Sample::new(&catalog::AGENT_METRIC_SOURCE, Value::Integer(1))
                    .labelled("metric", metric.field)
                    .labelled("source", source.as_str()),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_without_its_source_is_absent_and_one_with_a_second_falls_back() {
        let files = Coverage::files();
        assert_eq!(files.source_of(&catalog::RUNQ_WAIT), None);
        assert_eq!(
            files.source_of(&catalog::CPU_USAGE),
            Some(Source::CgroupFile)
        );
    }
}
