//! The kernel source: slots, events and records → snapshots.
//!
//! A cgroup's slot counts for the entry it belongs to. Cgroups that were there before the programs are adopted: they
//! get their slots here, and their entries begin with what their own files say they had used.

mod adoption;
mod block_io;
mod ended;
mod health;
mod network;
mod overflow;
mod victims;

use std::{
    collections::{HashMap, HashSet},
    os::fd::BorrowedFd,
    sync::Arc,
};

use agent_ebpf::slot::SlotEntry;

use super::{Coverage, block_files::BlockFiles, netns::Namespaces, roster::Roster};
use crate::{
    clock,
    container::{CgroupId, Exit, Kind, Share},
    kernel::{Event, Kernel, KernelError, Options, ProgramReport},
    metrics::{
        Sample, Value,
        catalog::{self, Families, Family, Source},
    },
    snapshot::{
        BlockSums, CpuTotals, DeviceIo, Entry, Ledger, OomKill, OomTotals, SlotTotals, Snapshot,
        Split, Timestamp, Totals, WaitHistogram,
    },
    state::{Saved, SavedBlockIo, SavedTotals},
    text::chain,
};
use block_io::BlockIo;
use ended::Ended;
use health::{Health, Lost};
use overflow::Overflow;
use victims::Victims;

/// How long after its end an entry's values may still change: the kernel says when nothing can be charged any more,
/// but some cgroups linger, held by a page or a socket.
const LINGER_NS: u64 = 2_000_000_000;

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
    /// Cgroups that have a slot of their own.
    holders: HashMap<CgroupId, Holding>,
    /// Slots in use; a new cgroup that has one of these has inherited it.
    in_use: HashSet<u32>,
    /// Entries whose cgroup was removed, with the time of it, until their final values are taken.
    ending: HashMap<CgroupId, u64>,
    /// Entries whose final values stand in the last snapshot.
    finished: Vec<CgroupId>,
    /// Cgroups with a slot that were removed, with the time of it, until the kernel lets go of them.
    unreleased: HashMap<CgroupId, u64>,
    /// Cgroups whose slots were taken before the kernel let go of them.
    released_early: HashSet<CgroupId>,
    /// Whether the tree is being looked through because events were lost.
    resyncing: bool,
    /// What entries without a series of their own used that ended.
    ended: Ended,
    block: BlockIo,
    /// Serves where no program counts block I/O.
    block_files: BlockFiles,
    /// Where the entries' sockets are.
    namespaces: Namespaces,
    /// Whether what the programs on packets remember is out of date for good by now.
    forget_recent: bool,
    /// Cgroups whose slots are to be taken at the next tick, before the kernel let go of them.
    disowned: Vec<CgroupId>,
    victims: Victims,
    health: Health,
}

/// A slot that counts on behalf of a cgroup, for an entry.
#[derive(Clone, Copy)]
struct Holding {
    slot: u32,
    owner: CgroupId,
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
    ) -> Result<Self, KernelError> {
        let coverage = Coverage::of(kernel.programs(), options.families);
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
            holders: HashMap::new(),
            in_use: HashSet::from([0]),
            ending: HashMap::new(),
            finished: Vec::new(),
            unreleased: HashMap::new(),
            released_early: HashSet::new(),
            resyncing: false,
            ended: Ended::go_on_from(old),
            block: BlockIo::go_on_from(block),
            block_files: BlockFiles::default(),
            namespaces: Namespaces::default(),
            forget_recent: false,
            disowned: Vec::new(),
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
            self.look_through_tree();
        }
        self.release_unreleased(taken.boot_ns);
        if let Err(error) = self.kernel.find_block_records() {
            self.health.mishap();
            tracing::debug!(%error, "block I/O records could not be read");
        }
        self.look_at_namespaces();
        let mut entries = Vec::with_capacity(self.holders.len() + 1);
        let mut ids: Vec<CgroupId> = self.ledger.entries().collect();
        let root = self.roster.root();
        // The host is what the others leave, so it comes last.
        ids.sort_unstable_by_key(|id| *id == root);
        for id in ids {
            let Some(mut totals) = self.ledger.total(id, |slot| self.kernel.totals(slot)) else {
                continue;
            };
            let ended = self.ending.get(&id).copied();
            let last = ended.is_some_and(|at| {
                !self.holders.contains_key(&id) || taken.boot_ns.saturating_sub(at) >= LINGER_NS
            });
            self.namespaces.own(id, &totals.network);
            let mut told = self.told(id, &totals, ended.is_none());
            told.block_io = self.told_of_blocks(id, ended.is_none(), last);
            let cpu = &told.cpu;
            totals.counters.run_ns = cpu.run_ns.unwrap_or(totals.counters.run_ns);
            let split = Split {
                user_ns: cpu.user_ns.unwrap_or_default(),
                system_ns: cpu.system_ns.unwrap_or_default(),
            };
            // Saved before it is published: what was once told is never taken back. What has no slot is told by its
            // file, which needs no help over a restart.
            if !self.overflow.contains(id) {
                self.saved.save(
                    id,
                    &Saved {
                        totals,
                        split,
                        share: self.roster.share(id),
                    },
                );
            }
            entries.push(Arc::new(Entry {
                cgroup: id,
                alive: !last,
                totals: told,
            }));
            if last {
                self.finished.push(id);
            }
        }
        self.namespaces.close();
        entries.sort_unstable_by_key(|entry| entry.cgroup);
        Snapshot { taken, entries }
    }

    /// Forgets the entries whose final values have been published.
    pub(super) fn forget_finished(&mut self) {
        for id in std::mem::take(&mut self.finished) {
            self.ending.remove(&id);
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
        self.coverage = Coverage::of(self.kernel.programs(), families);
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
        let unsaved = self.saved.unsaved() + self.block.unsaved();
        let unsaved = integer(&catalog::AGENT_LOSSES, unsaved);
        let mut samples = vec![
            integer(&catalog::AGENT_MAPPED, self.kernel.mapped_bytes() as u64),
            integer(&catalog::AGENT_SLOTS, self.in_use.len() as u64),
            unsaved.labelled("reason", "unsaved_totals"),
        ];
        samples.extend(self.health.samples());
        samples
    }

    fn act(&mut self, event: Event) -> Result<(), KernelError> {
        match event {
            Event::Born { cgroup, slot, path } => {
                // Gone before its name was known: what it used is the host's.
                let is_joined = path.is_some();
                let path = path.or_else(|| self.roster.find(cgroup));
                if let (false, Some(path), Some(slot)) = (is_joined, &path, slot) {
                    self.join_everywhere(cgroup, path, slot);
                }
                let owner = path
                    .as_deref()
                    .map_or(self.roster.root(), |path| self.roster.arrive(cgroup, path));
                self.count_in(cgroup, owner, slot)?;
                if let (Some(path), Some(slot)) = (path, slot)
                    && owner == cgroup
                    && self.roster.kind(cgroup) == Some(Kind::Container)
                {
                    self.own_subtree(cgroup, &path, slot);
                }
            }
            Event::Joined { cgroup, pid } => self.roster.joined(cgroup, pid),
            Event::Removed { cgroup, boot_ns } => self.remove(cgroup, boot_ns),
            Event::Released { cgroup, slot } => self.release(cgroup, slot)?,
            Event::Victim {
                cgroup,
                pid,
                comm,
                boot_ns,
            } => {
                let entry = self.roster.owner(cgroup);
                if self.victims.take(OomKill { entry, pid, comm }, boot_ns) {
                    self.roster.hasten(entry);
                    let one = SlotTotals {
                        oom_kills: 1,
                        ..SlotTotals::default()
                    };
                    self.ledger.add_base(entry, &one);
                }
            }
            Event::InitExited {
                cgroup,
                pid,
                status,
                level,
            } => {
                let is_victim = self.victims.has(cgroup, pid);
                let exit = Exit::of_status(status, is_victim);
                self.roster.init_exited(cgroup, level, exit);
            }
        }
        Ok(())
    }

    /// Lets `slot` count for `owner`, on behalf of `cgroup`. A slot in use is one that `cgroup` inherited.
    fn count_in(
        &mut self,
        cgroup: CgroupId,
        owner: CgroupId,
        slot: Option<u32>,
    ) -> Result<(), KernelError> {
        self.ledger.open(owner);
        if slot.is_none() && cgroup == owner {
            self.overflow.insert(owner);
        }
        let Some(slot) = slot.filter(|slot| !self.in_use.contains(slot)) else {
            return Ok(());
        };
        self.kernel.hold(slot)?;
        self.holders.insert(cgroup, Holding { slot, owner });
        self.in_use.insert(slot);
        self.ledger.add_slot(owner, slot);
        Ok(())
    }

    /// Marks a container, so that cgroups made inside it count in its slot. One that is gone already needs no mark.
    fn own_subtree(&mut self, container: CgroupId, path: &str, slot: u32) {
        let entry = SlotEntry {
            slot,
            flags: SlotEntry::OWNS_SUBTREE,
        };
        drop(
            self.kernel
                .assign(&self.roster.folder(path), container, entry),
        );
    }

    fn remove(&mut self, cgroup: CgroupId, boot_ns: u64) {
        if self.holders.contains_key(&cgroup) {
            self.unreleased.entry(cgroup).or_insert(boot_ns);
        }
        if self.roster.kind(cgroup).is_some() {
            self.ending.entry(cgroup).or_insert(boot_ns);
            self.roster.ended(cgroup);
        } else {
            self.roster.forget(cgroup);
        }
    }

    /// The kernel let go of `cgroup`: its slot's last word is added to the entry's account and the slot is free. The
    /// slot of a cgroup whose birth went unseen counts for the host.
    fn release(&mut self, cgroup: CgroupId, own: Option<u32>) -> Result<(), KernelError> {
        self.unreleased.remove(&cgroup);
        let Some(Holding { slot, owner }) = self.holders.remove(&cgroup) else {
            let early = self.released_early.remove(&cgroup);
            let Some(slot) = own.filter(|slot| !early && !self.in_use.contains(slot)) else {
                return Ok(());
            };
            self.kernel.hold(slot)?;
            self.ledger
                .add_base(self.roster.root(), &self.kernel.totals(slot));
            self.settle_block_io(slot, None)?;
            return self.kernel.give_back(slot, cgroup);
        };
        self.settle_block_io(slot, Some(owner))?;
        self.ledger.settle(owner, slot, &self.kernel.totals(slot));
        self.in_use.remove(&slot);
        self.kernel.give_back(slot, cgroup)
    }

    /// What is told of an entry's block I/O; `last` says that it is published for the last time.
    fn told_of_blocks(&mut self, id: CgroupId, readable: bool, last: bool) -> Vec<DeviceIo> {
        let is_on = self.coverage.is_on(Family::BlockIo);
        if self.coverage.has(Source::BlockRqComplete) {
            self.block_io(id, last)
        } else if is_on {
            self.block_files.read(&self.roster, id, readable)
        } else {
            // What was counted before must not be lost to the sum of what ended.
            if last && id != self.roster.root() {
                self.block_io(id, last);
            }
            Vec::new()
        }
    }

    /// Block I/O of an entry; `last` says that it is published for the last time.
    fn block_io(&mut self, id: CgroupId, last: bool) -> Vec<DeviceIo> {
        let slots = self.ledger.slots(id).iter();
        let slots: Vec<(u32, BlockSums)> = slots
            .map(|slot| (*slot, self.kernel.block_io(*slot)))
            .collect();
        let total = self.block.total(id, &slots);
        if id == self.roster.root() {
            return self.block.told_of_host(total);
        }
        // What it does without a slot is counted for the host: what it did before tells no more.
        let told = if slots.is_empty() && self.overflow.contains(id) {
            Vec::new()
        } else {
            self.block.told(&total)
        };
        if last {
            let sum = Ended::sum_of(self.roster.share(id));
            self.block.close(id, sum, &total, slots);
        }
        told
    }

    /// A slot is about to be given back.
    fn settle_block_io(&mut self, slot: u32, owner: Option<CgroupId>) -> Result<(), KernelError> {
        self.kernel.find_block_records()?;
        let owner = owner.filter(|owner| self.ledger.contains(*owner));
        let last = self.kernel.block_io(slot);
        self.block.settle(slot, owner, self.roster.root(), &last);
        Ok(())
    }

    /// What is told of an entry: what the programs count, and beside it what its files say.
    fn told(&mut self, id: CgroupId, total: &SlotTotals, readable: bool) -> Totals {
        let counted = self.counted(total, !self.overflow.contains(id));
        let run_ns = self.run_ns(id, total.counters.run_ns, readable);
        let mut told = self.roster.read(id, run_ns, readable);
        told.cpu = CpuTotals {
            run_ns,
            user_ns: told.cpu.user_ns,
            system_ns: told.cpu.system_ns,
            bandwidth: told.cpu.bandwidth,
            limit: told.cpu.limit,
            ..counted
        };
        told.network = self.network_of(id, total);
        // Without the program the file's count stands.
        if self.coverage.has(Source::MarkVictim) {
            told.oom = self.oom(total);
        }
        told
    }

    /// Kills that the kernel told of, if it does.
    fn oom(&self, total: &SlotTotals) -> OomTotals {
        let is_told = self.coverage.has(Source::MarkVictim);
        OomTotals {
            kills: is_told.then_some(total.oom_kills),
        }
    }

    /// What the programs that run here counted, if they did.
    fn counted(&self, total: &SlotTotals, did: bool) -> CpuTotals {
        let counters = &total.counters;
        // Switches are seen also where they tell CPU time alone.
        let is_told = did && self.coverage.is_on(Family::Sched);
        let from = |source, value: u64| (is_told && self.coverage.has(source)).then_some(value);
        let switches = |value| from(Source::SchedSwitch, value);
        CpuTotals {
            run_ns: did.then_some(counters.run_ns),
            voluntary_switches: switches(counters.voluntary_switches),
            involuntary_switches: switches(counters.involuntary_switches),
            wait_ns: switches(counters.wait_ns),
            wait_histogram: switches(0).map(|_| Box::new(WaitHistogram(total.waits))),
            migrations: from(Source::SchedMigrateTask, counters.migrations),
            forks: from(Source::SchedProcessFork, counters.forks),
            execs: from(Source::SchedProcessExec, counters.execs),
            exits: from(Source::SchedProcessExit, counters.exits),
            ..CpuTotals::default()
        }
    }

    /// An entry's CPU time, of which its slots counted `counted_ns`.
    fn run_ns(&mut self, id: CgroupId, counted_ns: u64, readable: bool) -> Option<u64> {
        let usage_ns = |roster: &Roster| roster.usage(id).map(|usage| usage.run_ns);
        match self.coverage.source_of(&catalog::CPU_USAGE)? {
            Source::SchedStatRuntime | Source::SchedSwitch => {}
            _ => return usage_ns(&self.roster),
        }
        if id == self.roster.root() {
            return Some(self.overflow.host_ns(counted_ns));
        }
        if !self.overflow.contains(id) {
            return Some(counted_ns);
        }
        if !self.roster.has_subtree_to_itself(id) {
            self.overflow.share(id);
        }
        let usage_ns = readable.then(|| usage_ns(&self.roster)).flatten();
        self.overflow.total_ns(id, counted_ns, usage_ns)
    }
}
