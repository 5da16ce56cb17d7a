//! The CPU family: a span of an interval → samples.

use std::time::Duration;

use super::{Histogram, Sample, Value, catalog};
use crate::snapshot::Span;

/// All CPU samples of one entry, in catalog order.
pub(super) fn samples(span: &Span<'_>, length: Duration) -> Vec<Sample> {
    let cpu = &span.after.cpu;
    let mut samples = Vec::with_capacity(16);
    let mut integer = |metric, value: Option<u64>| {
        samples.extend(value.map(|value| Sample::new(metric, Value::Integer(value))));
    };
    integer(&catalog::CPU_USAGE, cpu.run_ns);
    integer(&catalog::CPU_USER, cpu.user_ns);
    integer(&catalog::CPU_SYSTEM, cpu.system_ns);
    integer(&catalog::CPU_PERIODS, cpu.bandwidth.map(|it| it.periods));
    integer(
        &catalog::CPU_THROTTLED_PERIODS,
        cpu.bandwidth.map(|it| it.throttled_periods),
    );
    integer(
        &catalog::CPU_THROTTLED,
        cpu.bandwidth.map(|it| it.throttled_ns),
    );
    integer(&catalog::CPU_QUOTA, cpu.limit.and_then(|it| it.quota_us));
    integer(&catalog::CPU_PERIOD, cpu.limit.map(|it| it.period_us));
    integer(&catalog::RUNQ_WAIT, cpu.wait_ns);
    integer(&catalog::VOLUNTARY_SWITCHES, cpu.voluntary_switches);
    integer(&catalog::INVOLUNTARY_SWITCHES, cpu.involuntary_switches);
    integer(&catalog::MIGRATIONS, cpu.migrations);
    integer(&catalog::FORKS, cpu.forks);
    integer(&catalog::EXECS, cpu.execs);
    integer(&catalog::EXITS, cpu.exits);
    let mut float = |metric, value: Option<f64>| {
        samples.extend(value.map(|value| Sample::new(metric, Value::Float(value))));
    };
    float(&catalog::CPU_RATE, span.cpus(length));
    float(&catalog::RUNQ_WAIT_RATE, span.waiting(length));
    if let (Some(histogram), Some(sum_ns)) = (&cpu.wait_histogram, cpu.wait_ns) {
        let histogram = Histogram {
            buckets: histogram.0,
            sum_ns,
        };
        samples.push(Sample::new(
            &catalog::RUNQ_WAITS,
            Value::Histogram(Box::new(histogram)),
        ));
    }
    samples
}
