//! cgroup → slot, as user space sees and sets it.

use std::fs::File;

use agent_ebpf::slot::SlotEntry;
use aya::maps::{CgrpStorage, HashMap, MapData, MapError};

use crate::container::CgroupId;

/// Where slots are kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StorageKind {
    /// Cgroup-local storage: Linux 6.2 and later.
    CgrpStorage,
    /// A hash map by cgroup id.
    Hash,
}

impl StorageKind {
    /// The kernel's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CgrpStorage => "cgrp_storage",
            Self::Hash => "hash",
        }
    }
}

/// The map `SLOTS`, and `SLOT_IDS` where it is another.
#[derive(Debug)]
pub(super) enum Slots {
    /// Found by the cgroup's open directory.
    CgrpStorage {
        /// The storage.
        storage: CgrpStorage<MapData, SlotEntry>,
        /// The same by id, for the programs on packets.
        ids: Option<HashMap<MapData, u64, SlotEntry>>,
    },
    /// Found by the cgroup's id.
    Hash(HashMap<MapData, u64, SlotEntry>),
}

const ANY: u64 = 0;

impl Slots {
    /// The entry of the cgroup `id`, whose open directory is `directory`.
    pub(super) fn get(
        &self,
        directory: &File,
        id: CgroupId,
    ) -> Result<Option<SlotEntry>, MapError> {
        let found = match self {
            Self::CgrpStorage { storage, .. } => storage.get(directory, ANY),
            Self::Hash(hash) => hash.get(&id.0, ANY),
        };
        match found {
            Ok(entry) => Ok(Some(entry)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sets the entry of the cgroup `id`, whose open directory is `directory`.
    pub(super) fn set(
        &mut self,
        directory: &File,
        id: CgroupId,
        entry: SlotEntry,
    ) -> Result<(), MapError> {
        match self {
            Self::CgrpStorage { storage, ids } => {
                if let Some(ids) = ids {
                    ids.insert(id.0, entry, ANY)?;
                }
                storage.insert(directory, entry, ANY)
            }
            Self::Hash(hash) => hash.insert(id.0, entry, ANY),
        }
    }

    /// Forgets the cgroup `id`, where the kernel does not do so by itself.
    pub(super) fn forget(&mut self, id: CgroupId) {
        let ids = match self {
            Self::CgrpStorage { ids, .. } => ids.as_mut(),
            Self::Hash(hash) => Some(hash),
        };
        if let Some(hash) = ids {
            // Gone already if the program for `cgroup_release` saw its end.
            hash.remove(&id.0).unwrap_or_default();
        }
    }
}
