//! Block I/O of all entries: what their slots count now and counted in the end, under the devices' names.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use agent_ebpf::block_io::{DISCARD, FLUSH, READ, WRITE};

use crate::{
    container::{CgroupId, Share},
    host::block_devices::BlockDevices,
    snapshot::{BlockLedger, BlockSums, DeviceIo, DeviceSums, OperationTotals},
};

/// The accounts of block I/O.
#[derive(Debug, Default)]
pub(super) struct BlockIo {
    ledger: BlockLedger,
    /// What entries without a series of their own did that ended.
    ended: HashMap<Share, BlockSums>,
    /// What slots had counted when the last values of their entries were published; what comes later is the host's.
    told_last: HashMap<u32, BlockSums>,
    devices: BlockDevices,
    /// All devices that any entry used.
    used: BTreeSet<u32>,
}

impl BlockIo {
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
        total
    }

    /// The last values of an entry are published: they are `total`, and `slots` of it were not given back yet.
    pub(super) fn close(
        &mut self,
        entry: CgroupId,
        share: Option<Share>,
        total: &BlockSums,
        slots: Vec<(u32, BlockSums)>,
    ) {
        if let Some(share) = share.filter(|it| *it != Share::Own) {
            self.ended.entry(share).or_default().add_all(total);
        }
        self.told_last.extend(slots);
        self.ledger.close(entry);
    }

    /// What entries without a series of their own did that ended.
    pub(super) fn ended(&self, share: Share) -> Vec<DeviceIo> {
        let sums = self.ended.get(&share);
        sums.map(|sums| self.told(sums)).unwrap_or_default()
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
