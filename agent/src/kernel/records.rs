//! The programs' records, mapped into memory: no system call per reading.
//!
//! A mapped BPF array counts as resident in full, touched or not (measured), so only the chunks that hold slots in
//! use are mapped: resident bytes = chunks × chunk slots × stripes × (64 + 192).

use std::{
    os::fd::{AsFd as _, AsRawFd as _},
    sync::atomic::{AtomicU64, Ordering},
};

use agent_ebpf::cpu::{CpuCounters, WAIT_BUCKETS, WaitBuckets};
use aya::maps::MapData;
use memmap2::{MmapOptions, MmapRaw};
use nix::unistd::{SysconfVar, sysconf};

use super::KernelError;
use crate::snapshot::SlotTotals;

/// Slots in a chunk. 64 records of 64 bytes fill a page of 4 KiB; 1,024 fill one of 64 KiB.
const CHUNK_SLOTS: u32 = 64;

/// The counters of all slots in use.
#[derive(Debug)]
pub(super) struct Records {
    counters: Chunks,
    waits: Chunks,
    /// Slots in a chunk, as a power of two.
    chunk_shift: u32,
    /// Slots in use in each chunk.
    held: Vec<u32>,
}

/// Chunks of one array.
#[derive(Debug)]
struct Chunks {
    array: MapData,
    slot_bytes: usize,
    maps: Vec<Option<MmapRaw>>,
}

impl Records {
    /// Records of `slots` slots with `stripes` stripes each.
    pub(super) fn new(counters: MapData, waits: MapData, slots: u32, stripes: u32) -> Self {
        let chunk_slots = chunk_slots();
        let chunks = slots.div_ceil(chunk_slots) as usize;
        Self {
            counters: Chunks::new(
                counters,
                chunks,
                stripes as usize * size_of::<CpuCounters>(),
            ),
            waits: Chunks::new(waits, chunks, stripes as usize * size_of::<WaitBuckets>()),
            chunk_shift: chunk_slots.trailing_zeros(),
            held: vec![0; chunks],
        }
    }

    /// How many slots to allot so that whole chunks can be mapped: `wanted`, rounded up.
    pub(super) fn round_up(wanted: u32) -> u32 {
        let chunk = chunk_slots();
        wanted.div_ceil(chunk) * chunk
    }

    /// Begins to use `slot`; maps its chunk if it is the first one there.
    pub(super) fn hold(&mut self, slot: u32) -> Result<(), KernelError> {
        let chunk = (slot >> self.chunk_shift) as usize;
        let Some(held) = self.held.get_mut(chunk) else {
            return Err(KernelError::Slot(slot));
        };
        if *held == 0 {
            let slots = 1 << self.chunk_shift;
            self.counters.map(chunk, slots)?;
            self.waits.map(chunk, slots)?;
        }
        *held += 1;
        Ok(())
    }

    /// Ends the use of `slot` and zeroes its records for the next holder. Nothing may count in it any more.
    pub(super) fn give_back(&mut self, slot: u32) {
        for word in self.counters.words(slot, self.chunk_shift) {
            word.store(0, Ordering::Relaxed);
        }
        for word in self.waits.words(slot, self.chunk_shift) {
            word.store(0, Ordering::Relaxed);
        }
        let chunk = (slot >> self.chunk_shift) as usize;
        if let Some(held) = self.held.get_mut(chunk) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                self.counters.unmap(chunk);
                self.waits.unmap(chunk);
            }
        }
    }

    /// What `slot` has counted since it was taken, summed over all stripes: also those of CPUs that went offline.
    ///
    /// Each counter is read as one aligned word. The counters of a slot that is being written may be a few events
    /// apart from each other; none is ever torn or goes backwards.
    #[inline]
    pub(super) fn totals(&self, slot: u32) -> SlotTotals {
        let mut totals = SlotTotals {
            counters: self.counters(slot),
            ..SlotTotals::default()
        };
        for record in self
            .waits
            .words(slot, self.chunk_shift)
            .chunks_exact(WAIT_BUCKETS)
        {
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
        for record in self
            .counters
            .words(slot, self.chunk_shift)
            .chunks_exact(WORDS)
        {
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
        let chunks = self.held.iter().filter(|held| **held > 0).count();
        (chunks << self.chunk_shift) * (self.counters.slot_bytes + self.waits.slot_bytes)
    }
}

impl Chunks {
    fn new(array: MapData, chunks: usize, slot_bytes: usize) -> Self {
        Self {
            array,
            slot_bytes,
            maps: (0..chunks).map(|_| None).collect(),
        }
    }

    fn map(&mut self, chunk: usize, slots: usize) -> Result<(), KernelError> {
        let length = slots * self.slot_bytes;
        let map = MmapOptions::new()
            .offset((chunk * length) as u64)
            .len(length)
            .map_raw(self.array.fd().as_fd().as_raw_fd())
            .map_err(KernelError::Mmap)?;
        if let Some(place) = self.maps.get_mut(chunk) {
            *place = Some(map);
        }
        Ok(())
    }

    fn unmap(&mut self, chunk: usize) {
        if let Some(place) = self.maps.get_mut(chunk) {
            *place = None;
        }
    }

    /// All words of `slot`, stripe by stripe; none if its chunk is not mapped.
    #[inline]
    fn words(&self, slot: u32, chunk_shift: u32) -> &[AtomicU64] {
        let Some(Some(map)) = self.maps.get((slot >> chunk_shift) as usize) else {
            return &[];
        };
        let offset = (slot & ((1 << chunk_shift) - 1)) as usize * self.slot_bytes;
        if offset + self.slot_bytes > map.len() {
            return &[];
        }
        #[expect(
            clippy::cast_ptr_alignment,
            reason = "slots start at multiples of 64 bytes within whole pages"
        )]
        // SAFETY: the range was just checked to lie within the mapping, which lives as long as `self`; it starts at
        // a multiple of 64 bytes; the kernel writes it, so it is only ever accessed as atomic words.
        unsafe {
            let start = map.as_mut_ptr().add(offset).cast::<AtomicU64>();
            std::slice::from_raw_parts(start, self.slot_bytes / size_of::<u64>())
        }
    }
}

/// Slots in a chunk, such that a chunk is whole pages; a power of two.
fn chunk_slots() -> u32 {
    let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
    let page = page.and_then(|page| u32::try_from(page).ok());
    CHUNK_SLOTS.max(page.unwrap_or_default() / 64)
}
