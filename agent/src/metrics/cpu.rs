//! The CPU family: a span of an interval → samples.

use super::{Histogram, Sample, Value, catalog};
use crate::snapshot::{CpuTotals, Span};

/// Adds all CPU samples of one entry, in catalog order.
pub(super) fn add(samples: &mut Vec<Sample>, span: &Span) {
    let cpu = &span.after.totals.cpu;
    let mut push = |metric, value: Option<Value>| {
        samples.extend(value.map(|value| Sample::new(metric, value)));
    };
    let integer = |value: Option<u64>| value.map(Value::Integer);
    let float = |value: Option<f64>| value.map(Value::Float);
    push(&catalog::CPU_USAGE, integer(cpu.run_ns));
    push(&catalog::CPU_USER, integer(cpu.user_ns));
    push(&catalog::CPU_SYSTEM, integer(cpu.system_ns));
    let bandwidth = cpu.bandwidth.as_ref();
    push(
        &catalog::CPU_PERIODS,
        integer(bandwidth.map(|it| it.periods)),
    );
    push(
        &catalog::CPU_THROTTLED_PERIODS,
        integer(bandwidth.map(|it| it.throttled_periods)),
    );
    push(
        &catalog::CPU_THROTTLED,
        integer(bandwidth.map(|it| it.throttled_ns)),
    );
    push(
        &catalog::CPU_QUOTA,
        integer(cpu.limit.and_then(|it| it.quota_us)),
    );
    push(
        &catalog::CPU_PERIOD,
        integer(cpu.limit.map(|it| it.period_us)),
    );
    push(&catalog::CPU_RATE, float(span.cpus()));
    push(&catalog::RUNQ_WAIT, integer(cpu.wait_ns));
    push(
        &catalog::VOLUNTARY_SWITCHES,
        integer(cpu.voluntary_switches),
    );
    push(
        &catalog::INVOLUNTARY_SWITCHES,
        integer(cpu.involuntary_switches),
    );
    push(&catalog::MIGRATIONS, integer(cpu.migrations));
    push(&catalog::FORKS, integer(cpu.forks));
    push(&catalog::EXECS, integer(cpu.execs));
    push(&catalog::EXITS, integer(cpu.exits));
    push(&catalog::RUNQ_WAIT_RATE, float(span.waiting()));
    push(&catalog::RUNQ_WAITS, waits(cpu));
}

fn waits(cpu: &CpuTotals) -> Option<Value> {
    Some(Value::Histogram(Box::new(Histogram {
        buckets: cpu.wait_histogram.as_ref()?.0,
        sum_ns: cpu.wait_ns?,
    })))
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::{
        container::CgroupId,
        snapshot::{Bandwidth, CpuLimit, Entry, Totals, WaitHistogram},
    };

    fn samples_of(cpu: CpuTotals, run_ns: Option<u64>, wait_ns: Option<u64>) -> Vec<Sample> {
        let after = Entry {
            cgroup: CgroupId(1),
            alive: true,
            totals: Totals {
                cpu,
                ..Totals::default()
            },
        };
        let span = Span {
            after: Arc::new(after),
            length: Duration::from_secs(1),
            run_ns,
            wait_ns,
        };
        let mut samples = Vec::new();
        add(&mut samples, &span);
        samples
    }

    fn everything() -> CpuTotals {
        let mut values = 1..;
        let mut next = || values.next();
        CpuTotals {
            run_ns: next(),
            user_ns: next(),
            system_ns: next(),
            bandwidth: Some(Bandwidth {
                periods: 4,
                throttled_periods: 5,
                throttled_ns: 6,
            }),
            bandwidth_read_ns: Some(0),
            limit: Some(CpuLimit {
                quota_us: Some(7),
                period_us: 8,
            }),
            wait_ns: next(),
            wait_histogram: Some(Box::default()),
            voluntary_switches: next(),
            involuntary_switches: next(),
            migrations: next(),
            forks: next(),
            execs: next(),
            exits: next(),
        }
    }

    #[test]
    fn all_metrics_but_the_peak_come_in_catalog_order() {
        let samples = samples_of(everything(), Some(1), Some(1));
        let given: Vec<&str> = samples.iter().map(|it| it.metric.field).collect();
        let ours = ["container_cpu", "container_sched"];
        let catalog: Vec<&str> = catalog::container()
            .filter(|metric| ours.contains(&metric.measurement))
            .map(|metric| metric.field)
            .filter(|field| *field != catalog::CPU_RATE_MAX.field)
            .collect();
        assert_eq!(given, catalog);
    }

    #[test]
    fn what_is_not_known_is_absent_and_zero_is_not() {
        let cpu = CpuTotals {
            run_ns: Some(0),
            limit: Some(CpuLimit {
                quota_us: None,
                period_us: 100_000,
            }),
            wait_histogram: Some(Box::new(WaitHistogram::default())),
            ..CpuTotals::default()
        };
        let samples = samples_of(cpu, None, None);
        let given: Vec<&str> = samples.iter().map(|it| it.metric.field).collect();
        assert_eq!(given, ["usage_ns", "period_us"]);
    }

    #[test]
    fn rates_are_of_the_interval_and_totals_of_the_lifetime() {
        let cpu = CpuTotals {
            run_ns: Some(9_000_000_000),
            wait_ns: Some(7),
            ..CpuTotals::default()
        };
        let samples = samples_of(cpu, Some(1_500_000_000), Some(250_000_000));
        let values: Vec<&Value> = samples.iter().map(|it| &it.value).collect();
        assert_eq!(
            values,
            [
                &Value::Integer(9_000_000_000),
                &Value::Float(1.5),
                &Value::Integer(7),
                &Value::Float(0.25),
            ]
        );
    }
}
