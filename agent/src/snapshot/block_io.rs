//! Block I/O of one entry, by device.

use std::{
    collections::{BTreeMap, HashMap},
    ops::AddAssign,
    sync::Arc,
};

use agent_ebpf::{
    block_io::{OPERATIONS, OperationCounters, OperationLatencies},
    histogram::BUCKETS,
};

use crate::container::CgroupId;

/// What an entry did on one device, since the making of its cgroup or, where the kernel keeps no total, as long as an
/// agent counted.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceIo {
    /// The whole disk's name, as in `/proc/diskstats`.
    pub device: Arc<str>,
    /// Reads.
    pub read: OperationTotals,
    /// Writes.
    pub write: OperationTotals,
    /// Flushes; without bytes.
    pub flush: OperationTotals,
    /// Discards.
    pub discard: OperationTotals,
}

/// Totals of one kind of operation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OperationTotals {
    /// Bytes done.
    pub bytes: Option<u64>,
    /// Requests finished.
    pub operations: Option<u64>,
    /// Time from the making of those requests to their end, in nanoseconds.
    pub total_ns: Option<u64>,
    /// Time from handing them to the device to their end, in nanoseconds; `None` where the kernel does not time that.
    pub device_ns: Option<u64>,
    /// How the times from making to end were distributed; of reads and writes only.
    pub latency: Option<Box<LatencyHistogram>>,
    /// How the times at the device were distributed; `None` as with `device_ns`.
    pub device_latency: Option<Box<LatencyHistogram>>,
}

/// Times by length, not cumulative; bucket `i` is bounded by [`agent_ebpf::histogram::bucket_bound_ns`].
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LatencyHistogram(pub [u64; BUCKETS]);

/// What records count on one device.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct DeviceSums {
    /// By [`agent_ebpf::block_io::READ`] and the like.
    pub operations: [OperationCounters; OPERATIONS],
    /// Times of reads by length.
    pub read: OperationLatencies,
    /// Times of writes by length.
    pub write: OperationLatencies,
}

/// What records count, by the device's number.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BlockSums {
    devices: BTreeMap<u32, DeviceSums>,
}

/// What the former slots of each entry had counted at their end: a slot is given back, an entry's total stays.
#[derive(Debug, Default)]
pub struct BlockLedger {
    settled: HashMap<CgroupId, BlockSums>,
}

impl BlockSums {
    /// Adds what was counted on `device`.
    pub fn add(&mut self, device: u32, sums: &DeviceSums) {
        *self.devices.entry(device).or_default() += sums;
    }

    /// Adds all of `other`.
    pub fn add_all(&mut self, other: &Self) {
        for (device, sums) in other.devices() {
            self.add(device, sums);
        }
    }

    /// What was counted since `earlier`, which was read of the same slot.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut grown = self.clone();
        for (device, before) in earlier.devices() {
            if let Some(sums) = grown.devices.get_mut(&device) {
                sums.subtract(before);
            }
        }
        grown
    }

    /// What was counted on `device`.
    pub fn device(&self, device: u32) -> Option<&DeviceSums> {
        self.devices.get(&device)
    }

    /// By the device's number, in its order.
    pub fn devices(&self) -> impl Iterator<Item = (u32, &DeviceSums)> {
        self.devices.iter().map(|(device, sums)| (*device, sums))
    }
}

impl BlockLedger {
    /// Adds what a slot of `entry` had counted in the end.
    pub fn settle(&mut self, entry: CgroupId, last: &BlockSums) {
        if last.devices.is_empty() {
            return;
        }
        self.settled.entry(entry).or_default().add_all(last);
    }

    /// The total of `entry`, whose slots count `now`.
    #[must_use]
    pub fn total(&self, entry: CgroupId, mut now: BlockSums) -> BlockSums {
        if let Some(settled) = self.settled.get(&entry) {
            now.add_all(settled);
        }
        now
    }

    /// Forgets `entry`.
    pub fn close(&mut self, entry: CgroupId) {
        self.settled.remove(&entry);
    }
}

impl AddAssign<&Self> for DeviceSums {
    fn add_assign(&mut self, other: &Self) {
        self.combine(other, |sum, more| sum + more);
    }
}

impl DeviceSums {
    fn subtract(&mut self, other: &Self) {
        self.combine(other, u64::saturating_sub);
    }

    fn combine(&mut self, other: &Self, with: impl Fn(u64, u64) -> u64) {
        let combine = |one: &mut u64, other: u64| *one = with(*one, other);
        for (one, other) in self.operations.iter_mut().zip(&other.operations) {
            combine(&mut one.bytes, other.bytes);
            combine(&mut one.operations, other.operations);
            combine(&mut one.total_ns, other.total_ns);
            combine(&mut one.device_ns, other.device_ns);
            combine(&mut one.device_timed, other.device_timed);
        }
        let buckets = |it: &mut OperationLatencies, other: &OperationLatencies| {
            for (one, other) in it.total.iter_mut().zip(other.total) {
                combine(one, other);
            }
            for (one, other) in it.device.iter_mut().zip(other.device) {
                combine(one, other);
            }
        };
        buckets(&mut self.read, &other.read);
        buckets(&mut self.write, &other.write);
    }
}

impl OperationTotals {
    /// What was counted of one kind of operation.
    pub fn of(counters: &OperationCounters, latencies: Option<&OperationLatencies>) -> Self {
        // Before the first operation nobody knows whether the kernel times the device.
        let is_timed = counters.device_timed > 0 || counters.operations == 0;
        let histogram = |buckets: &[u64; BUCKETS]| Box::new(LatencyHistogram(*buckets));
        let timed = latencies.filter(|_| is_timed);
        Self {
            bytes: Some(counters.bytes),
            operations: Some(counters.operations),
            total_ns: Some(counters.total_ns),
            device_ns: is_timed.then_some(counters.device_ns),
            latency: latencies.map(|it| histogram(&it.total)),
            device_latency: timed.map(|it| histogram(&it.device)),
        }
    }
}

#[cfg(test)]
mod tests {
    use agent_ebpf::block_io::{READ, WRITE};

    use super::*;

    fn wrote(device: u32, bytes: u64) -> BlockSums {
        let mut one = DeviceSums::default();
        one.operations[WRITE].bytes = bytes;
        one.write.device[3] = 1;
        let mut sums = BlockSums::default();
        sums.add(device, &one);
        sums
    }

    #[test]
    fn a_total_stays_when_its_slot_is_given_back() {
        let entry = CgroupId(7);
        let mut ledger = BlockLedger::default();
        assert_eq!(ledger.total(entry, wrote(1, 10)), wrote(1, 10));
        ledger.settle(entry, &wrote(1, 10));
        ledger.settle(entry, &wrote(2, 5));
        let total = ledger.total(entry, wrote(1, 3));
        let bytes: Vec<(u32, u64)> = total
            .devices()
            .map(|(device, sums)| (device, sums.operations[WRITE].bytes))
            .collect();
        assert_eq!(bytes, [(1, 13), (2, 5)]);
        ledger.close(entry);
        assert_eq!(ledger.total(entry, wrote(1, 3)), wrote(1, 3));
    }

    #[test]
    fn what_was_counted_since_is_what_was_told_less() {
        let mut sums = wrote(1, 10);
        sums.add_all(&wrote(1, 20));
        sums.add_all(&wrote(2, 5));
        let mut grown = wrote(1, 20);
        grown.add_all(&wrote(2, 5));
        assert_eq!(sums.since(&wrote(1, 10)), grown);
    }

    #[test]
    fn a_device_that_the_kernel_does_not_time_has_no_time_and_an_idle_one_has_zero() {
        let mut sums = DeviceSums::default();
        let device_ns =
            |sums: &DeviceSums| OperationTotals::of(&sums.operations[READ], None).device_ns;
        assert_eq!(device_ns(&sums), Some(0));
        sums.operations[READ].operations = 1;
        assert_eq!(device_ns(&sums), None);
        sums.operations[READ].device_timed = 1;
        assert_eq!(device_ns(&sums), Some(0));
    }
}
