//! Block I/O totals of each entry and device, saved so that they go on after a restart.

use std::{collections::HashMap, path::Path};

use agent_ebpf::{
    block_io::{OPERATIONS, OperationCounters, OperationLatencies},
    histogram::BUCKETS,
};

use super::record_file::{RecordFile, TotalsError};
use crate::{
    container::CgroupId,
    snapshot::{BlockSums, DeviceSums},
};

const MAGIC: [u8; 8] = *b"cgfluxB1";
/// Cgroup id, device.
const KEY: usize = 2;
/// The key, five counters an operation, two histograms of reads and two of writes.
const WORDS: usize = KEY + 5 * OPERATIONS + 4 * BUCKETS;

/// The saved block I/O of all entries.
#[derive(Debug)]
pub struct SavedBlockIo(RecordFile<KEY, WORDS>);

impl SavedBlockIo {
    /// Opens `block` in `folder` with room for `capacity` devices of entries, and returns what a former process of this
    /// boot saved there.
    pub fn open(
        folder: &Path,
        capacity: usize,
    ) -> Result<(Self, HashMap<CgroupId, BlockSums>), TotalsError> {
        let (records, saved) = RecordFile::open(folder, "block", MAGIC, capacity)?;
        let mut sums: HashMap<CgroupId, BlockSums> = HashMap::new();
        for record in &saved {
            let (entry, device, of_device) = saved_of(record);
            sums.entry(entry).or_default().add(device, &of_device);
        }
        Ok((Self(records), sums))
    }

    /// Saves what `entry` has now. It is kept from here on, also if the process is killed.
    pub fn save(&mut self, entry: CgroupId, now: &BlockSums) {
        for (device, sums) in now.devices() {
            // A device that did nothing needs no room.
            if *sums != DeviceSums::default() {
                self.0.save([entry.0, u64::from(device)], values(sums));
            }
        }
    }

    /// Forgets an entry that ended with this total.
    pub fn remove(&mut self, entry: CgroupId, total: &BlockSums) {
        for (device, _) in total.devices() {
            self.0.remove([entry.0, u64::from(device)]);
        }
    }

    /// How many saves found no room; after a restart such a total starts again.
    pub fn unsaved(&self) -> u64 {
        self.0.unsaved()
    }
}

fn values(sums: &DeviceSums) -> impl Iterator<Item = u64> {
    let counters = sums.operations.into_iter().flat_map(|it| {
        [
            it.bytes,
            it.operations,
            it.total_ns,
            it.device_ns,
            it.device_timed,
        ]
    });
    let latencies = [sums.read, sums.write];
    let buckets = latencies.into_iter().flat_map(|it| [it.total, it.device]);
    counters.chain(buckets.flatten())
}

/// What a record says, of which entry and device.
fn saved_of(record: &[u64; WORDS]) -> (CgroupId, u32, DeviceSums) {
    let mut words = record.iter().copied();
    let mut next = || words.next().unwrap_or_default();
    let entry = CgroupId(next());
    let device = u32::try_from(next()).unwrap_or_default();
    let operations = std::array::from_fn(|_| OperationCounters {
        bytes: next(),
        operations: next(),
        total_ns: next(),
        device_ns: next(),
        device_timed: next(),
    });
    let mut latencies = || OperationLatencies {
        total: std::array::from_fn(|_| next()),
        device: std::array::from_fn(|_| next()),
    };
    let sums = DeviceSums {
        operations,
        read: latencies(),
        write: latencies(),
    };
    (entry, device, sums)
}

#[cfg(test)]
mod tests {
    use agent_ebpf::block_io::{DISCARD, READ};

    use super::*;

    fn did(device: u32, seed: u64) -> BlockSums {
        let mut one = DeviceSums::default();
        one.operations[READ].bytes = seed;
        one.operations[DISCARD].device_timed = seed + 1;
        one.read.total[0] = seed + 2;
        one.write.device[BUCKETS - 1] = seed + 3;
        let mut sums = BlockSums::default();
        sums.add(device, &one);
        sums
    }

    #[test]
    fn what_is_read_is_what_was_saved_of_each_device() {
        let folder = tempfile::tempdir().unwrap();
        let (mut block, old) = SavedBlockIo::open(folder.path(), 4).unwrap();
        assert!(old.is_empty());
        let mut two = did(1, 10);
        two.add_all(&did(u32::MAX, 20));
        block.save(CgroupId(7), &did(1, 5));
        block.save(CgroupId(7), &two);
        block.save(CgroupId(8), &did(1, 30));
        block.save(CgroupId(9), &two);
        block.remove(CgroupId(9), &two);
        assert_eq!(block.unsaved(), 1);
        let (_, saved) = SavedBlockIo::open(folder.path(), 4).unwrap();
        assert_eq!(
            saved,
            HashMap::from([(CgroupId(7), two), (CgroupId(8), did(1, 30))])
        );
    }

    #[test]
    fn what_did_nothing_takes_no_room() {
        let folder = tempfile::tempdir().unwrap();
        let (mut block, _) = SavedBlockIo::open(folder.path(), 1).unwrap();
        let mut sums = BlockSums::default();
        sums.add(1, &DeviceSums::default());
        block.save(CgroupId(7), &sums);
        block.save(CgroupId(8), &did(1, 1));
        assert_eq!(block.unsaved(), 0);
    }
}
