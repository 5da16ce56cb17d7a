//! Cgroups come and go: each event gives a slot to an entry or takes it back.

use agent_ebpf::slot::SlotEntry;

use super::{
    KernelSource, Look,
    holders::{Held, Holding},
    paths::Place,
};
use crate::{
    container::{CgroupId, Exit, Kind},
    kernel::{Event, KernelError},
    snapshot::{OomKill, SlotTotals},
};

impl KernelSource {
    pub(super) fn act(&mut self, event: Event) -> Result<(), KernelError> {
        match event {
            Event::Born { cgroup, slot, path } => {
                let is_joined = path.is_some();
                let path = match path {
                    Some(path) => Some(path),
                    None => match self.paths.find(cgroup, &mut self.roster) {
                        Place::At(path) => Some(path),
                        Place::Gone => None,
                        Place::Unknown => {
                            self.look = Look::NextTick;
                            return Ok(());
                        }
                    },
                };
                if let (false, Some(path), Some(slot)) = (is_joined, &path, slot) {
                    self.join_everywhere(cgroup, path, slot);
                }
                // Of one that is gone before its name was known, what it used is the host's.
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
    pub(super) fn count_in(
        &mut self,
        cgroup: CgroupId,
        owner: CgroupId,
        slot: Option<u32>,
    ) -> Result<(), KernelError> {
        self.ledger.open(owner);
        if slot.is_none() && cgroup == owner {
            self.overflow.insert(owner);
        }
        if let Some(slot) = slot
            && self.holders.insert(cgroup, Holding { slot, owner })
        {
            self.kernel.hold(slot)?;
            self.ledger.add_slot(owner, slot);
        }
        Ok(())
    }

    /// Marks a container, so that cgroups made inside it count in its slot. One that is gone already needs no mark.
    pub(super) fn own_subtree(&mut self, container: CgroupId, path: &str, slot: u32) {
        let entry = SlotEntry {
            slot,
            flags: SlotEntry::OWNS_SUBTREE,
        };
        drop(
            self.kernel
                .assign(&self.roster.folder(path), container, entry),
        );
    }

    pub(super) fn remove(&mut self, cgroup: CgroupId, boot_ns: u64) {
        self.holders.removed(cgroup, boot_ns);
        if self.roster.kind(cgroup).is_some() {
            self.endings.begin(cgroup, boot_ns);
            self.roster.ended(cgroup);
        } else {
            self.roster.forget(cgroup);
        }
    }

    /// The kernel let go of `cgroup`: its slot's last word is added to the entry's account and the slot is free. The
    /// slot of a cgroup whose birth went unseen counts for the host.
    pub(super) fn release(
        &mut self,
        cgroup: CgroupId,
        own: Option<u32>,
    ) -> Result<(), KernelError> {
        match self.holders.release(cgroup, own) {
            Held::Slot(Holding { slot, owner }) => {
                self.settle_block_io(slot, Some(owner))?;
                self.ledger.settle(owner, slot, &self.kernel.totals(slot));
                self.leave(cgroup, Holding { slot, owner })
            }
            Held::Unseen(slot) => {
                let owner = self.roster.root();
                self.kernel.hold(slot)?;
                self.ledger.add_base(owner, &self.kernel.totals(slot));
                self.settle_block_io(slot, None)?;
                self.leave(cgroup, Holding { slot, owner })
            }
            Held::Nothing => Ok(()),
        }
    }

    /// A slot is about to be given back.
    fn settle_block_io(&mut self, slot: u32, owner: Option<CgroupId>) -> Result<(), KernelError> {
        self.kernel.find_block_records()?;
        let owner = owner.filter(|owner| self.ledger.contains(*owner));
        let last = self.kernel.block_io(slot);
        self.block.settle(slot, owner, self.roster.root(), &last);
        Ok(())
    }
}
