//! Loads the programs: best object first, each program by trying, the reason kept for each that is not loaded.

use std::path::PathBuf;

use agent_ebpf::{
    layout::{BlockLayout, KernelLayout, Settings},
    losses::Losses,
    maps,
    slot::SlotEntry,
};
use aya::{
    Btf, Ebpf, EbpfLoader, include_bytes_aligned,
    maps::{Array, CgrpStorage, HashMap, Map, MapData, MapError, RingBuf, Stack},
    programs::{BtfTracePoint, CgroupSkb, ProgramError},
    util::nr_cpus,
};
use nix::errno::Errno;

use super::{
    Kernel, KernelError, ProgramReport, ProgramState,
    block_io::{BlockMaps, BlockRecords},
    chunks::Chunks,
    layout::{Anchor, KernelTypes},
    map_error,
    network::{MAX_ADDRESSES, Network},
    open,
    paths::Paths,
    programs::{
        BLOCK_IO, BLOCK_IO_BY_BIO, Hook, MKDIR, MKDIR_PATHLESS, PROGRAMS, ProgramSpec, Role,
    },
    records::{Arrays, Records},
    slots::{Slots, StorageKind},
};
use crate::{
    container::CgroupId,
    metrics::catalog::{Families, Family, Source},
};

static CGRP_STORAGE: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/cgrp-storage.o"));
static HASH: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/hash.o"));

/// More CPUs than this share stripes, and adds become atomic.
const MAX_STRIPES: usize = 16;

/// Cgroups that the hash holds for each slot: cgroups inside containers have entries too.
const HASH_ENTRIES_PER_SLOT: u32 = 4;

/// Paths kept for each slot and hierarchy: some cgroups inside containers have one, too.
const PATHS_PER_SLOT: u32 = 2;

/// No hierarchy has this number.
const NO_HIERARCHY: u32 = u32::MAX;

/// How to load.
#[derive(Clone, Debug)]
pub struct Options {
    /// Number of slots; each cgroup outside containers takes one, each container one.
    pub slots: u32,
    /// Charge run time where the kernel does, not at switches.
    pub exact: bool,
    /// Where the accounting hierarchy hangs.
    pub anchor: Anchor,
    /// Number of the accounting hierarchy; 0 is the unified one.
    pub hierarchy: u32,
    /// Id of its root.
    pub root: CgroupId,
    /// Where its root is mounted.
    pub mount: PathBuf,
    /// Number of the hierarchy with the I/O controller, if there is one: there a request's cgroup is.
    pub io_hierarchy: Option<u32>,
    /// Number of the hierarchy with the memory controller, if there is one: there a page's cgroup is.
    pub memory_hierarchy: Option<u32>,
    /// Programs that are not to be loaded, by name.
    pub skip: Vec<String>,
    /// Whether the sockets are to be counted. The accounting hierarchy must be the unified one then.
    pub network: bool,
    /// What is to be measured. What a program counts for none of these, it is not loaded for; its maps are made all the
    /// same, so that [`Kernel::switch`] can load it later.
    pub families: Families,
    /// Where to keep slots; `None` for the best that loads.
    pub storage: Option<StorageKind>,
}

impl Kernel {
    /// Loads what this kernel takes. Nothing is attached yet, so nothing is counted yet.
    pub fn load(options: &Options) -> Result<Self, KernelError> {
        let loader = Loader::new(options)?;
        match options.storage {
            Some(storage) => loader.load(storage, options.exact),
            None => loader
                .load(StorageKind::CgrpStorage, options.exact)
                .or_else(|_| loader.load(StorageKind::Hash, options.exact)),
        }
    }

    /// Takes the programs out of the kernel that `options` wants no more, and loads and attaches those that it wants
    /// again. The others go on undisturbed, and what was counted stays. But for its families, `options` must be what
    /// the kernel side was loaded with. A program that cannot be had any more is a report, not an error.
    pub fn switch(&mut self, options: &Options) -> Result<(), KernelError> {
        let exact = !self.charges_at_switch;
        let mut back = Vec::new();
        for at in 0..self.programs.len() {
            let ProgramReport { spec, state, .. } = &self.programs[at];
            let off = if *state == ProgramState::Loaded || is_off(state) {
                unwanted(options, spec, &self.programs, self.switches_tell_time)
            } else {
                None
            };
            match (off, &self.programs[at].state) {
                (Some(reason), ProgramState::Loaded) => self.unload(at, reason),
                (None, ProgramState::NotNeeded(_)) if is_off(&self.programs[at].state) => {
                    back.push(at);
                }
                _ => {}
            }
        }
        if back.is_empty() {
            return Ok(());
        }
        let loader = Loader::new(options)?;
        for at in back {
            let spec = self.programs[at].spec;
            self.programs[at] = loader.report(&mut self.ebpf, spec, &self.programs, exact);
            self.attach_or_report(at);
        }
        Ok(())
    }
}

/// Why `options` wants none of a program, of which `programs` are there already; `None` if it does.
/// `switches_tell_time` says that CPU time is counted at switches too.
fn unwanted(
    options: &Options,
    spec: &ProgramSpec,
    programs: &[ProgramReport],
    switches_tell_time: bool,
) -> Option<&'static str> {
    let (Role::Metric(source) | Role::Instead(source)) = spec.role else {
        return None;
    };
    let family = source.family().filter(|it| !options.families.has(*it))?;
    let charges = Role::Metric(Source::SchedStatRuntime);
    let is_needed = source == Source::SchedSwitch
        && (switches_tell_time || !is_loaded(programs, |it| it.role == charges));
    (!is_needed).then(|| family.when_off())
}

/// Whether a program is not there because its family is off.
fn is_off(state: &ProgramState) -> bool {
    let mut families = Family::SWITCHABLE.into_iter();
    families.any(|family| *state == ProgramState::NotNeeded(family.when_off()))
}

struct Loader<'a> {
    options: &'a Options,
    types: KernelTypes,
    layout: KernelLayout,
    /// What block I/O needs, or what of it this kernel lacks.
    block: Result<BlockLayout, String>,
    /// The same with what leads to the owners of pages.
    block_pages: Result<BlockLayout, String>,
    btf: Btf,
}

impl<'a> Loader<'a> {
    fn new(options: &'a Options) -> Result<Self, KernelError> {
        let types = KernelTypes::read()?;
        let layout = types.layout(options.anchor).map_err(KernelError::Layout)?;
        let btf = Btf::from_sys_fs()?;
        let block = types.block();
        let block_pages = block.clone().and_then(|block| types.block_pages(&block));
        Ok(Self {
            options,
            types,
            layout,
            block,
            block_pages,
            btf,
        })
    }

    /// Whether CPU time is counted at switches: all of it, or that of real-time tasks.
    fn switches_tell_time(&self, exact: bool) -> bool {
        !exact || !self.types.tells_realtime()
    }

    fn load(&self, storage: StorageKind, exact: bool) -> Result<Kernel, KernelError> {
        let (stripes, shared_stripes) = stripes();
        let settings = Settings {
            hierarchy: self.options.hierarchy,
            anchor_is_css: u32::from(self.options.anchor == Anchor::Cpuacct),
            stripes,
            shared_stripes: u32::from(shared_stripes),
            charge_at_switch: u32::from(!exact),
            network: u32::from(self.options.network),
            realtime_at_switch: u32::from(exact && !self.types.tells_realtime()),
            reserved: 0,
            root: self.options.root.0,
        };
        let slots = Chunks::round_up(self.options.slots);
        let mut ebpf = self.object(storage, &settings, slots)?;
        let programs = self.programs(&mut ebpf, exact);
        require(&programs)?;
        let counts = |source| is_loaded(&programs, |spec| spec.role.source() == Some(source));
        if exact && !counts(Source::SchedStatRuntime) && counts(Source::SchedSwitch) {
            return self.load(storage, false);
        }
        let with_network = self.options.network;
        let arrays = Arrays {
            counters: take(&mut ebpf, maps::CPU_COUNTERS, array)?,
            waits: take(&mut ebpf, maps::WAIT_BUCKETS, array)?,
            network: with_network
                .then(|| take(&mut ebpf, maps::NETWORK_COUNTERS, array))
                .transpose()?,
        };
        let records = Records::new(arrays, slots, stripes);
        let network = with_network.then(|| {
            Network::new(
                &self.options.mount,
                take(&mut ebpf, maps::LOCAL_ADDRESSES, HashMap::try_from)?,
                lend(&ebpf, maps::RECENT)?,
                possible_cpus(),
            )
        });
        let network = network.transpose()?;
        let mut slot_map = match storage {
            StorageKind::CgrpStorage => Slots::CgrpStorage {
                storage: take(&mut ebpf, maps::SLOTS, CgrpStorage::try_from)?,
                ids: with_network
                    .then(|| take(&mut ebpf, maps::SLOT_IDS, HashMap::try_from))
                    .transpose()?,
            },
            StorageKind::Hash => Slots::Hash(take(&mut ebpf, maps::SLOTS, HashMap::try_from)?),
        };
        self.try_out(storage, &mut slot_map)?;
        let mut free: Stack<_, u32> = take(&mut ebpf, maps::FREE_SLOTS, Stack::try_from)?;
        // The lowest on top: slots in use stay close together.
        for slot in (1..slots).rev() {
            free.push(slot, 0).map_err(map_error(maps::FREE_SLOTS))?;
        }
        let may_come = !self.options.families.has(Family::BlockIo) && self.block.is_ok();
        let alone = Role::Instead(Source::BlockRqComplete);
        let is_counted =
            counts(Source::BlockRqComplete) || is_loaded(&programs, |it| it.role == alone);
        let block = if is_counted || may_come {
            Some(BlockRecords::new(block_maps(&mut ebpf)?, slots)?)
        } else {
            None
        };
        let paths = Paths::new(
            take(&mut ebpf, maps::PATHS, HashMap::try_from)?,
            take(&mut ebpf, maps::PATH_SLOTS, HashMap::try_from)?,
        );
        let mut kernel = Kernel {
            events: take(&mut ebpf, maps::EVENTS, RingBuf::try_from)?,
            losses: take(&mut ebpf, maps::LOSSES, Array::<_, Losses>::try_from)?,
            ebpf,
            programs,
            storage,
            charges_at_switch: !exact,
            switches_tell_time: self.switches_tell_time(exact),
            former_misses: 0,
            records,
            network,
            slots: slot_map,
            free,
            block,
            paths,
        };
        kernel.hold(0)?;
        Ok(kernel)
    }

    /// Gives the root the slot that it counts in anyway. That a map is made does not tell that it can be filled: on a
    /// processor without 16-byte compare-and-exchange a cgroup's storage always gets ENOMEM (seen on 7.3).
    fn try_out(&self, storage: StorageKind, slots: &mut Slots) -> Result<(), KernelError> {
        let root = SlotEntry { slot: 0, flags: 0 };
        slots
            .set(&open(&self.options.mount)?, self.options.root, root)
            .map_err(|source| KernelError::Unusable {
                storage: storage.as_str(),
                source: Box::new(source),
            })
    }

    fn object(
        &self,
        storage: StorageKind,
        settings: &Settings,
        slots: u32,
    ) -> Result<Ebpf, KernelError> {
        let cpus = u32::try_from(possible_cpus()).unwrap_or(u32::MAX);
        let records = slots * settings.stripes;
        let block = self.block_layout();
        // A map that is not used is made all the same.
        let (block_records, paths) = match block.keeps_paths {
            0 => (1, 1),
            _ => (slots, slots * PATHS_PER_SLOT),
        };
        let if_network = |entries| {
            if self.options.network { entries } else { 1 }
        };
        let mut loader = EbpfLoader::new();
        loader
            .btf(Some(&self.btf))
            .override_global("LAYOUT", &self.layout, true)
            .override_global("SETTINGS", settings, true)
            .override_global("BLOCK", &block, true)
            .map_max_entries(maps::CPU_COUNTERS, records)
            .map_max_entries(maps::WAIT_BUCKETS, records)
            .map_max_entries(maps::RUNNING, cpus)
            .map_max_entries(maps::FREE_SLOTS, slots)
            .map_max_entries(maps::PATHS, paths * self.hierarchies())
            .map_max_entries(maps::PATH_SLOTS, paths)
            .map_max_entries(maps::BLOCK_RECORDS, block_records)
            .map_max_entries(maps::FREE_BLOCK_RECORDS, block_records)
            .map_max_entries(maps::BLOCK_OWNERS, block_records)
            .map_max_entries(maps::BLOCK_COUNTERS, block_records)
            .map_max_entries(maps::BLOCK_LATENCIES, block_records)
            .map_max_entries(maps::NETWORK_COUNTERS, if_network(records))
            .map_max_entries(maps::RECENT, cpus)
            .map_max_entries(maps::LOCAL_ADDRESSES, if_network(MAX_ADDRESSES));
        let object = match storage {
            StorageKind::CgrpStorage => {
                let ids = if_network(slots * HASH_ENTRIES_PER_SLOT);
                loader.map_max_entries(maps::SLOT_IDS, ids);
                CGRP_STORAGE
            }
            StorageKind::Hash => {
                loader.map_max_entries(maps::SLOTS, slots * HASH_ENTRIES_PER_SLOT);
                HASH
            }
        };
        loader.load(object).map_err(|source| KernelError::Object {
            storage: storage.as_str(),
            source: Box::new(source),
        })
    }

    /// What the block I/O programs are told; no paths are kept where they cannot run.
    fn block_layout(&self) -> BlockLayout {
        let Ok(layout) = self.block_pages.as_ref().or(self.block.as_ref()) else {
            return BlockLayout::ZERO;
        };
        BlockLayout {
            io_hierarchy: self.options.io_hierarchy.unwrap_or(NO_HIERARCHY),
            memory_hierarchy: self.options.memory_hierarchy.unwrap_or(NO_HIERARCHY),
            keeps_paths: 1,
            ..*layout
        }
    }

    /// How many hierarchies paths are kept of.
    fn hierarchies(&self) -> u32 {
        let (io, memory) = (self.options.io_hierarchy, self.options.memory_hierarchy);
        let others = [io, memory.filter(|_| memory != io)].into_iter().flatten();
        let others = others.filter(|it| *it != self.options.hierarchy);
        1 + others.map(|_| 1).sum::<u32>()
    }

    /// What this kernel lacks of what a program reads, beside its tracepoint.
    fn lacks(&self, program: &str) -> Option<String> {
        match program {
            BLOCK_IO => self.block_pages.as_ref().err().cloned(),
            BLOCK_IO_BY_BIO => self.block.as_ref().err().cloned(),
            _ => None,
        }
    }

    fn programs(&self, ebpf: &mut Ebpf, exact: bool) -> Vec<ProgramReport> {
        let mut reports: Vec<ProgramReport> = Vec::with_capacity(PROGRAMS.len());
        for spec in &PROGRAMS {
            let report = self.report(ebpf, spec, &reports, exact);
            reports.push(report);
        }
        reports
    }

    /// Loads a program, if it is needed beside those of `reports`.
    fn report(
        &self,
        ebpf: &mut Ebpf,
        spec: &'static ProgramSpec,
        reports: &[ProgramReport],
        exact: bool,
    ) -> ProgramReport {
        let mut forbidden = false;
        let tells_time = self.switches_tell_time(exact);
        let state = if let Some(reason) = unwanted(self.options, spec, reports, tells_time) {
            ProgramState::NotNeeded(reason)
        } else if spec.name == MKDIR_PATHLESS && is_loaded(reports, |it| it.name == MKDIR) {
            ProgramState::NotNeeded("cgroup_mkdir tells paths too")
        } else if spec.name == BLOCK_IO_BY_BIO && is_loaded(reports, |it| it.name == BLOCK_IO) {
            ProgramState::NotNeeded("block_rq_complete looks at pages too")
        } else if spec.role == Role::Metric(Source::SchedStatRuntime) && !exact {
            ProgramState::NotNeeded("run time is charged at switches")
        } else if self.options.skip.iter().any(|name| name == spec.name) {
            ProgramState::Skipped
        } else if let Err(reason) = self.has_hook(spec) {
            ProgramState::Unsupported(reason)
        } else if let Some(reason) = self.lacks(spec.name) {
            ProgramState::Unsupported(reason)
        } else if spec.role == Role::Metric(Source::MarkVictim)
            && let Err(reason) = self.types.ending()
        {
            ProgramState::Unsupported(reason)
        } else {
            match self.program(ebpf, spec) {
                Ok(()) => ProgramState::Loaded,
                Err(error) => {
                    forbidden = is_forbidden(&error);
                    ProgramState::Refused(refusal(&error))
                }
            }
        };
        ProgramReport {
            spec,
            state,
            forbidden,
        }
    }

    /// Whether there is what calls the program; the error says what is missing.
    fn has_hook(&self, spec: &ProgramSpec) -> Result<(), String> {
        let of_sockets = spec.role.source().is_some_and(is_of_sockets);
        if of_sockets && !self.options.network {
            return Err(
                "no cgroup2 hierarchy is mounted, and sockets belong to no other".to_owned(),
            );
        }
        match spec.hook {
            Hook::Tracepoint { name, arguments } => {
                self.types.signature(name, arguments)?;
                if of_sockets {
                    self.types.sockets()?;
                }
                Ok(())
            }
            Hook::Packets(_) => Ok(()),
        }
    }

    fn program(&self, ebpf: &mut Ebpf, spec: &ProgramSpec) -> Result<(), ProgramError> {
        let program = ebpf.program_mut(spec.name).ok_or(ProgramError::NotLoaded)?;
        match spec.hook {
            Hook::Tracepoint { name, .. } => {
                let program: &mut BtfTracePoint = program.try_into()?;
                program.load(name, &self.btf)
            }
            Hook::Packets(_) => {
                let program: &mut CgroupSkb = program.try_into()?;
                program.load()
            }
        }
    }
}

/// Whether a source counts by the cgroups of sockets.
fn is_of_sockets(source: Source) -> bool {
    matches!(
        source,
        Source::CgroupSkb | Source::InetSockSetState | Source::TcpRetransmitSkb
    )
}

/// The kernel source needs every program of the lifecycle, of the two births one, and one that tells CPU time.
fn require(programs: &[ProgramReport]) -> Result<(), KernelError> {
    programs
        .iter()
        .filter(|report| report.spec.role == Role::Lifecycle)
        .try_for_each(is_there)?;
    let tells_time = |spec: &ProgramSpec| {
        let time = [Source::SchedStatRuntime, Source::SchedSwitch];
        spec.role.source().is_some_and(|it| time.contains(&it))
    };
    if is_loaded(programs, tells_time) {
        return Ok(());
    }
    programs
        .iter()
        .filter(|report| tells_time(report.spec))
        .try_for_each(is_there)
}

/// Whether the program is loaded, or not needed; the error says why it cannot be had.
fn is_there(report: &ProgramReport) -> Result<(), KernelError> {
    let reason = match &report.state {
        ProgramState::Loaded | ProgramState::NotNeeded(_) => return Ok(()),
        ProgramState::Skipped => "collect.skip_programs names it".to_owned(),
        ProgramState::Unsupported(reason) | ProgramState::Refused(reason) => reason.clone(),
    };
    Err(KernelError::Program {
        program: report.spec.name,
        reason,
        forbidden: report.forbidden,
    })
}

fn is_loaded(programs: &[ProgramReport], which: impl Fn(&ProgramSpec) -> bool) -> bool {
    programs
        .iter()
        .any(|report| which(report.spec) && report.state == ProgramState::Loaded)
}

/// Whether privileges are missing. The verifier says EACCES of a program that it finds unsafe, too, but then tells why.
fn is_forbidden(error: &ProgramError) -> bool {
    match error {
        ProgramError::LoadError {
            io_error,
            verifier_log,
        } => match io_error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EPERM) => true,
            Some(Errno::EACCES) => verifier_log.to_string().trim().is_empty(),
            _ => false,
        },
        _ => false,
    }
}

/// The kernel's error in one line. The verifier's log follows it in the error's text; only its end tells why.
pub(super) fn refusal(error: &ProgramError) -> String {
    match error {
        ProgramError::LoadError {
            io_error,
            verifier_log,
        } => {
            let log = verifier_log.to_string();
            // Statistics come last.
            let is_reason = |line: &&str| {
                let statistics = ["processed", "stack depth", "verification time"];
                !line.is_empty() && !statistics.iter().any(|it| line.starts_with(it))
            };
            let last = log.lines().rev().find(is_reason);
            match last {
                Some(line) => format!("{io_error}: {line}"),
                None => io_error.to_string(),
            }
        }
        ProgramError::SyscallError(call) => format!("{}: {}", call.call, call.io_error),
        other => other.to_string(),
    }
}

fn take<T>(
    ebpf: &mut Ebpf,
    name: &'static str,
    convert: impl Fn(Map) -> Result<T, MapError>,
) -> Result<T, KernelError> {
    let map = ebpf.take_map(name).ok_or(KernelError::NoMap(name))?;
    convert(map).map_err(map_error(name))
}

/// A map that stays where it is: its descriptor's number stands in programs that may be loaded later.
fn lend<'a>(ebpf: &'a Ebpf, name: &'static str) -> Result<&'a MapData, KernelError> {
    match ebpf.map(name).ok_or(KernelError::NoMap(name))? {
        Map::Array(data) => Ok(data),
        _ => Err(map_error(name)(MapError::InvalidMapType { map_type: 0 })),
    }
}

fn block_maps(ebpf: &mut Ebpf) -> Result<BlockMaps, KernelError> {
    Ok(BlockMaps {
        records: take(ebpf, maps::BLOCK_RECORDS, HashMap::try_from)?,
        free: take(ebpf, maps::FREE_BLOCK_RECORDS, Stack::try_from)?,
        owners: take(ebpf, maps::BLOCK_OWNERS, array)?,
        taken: take(ebpf, maps::BLOCK_TAKEN, array)?,
        counters: take(ebpf, maps::BLOCK_COUNTERS, array)?,
        latencies: take(ebpf, maps::BLOCK_LATENCIES, array)?,
    })
}

/// The array itself: its values are mapped into memory, not read by system calls.
fn array(map: Map) -> Result<MapData, MapError> {
    match map {
        Map::Array(data) => Ok(data),
        _ => Err(MapError::InvalidMapType { map_type: 0 }),
    }
}

fn stripes() -> (u32, bool) {
    stripes_for(possible_cpus())
}

/// Stripes per slot with that many possible CPUs, and whether CPUs share them. As many as CPUs, so that each has its
/// own.
pub fn stripes_for(cpus: usize) -> (u32, bool) {
    let stripes = cpus.next_power_of_two().min(MAX_STRIPES);
    (u32::try_from(stripes).unwrap_or(1), cpus > stripes)
}

/// CPUs that may ever come online. Where `/sys` does not tell, as many as a kernel may have: too many stripes cost
/// memory, too few would mix up CPUs.
fn possible_cpus() -> usize {
    nr_cpus().unwrap_or(MAX_STRIPES * 64)
}
