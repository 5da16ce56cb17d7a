//! Two batches → what each entry did per second between them.

use std::{cmp::Reverse, collections::HashMap};

use super::choice::choose;
use crate::{
    container::{CgroupId, Container},
    metrics::{Batch, Metric, Sample, Subject, Value, catalog, integer},
};

/// One entry between two batches. What is not given by this kernel is `None`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row<'b> {
    /// Who.
    pub(super) container: &'b Container,
    /// CPU time per second: 1.0 is one CPU.
    pub(super) cpus: Option<f64>,
    /// The part of it in user mode.
    pub(super) user: Option<f64>,
    /// The part of it in kernel mode.
    pub(super) system: Option<f64>,
    /// Tasks that waited for a CPU, on average.
    pub(super) waiting: Option<f64>,
    /// Context switches per second.
    pub(super) switches: Option<f64>,
    /// Time throttled since its beginning, in nanoseconds.
    pub(super) throttled_ns: Option<u64>,
    /// CPU time since its beginning, in nanoseconds.
    pub(super) total_ns: Option<u64>,
    /// Memory in use without page cache not used lately, in bytes; the memory charged where that is not known.
    pub(super) memory_bytes: Option<u64>,
    /// Bytes per second.
    pub(super) traffic: Traffic,
}

/// Bytes per second to and from the outside of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Traffic {
    /// Read from all disks.
    pub(super) read: Option<u64>,
    /// Written to all disks.
    pub(super) write: Option<u64>,
    /// Received by its sockets from all peers, itself included.
    pub(super) received: Option<u64>,
    /// Sent by its sockets to all peers, itself included.
    pub(super) sent: Option<u64>,
}

/// The live entries meant by `name`, the busiest first.
pub(super) fn rows<'b>(
    before: Option<&Batch>,
    after: &'b Batch,
    name: Option<&str>,
) -> Vec<Row<'b>> {
    let elapsed_ns = before.map_or(0, |before| {
        after.taken.boot_ns.saturating_sub(before.taken.boot_ns)
    });
    let earlier = before.map_or(&[][..], |before| &before.subjects);
    let earlier: HashMap<CgroupId, &Subject> = earlier
        .iter()
        .map(|subject| (subject.container.cgroup, subject))
        .collect();
    let live = choose(after, name).filter(|subject| subject.alive);
    let mut rows: Vec<Row<'b>> = live
        .map(|subject| {
            let earlier = earlier.get(&subject.container.cgroup).copied();
            row(subject, earlier, elapsed_ns)
        })
        .collect();
    rows.sort_by(|one, other| {
        let busiest = |row: &Row<'_>| row.cpus.unwrap_or(-1.0);
        busiest(other)
            .total_cmp(&busiest(one))
            .then_with(|| Reverse(one.total_ns).cmp(&Reverse(other.total_ns)))
            .then_with(|| one.container.name.cmp(&other.container.name))
    });
    rows
}

fn row<'b>(subject: &'b Subject, earlier: Option<&Subject>, elapsed_ns: u64) -> Row<'b> {
    let now = subject.samples();
    let then = earlier.map(Subject::samples);
    let rate = |metric: &Metric| {
        let now = integer(&now, metric)?;
        // What was not there before has done all it did since.
        let then = then
            .as_ref()
            .map_or(Some(0), |then| integer(then, metric))?;
        (elapsed_ns > 0).then(|| now.saturating_sub(then) as f64 / elapsed_ns as f64)
    };
    let bytes = |metric: &Metric| {
        let now = sum(&now, metric)?;
        // A disk is told from its first byte on.
        let then = then.as_ref().and_then(|then| sum(then, metric));
        let done = now.saturating_sub(then.unwrap_or_default());
        let a_second = (u128::from(done) * 1_000_000_000).checked_div(u128::from(elapsed_ns))?;
        u64::try_from(a_second).ok()
    };
    let voluntary = rate(&catalog::VOLUNTARY_SWITCHES);
    let switches = rate(&catalog::INVOLUNTARY_SWITCHES)
        .zip(voluntary)
        .map(|(involuntary, voluntary)| (involuntary + voluntary) * 1e9);
    Row {
        container: &subject.container,
        cpus: rate(&catalog::CPU_USAGE),
        user: rate(&catalog::CPU_USER),
        system: rate(&catalog::CPU_SYSTEM),
        waiting: rate(&catalog::RUNQ_WAIT),
        switches,
        throttled_ns: integer(&now, &catalog::CPU_THROTTLED),
        total_ns: integer(&now, &catalog::CPU_USAGE),
        memory_bytes: integer(&now, &catalog::WORKING_SET)
            .or_else(|| integer(&now, &catalog::MEMORY_USAGE)),
        traffic: Traffic {
            read: bytes(&catalog::READ_BYTES),
            write: bytes(&catalog::WRITE_BYTES),
            received: bytes(&catalog::NET_RX_BYTES),
            sent: bytes(&catalog::NET_TX_BYTES),
        },
    }
}

/// The sum of a metric over all its disks, or peers; `None` if there is none of it.
fn sum(samples: &[Sample], metric: &Metric) -> Option<u64> {
    let values = samples.iter().filter(|it| std::ptr::eq(it.metric, metric));
    let values = values.filter_map(|it| match it.value {
        Value::Integer(value) => Some(value),
        _ => None,
    });
    values.reduce(u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::fixture::{container, subject_of, tick_of};

    const SECOND: u64 = 1_000_000_000;

    fn subject(cgroup: u64, name: &str, usage_ns: u64, switches: u64) -> Subject {
        let integer = |metric, value| Sample::new(metric, Value::Integer(value));
        let samples = vec![
            integer(&catalog::CPU_USAGE, usage_ns),
            integer(&catalog::VOLUNTARY_SWITCHES, switches),
            integer(&catalog::INVOLUNTARY_SWITCHES, switches),
        ];
        subject_of(container(cgroup, name), samples)
    }

    #[test]
    fn rates_are_over_the_time_between_the_batches() {
        let before = tick_of(10, vec![subject(1, "web", 5 * SECOND, 100)]);
        let mut gone = subject(3, "gone", SECOND, 0);
        gone.alive = false;
        let after = tick_of(
            12,
            vec![
                subject(1, "web", 8 * SECOND, 200),
                subject(2, "new", 4 * SECOND, 1),
                gone,
            ],
        );
        let rows = rows(Some(&before), &after, None);
        let names: Vec<&str> = rows.iter().map(|row| &*row.container.name).collect();
        assert_eq!(names, ["new", "web"], "the busiest first, none that ended");
        let web = &rows[1];
        assert_eq!(
            (web.cpus, web.switches, web.total_ns),
            (Some(1.5), Some(100.0), Some(8 * SECOND))
        );
        assert_eq!(
            (web.user, web.waiting, web.throttled_ns),
            (None, None, None)
        );
    }

    #[test]
    fn without_time_between_them_there_is_no_rate() {
        let batch = tick_of(10, vec![subject(1, "web", SECOND, 1)]);
        for before in [None, Some(&batch)] {
            assert_eq!(rows(before, &batch, None)[0].cpus, None);
        }
    }

    #[test]
    fn bytes_are_of_all_disks_and_a_new_one_counts_from_its_first_byte() {
        let read = |disks: &[(&'static str, u64)]| {
            let sample = |(disk, value): &(&'static str, u64)| {
                let mut sample = Sample::new(&catalog::READ_BYTES, Value::Integer(*value));
                sample.labels.push(("device", (*disk).into()));
                sample
            };
            subject_of(container(1, "web"), disks.iter().map(sample).collect())
        };
        let rate = |before: &[_], after: &[_]| {
            let before = tick_of(10, vec![read(before)]);
            let after = tick_of(12, vec![read(after)]);
            rows(Some(&before), &after, None)[0].traffic.read
        };
        assert_eq!(rate(&[("vda", 100)], &[("vda", 300)]), Some(100));
        assert_eq!(
            rate(&[("vda", 100)], &[("vda", 300), ("vdb", 50)]),
            Some(125)
        );
        assert_eq!(rate(&[], &[("vda", 30)]), Some(15));
        assert_eq!(rate(&[], &[]), None);
    }
}
