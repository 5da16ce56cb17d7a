//! Block I/O as cgroup files tell it, where no kernel program counts it.

use std::{collections::HashMap, sync::Arc};

use super::roster::Roster;
use crate::{
    container::CgroupId,
    host::{
        block_devices::BlockDevices,
        block_files::{DeviceUses, Use},
    },
    snapshot::{DeviceIo, OperationTotals},
};

/// What was read last of each entry.
#[derive(Debug, Default)]
pub(super) struct BlockFiles {
    devices: BlockDevices,
    last: HashMap<CgroupId, Vec<DeviceIo>>,
}

impl BlockFiles {
    /// Block I/O of an entry; of one whose files are gone, what was read last. Nothing of one whose files count for
    /// other entries, too, nor of the host.
    pub(super) fn read(&mut self, roster: &Roster, id: CgroupId, readable: bool) -> Vec<DeviceIo> {
        let uses = readable.then(|| roster.block_use(id)).flatten();
        if let Some(uses) = uses {
            let told = self.told(&uses);
            self.last.insert(id, told);
        }
        self.last.get(&id).cloned().unwrap_or_default()
    }

    /// Forgets an entry that ended.
    pub(super) fn forget(&mut self, id: CgroupId) {
        self.last.remove(&id);
    }

    /// Looks again what the devices are called.
    pub(super) fn read_slowly(&mut self) {
        self.devices.look_again();
    }

    fn told(&mut self, uses: &DeviceUses) -> Vec<DeviceIo> {
        let mut told = Vec::with_capacity(uses.len());
        for (number, device) in uses {
            if self.devices.get(*number).is_none() {
                self.devices.learn(*number);
            }
            // What a stacked device passes on stands in the same file, under the device below.
            if let Some(known) = self.devices.get(*number)
                && !known.is_stacked
            {
                told.push(DeviceIo {
                    device: Arc::clone(&known.name),
                    read: operation(device.read),
                    write: operation(device.write),
                    flush: OperationTotals::default(),
                    discard: operation(device.discard),
                });
            }
        }
        told
    }
}

fn operation(of_file: Use) -> OperationTotals {
    OperationTotals {
        bytes: of_file.bytes,
        operations: of_file.operations,
        ..OperationTotals::default()
    }
}
