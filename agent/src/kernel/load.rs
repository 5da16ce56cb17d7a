//! Loads the programs: best object first, each program by trying, the reason kept for each that is not loaded.

use agent_ebpf::{
    layout::{BlockLayout, KernelLayout},
    losses::Losses,
    maps,
    slot::SlotEntry,
};
use aya::{
    Btf, Ebpf,
    maps::{Array, CgrpStorage, HashMap, RingBuf, Stack},
    programs::{BtfTracePoint, CgroupSkb, ProgramError},
};

use super::{
    Kernel, KernelError, Options,
    block_io::BlockRecords,
    chunks::Chunks,
    error::map_error,
    layout::KernelTypes,
    network::Network,
    object::{array, block_maps, lend, possible_cpus, take},
    open,
    paths::Paths,
    plan::{Timing, not_needed},
    preemption::TakerRecords,
    programs::{Hook, PROGRAMS, ProgramSpec, Role},
    records::{Arrays, Records},
    report::{ProgramReport, ProgramState, is_forbidden, is_loaded, refusal, require},
    slots::{Slots, StorageKind},
};
use crate::metrics::catalog::{Family, Source};

impl Kernel {
    /// Loads what this kernel takes. Nothing is attached yet, so nothing is counted yet.
    pub fn load(options: &Options) -> Result<Self, KernelError> {
        let loader = Loader::new(options)?;
        if let Some(storage) = options.storage {
            return loader.load(storage, options.exact);
        }
        loader
            .load(StorageKind::CgrpStorage, options.exact)
            .or_else(|passed_over| {
                let kernel = loader.load(StorageKind::Hash, options.exact)?;
                Ok(Self {
                    passed_over: Some(passed_over),
                    ..kernel
                })
            })
    }
}

/// What is needed to load the object and its programs.
pub(super) struct Loader<'a> {
    pub(super) options: &'a Options,
    pub(super) types: KernelTypes,
    pub(super) layout: KernelLayout,
    /// What block I/O needs, or what of it this kernel lacks.
    pub(super) block: Result<BlockLayout, String>,
    /// The same with what leads to the owners of pages.
    pub(super) block_pages: Result<BlockLayout, String>,
    pub(super) btf: Btf,
}

impl<'a> Loader<'a> {
    /// Reads what this kernel looks like.
    pub(super) fn new(options: &'a Options) -> Result<Self, KernelError> {
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

    fn load(&self, storage: StorageKind, exact: bool) -> Result<Kernel, KernelError> {
        let timing = Timing {
            exact,
            tells_realtime: self.types.tells_realtime(),
        };
        let settings = self.settings(timing);
        let slots = Chunks::round_up(self.options.slots);
        let mut ebpf = self.object(storage, &settings, slots)?;
        let programs = self.programs(&mut ebpf, timing);
        require(&programs)?;
        let counts = |source| is_loaded(&programs, |spec| spec.role.source() == Some(source));
        let counts_switches = counts(Source::SchedSwitch) || counts(Source::SchedSwitchTurns);
        if exact && !counts(Source::SchedStatRuntime) && counts_switches {
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
        let records = Records::new(arrays, slots, settings.stripes);
        let takers = if self.has_takers() {
            let turns = take(&mut ebpf, maps::TURNS, Array::try_from)?;
            let array = take(&mut ebpf, maps::TAKERS, array)?;
            Some(TakerRecords::new(turns, array, slots, settings.stripes))
        } else {
            None
        };
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
            passed_over: None,
            timing,
            former_misses: 0,
            records,
            takers,
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

    /// Whether who takes the CPU is to be told. Its records are not made otherwise: they are larger than all others of a
    /// slot.
    pub(super) fn has_takers(&self) -> bool {
        self.options.families.has(Family::Preemption)
    }

    /// Whether this kernel has what a program reads, beside its tracepoint; the error says what is missing.
    fn has_layout(&self, role: Role) -> Result<(), String> {
        match role {
            Role::Metric(Source::BlockRqComplete) => self.block_pages.clone().map(drop),
            Role::Instead(Source::BlockRqComplete) => self.block.clone().map(drop),
            Role::Metric(Source::MarkVictim) => self.types.ending().map(drop),
            _ => Ok(()),
        }
    }

    fn programs(&self, ebpf: &mut Ebpf, timing: Timing) -> Vec<ProgramReport> {
        let mut reports: Vec<ProgramReport> = Vec::with_capacity(PROGRAMS.len());
        for spec in &PROGRAMS {
            let report = self.report(ebpf, spec, &reports, timing);
            reports.push(report);
        }
        reports
    }

    /// Loads a program, if it is needed beside those of `reports`.
    pub(super) fn report(
        &self,
        ebpf: &mut Ebpf,
        spec: &'static ProgramSpec,
        reports: &[ProgramReport],
        timing: Timing,
    ) -> ProgramReport {
        let mut forbidden = false;
        let state = if let Some(reason) = not_needed(self.options, timing, spec, reports) {
            ProgramState::NotNeeded(reason)
        } else if self.options.skip.iter().any(|name| name == spec.name) {
            ProgramState::Skipped
        } else if let Err(reason) = self
            .has_hook(spec)
            .and_then(|()| self.has_layout(spec.role))
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
