//! The kernel source: slots, events and records → snapshots.
//!
//! A cgroup's slot counts for the entry it belongs to. Cgroups that were there before the programs are adopted: they
//! get their slots here, and their entries begin with what their own files say they had used.

use std::{
    collections::{HashMap, HashSet},
    os::fd::BorrowedFd,
};

use agent_ebpf::{losses::Losses, slot::SlotEntry};

use super::{Coverage, roster::Roster};
use crate::{
    clock,
    container::{CgroupId, Kind},
    kernel::{Event, Kernel, KernelError, ProgramReport, Role},
    metrics::{
        Sample, Value,
        catalog::{self, Source},
    },
    snapshot::{CpuTotals, Entry, Ledger, SlotTotals, Snapshot, Timestamp, WaitHistogram},
    state::SavedTotals,
};

/// How long after its end an entry's values may still change: the kernel says when nothing can be charged any more,
/// but some cgroups linger, held by a page or a socket.
const LINGER_NS: u64 = 2_000_000_000;

/// How long after a cgroup was found gone its slot is given back though the kernel was not seen to let go of it.
const UNRELEASED_NS: u64 = 30_000_000_000;

/// How often to read a baseline again when the cgroup was charged meanwhile.
const BASELINE_READINGS: usize = 8;

/// Cgroups counted by the kernel programs.
pub(super) struct KernelSource {
    kernel: Kernel,
    pub(super) roster: Roster,
    coverage: Coverage,
    ledger: Ledger,
    saved: SavedTotals,
    /// Cgroups that have a slot of their own.
    holders: HashMap<CgroupId, Holding>,
    /// Slots in use; a new cgroup that has one of these has inherited it.
    in_use: HashSet<u32>,
    /// Entries whose cgroup was removed, with the time of it, until their final values are taken.
    ending: HashMap<CgroupId, u64>,
    /// Entries whose final values stand in the last snapshot.
    finished: Vec<CgroupId>,
    /// Cgroups found gone whose release may have been missed, with the time they were found so.
    unreleased: HashMap<CgroupId, u64>,
    /// Whether the tree is being looked through because events were lost.
    resyncing: bool,
    /// What the programs had missed before everything was adopted.
    losses_before: Losses,
    losses: Losses,
    recursion_misses: u64,
    /// Events that made no sense or could not be acted on.
    mishaps: u64,
}

/// A slot that counts on behalf of a cgroup, for an entry.
#[derive(Clone, Copy)]
struct Holding {
    slot: u32,
    owner: CgroupId,
}

impl KernelSource {
    /// Attaches the programs and adopts what is there.
    pub(super) fn start(
        mut kernel: Kernel,
        roster: Roster,
        saved: SavedTotals,
        old: &HashMap<CgroupId, SlotTotals>,
    ) -> Result<Self, KernelError> {
        // Births first, then counting: a cgroup made from here on has its slot before its first task.
        kernel.attach(|role| !role.counts())?;
        kernel.attach(Role::counts)?;
        let coverage = Coverage::of(&kernel);
        let mut source = Self {
            kernel,
            roster,
            coverage,
            ledger: Ledger::default(),
            saved,
            holders: HashMap::new(),
            in_use: HashSet::from([0]),
            ending: HashMap::new(),
            finished: Vec::new(),
            unreleased: HashMap::new(),
            resyncing: false,
            losses_before: Losses::default(),
            losses: Losses::default(),
            recursion_misses: 0,
            mishaps: 0,
        };
        source.adopt_all(old)?;
        source.losses_before = source.kernel.losses()?;
        source.losses = source.losses_before;
        Ok(source)
    }

    /// Readable when a cgroup was made or removed.
    pub(super) fn events_fd(&self) -> BorrowedFd<'_> {
        self.kernel.events_fd()
    }

    /// Acts on all that happened to cgroups.
    pub(super) fn take_events(&mut self) {
        while let Some(event) = self.kernel.next_event() {
            if let Err(error) = self.act(event) {
                self.mishaps += 1;
                tracing::debug!(error = %error, "a cgroup event could not be acted on");
            }
        }
    }

    /// All entries' counters now.
    pub(super) fn snapshot(&mut self, taken: Timestamp) -> Snapshot {
        self.take_events();
        self.roster.tick();
        self.notice_losses();
        self.release_unreleased(taken.boot_ns);
        let mut entries = Vec::with_capacity(self.holders.len() + 1);
        let mut ids: Vec<CgroupId> = self.ledger.entries().collect();
        ids.sort_unstable();
        for id in ids {
            let Some(total) = self.ledger.total(id, |slot| self.kernel.totals(slot)) else {
                continue;
            };
            let ended = self.ending.get(&id).copied();
            let last = ended.is_some_and(|at| {
                !self.holders.contains_key(&id) || taken.boot_ns.saturating_sub(at) >= LINGER_NS
            });
            // Saved before it is published: what was once told is never taken back.
            self.saved.save(id, &total);
            let cpu = self.cpu(id, &total, ended.is_none());
            entries.push(Entry {
                cgroup: id,
                alive: !last,
                cpu,
            });
            if last {
                self.finished.push(id);
            }
        }
        Snapshot { taken, entries }
    }

    /// Forgets the entries whose final values have been published.
    pub(super) fn forget_finished(&mut self) {
        for id in std::mem::take(&mut self.finished) {
            self.ending.remove(&id);
            self.ledger.close(id);
            self.saved.remove(id);
            self.roster.forget(id);
        }
    }

    /// Reads what the kernel skipped because a program was already running; a file per program, so not every tick.
    pub(super) fn read_recursion_misses(&mut self) {
        self.recursion_misses = self.kernel.recursion_misses();
    }

    /// Which metric comes from where.
    pub(super) fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// What became of each kernel program.
    pub(super) fn programs(&self) -> &[ProgramReport] {
        self.kernel.programs()
    }

    /// What this source says of itself.
    pub(super) fn samples(&self) -> Vec<Sample> {
        let integer = |metric, value| Sample::new(metric, Value::Integer(value));
        let mut samples = vec![
            integer(&catalog::AGENT_MAPPED, self.kernel.mapped_bytes() as u64),
            integer(&catalog::AGENT_SLOTS, self.in_use.len() as u64),
        ];
        let (now, before) = (&self.losses, &self.losses_before);
        for (reason, count) in [
            (
                "slots_exhausted",
                now.slots_exhausted - before.slots_exhausted,
            ),
            ("events_lost", now.events_lost - before.events_lost),
            (
                "unslotted_charges",
                now.unslotted_charges - before.unslotted_charges,
            ),
            (
                "unseen_switch_ins",
                now.unseen_switch_ins - before.unseen_switch_ins,
            ),
            ("recursion_misses", self.recursion_misses),
            ("unsaved_totals", self.saved.unsaved()),
            ("event_mishaps", self.mishaps),
        ] {
            samples.push(integer(&catalog::AGENT_LOSSES, count).labelled("reason", reason));
        }
        samples
    }

    fn act(&mut self, event: Event) -> Result<(), KernelError> {
        match event {
            Event::Born { cgroup, slot, path } => {
                // Gone before its name was known: what it used is the host's.
                let path = path.or_else(|| self.roster.find(cgroup));
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
            Event::Released { cgroup } => self.release(cgroup)?,
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
        if self.roster.kind(cgroup).is_some() {
            self.ending.entry(cgroup).or_insert(boot_ns);
            self.roster.ended(cgroup);
        } else {
            self.roster.forget(cgroup);
        }
    }

    /// The kernel let go of `cgroup`: its slot's last word is added to the entry's account and the slot is free.
    fn release(&mut self, cgroup: CgroupId) -> Result<(), KernelError> {
        let Some(Holding { slot, owner }) = self.holders.remove(&cgroup) else {
            return Ok(());
        };
        self.ledger.settle(owner, slot, &self.kernel.totals(slot));
        self.in_use.remove(&slot);
        self.kernel.give_back(slot, cgroup)
    }

    /// Adopts every cgroup there is, parents first.
    fn adopt_all(&mut self, old: &HashMap<CgroupId, SlotTotals>) -> Result<(), KernelError> {
        let root = self.roster.root();
        self.ledger.open(root);
        self.ledger.add_slot(root, 0);
        if let Some(old) = old.get(&root) {
            self.ledger.add_base(root, old);
        }
        let folder = self.roster.folder("/");
        self.kernel
            .assign(&folder, root, SlotEntry { slot: 0, flags: 0 })?;
        self.adopt_unknown(old)?;
        for gone in self
            .saved
            .entries()
            .filter(|id| !self.ledger.contains(*id))
            .collect::<Vec<_>>()
        {
            self.saved.remove(gone);
        }
        Ok(())
    }

    /// Adopts every cgroup that is not known yet.
    fn adopt_unknown(&mut self, old: &HashMap<CgroupId, SlotTotals>) -> Result<(), KernelError> {
        let mut entries = Vec::new();
        for (cgroup, path) in self.roster.walk() {
            if self.roster.knows(cgroup) {
                continue;
            }
            match self.kernel.slot(&self.roster.folder(&path), cgroup) {
                // Made since the programs run, and its event was lost.
                Ok(Some(given)) if self.resyncing => {
                    let owner = self.roster.arrive(cgroup, &path);
                    self.count_in(cgroup, owner, Some(given.slot))?;
                }
                // Its event is on the way; or it was removed since the walk.
                Ok(Some(_)) | Err(KernelError::Directory { .. }) => {}
                Ok(None) => {
                    if self.adopt(cgroup, &path)? == cgroup {
                        entries.push(cgroup);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        // Only now is known which entries have others below them.
        for entry in entries {
            self.begin_with(entry, old.get(&entry));
        }
        Ok(())
    }

    /// Gives a cgroup its slot: its entry's where it is part of one, else one of its own. Returns its entry.
    fn adopt(&mut self, cgroup: CgroupId, path: &str) -> Result<CgroupId, KernelError> {
        let owner = self.roster.arrive(cgroup, path);
        let inherited = if owner == cgroup {
            None
        } else {
            self.ledger.slots(owner).first().copied()
        };
        let slot = match inherited {
            Some(slot) => Some(slot),
            None => self.kernel.take_slot()?,
        };
        self.count_in(cgroup, owner, slot)?;
        if let Some(slot) = slot {
            let container = owner == cgroup && self.roster.kind(cgroup) == Some(Kind::Container);
            let flags = if container {
                SlotEntry::OWNS_SUBTREE
            } else {
                0
            };
            match self
                .kernel
                .assign(&self.roster.folder(path), cgroup, SlotEntry { slot, flags })
            {
                // Removed since the walk; its event is on the way.
                Ok(()) | Err(KernelError::Directory { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(owner)
    }

    /// Sets what `entry` had used before its slot took effect.
    fn begin_with(&mut self, entry: CgroupId, old: Option<&SlotTotals>) {
        let mut base = old.copied().unwrap_or_default();
        // A cgroup's file counts for all below it, also for cgroups that are gone. Only an entry that has its subtree
        // to itself can begin with it.
        if self.roster.has_subtree_to_itself(entry)
            && let Some(run_ns) = self.used_before(entry)
        {
            base.counters.run_ns = run_ns;
        }
        self.ledger.add_base(entry, &base);
    }

    /// The cgroup's own lifetime counter less what its slots count already, both read at one moment: the reading is
    /// repeated until nothing was charged in between.
    fn used_before(&self, entry: CgroupId) -> Option<u64> {
        let counted = || -> u64 {
            let slots = self.ledger.slots(entry).iter();
            slots.map(|slot| self.kernel.counters(*slot).run_ns).sum()
        };
        let mut closest: Option<(u64, u64)> = None;
        for _ in 0..BASELINE_READINGS {
            let before = counted();
            let used_ns = self.roster.usage(entry)?.run_ns;
            let drift = counted() - before;
            if closest.is_none_or(|(least, _)| drift < least) {
                closest = Some((drift, used_ns.saturating_sub(before + drift)));
            }
            if drift == 0 {
                break;
            }
        }
        closest.map(|(_, base)| base)
    }

    /// An entry's CPU family: what the programs count, and beside it what its files say.
    fn cpu(&mut self, id: CgroupId, total: &SlotTotals, readable: bool) -> CpuTotals {
        let counters = &total.counters;
        // An entry that got no slot has only its files.
        let counted = !self.ledger.slots(id).is_empty() || !readable;
        let run_ns = match self.coverage.source_of(&catalog::CPU_USAGE) {
            Some(Source::SchedStatRuntime | Source::SchedSwitch) if counted => {
                Some(counters.run_ns)
            }
            Some(_) => self.roster.usage(id).map(|usage| usage.run_ns),
            None => None,
        };
        let from = |source, value: u64| (counted && self.coverage.has(source)).then_some(value);
        let switches = |value| from(Source::SchedSwitch, value);
        CpuTotals {
            run_ns,
            voluntary_switches: switches(counters.voluntary_switches),
            involuntary_switches: switches(counters.involuntary_switches),
            wait_ns: switches(counters.wait_ns),
            wait_histogram: switches(0).map(|_| Box::new(WaitHistogram(total.waits))),
            migrations: from(Source::SchedMigrateTask, counters.migrations),
            forks: from(Source::SchedProcessFork, counters.forks),
            execs: from(Source::SchedProcessExec, counters.execs),
            exits: from(Source::SchedProcessExit, counters.exits),
            ..self.roster.file_metrics(id, run_ns, readable)
        }
    }

    /// Where events were lost, births and deaths are found in the tree.
    fn notice_losses(&mut self) {
        let losses = match self.kernel.losses() {
            Ok(losses) => losses,
            Err(error) => {
                tracing::debug!(error = %error, "the kernel's losses cannot be read");
                return;
            }
        };
        let events_lost = losses.events_lost > self.losses.events_lost;
        if losses.slots_exhausted > self.losses.slots_exhausted {
            tracing::error!(
                cgroups = losses.slots_exhausted - self.losses.slots_exhausted,
                "new cgroups got no slot and count for the host; raise collect.slots"
            );
        }
        self.losses = losses;
        if events_lost {
            tracing::warn!("cgroup events were lost; looking through the tree");
            self.resync();
        }
    }

    fn resync(&mut self) {
        self.resyncing = true;
        if let Err(error) = self.adopt_unknown(&HashMap::new()) {
            self.mishaps += 1;
            tracing::warn!(error = %error, "not all cgroups could be adopted");
        }
        self.resyncing = false;
        let there: HashSet<CgroupId> = self.roster.walk().into_iter().map(|(id, _)| id).collect();
        let now = clock::boot_ns();
        let gone: Vec<CgroupId> = self
            .holders
            .keys()
            .copied()
            .filter(|id| !there.contains(id))
            .collect();
        for cgroup in gone {
            self.remove(cgroup, now);
            self.unreleased.insert(cgroup, now);
        }
    }

    /// Releases cgroups that went unseen, once nothing can be charged to them any more for sure.
    fn release_unreleased(&mut self, now_ns: u64) {
        let due: Vec<CgroupId> = self
            .unreleased
            .iter()
            .filter(|(_, since)| now_ns.saturating_sub(**since) >= UNRELEASED_NS)
            .map(|(cgroup, _)| *cgroup)
            .collect();
        for cgroup in due {
            self.unreleased.remove(&cgroup);
            if let Err(error) = self.release(cgroup) {
                self.mishaps += 1;
                tracing::debug!(error = %error, "a slot could not be given back");
            }
        }
    }
}
