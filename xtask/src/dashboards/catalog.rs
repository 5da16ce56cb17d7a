//! The metrics that panels may name: the README's table of them, which a test of the agent keeps equal to its catalog.
//!
//! xtask cannot depend on the agent, which needs the kernel objects that xtask builds.

use anyhow::{Context as _, Result};

const README: &str = include_str!("../../../README.md");

/// One metric, by both of its names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Metric {
    pub(super) measurement: &'static str,
    pub(super) field: &'static str,
    /// Its name on `/metrics`; `None` where it is in line protocol alone.
    pub(super) prometheus: Option<&'static str>,
    unit: &'static str,
}

impl Metric {
    /// The one of this measurement and field; the error names what does not exist.
    pub(super) fn of(measurement: &str, field: &str) -> Result<Self> {
        all()
            .find(|it| it.measurement == measurement && it.field == field)
            .with_context(|| format!("no metric is called {measurement}.{field}"))
    }

    /// What a value of line protocol is divided by to be in the unit of `/metrics`.
    pub(super) fn divisor(&self) -> Option<u64> {
        match self.unit {
            "Nanoseconds" => Some(1_000_000_000),
            "Microseconds" => Some(1_000_000),
            _ => None,
        }
    }
}

/// Every row of the table.
pub(super) fn all() -> impl Iterator<Item = Metric> {
    README.lines().filter_map(row)
}

/// ``| `measurement` | `field` | `name` or – | Unit, Kind | …``
fn row(line: &'static str) -> Option<Metric> {
    let mut cells = line.strip_prefix("| ")?.split(" | ");
    let mut cell = || cells.next();
    let (measurement, field, prometheus) = (code(cell()?)?, code(cell()?)?, cell()?);
    let (unit, kind) = cell()?.split_once(", ")?;
    let is_metric = matches!(kind, "Counter" | "Gauge" | "Histogram");
    is_metric.then_some(Metric {
        measurement,
        field,
        prometheus: code(prometheus),
        unit,
    })
}

fn code(cell: &'static str) -> Option<&'static str> {
    cell.strip_prefix('`')?.strip_suffix('`')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_the_readme_is_a_metric() {
        let usage = Metric::of("container_cpu", "usage_ns").unwrap();
        let name = "cgflux_container_cpu_usage_seconds_total";
        assert_eq!(usage.prometheus, Some(name));
        assert_eq!(usage.divisor(), Some(1_000_000_000));
        let wait = Metric::of("container_sched", "runq_wait_ns").unwrap();
        assert_eq!(wait.prometheus, None);
        assert!(Metric::of("container_cpu", "usage").is_err());
        assert!(all().count() > 150, "{}", all().count());
    }
}
