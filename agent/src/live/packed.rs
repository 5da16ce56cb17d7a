//! Details of one tick as a run of bytes, to keep many of them.
//!
//! A record an entry: how much larger its cgroup id is than that before it (0 stands for the whole host), how many bytes
//! follow, and these: which values are known, then those. Of a histogram it is said which buckets are not zero, then how
//! many fell into these. Names are not kept here.

use std::sync::Arc;

use agent_ebpf::network::PEERS;

use super::detail::{Counts, Detail, Flow, Preemptor, WHOLE_HOST};
use crate::{container::CgroupId, varint};

/// The details of one tick.
#[derive(Clone, Debug, Default)]
pub(super) struct Packed(Box<[u8]>);

/// Writes details one after the other.
#[derive(Debug, Default)]
pub(super) struct Packer {
    bytes: Vec<u8>,
    /// The values of one entry.
    values: Vec<u8>,
    last: u64,
}

impl Packer {
    /// Adds the next entry's.
    pub(super) fn push(&mut self, detail: &Detail) {
        self.values.clear();
        write_values(&mut self.values, detail);
        let id = detail.cgroup.0;
        let step = if detail.cgroup == WHOLE_HOST {
            0
        } else {
            id.wrapping_sub(std::mem::replace(&mut self.last, id))
        };
        varint::write(&mut self.bytes, step);
        varint::write(&mut self.bytes, self.values.len() as u64);
        self.bytes.extend_from_slice(&self.values);
    }

    /// What was written; begins anew.
    pub(super) fn finish(&mut self) -> Packed {
        let packed = Packed(self.bytes.as_slice().into());
        self.bytes.clear();
        self.last = 0;
        packed
    }
}

impl Packed {
    /// How many bytes it takes.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The details of the entries that `is_wanted`, in the order they were written.
    pub(super) fn details(&self, is_wanted: impl Fn(CgroupId) -> bool) -> Vec<Detail> {
        let mut rest = Reader(&self.0);
        let mut last = 0_u64;
        let mut details = Vec::new();
        while let Some((step, values)) = rest.record() {
            let cgroup = if step == 0 {
                WHOLE_HOST
            } else {
                last = last.wrapping_add(step);
                CgroupId(last)
            };
            if is_wanted(cgroup) {
                details.extend(Reader(values).values(cgroup));
            }
        }
        details
    }
}

/// Each value has a bit that says whether it is known, in this order.
fn write_values(bytes: &mut Vec<u8>, detail: &Detail) {
    let Detail {
        cgroup: _,
        throttled,
        cpu_limit,
        memory_bytes,
        working_set_bytes,
        memory_limit_bytes,
        disk,
        network,
        wait,
        block,
        preemptors,
    } = detail;
    let known = [
        throttled.is_some(),
        cpu_limit.is_some(),
        memory_bytes.is_some(),
        working_set_bytes.is_some(),
        memory_limit_bytes.is_some(),
        disk.is_some(),
        network.is_some(),
        wait.is_some(),
        block.is_some(),
        preemptors.is_some(),
    ];
    let bits = known
        .iter()
        .rev()
        .fold(0, |bits, known| bits << 1 | u64::from(*known));
    varint::write(bytes, bits);
    for value in [throttled, cpu_limit].into_iter().flatten() {
        bytes.extend(value.to_le_bytes());
    }
    let memory = [memory_bytes, working_set_bytes, memory_limit_bytes];
    for value in memory.into_iter().flatten() {
        varint::write(bytes, *value);
    }
    for flow in disk.iter().chain(network.iter().flatten()) {
        varint::write(bytes, flow.inward);
        varint::write(bytes, flow.outward);
    }
    for counts in [wait, block].into_iter().flatten() {
        let there = counts
            .iter()
            .rev()
            .fold(0, |bits, count| bits << 1 | u64::from(*count > 0));
        varint::write(bytes, there);
        for count in counts.iter().filter(|it| **it > 0) {
            varint::write(bytes, *count);
        }
    }
    if let Some(preemptors) = preemptors {
        varint::write(bytes, preemptors.len() as u64);
        for taker in preemptors {
            varint::write(bytes, taker.cgroup.0);
            bytes.extend(taker.waiting.to_le_bytes());
        }
    }
}

/// Which values are known, the next in the lowest bit.
struct Known(u64);

impl Known {
    /// The next value, which is read if it is known. `None` where it should be there and is not.
    #[expect(clippy::option_option, reason = "known, and there")]
    fn next<T>(&mut self, read: impl FnOnce() -> Option<T>) -> Option<Option<T>> {
        let is_known = self.0 & 1 == 1;
        self.0 >>= 1;
        if is_known {
            read().map(Some)
        } else {
            Some(None)
        }
    }
}

/// What is still to be read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The next entry's step and values.
    fn record(&mut self) -> Option<(u64, &'a [u8])> {
        let step = self.integer()?;
        let length = usize::try_from(self.integer()?).ok()?;
        let (values, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some((step, values))
    }

    fn values(&mut self, cgroup: CgroupId) -> Option<Detail> {
        let mut known = Known(self.integer()?);
        Some(Detail {
            cgroup,
            throttled: known.next(|| self.float())?,
            cpu_limit: known.next(|| self.float())?,
            memory_bytes: known.next(|| self.integer())?,
            working_set_bytes: known.next(|| self.integer())?,
            memory_limit_bytes: known.next(|| self.integer())?,
            disk: known.next(|| self.flow())?,
            network: known.next(|| self.flows())?,
            wait: known.next(|| self.counts())?,
            block: known.next(|| self.counts())?,
            preemptors: known.next(|| self.preemptors())?,
        })
    }

    fn integer(&mut self) -> Option<u64> {
        let mut bytes = self.0.iter();
        let value = varint::read(&mut bytes.by_ref().copied())?;
        self.0 = bytes.as_slice();
        Some(value)
    }

    fn float(&mut self) -> Option<f32> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(f32::from_le_bytes(*bytes))
    }

    fn flow(&mut self) -> Option<Flow> {
        Some(Flow {
            inward: self.integer()?,
            outward: self.integer()?,
        })
    }

    fn flows(&mut self) -> Option<[Flow; PEERS]> {
        let mut flows = [Flow::default(); PEERS];
        for flow in &mut flows {
            *flow = self.flow()?;
        }
        Some(flows)
    }

    fn preemptors(&mut self) -> Option<Vec<Preemptor>> {
        let takers = self.integer()?;
        let one = |_| {
            Some(Preemptor {
                cgroup: CgroupId(self.integer()?),
                name: Arc::default(),
                waiting: self.float()?,
            })
        };
        (0..takers).map(one).collect()
    }

    fn counts(&mut self) -> Option<Counts> {
        let mut there = self.integer()?;
        let mut counts = Counts::default();
        for count in &mut counts {
            if there & 1 == 1 {
                *count = self.integer()?;
            }
            there >>= 1;
        }
        Some(counts)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use agent_ebpf::histogram::BUCKETS;
    use proptest::{array, collection::vec, option, prelude::*};

    use super::*;

    fn flow() -> impl Strategy<Value = Flow> {
        (any::<u64>(), 0_u64..2_000).prop_map(|(inward, outward)| Flow { inward, outward })
    }

    fn counts() -> impl Strategy<Value = Counts> {
        vec(
            prop_oneof![3 => Just(0), 1 => 1_u64..300, 1 => any::<u64>()],
            BUCKETS,
        )
        .prop_map(|counts| counts.try_into().unwrap())
    }

    pub(in crate::live) fn detail(cgroup: u64) -> impl Strategy<Value = Detail> {
        let shares = option::of(any::<f32>().prop_filter("is equal to itself", |it| !it.is_nan()));
        let bytes = array::uniform3(option::of(any::<u64>()));
        let flows = (option::of(flow()), option::of(array::uniform3(flow())));
        let histograms = array::uniform2(option::of(counts()));
        let preemptors = option::of(vec((any::<u64>(), 0_u16..300).prop_map(preemptors), 0..6));
        (
            array::uniform2(shares),
            bytes,
            flows,
            histograms,
            preemptors,
        )
            .prop_map(
                move |(
                    [throttled, cpu_limit],
                    bytes,
                    (disk, network),
                    [wait, block],
                    preemptors,
                )| Detail {
                    cgroup: CgroupId(cgroup),
                    throttled,
                    cpu_limit,
                    memory_bytes: bytes[0],
                    working_set_bytes: bytes[1],
                    memory_limit_bytes: bytes[2],
                    disk,
                    network,
                    wait,
                    block,
                    preemptors,
                },
            )
    }

    fn preemptors((cgroup, waiting): (u64, u16)) -> Preemptor {
        Preemptor {
            cgroup: CgroupId(cgroup),
            name: Arc::default(),
            waiting: f32::from(waiting) / 100.0,
        }
    }

    fn details() -> impl Strategy<Value = Vec<Detail>> {
        let ids = vec(1_u64.., 0..6);
        ids.prop_flat_map(|mut ids| {
            ids.sort_unstable();
            ids.dedup();
            ids.push(WHOLE_HOST.0);
            ids.into_iter().map(detail).collect::<Vec<_>>()
        })
    }

    proptest! {
        #[test]
        fn what_was_packed_comes_out_again_all_of_it_or_what_is_wanted(ticks in vec(details(), 1..3)) {
            let mut packer = Packer::default();
            for details in &ticks {
                for detail in details {
                    packer.push(detail);
                }
                let packed = packer.finish();
                prop_assert_eq!(&packed.details(|_| true), details);
                for detail in details {
                    let one = packed.details(|cgroup| cgroup == detail.cgroup);
                    prop_assert_eq!(&one, std::slice::from_ref(detail));
                }
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..60)) {
            Packed(bytes.into()).details(|_| true);
        }
    }

    #[test]
    fn an_idle_container_takes_some_thirty_bytes_and_a_busy_one_some_seventy() {
        let size = |detail: &Detail| {
            let mut packer = Packer::default();
            packer.push(detail);
            packer.finish().len()
        };
        let mut detail = Detail {
            cpu_limit: Some(0.5),
            memory_bytes: Some(50 << 20),
            working_set_bytes: Some(40 << 20),
            memory_limit_bytes: Some(64 << 20),
            disk: Some(Flow::default()),
            network: Some(Default::default()),
            wait: Some([0; BUCKETS]),
            block: Some([0; BUCKETS]),
            ..Detail::unknown(CgroupId(90_000))
        };
        let idle = size(&detail);
        detail.throttled = Some(0.5);
        let busy = Flow {
            inward: 1 << 20,
            outward: 1 << 20,
        };
        detail.disk = Some(busy);
        detail.network = Some([busy; PEERS]);
        for counts in [&mut detail.wait, &mut detail.block] {
            counts.as_mut().unwrap()[2..12].fill(100);
        }
        assert_eq!((idle, size(&detail)), (32, 74));
    }
}
