//! The block I/O records of all slots: which there are, what they count, and their return.

use std::{
    collections::HashMap as Map,
    os::fd::{AsFd as _, AsRawFd as _},
    sync::atomic::{AtomicU64, Ordering},
};

use agent_ebpf::{
    block_io::{BlockCounters, BlockKey, BlockLatencies, OperationCounters, OperationLatencies},
    maps,
};
use aya::maps::{HashMap, MapData, Stack};
use memmap2::{MmapOptions, MmapRaw};

use super::{KernelError, chunks::Chunks, map_error};
use crate::snapshot::DeviceSums;

/// The maps of the block I/O programs.
pub(super) struct BlockMaps {
    pub(super) records: HashMap<MapData, BlockKey, u32>,
    pub(super) free: Stack<MapData, u32>,
    pub(super) owners: MapData,
    pub(super) taken: MapData,
    pub(super) counters: MapData,
    pub(super) latencies: MapData,
}

/// All records in use.
pub(super) struct BlockRecords {
    records: HashMap<MapData, BlockKey, u32>,
    free: Stack<MapData, u32>,
    owners: Words,
    taken: Words,
    counters: Chunks,
    latencies: Chunks,
    /// The records of each slot that has some: device and index.
    of_slots: Map<u32, Vec<(u32, u32)>>,
    /// Which records those are, by index.
    known: Vec<bool>,
    /// How many records were ever found.
    found: u64,
}

/// An array of words, mapped in full.
struct Words {
    words: MmapRaw,
    /// Its descriptor's number stands in programs that may be loaded later.
    _array: MapData,
}

impl BlockRecords {
    /// `count` records, all of them free but that of what has no device.
    pub(super) fn new(maps: BlockMaps, count: u32) -> Result<Self, KernelError> {
        let mut records = Self {
            owners: Words::map(maps.owners, count as usize)?,
            taken: Words::map(maps.taken, 1)?,
            counters: Chunks::new(maps.counters, count, size_of::<BlockCounters>()),
            latencies: Chunks::new(maps.latencies, count, size_of::<BlockLatencies>()),
            of_slots: Map::new(),
            known: vec![false; count as usize],
            found: 0,
            records: maps.records,
            free: maps.free,
        };
        // The lowest on top: records in use stay close together.
        for index in (1..count).rev() {
            let pushed = records.free.push(index, 0);
            pushed.map_err(map_error(maps::FREE_BLOCK_RECORDS))?;
        }
        let nobodys = BlockKey::default();
        let inserted = records.records.insert(nobodys, 0, 0);
        inserted.map_err(map_error(maps::BLOCK_RECORDS))?;
        records.take_in(0, nobodys)?;
        Ok(records)
    }

    /// Finds the records that were taken since the last call: a look at one word if there are none.
    pub(super) fn find(&mut self) -> Result<(), KernelError> {
        let taken = self.taken.get().first();
        let taken = taken.map_or(0, |taken| taken.load(Ordering::Acquire));
        if taken == self.found {
            return Ok(());
        }
        let new: Vec<(usize, u64)> = self
            .owners
            .get()
            .iter()
            .zip(&self.known)
            .enumerate()
            .filter(|(_, (_, known))| !**known)
            .map(|(index, (owner, _))| (index, owner.load(Ordering::Relaxed)))
            .filter(|(_, owner)| *owner != 0)
            .collect();
        for (index, owner) in new {
            let index = u32::try_from(index).unwrap_or_default();
            self.take_in(index, BlockKey::from_word(owner))?;
            self.found += 1;
        }
        Ok(())
    }

    fn take_in(&mut self, index: u32, key: BlockKey) -> Result<(), KernelError> {
        self.counters.hold(index)?;
        self.latencies.hold(index)?;
        self.of_slots
            .entry(key.slot)
            .or_default()
            .push((key.device, index));
        if let Some(known) = self.known.get_mut(index as usize) {
            *known = true;
        }
        Ok(())
    }

    /// What `slot` has counted on each device that it was found to have used.
    pub(super) fn sums(&self, slot: u32) -> impl Iterator<Item = (u32, DeviceSums)> {
        let records = self.of_slots.get(&slot).into_iter().flatten();
        records.map(|(device, index)| (*device, self.sums_of(*index)))
    }

    fn sums_of(&self, index: u32) -> DeviceSums {
        let mut counters = self.counters.words(index).iter().map(load);
        let mut latencies = self.latencies.words(index).iter().map(load);
        let mut next = || counters.next().unwrap_or_default();
        let operations = std::array::from_fn(|_| OperationCounters {
            bytes: next(),
            operations: next(),
            total_ns: next(),
            device_ns: next(),
            device_timed: next(),
        });
        let mut buckets = || std::array::from_fn(|_| latencies.next().unwrap_or_default());
        let mut latencies = || OperationLatencies {
            total: buckets(),
            device: buckets(),
        };
        DeviceSums {
            operations,
            read: latencies(),
            write: latencies(),
        }
    }

    /// Gives back all records of `slot`, which nothing counts in any more.
    pub(super) fn give_back(&mut self, slot: u32) -> Result<(), KernelError> {
        self.find()?;
        for (device, index) in self.of_slots.remove(&slot).unwrap_or_default() {
            let key = BlockKey { slot, device };
            let removed = self.records.remove(&key);
            removed.map_err(map_error(maps::BLOCK_RECORDS))?;
            if let Some(owner) = self.owners.get().get(index as usize) {
                owner.store(0, Ordering::Relaxed);
            }
            self.counters.give_back(index);
            self.latencies.give_back(index);
            if let Some(known) = self.known.get_mut(index as usize) {
                *known = false;
            }
            let pushed = self.free.push(index, 0);
            pushed.map_err(map_error(maps::FREE_BLOCK_RECORDS))?;
        }
        Ok(())
    }

    /// Bytes mapped now.
    pub(super) fn mapped_bytes(&self) -> usize {
        let words = self.owners.words.len() + self.taken.words.len();
        self.counters.mapped_bytes() + self.latencies.mapped_bytes() + words
    }
}

impl Words {
    fn map(array: MapData, count: usize) -> Result<Self, KernelError> {
        let map = MmapOptions::new()
            .len(count * size_of::<u64>())
            .map_raw(array.fd().as_fd().as_raw_fd());
        Ok(Self {
            words: map.map_err(KernelError::Mmap)?,
            _array: array,
        })
    }

    fn get(&self) -> &[AtomicU64] {
        #[expect(
            clippy::cast_ptr_alignment,
            reason = "a mapping starts at a whole page"
        )]
        // SAFETY: the mapping is that long, starts at a page, and lives as long as `self`; the kernel writes it, so it
        // is only ever accessed as atomic words.
        unsafe {
            let start = self.words.as_mut_ptr().cast::<AtomicU64>();
            std::slice::from_raw_parts(start, self.words.len() / size_of::<u64>())
        }
    }
}

fn load(word: &AtomicU64) -> u64 {
    word.load(Ordering::Relaxed)
}
