//! The kernel object: how large its maps are made, what its programs are told, and its maps once it is loaded.

use agent_ebpf::{
    layout::{BlockLayout, Settings},
    maps,
};
use aya::{
    Ebpf, EbpfLoader, include_bytes_aligned,
    maps::{HashMap, Map, MapData, MapError, Stack},
    util::nr_cpus,
};

use super::{
    KernelError, block_io::BlockMaps, error::map_error, layout::Anchor, load::Loader,
    network::MAX_ADDRESSES, plan::Timing, slots::StorageKind,
};

static CGRP_STORAGE: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/cgrp-storage.o"));
static HASH: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/hash.o"));

/// More CPUs than this share stripes, and adds become atomic.
const MAX_STRIPES: usize = 16;

/// Cgroups that the hash holds for each slot: cgroups inside containers have entries too.
const HASH_ENTRIES_PER_SLOT: u32 = 4;

/// Paths kept for each slot and hierarchy: some cgroups inside containers have one, too.
const PATHS_PER_SLOT: u32 = 2;

/// No hierarchy has this number.
const NO_HIERARCHY: u32 = u32::MAX;

impl Loader<'_> {
    /// What the programs are told of this host.
    pub(super) fn settings(&self, timing: Timing) -> Settings {
        let (stripes, shared_stripes) = stripes_for(possible_cpus());
        Settings {
            hierarchy: self.options.hierarchy,
            anchor_is_css: u32::from(self.options.anchor == Anchor::Cpuacct),
            stripes,
            shared_stripes: u32::from(shared_stripes),
            charge_at_switch: u32::from(!timing.exact),
            network: u32::from(self.options.network),
            realtime_at_switch: u32::from(timing.exact && !timing.tells_realtime),
            reserved: 0,
            root: self.options.root.0,
        }
    }

    /// Makes the maps, for that many slots; no program is loaded yet.
    pub(super) fn object(
        &self,
        storage: StorageKind,
        settings: &Settings,
        slots: u32,
    ) -> Result<Ebpf, KernelError> {
        let cpus = u32::try_from(possible_cpus()).unwrap_or(u32::MAX);
        let records = slots * settings.stripes;
        let block = self.block_layout();
        // A map that is not used is made all the same.
        let (block_records, paths) = match block.keeps_paths {
            0 => (1, 1),
            _ => (slots, slots * PATHS_PER_SLOT),
        };
        let if_network = |entries| {
            if self.options.network { entries } else { 1 }
        };
        let if_takers = |entries| if self.has_takers() { entries } else { 1 };
        let mut loader = EbpfLoader::new();
        loader
            .btf(Some(&self.btf))
            .override_global("LAYOUT", &self.layout, true)
            .override_global("SETTINGS", settings, true)
            .override_global("BLOCK", &block, true)
            .map_max_entries(maps::CPU_COUNTERS, records)
            .map_max_entries(maps::WAIT_BUCKETS, records)
            .map_max_entries(maps::RUNNING, cpus)
            .map_max_entries(maps::TURNS, if_takers(cpus))
            .map_max_entries(maps::TAKERS, if_takers(records))
            .map_max_entries(maps::FREE_SLOTS, slots)
            .map_max_entries(maps::PATHS, paths * self.hierarchies())
            .map_max_entries(maps::PATH_SLOTS, paths)
            .map_max_entries(maps::BLOCK_RECORDS, block_records)
            .map_max_entries(maps::FREE_BLOCK_RECORDS, block_records)
            .map_max_entries(maps::BLOCK_OWNERS, block_records)
            .map_max_entries(maps::BLOCK_COUNTERS, block_records)
            .map_max_entries(maps::BLOCK_LATENCIES, block_records)
            .map_max_entries(maps::NETWORK_COUNTERS, if_network(records))
            .map_max_entries(maps::RECENT, cpus)
            .map_max_entries(maps::LOCAL_ADDRESSES, if_network(MAX_ADDRESSES));
        let object = match storage {
            StorageKind::CgrpStorage => {
                let ids = if_network(slots * HASH_ENTRIES_PER_SLOT);
                loader.map_max_entries(maps::SLOT_IDS, ids);
                CGRP_STORAGE
            }
            StorageKind::Hash => {
                loader.map_max_entries(maps::SLOTS, slots * HASH_ENTRIES_PER_SLOT);
                HASH
            }
        };
        loader.load(object).map_err(|source| KernelError::Object {
            storage: storage.as_str(),
            source: Box::new(source),
        })
    }

    /// What the block I/O programs are told; no paths are kept where they cannot run.
    fn block_layout(&self) -> BlockLayout {
        let Ok(layout) = self.block_pages.as_ref().or(self.block.as_ref()) else {
            return BlockLayout::ZERO;
        };
        BlockLayout {
            io_hierarchy: self.options.io_hierarchy.unwrap_or(NO_HIERARCHY),
            memory_hierarchy: self.options.memory_hierarchy.unwrap_or(NO_HIERARCHY),
            keeps_paths: 1,
            ..*layout
        }
    }

    /// How many hierarchies paths are kept of.
    fn hierarchies(&self) -> u32 {
        let (io, memory) = (self.options.io_hierarchy, self.options.memory_hierarchy);
        let others = [io, memory.filter(|_| memory != io)].into_iter().flatten();
        let others = others.filter(|it| *it != self.options.hierarchy);
        1 + others.map(|_| 1).sum::<u32>()
    }
}

/// A map, which is its owner's from here on.
pub(super) fn take<T>(
    ebpf: &mut Ebpf,
    name: &'static str,
    convert: impl Fn(Map) -> Result<T, MapError>,
) -> Result<T, KernelError> {
    let map = ebpf.take_map(name).ok_or(KernelError::NoMap(name))?;
    convert(map).map_err(map_error(name))
}

/// A map that stays where it is: its descriptor's number stands in programs that may be loaded later.
pub(super) fn lend<'a>(ebpf: &'a Ebpf, name: &'static str) -> Result<&'a MapData, KernelError> {
    match ebpf.map(name).ok_or(KernelError::NoMap(name))? {
        Map::Array(data) => Ok(data),
        _ => Err(map_error(name)(MapError::InvalidMapType { map_type: 0 })),
    }
}

/// The maps of block I/O.
pub(super) fn block_maps(ebpf: &mut Ebpf) -> Result<BlockMaps, KernelError> {
    Ok(BlockMaps {
        records: take(ebpf, maps::BLOCK_RECORDS, HashMap::try_from)?,
        free: take(ebpf, maps::FREE_BLOCK_RECORDS, Stack::try_from)?,
        owners: take(ebpf, maps::BLOCK_OWNERS, array)?,
        taken: take(ebpf, maps::BLOCK_TAKEN, array)?,
        counters: take(ebpf, maps::BLOCK_COUNTERS, array)?,
        latencies: take(ebpf, maps::BLOCK_LATENCIES, array)?,
    })
}

/// The array itself: its values are mapped into memory, not read by system calls.
pub(super) fn array(map: Map) -> Result<MapData, MapError> {
    match map {
        Map::Array(data) => Ok(data),
        _ => Err(MapError::InvalidMapType { map_type: 0 }),
    }
}

/// Stripes per slot with that many possible CPUs, and whether CPUs share them. As many as CPUs, so that each has its
/// own.
pub fn stripes_for(cpus: usize) -> (u32, bool) {
    let stripes = cpus.next_power_of_two().min(MAX_STRIPES);
    (u32::try_from(stripes).unwrap_or(1), cpus > stripes)
}

/// CPUs that may ever come online. Where `/sys` does not tell, as many as a kernel may have: too many stripes cost
/// memory, too few would mix up CPUs.
pub(super) fn possible_cpus() -> usize {
    nr_cpus().unwrap_or(MAX_STRIPES * 64)
}
