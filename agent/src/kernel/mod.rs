//! The kernel: loads the programs, gives slots to cgroups, reads what was counted.
//!
//! Owns everything of aya. Knows cgroups by id and directory; who they are is left to others.
//!
//! - `btf`, `layout`: what this kernel looks like — facts.
//! - `programs`: the table of programs and what each is for; `plan`: which of them have something to do.
//! - `object`, `load`, `attach`: facts and table → running programs; `report`: what became of each; `error`: why there
//!   are none.
//! - `slots`, `paths`, `records`, `takers`, `block_io`, `network`, `events`: the maps; `chunks` maps arrays into memory.
//! - `cost`: what the programs take of the CPUs.

mod attach;
mod block_io;
mod btf;
mod chunks;
mod cost;
mod error;
mod events;
mod layout;
mod load;
mod network;
mod object;
mod options;
mod paths;
mod plan;
mod preemption;
mod programs;
mod records;
mod report;
mod slots;

use std::{
    collections::HashSet,
    fs::File,
    net::IpAddr,
    os::fd::{AsRawFd as _, BorrowedFd},
    path::Path,
};

use agent_ebpf::{cpu::CpuCounters, losses::Losses, slot::SlotEntry};
use aya::{
    Ebpf,
    maps::{Array, MapData, MapError, RingBuf, Stack},
};

pub use btf::{BtfError, VMLINUX};
pub use cost::CostMeasurement;
pub use error::{KernelError, Obstacle};
pub use events::Event;
pub use layout::Anchor;
pub use object::stripes_for;
pub use options::Options;
pub use programs::{Direction, Hook, PROGRAMS, ProgramSpec, Role, check_skipped};
pub use report::{NotNeeded, ProgramReport, ProgramState};
pub use slots::StorageKind;

use crate::{
    container::CgroupId,
    snapshot::{BlockSums, SlotTotals, Taken},
};
use block_io::BlockRecords;
use error::map_error;
use network::Network;
use paths::Paths;
use plan::Timing;
use preemption::TakerRecords;
use records::Records;
use slots::Slots;

/// The loaded programs and their maps. Dropping it takes all of them out of the kernel.
pub struct Kernel {
    ebpf: Ebpf,
    programs: Vec<ProgramReport>,
    storage: StorageKind,
    /// Why slots are not kept in a better place.
    passed_over: Option<KernelError>,
    timing: Timing,
    /// Calls skipped of programs that are not there any more.
    former_misses: u64,
    records: Records,
    /// `None` where who takes the CPU was not asked for when it was loaded.
    takers: Option<TakerRecords>,
    network: Option<Network>,
    slots: Slots,
    free: Stack<MapData, u32>,
    events: RingBuf<MapData>,
    losses: Array<MapData, Losses>,
    /// `None` without a block I/O program.
    block: Option<BlockRecords>,
    paths: Paths,
}

impl Kernel {
    /// What became of each program.
    pub fn programs(&self) -> &[ProgramReport] {
        &self.programs
    }

    /// Where slots are kept.
    pub fn storage(&self) -> StorageKind {
        self.storage
    }

    /// Why they are not kept in a better place; `None` if there is none, or it was not tried.
    pub fn passed_over(&self) -> Option<&KernelError> {
        self.passed_over.as_ref()
    }

    /// The slot that the cgroup `id` counts in; `None` if it has none.
    pub fn slot(&self, directory: &Path, id: CgroupId) -> Result<Option<SlotEntry>, KernelError> {
        let directory = open(directory)?;
        self.slots.get(&directory, id).map_err(map_error("SLOTS"))
    }

    /// Makes the cgroup `id` count in `entry`.
    pub fn assign(
        &mut self,
        directory: &Path,
        id: CgroupId,
        entry: SlotEntry,
    ) -> Result<(), KernelError> {
        let directory = open(directory)?;
        self.slots
            .set(&directory, id, entry)
            .map_err(map_error("SLOTS"))
    }

    /// Takes a free slot; `None` if none is left.
    pub fn take_slot(&mut self) -> Result<Option<u32>, KernelError> {
        match self.free.pop(0) {
            Ok(slot) => Ok(Some(slot)),
            Err(MapError::ElementNotFound) => Ok(None),
            Err(error) => Err(map_error("FREE_SLOTS")(error)),
        }
    }

    /// Begins to read `slot`.
    pub fn hold(&mut self, slot: u32) -> Result<(), KernelError> {
        if let Some(takers) = &mut self.takers {
            takers.hold(slot)?;
        }
        self.records.hold(slot)
    }

    /// Ends the counting of packets in the slot of `cgroup`, of which sockets may outlive it. From the next
    /// [`Kernel::forget_recent`] on its slot can be given back.
    pub fn disown_sockets(&mut self, cgroup: CgroupId) {
        self.slots.forget(cgroup);
    }

    /// Makes these the addresses of this host, for programs on packets; returns how many found no room. It holds for
    /// all packets from the next [`Kernel::forget_recent`] on.
    pub fn set_addresses(&mut self, addresses: &HashSet<IpAddr>) -> Result<usize, KernelError> {
        let Some(network) = &mut self.network else {
            return Ok(0);
        };
        network
            .set_addresses(addresses)
            .map_err(map_error("LOCAL_ADDRESSES"))
    }

    /// Empties what the programs on packets remember. A program that looked something up just before a change may
    /// still remember what it found then, so this is to be done some time after the change.
    pub fn forget_recent(&self) {
        if let Some(network) = &self.network {
            network.forget_recent();
        }
    }

    /// Zeroes `slot` and makes it free. The cgroup that held it must have been released.
    pub fn give_back(&mut self, slot: u32, cgroup: CgroupId) -> Result<(), KernelError> {
        self.slots.forget(cgroup);
        self.records.give_back(slot);
        if let Some(takers) = &mut self.takers {
            takers.give_back(slot);
        }
        if let Some(block) = &mut self.block {
            block.give_back(slot)?;
        }
        self.free.push(slot, 0).map_err(map_error("FREE_SLOTS"))
    }

    /// What `slot` has counted.
    #[inline]
    pub fn totals(&self, slot: u32) -> SlotTotals {
        self.records.totals(slot)
    }

    /// What `slot` has counted, without its histogram.
    #[inline]
    pub fn counters(&self, slot: u32) -> CpuCounters {
        self.records.counters(slot)
    }

    /// What ran while tasks of `slot` waited since this was last asked; `None` where nobody can tell. `goes` tells of a
    /// slot whether it is about to be given back.
    pub fn taken(&mut self, slot: u32, goes: impl Fn(u32) -> bool) -> Option<Taken> {
        Some(self.takers.as_mut()?.taken(slot, goes))
    }

    /// Finds the block I/O records that were taken since the last call.
    pub fn find_block_records(&mut self) -> Result<(), KernelError> {
        self.block.as_mut().map_or(Ok(()), BlockRecords::find)
    }

    /// The block I/O of `slot`, on the devices found so far.
    pub fn block_io(&self, slot: u32) -> BlockSums {
        let mut sums = BlockSums::default();
        for (device, more) in self.block.iter().flat_map(|block| block.sums(slot)) {
            sums.add(device, &more);
        }
        sums
    }

    /// Tells the programs the path of the cgroup `id` of `hierarchy`, which they did not see made: by its path it counts
    /// in the slot that [`Kernel::set_path_slot`] gives to that. Nothing to do without a block I/O program.
    pub fn add_path(
        &mut self,
        hierarchy: u32,
        id: CgroupId,
        path: &str,
    ) -> Result<(), KernelError> {
        if self.block.is_none() {
            return Ok(());
        }
        self.paths.add(hierarchy, id, path)
    }

    /// Lets all cgroups with this path, whatever their hierarchy, count block I/O in `slot`.
    pub fn set_path_slot(&mut self, path: &str, slot: u32) -> Result<(), KernelError> {
        if self.block.is_none() {
            return Ok(());
        }
        self.paths.set_slot(path, slot)
    }

    /// The next event; `None` if there is none now.
    pub fn next_event(&mut self) -> Option<Event> {
        loop {
            let record = self.events.next()?;
            if let Some(event) = Event::decode(&record) {
                return Some(event);
            }
        }
    }

    /// Readable when there are events that want attention.
    pub fn events_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor belongs to `self.events`, which lives as long as the borrow.
        unsafe { BorrowedFd::borrow_raw(self.events.as_raw_fd()) }
    }

    /// What the programs could not record.
    pub fn losses(&self) -> Result<Losses, KernelError> {
        self.losses.get(&0, 0).map_err(map_error("LOSSES"))
    }

    /// Bytes of kernel records mapped into this process.
    pub fn mapped_bytes(&self) -> usize {
        let block = self.block.as_ref().map_or(0, BlockRecords::mapped_bytes);
        let takers = self.takers.as_ref().map_or(0, TakerRecords::mapped_bytes);
        self.records.mapped_bytes() + takers + block
    }
}

fn open(directory: &Path) -> Result<File, KernelError> {
    File::open(directory).map_err(|source| KernelError::Directory {
        path: directory.display().to_string(),
        source,
    })
}
