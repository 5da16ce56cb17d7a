//! Loads the programs: best object first, each program by trying, the reason kept for each that is not loaded.

use agent_ebpf::{
    layout::{KernelLayout, Settings},
    losses::Losses,
    maps,
};
use aya::{
    Btf, Ebpf, EbpfLoader, include_bytes_aligned,
    maps::{Array, CgrpStorage, HashMap, Map, MapData, MapError, RingBuf, Stack},
    programs::{BtfTracePoint, ProgramError},
    util::nr_cpus,
};
use nix::errno::Errno;

use super::{
    Kernel, KernelError, ProgramReport, ProgramState,
    layout::{Anchor, KernelTypes},
    map_error,
    programs::{MKDIR, MKDIR_PATHLESS, PROGRAMS, ProgramSpec, Role},
    records::Records,
    slots::{Slots, StorageKind},
};
use crate::{container::CgroupId, metrics::catalog::Source};

static CGRP_STORAGE: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/cgrp-storage.o"));
static HASH: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/hash.o"));

/// More CPUs than this share stripes, and adds become atomic.
const MAX_STRIPES: usize = 16;

/// Cgroups that the hash holds for each slot: cgroups inside containers have entries too.
const HASH_ENTRIES_PER_SLOT: u32 = 4;

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
    /// Where to keep slots; `None` for the best that loads.
    pub storage: Option<StorageKind>,
}

impl Kernel {
    /// Loads what this kernel takes. Nothing is attached yet, so nothing is counted yet.
    pub fn load(options: &Options) -> Result<Self, KernelError> {
        let types = KernelTypes::read()?;
        let layout = types.layout(options.anchor).map_err(KernelError::Layout)?;
        let btf = Btf::from_sys_fs()?;
        let loader = Loader {
            options,
            types,
            layout,
            btf,
        };
        match options.storage {
            Some(storage) => loader.load(storage, options.exact),
            None => loader
                .load(StorageKind::CgrpStorage, options.exact)
                .or_else(|_| loader.load(StorageKind::Hash, options.exact)),
        }
    }
}

struct Loader<'a> {
    options: &'a Options,
    types: KernelTypes,
    layout: KernelLayout,
    btf: Btf,
}

impl Loader<'_> {
    fn load(&self, storage: StorageKind, exact: bool) -> Result<Kernel, KernelError> {
        let (stripes, shared_stripes) = stripes();
        let settings = Settings {
            hierarchy: self.options.hierarchy,
            anchor_is_css: u32::from(self.options.anchor == Anchor::Cpuacct),
            stripes,
            shared_stripes: u32::from(shared_stripes),
            charge_at_switch: u32::from(!exact),
            reserved: 0,
            root: self.options.root.0,
        };
        let slots = Records::round_up(self.options.slots);
        let mut ebpf = self.object(storage, &settings, slots)?;
        let programs = self.programs(&mut ebpf, exact);
        require(&programs)?;
        let counts = |source| is_loaded(&programs, |spec| spec.role == Role::Metric(source));
        if exact && !counts(Source::SchedStatRuntime) && counts(Source::SchedSwitch) {
            return self.load(storage, false);
        }
        let records = Records::new(
            take(&mut ebpf, maps::CPU_COUNTERS, array)?,
            take(&mut ebpf, maps::WAIT_BUCKETS, array)?,
            slots,
            stripes,
        );
        let slot_map = match storage {
            StorageKind::CgrpStorage => {
                Slots::CgrpStorage(take(&mut ebpf, maps::SLOTS, CgrpStorage::try_from)?)
            }
            StorageKind::Hash => Slots::Hash(take(&mut ebpf, maps::SLOTS, HashMap::try_from)?),
        };
        let mut free: Stack<_, u32> = take(&mut ebpf, maps::FREE_SLOTS, Stack::try_from)?;
        // The lowest on top: slots in use stay close together.
        for slot in (1..slots).rev() {
            free.push(slot, 0).map_err(map_error(maps::FREE_SLOTS))?;
        }
        let mut kernel = Kernel {
            events: take(&mut ebpf, maps::EVENTS, RingBuf::try_from)?,
            losses: take(&mut ebpf, maps::LOSSES, Array::<_, Losses>::try_from)?,
            ebpf,
            programs,
            storage,
            charges_at_switch: !exact,
            records,
            slots: slot_map,
            free,
        };
        kernel.hold(0)?;
        Ok(kernel)
    }

    fn object(
        &self,
        storage: StorageKind,
        settings: &Settings,
        slots: u32,
    ) -> Result<Ebpf, KernelError> {
        let cpus = u32::try_from(possible_cpus()).unwrap_or(u32::MAX);
        let records = slots * settings.stripes;
        let mut loader = EbpfLoader::new();
        loader
            .btf(Some(&self.btf))
            .override_global("LAYOUT", &self.layout, true)
            .override_global("SETTINGS", settings, true)
            .map_max_entries(maps::CPU_COUNTERS, records)
            .map_max_entries(maps::WAIT_BUCKETS, records)
            .map_max_entries(maps::RUNNING, cpus)
            .map_max_entries(maps::FREE_SLOTS, slots);
        let object = match storage {
            StorageKind::CgrpStorage => CGRP_STORAGE,
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

    fn programs(&self, ebpf: &mut Ebpf, exact: bool) -> Vec<ProgramReport> {
        let mut reports: Vec<ProgramReport> = Vec::with_capacity(PROGRAMS.len());
        for spec in &PROGRAMS {
            let mut forbidden = false;
            let state = if spec.name == MKDIR_PATHLESS && is_loaded(&reports, |it| it.name == MKDIR)
            {
                ProgramState::NotNeeded("cgroup_mkdir tells paths too")
            } else if spec.role == Role::Metric(Source::SchedStatRuntime) && !exact {
                ProgramState::NotNeeded("run time is charged at switches")
            } else if let Err(reason) = self.types.signature(spec.tracepoint, spec.arguments) {
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
            reports.push(ProgramReport {
                spec,
                state,
                forbidden,
            });
        }
        reports
    }

    fn program(&self, ebpf: &mut Ebpf, spec: &ProgramSpec) -> Result<(), ProgramError> {
        let program = ebpf.program_mut(spec.name).ok_or(ProgramError::NotLoaded)?;
        let program: &mut BtfTracePoint = program.try_into()?;
        program.load(spec.tracepoint, &self.btf)
    }
}

/// The kernel source needs every program of the lifecycle; of the two births, one.
fn require(programs: &[ProgramReport]) -> Result<(), KernelError> {
    for report in programs
        .iter()
        .filter(|report| report.spec.role == Role::Lifecycle)
    {
        if let ProgramState::Unsupported(reason) | ProgramState::Refused(reason) = &report.state {
            return Err(KernelError::Program {
                program: report.spec.name,
                reason: reason.clone(),
                forbidden: report.forbidden,
            });
        }
    }
    Ok(())
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
fn refusal(error: &ProgramError) -> String {
    match error {
        ProgramError::LoadError {
            io_error,
            verifier_log,
        } => {
            let log = verifier_log.to_string();
            let last = log
                .lines()
                .rev()
                .find(|line| !line.is_empty() && !line.starts_with("processed"));
            match last {
                Some(line) => format!("{io_error}: {line}"),
                None => io_error.to_string(),
            }
        }
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
