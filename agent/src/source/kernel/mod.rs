//! The kernel source: slots, events and records → snapshots.
//!
//! A cgroup's slot counts for the entry it belongs to. Cgroups that were there before the programs are adopted: they
//! get their slots here, and their entries begin with what their own files say they had used.

mod adoption;
mod block_io;
mod ended;
mod endings;
mod events;
mod health;
mod holders;
mod network;
mod overflow;
mod paths;
mod preemption;
mod told;
mod victims;

use std::{collections::HashMap, os::fd::BorrowedFd, sync::Arc};

use super::{Coverage, block_files::BlockFiles, netns::Namespaces, roster::Roster};
use crate::{
    clock,
    container::{CgroupId, Share},
    kernel::{Kernel, KernelError, Options, ProgramReport, ProgramState},
    metrics::{
        Sample, Value,
        catalog::{self, Families, Family, Source},
    },
    snapshot::{
        BlockSums, CpuTotals, Entry, Ledger, OomKill, SavedTakers, SlotTotals, Snapshot, Split,
        Timestamp, Totals,
    },
    state::{Saved, SavedBlockIo, SavedPreemption, SavedTotals},
    text::chain,
};
use block_io::BlockIo;
use ended::Ended;
use endings::{Endings, Phase};
use health::{Health, Lost};
use holders::Holders;
use overflow::Overflow;
use paths::Paths;
use preemption::Preemption;
use victims::Victims;

/// Events taken in at once; a user who makes and removes cgroups without end must not hold up the ticks.
const EVENTS_AT_ONCE: usize = 16_384;

/// Cgroups counted by the kernel programs.
pub(super) struct KernelSource {
    kernel: Kernel,
    /// How it was loaded, with what is measured now.
    options: Options,
    pub(super) roster: Roster,
    coverage: Coverage,
    ledger: Ledger,
    overflow: Overflow,
    saved: SavedTotals,
    holders: Holders,
    endings: Endings,
    paths: Paths,
    /// When the tree is to be looked through for what no event told.
    look: Look,
    /// What entries without a series of their own used that ended.
    ended: Ended,
    block: BlockIo,
    /// `None` where it was not asked for at the start.
    preemption: Option<Preemption>,
    /// Serves where no program counts block I/O.
    block_files: BlockFiles,
    /// Where the entries' sockets are.
    namespaces: Namespaces,
    /// Whether what the programs on packets remember is out of date for good by now.
    forget_recent: bool,
    victims: Victims,
    health: Health,
}

/// When to look through the tree.
#[derive(Clone, Copy)]
enum Look {
    Never,
    NextTick,
    NextPass,
}

impl KernelSource {
    /// Adopts what is there; the programs are attached already.
    pub(super) fn start(
        kernel: Kernel,
        options: Options,
        mut roster: Roster,
        saved: SavedTotals,
        old: &HashMap<CgroupId, Saved>,
        block: (SavedBlockIo, HashMap<CgroupId, BlockSums>),
        takers: Option<(SavedPreemption, HashMap<CgroupId, SavedTakers>)>,
    ) -> Result<Self, KernelError> {
        let without_files = roster.without_files();
        let coverage =
            Coverage::of(kernel.programs(), options.families).without_files(without_files);
        if coverage.has(Source::MarkVictim) {
            roster.leave_oom_kills();
        }
        let mut source = Self {
            kernel,
            options,
            roster,
            coverage,
            ledger: Ledger::default(),
            overflow: Overflow::default(),
            saved,
            holders: Holders::default(),
            endings: Endings::default(),
            paths: Paths::default(),
            look: Look::Never,
            ended: Ended::go_on_from(old),
            block: BlockIo::go_on_from(block),
            preemption: takers.map(Preemption::go_on_from),
            block_files: BlockFiles::default(),
            namespaces: Namespaces::default(),
            forget_recent: false,
            victims: Victims::default(),
            health: Health::default(),
        };
        // What is lost from here on is looked for in the tree at the first tick.
        source.health.begin(source.kernel.losses()?);
        source.adopt_all(old)?;
        source.health.charges_begin(source.kernel.losses()?);
        Ok(source)
    }

    /// Readable when a cgroup was made or removed.
    pub(super) fn events_fd(&self) -> BorrowedFd<'_> {
        self.kernel.events_fd()
    }

    /// Acts on all that happened to cgroups.
    pub(super) fn take_events(&mut self) {
        for _ in 0..EVENTS_AT_ONCE {
            let Some(event) = self.kernel.next_event() else {
                return;
            };
            if let Err(error) = self.act(event) {
                self.health.mishap();
                tracing::debug!(error = %error, "a cgroup event could not be acted on");
            }
        }
    }

    /// All entries' counters now.
    pub(super) fn snapshot(&mut self, taken: Timestamp) -> Snapshot {
        self.take_events();
        self.roster.tick();
        if self.health.read(&self.kernel, taken) == Lost::Events {
            self.look = Look::NextTick;
        }
        let is_due = match self.look {
            Look::Never => false,
            Look::NextTick => true,
            Look::NextPass => self.roster.pass_begins(),
        };
        if is_due {
            self.look_through_tree();
        }
        self.paths.forget();
        self.release_unreleased(taken.boot_ns);
        if let Err(error) = self.kernel.find_block_records() {
            self.health.mishap();
            tracing::debug!(%error, "block I/O records could not be read");
        }
        self.look_at_namespaces();
        self.roster.judge_names(taken.boot_ns);
        self.read_takers();
        let mut ids: Vec<CgroupId> = self.ledger.entries().collect();
        let root = self.roster.root();
        // The host is what the others leave, so it comes last.
        ids.sort_unstable_by_key(|id| *id == root);
        let mut entries: Vec<Arc<Entry>> = ids
            .into_iter()
            .filter_map(|id| self.entry(id, taken.boot_ns).map(Arc::new))
            .collect();
        self.namespaces.close();
        entries.sort_unstable_by_key(|entry| entry.cgroup);
        Snapshot { taken, entries }
    }

    /// One entry's counters. What ended stands in one snapshot more, once nothing can be charged to it.
    fn entry(&mut self, id: CgroupId, now_ns: u64) -> Option<Entry> {
        let counted = self.ledger.total(id, |slot| self.kernel.totals(slot))?;
        let phase = self.endings.phase(id, now_ns, self.holders.contains(id));
        let (readable, last) = (phase == Phase::Alive, phase == Phase::Final);
        self.namespaces.own(id, &counted.network);
        let mut totals = self.told(id, &counted, readable);
        totals.block_io = self.told_of_blocks(id, readable, last);
        totals.preemption = self.preemption_of(id);
        self.save(id, counted, &totals.cpu);
        Some(Entry {
            cgroup: id,
            alive: !last,
            totals,
        })
    }

    /// Saves what is about to be published: what was once told is never taken back. What has no slot is told by its
    /// file, which needs no help over a restart.
    fn save(&mut self, id: CgroupId, mut totals: SlotTotals, told: &CpuTotals) {
        if self.overflow.contains(id) {
            return;
        }
        totals.counters.run_ns = told.run_ns.unwrap_or(totals.counters.run_ns);
        let split = Split {
            user_ns: told.user_ns.unwrap_or_default(),
            system_ns: told.system_ns.unwrap_or_default(),
        };
        let share = self.roster.share(id);
        self.saved.save(
            id,
            &Saved {
                totals,
                split,
                share,
            },
        );
    }

    /// Forgets the entries whose final values have been published.
    pub(super) fn forget_finished(&mut self) {
        for id in self.endings.take_final() {
            if let Some(totals) = self.ledger.total(id, |slot| self.kernel.totals(slot)) {
                self.namespaces.end(id, &totals.network);
                self.ended
                    .add(self.roster.share(id), &totals, &mut self.saved);
            }
            self.ledger.close(id);
            self.overflow.remove(id);
            self.saved.remove(id);
            self.victims.forget(id);
            self.roster.forget(id);
            self.block_files.forget(id);
            self.forget_takers(id);
        }
    }

    /// What entries without a series of their own used that ended, also before this process began.
    pub(super) fn ended(&self) -> Vec<(Share, Totals)> {
        let totals = |share, sum| Totals {
            cpu: self.counted(sum, true),
            block_io: Ended::sum_of(Some(share)).map_or_else(Vec::new, |sum| self.block.ended(sum)),
            network: self.network(sum, true),
            oom: self.oom(sum),
            ..Totals::default()
        };
        self.ended
            .sums()
            .map(|(share, sum)| (share, totals(share, sum)))
            .collect()
    }

    /// Processes killed for want of memory since the last call.
    pub(super) fn oom_kills(&mut self) -> Vec<OomKill> {
        self.victims.untold()
    }

    /// Which metric comes from where.
    pub(super) fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// What became of each kernel program.
    pub(super) fn programs(&self) -> &[ProgramReport] {
        self.kernel.programs()
    }

    /// Reads what is too costly for every tick.
    pub(super) fn read_slowly(&mut self, now: Timestamp) {
        self.health.read_slowly(&self.kernel, now);
        self.block.read_slowly();
        self.block_files.read_slowly();
    }

    /// Whether the programs' maps can be read.
    pub(super) fn reads_maps(&self) -> bool {
        self.kernel.losses().is_ok()
    }

    /// CPUs that the programs used when last measured.
    pub(super) fn programs_cpus(&self) -> Option<f64> {
        self.health.programs_cpus()
    }

    /// Measures these families from here on and no others.
    pub(super) fn switch(&mut self, families: Families) {
        let before = self.coverage.clone();
        self.options.families = families;
        self.health.forget_cost();
        if let Err(error) = self.kernel.switch(&self.options) {
            self.health.mishap();
            tracing::warn!(
                error = chain(&error),
                "kernel programs of families that are on again could not be loaded; files tell of those, or nobody"
            );
        }
        if families.has(Family::Preemption) && self.preemption.is_none() {
            tracing::warn!(
                "families.preemption was off at the start, so it has no records: it begins with the next start"
            );
        }
        self.coverage = Coverage::of(self.kernel.programs(), families)
            .without_files(self.roster.without_files());
        self.roster.switch(families);
        if self.coverage.has(Source::MarkVictim) {
            self.roster.leave_oom_kills();
            if !before.has(Source::MarkVictim) {
                self.make_good_for_kills();
            }
        }
        if self.coverage.is_on(Family::Network) && !before.is_on(Family::Network) {
            self.look_at_all_namespaces();
        }
    }

    /// Counts the kills in that the files tell of and no program did.
    fn make_good_for_kills(&mut self) {
        let entries: Vec<CgroupId> = self.ledger.entries().collect();
        for id in entries {
            let total = self.ledger.total(id, |slot| self.kernel.totals(slot));
            let now_ns = clock::boot_ns();
            if let (Some(total), Some(kills)) = (total, self.roster.oom_kills(id)) {
                let missed = SlotTotals {
                    oom_kills: kills.saturating_sub(total.oom_kills),
                    ..SlotTotals::default()
                };
                self.ledger.add_base(id, &missed);
                self.victims.counted_until(id, now_ns);
            }
        }
    }

    /// What this source says of itself.
    pub(super) fn samples(&self) -> Vec<Sample> {
        let integer = |metric, value| Sample::new(metric, Value::Integer(value));
        let of_takers = self.preemption.as_ref().map_or(0, Preemption::unsaved);
        let unsaved = self.saved.unsaved() + self.block.unsaved() + of_takers;
        let programs = self.programs().iter();
        let programs = programs.filter(|it| it.state == ProgramState::Loaded);
        let mut samples = vec![
            integer(&catalog::AGENT_PROGRAM_COUNT, programs.count() as u64),
            integer(&catalog::AGENT_MAPPED, self.kernel.mapped_bytes() as u64),
            integer(&catalog::AGENT_SLOTS, self.holders.slots_in_use() as u64),
            Sample::lost("unsaved_totals", unsaved),
        ];
        samples.extend(self.health.samples());
        samples
    }
}
