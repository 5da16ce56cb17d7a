//! The kernel: loads the programs, gives slots to cgroups, reads what was counted.
//!
//! Owns everything of aya. Knows cgroups by id and directory; who they are is left to others.
//!
//! - `btf`, `layout`: what this kernel looks like — facts.
//! - `programs`: the table of programs and what each is for.
//! - `load`: facts and table → loaded programs, with the reason for each that is not.
//! - `slots`, `paths`, `records`, `block_io`, `events`: the maps; `chunks` maps arrays into memory.

mod block_io;
mod btf;
mod chunks;
mod events;
mod layout;
mod load;
mod network;
mod paths;
mod programs;
mod records;
mod slots;

use std::{
    collections::HashSet,
    error::Error,
    fs::{self, File},
    io, iter,
    net::IpAddr,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd},
    path::Path,
};

use agent_ebpf::{cpu::CpuCounters, losses::Losses, slot::SlotEntry};
use aya::{
    Ebpf, EbpfError,
    maps::{Array, MapData, MapError, RingBuf, Stack},
    programs::{BtfTracePoint, CgroupSkb, Program, ProgramError},
    sys::{Stats, enable_stats},
};

use nix::errno::Errno;

pub use btf::{BtfError, VMLINUX};
pub use events::Event;
pub use layout::Anchor;
pub use load::{Options, stripes_for};
pub use programs::{Direction, Hook, PROGRAMS, ProgramSpec, Role, check_skipped};
pub use slots::StorageKind;

use crate::{
    container::CgroupId,
    snapshot::{BlockSums, SlotTotals},
    text::chain,
};
use block_io::BlockRecords;
use network::Network;
use paths::Paths;
use records::Records;
use slots::Slots;

/// Why the kernel side cannot be used, or an operation on it failed.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// No usable type information.
    #[error("no kernel type information")]
    Btf(#[from] BtfError),
    /// The loader's own reading of the type information failed.
    #[error("the loader cannot read the kernel's type information")]
    LoaderBtf(#[from] aya::BtfError),
    /// A structure this program relies on is not as expected.
    #[error("{0}")]
    Layout(String),
    /// The object could not be loaded: maps refused, mostly for lack of privilege.
    #[error("cannot load the kernel object ({storage})")]
    Object {
        /// Which of the objects.
        storage: &'static str,
        /// Why.
        source: Box<EbpfError>,
    },
    /// The object was loaded, but its slots cannot be filled.
    #[error("slots cannot be kept there ({storage})")]
    Unusable {
        /// Which of the objects.
        storage: &'static str,
        /// Why.
        source: Box<MapError>,
    },
    /// A program that the kernel source cannot do without.
    #[error("kernel program {program} is not available: {reason}")]
    Program {
        /// Its name.
        program: &'static str,
        /// Why.
        reason: String,
        /// Whether privileges are what is missing.
        forbidden: bool,
    },
    /// A program was loaded but not attached.
    #[error("cannot attach kernel program {program}")]
    Attach {
        /// Its name.
        program: &'static str,
        /// Why.
        source: Box<ProgramError>,
    },
    /// A map is missing from the object or of another type.
    #[error("kernel map {map}")]
    Map {
        /// Its name.
        map: &'static str,
        /// Why.
        source: Box<MapError>,
    },
    /// A map is not in the object.
    #[error("the kernel object has no map {0}")]
    NoMap(&'static str),
    /// Records could not be mapped into memory.
    #[error("cannot map kernel records into memory")]
    Mmap(#[source] io::Error),
    /// A slot number beyond the maps.
    #[error("slot {0} is beyond the kernel's maps")]
    Slot(u32),
    /// A cgroup's directory cannot be opened.
    #[error("cannot open cgroup directory {path}")]
    Directory {
        /// Which one.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// What stands in the way of the kernel programs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Obstacle {
    /// This process may not.
    Privileges,
    /// This kernel cannot.
    Feature,
    /// Neither: it may go better next time.
    Other,
}

/// One program of the table, and what became of it.
#[derive(Clone, Debug)]
pub struct ProgramReport {
    /// Which one.
    pub spec: &'static ProgramSpec,
    /// Attached or loaded, or why not.
    pub state: ProgramState,
    /// Whether the kernel refused it for lack of privileges.
    pub forbidden: bool,
}

/// What became of a program.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ProgramState {
    /// In the kernel.
    Loaded,
    /// Not wanted with these settings, or another one does its work.
    NotNeeded(&'static str),
    /// Not wanted: the settings name it.
    Skipped,
    /// The kernel lacks what it needs.
    Unsupported(String),
    /// The kernel refused it.
    Refused(String),
}

/// The loaded programs and their maps. Dropping it takes all of them out of the kernel.
pub struct Kernel {
    ebpf: Ebpf,
    programs: Vec<ProgramReport>,
    storage: StorageKind,
    charges_at_switch: bool,
    /// Whether switches tell CPU time too: all of it, or that of real-time tasks.
    switches_tell_time: bool,
    /// Calls skipped of programs that are not there any more.
    former_misses: u64,
    records: Records,
    network: Option<Network>,
    slots: Slots,
    free: Stack<MapData, u32>,
    events: RingBuf<MapData>,
    losses: Array<MapData, Losses>,
    /// `None` without a block I/O program.
    block: Option<BlockRecords>,
    paths: Paths,
}

/// The kernel measures its programs as long as this lives; that itself costs some 45 ns a call, so not for long.
#[derive(Debug)]
pub struct CostMeasurement {
    run_ns: u64,
    _statistics: OwnedFd,
}

impl Kernel {
    /// Attaches the programs of the given roles. One on packets that cannot be is no error but a report: others may
    /// have a claim on the packets of all cgroups, and the rest goes without.
    pub fn attach(&mut self, wanted: impl Fn(Role) -> bool) -> Result<(), KernelError> {
        for at in 0..self.programs.len() {
            let report = &self.programs[at];
            if report.state == ProgramState::Loaded && wanted(report.spec.role) {
                self.attach_one(at)?;
            }
        }
        Ok(())
    }

    /// Attaches one that is loaded.
    fn attach_one(&mut self, at: usize) -> Result<(), KernelError> {
        let report = &mut self.programs[at];
        let name = report.spec.name;
        let Some(program) = self.ebpf.program_mut(name) else {
            return Ok(());
        };
        match (report.spec.hook, &self.network) {
            (Hook::Tracepoint { .. }, _) => {
                attach_to_tracepoint(program).map_err(|source| KernelError::Attach {
                    program: name,
                    source: Box::new(source),
                })?;
            }
            (Hook::Packets(direction), Some(network)) => {
                if let Err(error) = network.attach(program, direction) {
                    report.forbidden = network::is_forbidden(&error);
                    report.state = ProgramState::Refused(load::refusal(&error));
                }
            }
            (Hook::Packets(_), None) => {}
        }
        Ok(())
    }

    /// The same with any failure as a report.
    fn attach_or_report(&mut self, at: usize) {
        if self.programs[at].state != ProgramState::Loaded {
            return;
        }
        if let Err(error) = self.attach_one(at) {
            self.programs[at].state = ProgramState::Refused(chain(&error));
        }
    }

    /// Takes a program out of the kernel; what it counted stays.
    fn unload(&mut self, at: usize, reason: &'static str) {
        let report = &mut self.programs[at];
        let Some(program) = self.ebpf.program_mut(report.spec.name) else {
            return;
        };
        self.former_misses += line_of(program, "recursion_misses:").unwrap_or_default();
        // An error says that it was not loaded, which is as well.
        drop(match report.spec.hook {
            Hook::Tracepoint { .. } => {
                <&mut BtfTracePoint>::try_from(program).map(BtfTracePoint::unload)
            }
            Hook::Packets(_) => <&mut CgroupSkb>::try_from(program).map(CgroupSkb::unload),
        });
        report.state = ProgramState::NotNeeded(reason);
    }

    /// What became of each program.
    pub fn programs(&self) -> &[ProgramReport] {
        &self.programs
    }

    /// Where slots are kept.
    pub fn storage(&self) -> StorageKind {
        self.storage
    }

    /// Whether run time is charged at switches because `sched_stat_runtime` is not in use.
    pub fn charges_at_switch(&self) -> bool {
        self.charges_at_switch
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

    /// Calls of each program that the kernel skipped because it was already running on that CPU, summed
    /// (`recursion_misses` in the program's fdinfo, Linux 5.12 and later).
    pub fn recursion_misses(&self) -> u64 {
        self.former_misses + self.sum_of_programs("recursion_misses:")
    }

    /// Begins to measure what the programs cost. Fails without `CAP_SYS_ADMIN`.
    pub fn measure_cost(&self) -> Option<CostMeasurement> {
        let statistics = enable_stats(Stats::RunTime).ok()?;
        Some(CostMeasurement {
            run_ns: self.sum_of_programs("run_time_ns:"),
            _statistics: statistics,
        })
    }

    /// CPU time the programs used since `since`, in nanoseconds.
    pub fn cost_ns(&self, since: &CostMeasurement) -> u64 {
        self.sum_of_programs("run_time_ns:")
            .saturating_sub(since.run_ns)
    }

    /// Sums a line of the programs' fdinfo (`bpf_prog_show_fdinfo` in kernel/bpf/syscall.c, Linux 6.12).
    fn sum_of_programs(&self, name: &str) -> u64 {
        self.ebpf
            .programs()
            .filter_map(|(_, program)| line_of(program, name))
            .sum()
    }

    /// Bytes of kernel records mapped into this process.
    pub fn mapped_bytes(&self) -> usize {
        let block = self.block.as_ref().map_or(0, BlockRecords::mapped_bytes);
        self.records.mapped_bytes() + block
    }
}

impl KernelError {
    /// What stands in the way.
    pub fn obstacle(&self) -> Obstacle {
        let causes = || iter::successors(Some(self as &(dyn Error + 'static)), |&it| it.source());
        let errno = causes()
            .filter_map(|cause| cause.downcast_ref::<io::Error>())
            .find_map(io::Error::raw_os_error)
            .map(Errno::from_raw);
        match (self, errno) {
            (
                Self::Map { .. }
                | Self::NoMap(_)
                | Self::Mmap(_)
                | Self::Slot(_)
                | Self::Directory { .. },
                _,
            ) => Obstacle::Other,
            (
                Self::Program {
                    forbidden: true, ..
                },
                _,
            )
            | (_, Some(Errno::EPERM | Errno::EACCES)) => Obstacle::Privileges,
            (Self::Unusable { .. }, _) => Obstacle::Feature,
            (
                _,
                Some(Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE | Errno::EAGAIN | Errno::EINTR),
            ) => Obstacle::Other,
            _ => Obstacle::Feature,
        }
    }
}

/// A line of a program's fdinfo; `None` if it is not loaded.
fn line_of(program: &Program, name: &str) -> Option<u64> {
    let fd = program.fd().ok()?.as_fd().as_raw_fd();
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
    let value = info.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().parse().ok()
}

fn attach_to_tracepoint(program: &mut Program) -> Result<(), ProgramError> {
    let program: &mut BtfTracePoint = program.try_into()?;
    program.attach().map(|_| ())
}

fn open(directory: &Path) -> Result<File, KernelError> {
    File::open(directory).map_err(|source| KernelError::Directory {
        path: directory.display().to_string(),
        source,
    })
}

fn map_error(map: &'static str) -> impl Fn(MapError) -> KernelError {
    move |source| KernelError::Map {
        map,
        source: Box::new(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_obstacle_is_found_in_the_cause() {
        let btf = |errno| BtfError::Read {
            path: "/sys/kernel/btf/vmlinux".to_owned(),
            source: io::Error::from(errno),
        };
        let object = |errno| KernelError::Object {
            storage: "hash",
            source: Box::new(EbpfError::MapError(MapError::CreateError {
                name: "EVENTS".to_owned(),
                io_error: io::Error::from(errno),
            })),
        };
        let program = |forbidden| KernelError::Program {
            program: "cgroup_mkdir",
            reason: String::new(),
            forbidden,
        };
        for (error, obstacle) in [
            (btf(Errno::ENOENT).into(), Obstacle::Feature),
            (btf(Errno::EACCES).into(), Obstacle::Privileges),
            (KernelError::Layout(String::new()), Obstacle::Feature),
            (object(Errno::EINVAL), Obstacle::Feature),
            (object(Errno::EPERM), Obstacle::Privileges),
            (object(Errno::ENOMEM), Obstacle::Other),
            (program(false), Obstacle::Feature),
            (program(true), Obstacle::Privileges),
            (KernelError::Slot(7), Obstacle::Other),
        ] {
            assert_eq!(error.obstacle(), obstacle, "{error:?}");
        }
    }
}
