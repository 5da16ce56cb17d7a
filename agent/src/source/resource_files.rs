//! What an entry holds and waits for: the files of its CPU limit, memory, pressure and tasks, its disk space, and what
//! was told last.
//!
//! An entry that is around others tells of those too: so do its files.

use std::path::PathBuf;

use crate::{
    clock,
    host::{
        bandwidth_files::BandwidthFiles,
        cgroup_tree::{Hierarchy, Layout},
        memory_files::MemoryFiles,
        pids_files::PidsFiles,
        pressure_files::PressureFiles,
    },
    metrics::catalog::{Families, Family},
    snapshot::{
        Bandwidth, CpuLimit, MemoryTotals, PidsTotals, PressureTotals, SpaceTotals, Totals,
    },
};

/// One entry's files.
#[derive(Debug)]
pub(super) struct ResourceFiles {
    bandwidth: BandwidthFiles,
    memory: MemoryFiles,
    pressure: PressureFiles,
    pids: PidsFiles,
    last: Held,
    /// Whether the disk space is asked for and not answered yet.
    awaits_space: bool,
    /// Whether all files stay open, not only the one read every tick.
    kept_open: bool,
    /// What is read.
    families: Families,
}

/// What was told last.
#[derive(Clone, Debug, Default)]
struct Held {
    bandwidth: Option<(Bandwidth, CpuLimit)>,
    bandwidth_read_ns: Option<u64>,
    memory: MemoryTotals,
    pressure: PressureTotals,
    pids: PidsTotals,
    space: SpaceTotals,
}

/// Cgroups that are looked at for what the files here tell; not all have every controller.
const PROBED: usize = 256;

/// What the files of cgroups here tell, each family as told by the first cgroup that does.
pub fn probe(layout: &Layout) -> Totals {
    let mut totals = Totals::default();
    let walk = layout.accounting().walk(PROBED).unwrap_or_default();
    for (_, path) in walk.cgroups.iter().filter(|(_, path)| path != "/") {
        let mut files = ResourceFiles::of(layout, false);
        files.read(layout, path);
        let last = files.last;
        if totals.memory.usage_bytes.is_none() {
            totals.memory = last.memory;
        }
        if totals.pressure == PressureTotals::default() {
            totals.pressure = last.pressure;
        }
        if totals.pids.tasks.is_none() {
            totals.pids = last.pids;
        }
    }
    totals
}

impl ResourceFiles {
    /// The files of a cgroup of this layout, not open yet.
    pub(super) fn of(layout: &Layout, kept_open: bool) -> Self {
        Self {
            bandwidth: match layout.legacy_with("cpu") {
                Some(_) => BandwidthFiles::v1(),
                None => BandwidthFiles::v2(),
            },
            memory: match layout.legacy_with("memory") {
                Some(_) => MemoryFiles::v1(),
                None => MemoryFiles::v2(),
            },
            pressure: PressureFiles::default(),
            pids: PidsFiles::default(),
            last: Held::default(),
            awaits_space: false,
            kept_open,
            families: Families::ALL,
        }
    }

    /// Reads what belongs to these families from here on, and no more: other files are closed, and what they said is
    /// forgotten, but for what must not go backwards when they are read again.
    pub(super) fn switch(&mut self, families: Families) {
        self.families = families;
        if !families.has(Family::Memory) {
            self.memory.close_all();
            self.last.memory = MemoryTotals::default().not_below(&self.last.memory);
        }
        if !families.has(Family::Pressure) {
            self.pressure.close();
            self.last.pressure = PressureTotals::default();
        }
        if !families.has(Family::Pids) {
            self.pids.close();
            self.last.pids = PidsTotals::default();
        }
        if !families.has(Family::Space) {
            self.last.space = SpaceTotals::default();
        }
    }

    /// Whether all files stay open.
    pub(super) fn are_kept_open(&self) -> bool {
        self.kept_open
    }

    /// Reads what is read every tick: the memory in use.
    pub(super) fn read_usage(&mut self) {
        if self.families.has(Family::Memory)
            && let Some(usage_bytes) = self.memory.usage_bytes()
        {
            self.last.memory.usage_bytes = Some(usage_bytes);
        }
    }

    /// Reads all files of the cgroup at `path`. What does not answer, as the files of a removed cgroup, leaves what
    /// it said last.
    pub(super) fn read(&mut self, layout: &Layout, path: &str) {
        let folder = |hierarchy: Option<&Hierarchy>| -> Option<PathBuf> {
            hierarchy.map(|hierarchy| hierarchy.folder(path))
        };
        let last = &mut self.last;
        let families = self.families;
        if let Some(folder) = folder(layout.with("cpu"))
            && let Some(bandwidth) = self.bandwidth.read(&folder)
        {
            last.bandwidth = Some(bandwidth);
            last.bandwidth_read_ns = Some(clock::boot_ns());
        }
        if families.has(Family::Memory)
            && let Some(folder) = folder(layout.with("memory"))
            && let Some(memory) = self.memory.read(&folder)
        {
            last.memory = memory.not_below(&last.memory);
        }
        if families.has(Family::Pressure)
            && let Some(folder) = folder(layout.unified())
            && let Some(pressure) = self.pressure.read(&folder)
        {
            last.pressure = pressure;
        }
        if families.has(Family::Pids)
            && let Some(folder) = folder(layout.with("pids"))
            && let Some(pids) = self.pids.read(&folder)
        {
            last.pids = pids;
        }
        if !self.kept_open {
            self.bandwidth.close();
            self.memory.close();
            self.pressure.close();
            self.pids.close();
        }
    }

    /// The disk space is being asked for. Where the question before has no answer yet, what was told is too old.
    pub(super) fn space_is_asked_for(&mut self) {
        if self.awaits_space {
            self.last.space = SpaceTotals::default();
        }
        self.awaits_space = true;
    }

    /// The answer; `None` leaves what was told last.
    pub(super) fn space_is_told(&mut self, space: Option<SpaceTotals>) {
        self.awaits_space = false;
        if self.families.has(Family::Space) {
            self.last.space = space.unwrap_or(self.last.space);
        }
    }

    /// What was told last, beside `totals`.
    pub(super) fn add_to(&self, totals: &mut Totals) {
        (totals.cpu.bandwidth, totals.cpu.limit) = self.last.bandwidth.unzip();
        totals.cpu.bandwidth_read_ns = self.last.bandwidth_read_ns;
        if self.families.has(Family::Memory) {
            totals.memory = self.last.memory.clone();
        }
        totals.pressure = self.last.pressure;
        totals.pids = self.last.pids;
        totals.space = self.last.space;
    }
}
