//! Arrays of records that the programs write, mapped into memory: no system call per reading.
//!
//! A mapped BPF array counts as resident in full, touched or not (measured), so only the chunks that hold records in
//! use are mapped.

use std::{
    os::fd::{AsFd as _, AsRawFd as _},
    sync::atomic::{AtomicU64, Ordering},
};

use aya::maps::MapData;
use memmap2::{MmapOptions, MmapRaw};
use nix::unistd::{SysconfVar, sysconf};

use super::KernelError;

/// Records in a chunk. 64 records of 64 bytes fill a page of 4 KiB; 1,024 fill one of 64 KiB.
const CHUNK_RECORDS: u32 = 64;

/// One array, mapped where its records are in use.
#[derive(Debug)]
pub(super) struct Chunks {
    array: MapData,
    /// A multiple of 64.
    record_bytes: usize,
    /// Records in a chunk, as a power of two.
    shift: u32,
    mapped: Vec<Chunk>,
}

#[derive(Debug, Default)]
struct Chunk {
    map: Option<MmapRaw>,
    /// Records in use.
    held: u32,
}

impl Chunks {
    /// None of the `records` records of `array` is in use yet. `record_bytes` must be a multiple of 64.
    pub(super) fn new(array: MapData, records: u32, record_bytes: usize) -> Self {
        let chunk_records = chunk_records();
        let chunks = records.div_ceil(chunk_records);
        Self {
            array,
            record_bytes,
            shift: chunk_records.trailing_zeros(),
            mapped: (0..chunks).map(|_| Chunk::default()).collect(),
        }
    }

    /// How many records to allot so that whole chunks can be mapped: `wanted`, rounded up.
    pub(super) fn round_up(wanted: u32) -> u32 {
        let chunk = chunk_records();
        wanted.div_ceil(chunk) * chunk
    }

    /// Begins to use record `index`; maps its chunk if it is the first one there.
    pub(super) fn hold(&mut self, index: u32) -> Result<(), KernelError> {
        let at = (index >> self.shift) as usize;
        let Some(chunk) = self.mapped.get_mut(at) else {
            return Err(KernelError::Slot(index));
        };
        if chunk.map.is_none() {
            let length = self.record_bytes << self.shift;
            let map = MmapOptions::new()
                .offset((at * length) as u64)
                .len(length)
                .map_raw(self.array.fd().as_fd().as_raw_fd())
                .map_err(KernelError::Mmap)?;
            chunk.map = Some(map);
        }
        chunk.held += 1;
        Ok(())
    }

    /// Ends the use of record `index` and zeroes it for the next holder. Nothing may count in it any more.
    pub(super) fn give_back(&mut self, index: u32) {
        for word in self.words(index) {
            word.store(0, Ordering::Relaxed);
        }
        if let Some(chunk) = self.mapped.get_mut((index >> self.shift) as usize) {
            chunk.held = chunk.held.saturating_sub(1);
            if chunk.held == 0 {
                chunk.map = None;
            }
        }
    }

    /// All words of record `index`; none if its chunk is not mapped.
    #[inline]
    pub(super) fn words(&self, index: u32) -> &[AtomicU64] {
        let chunk = self.mapped.get((index >> self.shift) as usize);
        let Some(map) = chunk.and_then(|chunk| chunk.map.as_ref()) else {
            return &[];
        };
        let offset = (index & ((1 << self.shift) - 1)) as usize * self.record_bytes;
        if offset + self.record_bytes > map.len() {
            return &[];
        }
        #[expect(
            clippy::cast_ptr_alignment,
            reason = "records start at multiples of 64 bytes within whole pages"
        )]
        // SAFETY: the range was just checked to lie within the mapping, which lives as long as `self`; it starts at
        // a multiple of 64 bytes; the kernel writes it, so it is only ever accessed as atomic words.
        unsafe {
            let start = map.as_mut_ptr().add(offset).cast::<AtomicU64>();
            std::slice::from_raw_parts(start, self.record_bytes / size_of::<u64>())
        }
    }

    /// Record `index` as `WORDS` words, its stripes added up; all zero if its chunk is not mapped.
    #[inline]
    pub(super) fn sum<const WORDS: usize>(&self, index: u32) -> [u64; WORDS] {
        let mut sums = [0_u64; WORDS];
        for stripe in self.words(index).chunks_exact(WORDS) {
            for (sum, word) in sums.iter_mut().zip(stripe) {
                *sum = sum.wrapping_add(word.load(Ordering::Relaxed));
            }
        }
        sums
    }

    /// Bytes mapped now.
    pub(super) fn mapped_bytes(&self) -> usize {
        let mapped = self.mapped.iter().filter(|chunk| chunk.map.is_some());
        (mapped.count() << self.shift) * self.record_bytes
    }
}

/// Records in a chunk, such that a chunk is whole pages; a power of two.
fn chunk_records() -> u32 {
    let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
    let page = page.and_then(|page| u32::try_from(page).ok());
    CHUNK_RECORDS.max(page.unwrap_or_default() / 64)
}
