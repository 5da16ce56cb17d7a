//! Block I/O of all entries: what their slots count now and counted in the end, and what a former process saved, under
//! the devices' names.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use agent_ebpf::block_io::{DISCARD, FLUSH, READ, WRITE};

use crate::{
    container::CgroupId,
    host::{
        block_devices::BlockDevices,
        block_files::{DeviceUse, DeviceUses},
    },
    snapshot::{BlockLedger, BlockSums, DeviceIo, DeviceSums, OperationTotals},
    state::SavedBlockIo,
};

/// The accounts of block I/O. What entries did that ended is an account of its own, as is the host's.
#[derive(Debug)]
pub(super) struct BlockIo {
    ledger: BlockLedger,
    saved: SavedBlockIo,
    /// What a former process saved, until the entries it is of are adopted.
    old: HashMap<CgroupId, BlockSums>,
    /// What slots had counted when the last values of their entries were published; what comes later is the host's.
    told_last: HashMap<u32, BlockSums>,
    devices: BlockDevices,
    /// All devices that any entry used.
    used: BTreeSet<u32>,
}

impl BlockIo {
    /// Goes on from what a former process saved.
    pub(super) fn go_on_from((saved, old): (SavedBlockIo, HashMap<CgroupId, BlockSums>)) -> Self {
        Self {
            ledger: BlockLedger::default(),
            saved,
            old,
            told_last: HashMap::new(),
            devices: BlockDevices::default(),
            used: BTreeSet::new(),
        }
    }

    /// Whether a former process saved something of `entry`, which is not adopted yet.
    pub(super) fn has_saved(&self, entry: CgroupId) -> bool {
        self.old.contains_key(&entry)
    }

    /// Sets what `entry` had done before its slots took effect: what was saved of it, or more where its files, which
    /// say `told`, say more. The slots count `counted`.
    pub(super) fn begin_with(&mut self, entry: CgroupId, told: &DeviceUses, counted: &BlockSums) {
        let saved = self.old.remove(&entry).unwrap_or_default();
        // What makes no requests stands in the files and is never counted here.
        let devices = told.iter();
        let told = devices
            .filter(|(number, _)| self.devices.makes_requests(**number))
            .map(|(number, told)| (*number, *told))
            .collect();
        self.ledger.settle(entry, &base(saved, &told, counted));
    }

    /// All entries there are have been adopted. What is left was of others, which ended: `sum` tells the account that
    /// goes on with it; a sum is its own.
    pub(super) fn adopted(&mut self, sum: impl Fn(CgroupId) -> Option<CgroupId>) {
        for (entry, total) in std::mem::take(&mut self.old) {
            self.end(entry, sum(entry), &total);
        }
    }

    /// A slot is given back that counted for `entry` and had counted `last`. `entry` is `None` if its last values are
    /// published already: what was written back for it since is the host's, which is `root`.
    pub(super) fn settle(
        &mut self,
        slot: u32,
        entry: Option<CgroupId>,
        root: CgroupId,
        last: &BlockSums,
    ) {
        self.notice(last);
        let told = self.told_last.remove(&slot);
        match (entry, told) {
            (Some(entry), _) => self.ledger.settle(entry, last),
            (None, Some(told)) => self.ledger.settle(root, &last.since(&told)),
            (None, None) => self.ledger.settle(root, last),
        }
    }

    /// The total of `entry`, whose slots count what `slots` tells.
    pub(super) fn total(&mut self, entry: CgroupId, slots: &[(u32, BlockSums)]) -> BlockSums {
        let mut now = BlockSums::default();
        for (_, sums) in slots {
            now.add_all(sums);
        }
        let total = self.ledger.total(entry, now);
        self.notice(&total);
        // Before it is published: what was once told is never taken back.
        self.saved.save(entry, &total);
        total
    }

    /// The last values of an entry are published: they are `total`, and `slots` of it were not given back yet. The
    /// account `sum` goes on with them, if there is one.
    pub(super) fn close(
        &mut self,
        entry: CgroupId,
        sum: Option<CgroupId>,
        total: &BlockSums,
        slots: Vec<(u32, BlockSums)>,
    ) {
        self.told_last.extend(slots);
        self.ledger.close(entry);
        self.end(entry, sum, total);
    }

    fn end(&mut self, entry: CgroupId, sum: Option<CgroupId>, total: &BlockSums) {
        self.notice(total);
        if let Some(sum) = sum {
            self.ledger.settle(sum, total);
            self.saved
                .save(sum, &self.ledger.total(sum, BlockSums::default()));
        }
        if sum != Some(entry) {
            self.saved.remove(entry, total);
        }
    }

    /// What was done by those that `sum` is the account of.
    pub(super) fn ended(&self, sum: CgroupId) -> Vec<DeviceIo> {
        self.told(&self.ledger.total(sum, BlockSums::default()))
    }

    /// How often a total found no room to be saved.
    pub(super) fn unsaved(&self) -> u64 {
        self.saved.unsaved()
    }

    /// `sums` under the devices' names, but for those that pass all on to others: there it is counted already.
    pub(super) fn told(&self, sums: &BlockSums) -> Vec<DeviceIo> {
        let devices = sums.devices().filter_map(|(number, sums)| {
            let device = self.devices.get(number)?;
            (!device.is_stacked).then(|| named(&device.name, sums))
        });
        devices.collect()
    }

    /// The same of the host, which has every device that anybody used: what it lacks would not be shipped of others.
    pub(super) fn told_of_host(&self, mut sums: BlockSums) -> Vec<DeviceIo> {
        for number in &self.used {
            sums.add(*number, &DeviceSums::default());
        }
        self.told(&sums)
    }

    /// Looks again what the devices are called.
    pub(super) fn read_slowly(&mut self) {
        self.devices.look_again();
    }

    fn notice(&mut self, sums: &BlockSums) {
        for (number, of_device) in sums.devices() {
            // The record for what has no device is there from the start.
            if (number != 0 || *of_device != DeviceSums::default()) && self.used.insert(number) {
                self.devices.learn(number);
            }
        }
    }
}

fn named(name: &Arc<str>, sums: &DeviceSums) -> DeviceIo {
    let of = |kind: usize, latency| OperationTotals::of(&sums.operations[kind], latency);
    let without_bytes = |totals| OperationTotals {
        bytes: None,
        ..totals
    };
    DeviceIo {
        device: Arc::clone(name),
        read: of(READ, Some(&sums.read)),
        write: of(WRITE, Some(&sums.write)),
        flush: without_bytes(of(FLUSH, None)),
        discard: of(DISCARD, None),
    }
}

/// `saved`, or more where a cgroup's files say more, of which `counted` is counted in its slots. Files tell bytes, and
/// operations before they were merged: of the latter they are only asked where nothing was saved.
fn base(saved: BlockSums, told: &DeviceUses, counted: &BlockSums) -> BlockSums {
    let mut base = saved;
    for (
        number,
        DeviceUse {
            read,
            write,
            discard,
        },
    ) in told
    {
        let before = base.device(*number).copied();
        let counted = counted.device(*number).copied().unwrap_or_default();
        let mut more = DeviceSums::default();
        for (kind, told) in [(READ, read), (WRITE, write), (DISCARD, discard)] {
            let (more, counted) = (&mut more.operations[kind], &counted.operations[kind]);
            let known = before.map_or(0, |before| before.operations[kind].bytes);
            let left = |told: Option<u64>, less| told.unwrap_or_default().saturating_sub(less);
            more.bytes = left(told.bytes, counted.bytes + known);
            if before.is_none() {
                more.operations = left(told.operations, counted.operations);
            }
        }
        base.add(*number, &more);
    }
    base
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::block_files::Use;

    const DISK: u32 = 7;

    fn wrote(bytes: u64, operations: u64) -> BlockSums {
        let mut one = DeviceSums::default();
        one.operations[WRITE].bytes = bytes;
        one.operations[WRITE].operations = operations;
        let mut sums = BlockSums::default();
        sums.add(DISK, &one);
        sums
    }

    fn told(bytes: u64, operations: u64) -> DeviceUses {
        let write = Use {
            bytes: Some(bytes),
            operations: Some(operations),
        };
        DeviceUses::from([(
            DISK,
            DeviceUse {
                write,
                ..DeviceUse::default()
            },
        )])
    }

    #[test]
    fn an_entry_of_which_nothing_was_saved_begins_with_what_its_files_say() {
        let base = base(BlockSums::default(), &told(100, 9), &wrote(30, 2));
        assert_eq!(base, wrote(70, 7));
    }

    #[test]
    fn what_was_done_while_nobody_counted_is_in_the_files() {
        assert_eq!(
            base(wrote(60, 2), &told(100, 9), &wrote(30, 2)),
            wrote(70, 2)
        );
    }

    #[test]
    fn files_that_tell_less_take_nothing_back() {
        assert_eq!(base(wrote(60, 2), &told(50, 1), &wrote(0, 0)), wrote(60, 2));
        assert_eq!(
            base(wrote(60, 2), &DeviceUses::new(), &wrote(5, 1)),
            wrote(60, 2)
        );
    }

    fn accounts(folder: &std::path::Path) -> BlockIo {
        BlockIo::go_on_from(SavedBlockIo::open(folder, 8).unwrap())
    }

    #[test]
    fn totals_go_on_after_a_restart_and_what_ended_meanwhile_is_in_its_sum() {
        let folder = tempfile::tempdir().unwrap();
        let (lives, ended, sum) = (CgroupId(1), CgroupId(2), CgroupId(u64::MAX));
        let mut block = accounts(folder.path());
        block.adopted(|_| None);
        block.total(lives, &[(1, wrote(10, 1))]);
        block.total(ended, &[(2, wrote(20, 2))]);
        for _ in 0..2 {
            let mut block = accounts(folder.path());
            block.begin_with(lives, &DeviceUses::new(), &BlockSums::default());
            block.adopted(|_| Some(sum));
            assert_eq!(block.total(lives, &[]), wrote(10, 1));
            assert_eq!(block.total(sum, &[]), wrote(20, 2));
        }
        let mut block = accounts(folder.path());
        block.begin_with(lives, &DeviceUses::new(), &BlockSums::default());
        block.adopted(|_| Some(sum));
        block.close(lives, Some(sum), &wrote(11, 2), vec![]);
        drop(block);
        let mut block = accounts(folder.path());
        block.adopted(|entry| (entry == sum).then_some(sum));
        assert_eq!(block.total(lives, &[]), BlockSums::default());
        assert_eq!(block.total(sum, &[]), wrote(31, 4));
    }
}
