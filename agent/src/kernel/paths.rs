//! Which cgroups of several hierarchies are one, as user space adds to it: what was there before the programs.

use agent_ebpf::{
    maps,
    path::{CgroupKey, PathHash},
    slot::SlotEntry,
};
use aya::maps::{HashMap, MapData};

use super::{KernelError, map_error};
use crate::container::CgroupId;

/// The maps `PATHS` and `PATH_SLOTS`.
#[derive(Debug)]
pub(super) struct Paths {
    paths: HashMap<MapData, CgroupKey, u64>,
    slots: HashMap<MapData, u64, SlotEntry>,
}

impl Paths {
    pub(super) fn new(
        paths: HashMap<MapData, CgroupKey, u64>,
        slots: HashMap<MapData, u64, SlotEntry>,
    ) -> Self {
        Self { paths, slots }
    }

    /// Takes in the cgroup `id` of `hierarchy` with its path. One whose path is too long is left out, as the programs
    /// do: it counts where the cgroup above it does.
    pub(super) fn add(
        &mut self,
        hierarchy: u32,
        id: CgroupId,
        path: &str,
    ) -> Result<(), KernelError> {
        let Some(hash) = PathHash::of(path) else {
            return Ok(());
        };
        let key = CgroupKey::of(hierarchy, id.0);
        let added = self.paths.insert(key, hash.number(), 0);
        added.map_err(map_error(maps::PATHS))
    }

    /// Lets all cgroups at `path` count in `slot`.
    pub(super) fn set_slot(&mut self, path: &str, slot: u32) -> Result<(), KernelError> {
        let Some(hash) = PathHash::of(path) else {
            return Ok(());
        };
        let entry = SlotEntry { slot, flags: 0 };
        let set = self.slots.insert(hash.number(), entry, 0);
        set.map_err(map_error(maps::PATH_SLOTS))
    }
}
