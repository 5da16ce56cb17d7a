//! Where snapshots come from: the kernel programs, or cgroup files where those cannot run.

mod beside;
mod block_files;
mod coverage;
mod entry_files;
mod files;
mod kernel;
mod netns;
mod readings;
mod resource_files;
mod roster;

use std::{io, os::fd::BorrowedFd, path::Path, sync::Arc};

pub use beside::{Beside, BesideError};
pub use coverage::Coverage;
pub use resource_files::probe;

use crate::{
    config::{Collect, SourceChoice},
    container::{CgroupId, Container, RuntimeInfo, Selection, Share},
    host::{
        Runtimes,
        cgroup_tree::{Layout, LayoutError},
    },
    kernel::{Anchor, Kernel, KernelError, Options, ProgramReport},
    metrics::{
        Sample,
        catalog::{Families, Family},
    },
    snapshot::{OomKill, Snapshot, Timestamp, Totals},
    state::{SavedBlockIo, SavedPreemption, SavedTotals, TotalsError},
    text::chain,
};
use files::FileSource;
use kernel::KernelSource;
use roster::Roster;

/// Records that hold no entry, but what ended.
const ENDED_SUMS: usize = 2;
/// Devices of which block I/O is saved, on average: the programs have a record for one, and files may tell of another.
const DEVICES_PER_SLOT: usize = 2;

/// Why no source can be used.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// There is no cgroup hierarchy to account.
    #[error("no cgroup hierarchy can be read")]
    Layout(#[from] LayoutError),
    /// The root of the hierarchy cannot be read.
    #[error("cannot read the root of the cgroup hierarchy")]
    Root(#[source] io::Error),
    /// The kernel programs cannot run, and nothing else is allowed.
    #[error("the kernel programs cannot run")]
    Kernel(#[from] KernelError),
    /// Totals cannot be saved.
    #[error("totals cannot be saved")]
    Totals(#[from] TotalsError),
}

/// Where snapshots come from.
pub struct Source {
    kind: Kind,
    /// What counts, in words.
    counts: String,
}

enum Kind {
    Kernel(Box<KernelSource>),
    Files(Box<FileSource>),
}

impl Source {
    /// Starts the best source that `collect` allows, saving totals in `state`. `selection` says under which series each
    /// entry is published. With `auto`, kernel programs that
    /// cannot run are no failure: the reason is told, and files serve.
    pub fn start(
        collect: &Collect,
        selection: Selection,
        state: &Path,
        runtimes: Runtimes,
    ) -> Result<Self, SourceError> {
        let layout = Layout::find()?;
        let ticks = collect
            .file_interval
            .as_nanos()
            .div_ceil(collect.interval.as_nanos().max(1));
        let ticks = u64::try_from(ticks).unwrap_or(u64::MAX);
        let kernel = match collect.source {
            SourceChoice::Files => None,
            SourceChoice::Kernel => Some(attached(&options(collect, &layout)?)?),
            SourceChoice::Auto => match attached(&options(collect, &layout)?) {
                Ok(kernel) => Some(kernel),
                Err(error) => {
                    tracing::warn!(
                        reason = chain(&error),
                        "the kernel programs cannot run; cgroup files serve: short-lived containers are missed, and \
                         there is no run-queue wait. `cgflux check` says what to do"
                    );
                    None
                }
            },
        };
        let options = options(collect, &layout)?;
        let mut roster =
            Roster::new(layout, runtimes, selection, ticks).map_err(SourceError::Root)?;
        roster.switch(collect.families);
        Ok(match kernel {
            Some(kernel) => {
                let counts = format!("kernel programs, slots in {}", kernel.storage().as_str());
                // An entry without a slot has nothing to save.
                let (saved, old) = SavedTotals::open(state, collect.slots as usize + ENDED_SUMS)?;
                let block = SavedBlockIo::open(state, collect.slots as usize * DEVICES_PER_SLOT)?;
                let takers = options
                    .families
                    .has(Family::Preemption)
                    .then(|| SavedPreemption::open(state, collect.slots as usize))
                    .transpose()?;
                let source =
                    KernelSource::start(kernel, options, roster, saved, &old, block, takers)?;
                let kind = Kind::Kernel(Box::new(source));
                Self { kind, counts }
            }
            None => Self {
                kind: Kind::Files(Box::new(FileSource::start(roster))),
                counts: "cgroup files".to_owned(),
            },
        })
    }

    /// Measures these families from here on and no others. What is not switched goes on undisturbed; the totals of what
    /// is switched on again go on from where they were. Takes up to a second where programs have to be loaded.
    pub fn switch(&mut self, families: Families) {
        match &mut self.kind {
            Kind::Kernel(source) => source.switch(families),
            Kind::Files(source) => source.roster.switch(families),
        }
    }

    /// Whether the kernel programs' maps can be read, if there are any.
    pub fn reads_maps(&self) -> bool {
        match &self.kind {
            Kind::Kernel(source) => source.reads_maps(),
            Kind::Files(_) => true,
        }
    }

    /// CPUs that the kernel programs used when last measured; `None` if they were not, or there are none.
    pub fn programs_cpus(&self) -> Option<f64> {
        match &self.kind {
            Kind::Kernel(source) => source.programs_cpus(),
            Kind::Files(_) => None,
        }
    }

    /// What counts, for people: `kernel programs, slots in cgrp_storage`.
    pub fn counts(&self) -> &str {
        &self.counts
    }

    /// How many containers are known, ended ones included until they are forgotten.
    pub fn containers(&self) -> usize {
        self.roster().containers()
    }

    /// Readable when there are events that [`Source::take_events`] should act on; `None` if there are never any.
    pub fn events_fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.kind {
            Kind::Kernel(source) => Some(source.events_fd()),
            Kind::Files(_) => None,
        }
    }

    /// Acts on births and deaths of cgroups at once, while what tells their names is still there.
    pub fn take_events(&mut self) {
        if let Kind::Kernel(source) = &mut self.kind {
            source.take_events();
        }
    }

    /// All entries' counters now.
    pub fn snapshot(&mut self, taken: Timestamp) -> Snapshot {
        match &mut self.kind {
            Kind::Kernel(source) => source.snapshot(taken),
            Kind::Files(source) => source.snapshot(taken),
        }
    }

    /// What the root's own counter says now, in nanoseconds: that of all entries together, counted by somebody else.
    /// `None` where it cannot be read.
    pub fn root_ns(&self) -> Option<u64> {
        self.roster().own_root_ns()
    }

    /// Forgets the entries whose final values stood in the last snapshot, now that they are published.
    pub fn forget_finished(&mut self) {
        match &mut self.kind {
            Kind::Kernel(source) => source.forget_finished(),
            Kind::Files(source) => source.forget_finished(),
        }
    }

    /// Reads what costs too much for every tick.
    pub fn read_slowly(&mut self, now: Timestamp) {
        match &mut self.kind {
            Kind::Kernel(source) => source.read_slowly(now),
            Kind::Files(source) => source.read_slowly(),
        }
    }

    /// Who the entry `id` is.
    pub fn entry(&self, id: CgroupId) -> Option<Arc<Container>> {
        self.roster().entry(id)
    }

    /// Adds what a runtime's API says of its container `id`.
    pub fn describe(&mut self, id: &str, info: RuntimeInfo) {
        self.roster_mut().describe(id, info);
    }

    /// A runtime's container `id` ended, with the status of its main process where that is known.
    pub fn exited(&mut self, id: &str, exit_code: Option<i64>) {
        self.roster_mut().exited(id, exit_code);
    }

    /// Memory ran out in a runtime's container `id`, its runtime says.
    pub fn out_of_memory(&mut self, id: &str) {
        self.roster_mut().out_of_memory(id);
    }

    /// Processes killed for want of memory since the last call; nothing with the file source.
    pub fn oom_kills(&mut self) -> Vec<OomKill> {
        match &mut self.kind {
            Kind::Kernel(source) => source.oom_kills(),
            Kind::Files(_) => Vec::new(),
        }
    }

    /// Where Docker keeps its files, as its API tells.
    pub fn set_docker_root(&mut self, path: &Path) {
        self.roster_mut().set_docker_root(path);
    }

    /// What entries without a series of their own used that ended, also before this process began; nothing with the
    /// file source.
    pub fn ended(&self) -> Vec<(Share, Totals)> {
        match &self.kind {
            Kind::Kernel(source) => source.ended(),
            Kind::Files(_) => Vec::new(),
        }
    }

    /// Which metric comes from where.
    pub fn coverage(&self) -> Coverage {
        match &self.kind {
            Kind::Kernel(source) => source.coverage().clone(),
            Kind::Files(source) => source.coverage(),
        }
    }

    /// What became of each kernel program; none with the file source.
    pub fn programs(&self) -> &[ProgramReport] {
        match &self.kind {
            Kind::Kernel(source) => source.programs(),
            Kind::Files(_) => &[],
        }
    }

    /// What the source says of itself.
    pub fn samples(&self) -> Vec<Sample> {
        let mut samples = self.roster().samples();
        if let Kind::Kernel(source) = &self.kind {
            samples.extend(source.samples());
        }
        samples.extend(self.coverage().samples());
        samples
    }

    fn roster(&self) -> &Roster {
        match &self.kind {
            Kind::Kernel(source) => &source.roster,
            Kind::Files(source) => &source.roster,
        }
    }

    fn roster_mut(&mut self) -> &mut Roster {
        match &mut self.kind {
            Kind::Kernel(source) => &mut source.roster,
            Kind::Files(source) => &mut source.roster,
        }
    }
}

/// The kernel programs, loaded and attached.
fn attached(options: &Options) -> Result<Kernel, KernelError> {
    let mut kernel = Kernel::load(options)?;
    kernel.attach_all()?;
    if let Some(error) = kernel.passed_over() {
        tracing::info!(
            reason = chain(error),
            "slots are kept in a hash, which costs a little more a switch: this kernel has no storage that belongs to \
             a cgroup"
        );
    }
    Ok(kernel)
}

/// How to load the kernel programs for these hierarchies.
pub fn options(collect: &Collect, layout: &Layout) -> Result<Options, SourceError> {
    let accounting = layout.accounting();
    Ok(Options {
        slots: collect.slots,
        exact: collect.exact,
        anchor: if layout.unified().is_some() {
            Anchor::Unified
        } else {
            Anchor::Cpuacct
        },
        hierarchy: accounting.id,
        root: accounting.id_of("/").map_err(SourceError::Root)?,
        mount: accounting.mount.clone(),
        io_hierarchy: layout.with("blkio").map(|it| it.id),
        skip: collect.skip_programs.clone(),
        memory_hierarchy: layout.with("memory").map(|it| it.id),
        // What sockets do is known by the cgroup of the unified hierarchy that made them.
        network: layout.unified().is_some(),
        families: collect.families,
        storage: None,
    })
}
