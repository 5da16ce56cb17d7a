//! The CPU records of all slots in use.

use std::sync::atomic::Ordering;

use agent_ebpf::{
    cpu::{CpuCounters, WaitBuckets},
    histogram::BUCKETS,
};
use aya::maps::MapData;

use super::{KernelError, chunks::Chunks};
use crate::snapshot::SlotTotals;

/// The counters of all slots in use.
#[derive(Debug)]
pub(super) struct Records {
    counters: Chunks,
    waits: Chunks,
}

impl Records {
    /// Records of `slots` slots with `stripes` stripes each.
    pub(super) fn new(counters: MapData, waits: MapData, slots: u32, stripes: u32) -> Self {
        let bytes = |record_bytes| stripes as usize * record_bytes;
        Self {
            counters: Chunks::new(counters, slots, bytes(size_of::<CpuCounters>())),
            waits: Chunks::new(waits, slots, bytes(size_of::<WaitBuckets>())),
        }
    }

    /// Begins to use `slot`.
    pub(super) fn hold(&mut self, slot: u32) -> Result<(), KernelError> {
        self.counters.hold(slot)?;
        self.waits.hold(slot)
    }

    /// Ends the use of `slot` and zeroes its records for the next holder. Nothing may count in it any more.
    pub(super) fn give_back(&mut self, slot: u32) {
        self.counters.give_back(slot);
        self.waits.give_back(slot);
    }

    /// What `slot` has counted since it was taken, summed over all stripes: also those of CPUs that went offline.
    ///
    /// Each counter is read as one aligned word. The counters of a slot that is being written may be a few events
    /// apart from each other; none is ever torn or goes backwards.
    #[inline]
    pub(super) fn totals(&self, slot: u32) -> SlotTotals {
        let mut totals = SlotTotals {
            counters: self.counters(slot),
            waits: [0; BUCKETS],
        };
        for record in self.waits.words(slot).chunks_exact(BUCKETS) {
            for (sum, word) in totals.waits.iter_mut().zip(record) {
                *sum = sum.wrapping_add(word.load(Ordering::Relaxed));
            }
        }
        totals
    }

    /// [`Records::totals`] without the histogram.
    #[inline]
    pub(super) fn counters(&self, slot: u32) -> CpuCounters {
        const WORDS: usize = size_of::<CpuCounters>() / size_of::<u64>();
        let mut sums = [0_u64; WORDS];
        for record in self.counters.words(slot).chunks_exact(WORDS) {
            for (sum, word) in sums.iter_mut().zip(record) {
                *sum = sum.wrapping_add(word.load(Ordering::Relaxed));
            }
        }
        let [
            run_ns,
            wait_ns,
            voluntary_switches,
            involuntary_switches,
            migrations,
            forks,
            execs,
            exits,
        ] = sums;
        CpuCounters {
            run_ns,
            wait_ns,
            voluntary_switches,
            involuntary_switches,
            migrations,
            forks,
            execs,
            exits,
        }
    }

    /// Bytes mapped now.
    pub(super) fn mapped_bytes(&self) -> usize {
        self.counters.mapped_bytes() + self.waits.mapped_bytes()
    }
}
