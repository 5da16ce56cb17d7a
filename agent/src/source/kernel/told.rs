//! What is told of an entry: what its slots counted, and beside it what its files say.

use super::{KernelSource, ended::Ended};
use crate::{
    container::CgroupId,
    metrics::catalog::{Family, Source},
    snapshot::{BlockSums, CpuTotals, DeviceIo, OomTotals, SlotTotals, Totals, WaitHistogram},
};

impl KernelSource {
    /// What is told of an entry: what the programs count, and beside it what its files say.
    pub(super) fn told(&mut self, id: CgroupId, total: &SlotTotals, readable: bool) -> Totals {
        let counted = self.counted(total, !self.overflow.contains(id));
        let run_ns = self.run_ns(id, total.counters.run_ns, readable);
        let mut told = self.roster.read(id, run_ns, readable);
        told.cpu = CpuTotals {
            run_ns,
            user_ns: told.cpu.user_ns,
            system_ns: told.cpu.system_ns,
            bandwidth: told.cpu.bandwidth,
            bandwidth_read_ns: told.cpu.bandwidth_read_ns,
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
    pub(super) fn oom(&self, total: &SlotTotals) -> OomTotals {
        let is_told = self.coverage.has(Source::MarkVictim);
        OomTotals {
            kills: is_told.then_some(total.oom_kills),
        }
    }

    /// What the programs that run here counted, if they did.
    pub(super) fn counted(&self, total: &SlotTotals, did: bool) -> CpuTotals {
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
        if id == self.roster.root() {
            return Some(self.overflow.host_ns(counted_ns));
        }
        if !self.overflow.contains(id) {
            return Some(counted_ns);
        }
        if !self.roster.has_subtree_to_itself(id) {
            self.overflow.share(id);
        }
        let usage = readable.then(|| self.roster.usage(id)).flatten();
        self.overflow
            .total_ns(id, counted_ns, usage.map(|it| it.run_ns))
    }

    /// What is told of an entry's block I/O; `last` says that it is published for the last time.
    pub(super) fn told_of_blocks(
        &mut self,
        id: CgroupId,
        readable: bool,
        last: bool,
    ) -> Vec<DeviceIo> {
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
}
