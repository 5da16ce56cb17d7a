//! Two batches → details.

use std::sync::Arc;

use agent_ebpf::{histogram::BUCKETS, network::PEERS};

use super::detail::{Counts, Detail, Flow, Preemptor, WHOLE_HOST, add_counts};
use crate::{
    container::CgroupId,
    metrics::{Batch, Sample, Subject, catalog, integer},
    snapshot::{
        CpuTotals, DeviceIo, MemoryTotals, NetworkTotals, OperationTotals, PreemptionTotals, Totals,
    },
};

/// Tells `each` the details of the entries of `batch` that were counted, in order of cgroup id, and at last the whole
/// host's. Rates and counts are since `before`, the batch before; of an entry that is not in it, which was born since,
/// since its beginning.
pub(super) fn details(before: &Batch, batch: &Batch, mut each: impl FnMut(&Detail)) {
    let seconds = batch.interval.as_secs_f64();
    if seconds == 0.0 {
        return;
    }
    let step = Step {
        seconds,
        has_disks: has_disks(before) && has_disks(batch),
    };
    let mut whole = host_memory(&batch.host);
    let mut earlier = before.subjects.iter().peekable();
    for subject in &batch.subjects {
        let cgroup = subject.container.cgroup;
        while earlier.next_if(|it| it.container.cgroup < cgroup).is_some() {}
        let then = earlier.peek().filter(|it| it.container.cgroup == cgroup);
        if let Some(detail) = step.detail(then.copied(), subject) {
            whole.add(&detail);
            each(&detail);
        }
    }
    each(&whole);
}

/// What is in use of the host's memory, of which it has so much; the working set is what is not available.
fn host_memory(samples: &[Sample]) -> Detail {
    let total = integer(samples, &catalog::HOST_MEM_TOTAL);
    let all_but = |metric| total?.checked_sub(integer(samples, metric)?);
    Detail {
        memory_bytes: all_but(&catalog::HOST_MEM_FREE),
        working_set_bytes: all_but(&catalog::HOST_MEM_AVAILABLE),
        memory_limit_bytes: total,
        ..Detail::unknown(WHOLE_HOST)
    }
}

/// Whether disks are measured: who never used one tells nothing of it.
fn has_disks(batch: &Batch) -> bool {
    let mut totals = batch.subjects.iter().filter_map(Subject::totals);
    totals.any(|it| !it.block_io.is_empty())
}

/// From a batch to the next.
struct Step {
    seconds: f64,
    /// Whether disks were measured before and after.
    has_disks: bool,
}

impl Step {
    /// `None` of a subject that was given samples instead of being counted.
    fn detail(&self, before: Option<&Subject>, now: &Subject) -> Option<Detail> {
        let totals = now.totals()?;
        // Of what was born since, all totals began at zero.
        let then = match before {
            Some(before) => Some(before.totals()?),
            None => None,
        };
        Some(Detail {
            throttled: throttled(then.map(|it| &it.cpu), &totals.cpu),
            cpu_limit: cpu_limit(&totals.cpu),
            disk: self.has_disks.then(|| self.disk(then, totals)),
            network: self.network(then.map(|it| &it.network), &totals.network),
            wait: waits(then.map(|it| &it.cpu), &totals.cpu),
            block: self.has_disks.then(|| latencies(then, totals)).flatten(),
            preemptors: totals.preemption.as_deref().map(|it| self.preemptors(it)),
            ..memory(now.container.cgroup, &totals.memory)
        })
    }

    fn preemptors(&self, totals: &PreemptionTotals) -> Vec<Preemptor> {
        let takers = totals.takers.iter().filter(|it| it.waited.grown_ns > 0);
        let preemptors = takers.map(|taker| Preemptor {
            cgroup: taker.cgroup,
            name: Arc::clone(&taker.name),
            waiting: narrow(taker.waited.grown_ns as f64 / 1e9 / self.seconds),
        });
        preemptors.collect()
    }

    fn per_second(&self, growth: u64) -> u64 {
        rounded(growth as f64 / self.seconds)
    }

    fn disk(&self, before: Option<&Totals>, now: &Totals) -> Flow {
        let sum = |totals: Option<&Totals>, which: fn(&DeviceIo) -> &OperationTotals| -> u64 {
            let devices = totals.map_or(&[][..], |it| &it.block_io);
            devices.iter().filter_map(|it| which(it).bytes).sum()
        };
        let grown = |which| sum(Some(now), which).saturating_sub(sum(before, which));
        Flow {
            inward: self.per_second(grown(|it| &it.read)),
            outward: self.per_second(grown(|it| &it.write)),
        }
    }

    fn network(
        &self,
        before: Option<&NetworkTotals>,
        now: &NetworkTotals,
    ) -> Option<[Flow; PEERS]> {
        let now = now.peers?;
        let before = before.map_or(Some(Default::default()), |it| it.peers)?;
        let mut flows = [Flow::default(); PEERS];
        for (flow, (now, before)) in flows.iter_mut().zip(now.iter().zip(&before)) {
            flow.inward = self.per_second(now.rx_bytes.saturating_sub(before.rx_bytes));
            flow.outward = self.per_second(now.tx_bytes.saturating_sub(before.tx_bytes));
        }
        Some(flows)
    }
}

/// `None` where its file was not read since; that of a newborn was never read before.
fn throttled(before: Option<&CpuTotals>, now: &CpuTotals) -> Option<f32> {
    let before = before?;
    let grown = |total: fn(&CpuTotals) -> Option<u64>| total(now)?.checked_sub(total(before)?);
    let elapsed_ns = grown(|it| it.bandwidth_read_ns).filter(|it| *it > 0)?;
    let throttled_ns = grown(|it| it.bandwidth.map(|it| it.throttled_ns))?;
    Some(narrow(throttled_ns as f64 / elapsed_ns as f64))
}

fn cpu_limit(cpu: &CpuTotals) -> Option<f32> {
    let limit = cpu.limit.filter(|it| it.period_us > 0)?;
    Some(narrow(limit.quota_us? as f64 / limit.period_us as f64))
}

fn memory(cgroup: CgroupId, memory: &MemoryTotals) -> Detail {
    Detail {
        memory_bytes: memory.usage_bytes,
        working_set_bytes: memory.working_set_bytes,
        memory_limit_bytes: memory.limit_bytes,
        ..Detail::unknown(cgroup)
    }
}

fn waits(before: Option<&CpuTotals>, now: &CpuTotals) -> Option<Counts> {
    let now = now.wait_histogram.as_ref()?.0;
    let before = match before {
        Some(before) => before.wait_histogram.as_ref()?.0,
        None => [0; BUCKETS],
    };
    Some(grown(&now, &before))
}

/// `None` where the kernel tells no latencies.
fn latencies(before: Option<&Totals>, now: &Totals) -> Option<Counts> {
    let sum = |totals: &Totals| {
        let operations = totals.block_io.iter().flat_map(|it| [&it.read, &it.write]);
        let latencies = operations.filter_map(|it| it.latency.as_deref());
        latencies.fold(None, |mut sum, more| {
            add_counts(&mut sum, Some(more.0));
            sum
        })
    };
    let now = sum(now)?;
    Some(grown(&now, &before.and_then(sum).unwrap_or_default()))
}

fn grown(now: &Counts, before: &Counts) -> Counts {
    let mut grown = *now;
    for (now, before) in grown.iter_mut().zip(before) {
        *now = now.saturating_sub(*before);
    }
    grown
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "CPUs and shares of time are small; seven digits are enough to draw"
)]
fn narrow(value: f64) -> f32 {
    value as f32
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a quotient of what is not negative; beyond the largest integer it is that"
)]
fn rounded(value: f64) -> u64 {
    value.round() as u64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use agent_ebpf::network::Traffic;

    use super::*;
    use crate::{
        encode::fixture::{container, counted, subject_of, tick_of},
        metrics::Value,
        snapshot::{Bandwidth, CpuLimit, LatencyHistogram, TakerTotal, WaitHistogram, Waited},
    };

    /// What is told of two seconds.
    fn told(before: Vec<Subject>, after: Vec<Subject>) -> Vec<Detail> {
        let mut batch = tick_of(2, after);
        batch.interval = Duration::from_secs(2);
        let mut told = Vec::new();
        details(&tick_of(0, before), &batch, |it| told.push(it.clone()));
        told
    }

    fn of(cgroup: u64, totals: Totals) -> Subject {
        counted(container(cgroup, "c"), totals)
    }

    fn one_bucket(count: u64) -> Counts {
        let mut counts = Counts::default();
        counts[5] = count;
        counts
    }

    /// So much of everything.
    fn busy(n: u64) -> Totals {
        let operation = |n| OperationTotals {
            bytes: Some(n),
            latency: Some(Box::new(LatencyHistogram(one_bucket(n)))),
            ..OperationTotals::default()
        };
        Totals {
            cpu: CpuTotals {
                wait_histogram: Some(Box::new(WaitHistogram(one_bucket(n)))),
                bandwidth: Some(Bandwidth {
                    throttled_ns: n,
                    ..Bandwidth::default()
                }),
                bandwidth_read_ns: Some(4 * n),
                limit: Some(CpuLimit {
                    quota_us: Some(150_000),
                    period_us: 100_000,
                }),
                ..CpuTotals::default()
            },
            memory: MemoryTotals {
                usage_bytes: Some(n),
                working_set_bytes: Some(n + 1),
                limit_bytes: Some(n + 2),
                ..MemoryTotals::default()
            },
            block_io: ["vda", "vdb"]
                .map(|device| DeviceIo {
                    device: device.into(),
                    read: operation(n),
                    write: operation(2 * n),
                    flush: OperationTotals::default(),
                    discard: OperationTotals::default(),
                })
                .into(),
            network: NetworkTotals {
                peers: Some([1, 10, 100].map(|factor| Traffic {
                    rx_bytes: factor * n,
                    tx_bytes: factor * n * 2,
                    ..Traffic::default()
                })),
                ..NetworkTotals::default()
            },
            preemption: Some(Box::new(PreemptionTotals {
                takers: vec![taker("db", 1_000_000_000), taker("web", 0)],
                ..PreemptionTotals::default()
            })),
            ..Totals::default()
        }
    }

    fn taker(name: &str, grown_ns: u64) -> TakerTotal {
        TakerTotal {
            name: name.into(),
            cgroup: CgroupId(3),
            waited: Waited {
                total_ns: grown_ns,
                grown_ns,
            },
        }
    }

    fn flow(inward: u64, outward: u64) -> Flow {
        Flow { inward, outward }
    }

    #[test]
    fn rates_are_of_a_second_counts_of_the_tick_and_the_host_is_all_together() {
        let all = told(
            vec![of(7, busy(100)), of(8, busy(0))],
            vec![of(7, busy(300)), of(8, busy(200)), of(9, busy(200))],
        );
        let ids: Vec<u64> = all.iter().map(|it| it.cgroup.0).collect();
        assert_eq!(ids, [7, 8, 9, 0]);
        let mut counts = Counts::default();
        counts[5] = 200;
        let wait = Some(counts);
        counts[5] = 2 * 200 * 3;
        let web = Detail {
            cgroup: CgroupId(7),
            throttled: Some(0.25),
            cpu_limit: Some(1.5),
            memory_bytes: Some(300),
            working_set_bytes: Some(301),
            memory_limit_bytes: Some(302),
            disk: Some(flow(200, 400)),
            network: Some([flow(100, 200), flow(1_000, 2_000), flow(10_000, 20_000)]),
            wait,
            block: Some(counts),
            preemptors: Some(vec![Preemptor {
                cgroup: CgroupId(3),
                name: "db".into(),
                waiting: 0.5,
            }]),
        };
        assert_eq!(all[0], web);
        // Born within the tick: all it did was done in it, but its files were not read before.
        let born = Detail {
            cgroup: CgroupId(9),
            throttled: None,
            memory_bytes: Some(200),
            working_set_bytes: Some(201),
            memory_limit_bytes: Some(202),
            ..web.clone()
        };
        assert_eq!(all[2], born);
        counts[5] *= 3;
        let host = Detail {
            disk: Some(flow(600, 1_200)),
            network: Some([flow(300, 600), flow(3_000, 6_000), flow(30_000, 60_000)]),
            wait: wait.map(|it| it.map(|count| 3 * count)),
            block: Some(counts),
            ..Detail::unknown(WHOLE_HOST)
        };
        assert_eq!(all[3], host);
    }

    #[test]
    fn the_memory_of_the_host_is_what_it_says_of_itself() {
        let gib = |metric, count: u64| Sample::new(metric, Value::Integer(count << 30));
        let memory = host_memory(&[
            gib(&catalog::HOST_MEM_TOTAL, 16),
            gib(&catalog::HOST_MEM_FREE, 2),
            gib(&catalog::HOST_MEM_AVAILABLE, 12),
        ]);
        let bytes = (
            memory.memory_bytes,
            memory.working_set_bytes,
            memory.memory_limit_bytes,
        );
        assert_eq!(bytes, (Some(14 << 30), Some(4 << 30), Some(16 << 30)));
    }

    #[test]
    fn what_is_not_known_at_both_ends_is_not_told() {
        let nothing = || Totals::default();
        for (before, after) in [
            (nothing(), busy(9)),
            (busy(9), nothing()),
            (nothing(), nothing()),
        ] {
            let told = &told(vec![of(7, before)], vec![of(7, after)])[0];
            let rates = (
                told.throttled,
                told.disk,
                told.network,
                told.wait,
                told.block,
            );
            assert_eq!(rates, (None, None, None, None, None));
        }
        // Its files were not read since.
        let told = told(vec![of(7, busy(9))], vec![of(7, busy(9))]);
        assert_eq!((told[0].throttled, told[0].disk), (None, Some(flow(0, 0))));
    }

    #[test]
    fn who_never_used_a_disk_moved_nothing_where_disks_are_measured() {
        let idle = || Totals::default();
        let told = told(
            vec![of(7, idle()), of(8, busy(9))],
            vec![of(7, idle()), of(8, busy(9))],
        );
        assert_eq!((told[0].disk, told[0].block), (Some(flow(0, 0)), None));
    }

    #[test]
    fn a_total_that_goes_backwards_is_no_change() {
        let told = told(vec![of(7, busy(9))], vec![of(7, busy(5))]);
        assert_eq!(told[0].throttled, None);
        assert_eq!(told[0].disk, Some(flow(0, 0)));
        assert_eq!(told[0].network, Some([flow(0, 0); PEERS]));
        assert_eq!(told[0].wait, Some(Counts::default()));
    }

    #[test]
    fn no_details_come_from_samples_nor_from_two_batches_of_one_instant() {
        let given = || vec![subject_of(container(7, "c"), Vec::new())];
        assert_eq!(told(given(), given()), [Detail::unknown(WHOLE_HOST)]);
        let mut batch = tick_of(2, vec![of(7, busy(9))]);
        batch.interval = Duration::ZERO;
        details(&tick_of(2, Vec::new()), &batch, |it| panic!("{it:?}"));
    }
}
