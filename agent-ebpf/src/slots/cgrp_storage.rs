//! Slots in cgroup-local storage (Linux 6.2 and later): found by the cgroup itself, gone with it.
//!
//! Programs on packets are not told the cgroup, only its id: for them there is a hash beside it.

use core::ptr;

use agent_ebpf::slot::SlotEntry;
use aya_ebpf::{
    bindings::{BPF_F_NO_PREALLOC, cgroup},
    btf_maps::{CgrpStorage, HashMap},
    macros::btf_map,
};

use crate::programs::{SETTINGS, constant};

#[btf_map]
static SLOTS: CgrpStorage<SlotEntry> = CgrpStorage::new();

#[btf_map]
static SLOT_IDS: HashMap<u64, SlotEntry, 1, { BPF_F_NO_PREALLOC as usize }> = HashMap::new();

/// The entry of `cgroup`.
///
/// # Safety
/// `cgroup` must be a typed pointer to a live cgroup.
#[inline(always)]
pub(crate) unsafe fn get(cgroup: *mut cgroup, _id: u64) -> Option<SlotEntry> {
    // SAFETY: the caller's; a non-null result points to the stored value.
    unsafe {
        let entry = SLOTS.get_ptr_mut(cgroup);
        if entry.is_null() {
            None
        } else {
            Some(ptr::read(entry))
        }
    }
}

/// The entry of the cgroup `id`, where sockets are counted.
#[inline(always)]
pub(crate) fn by_id(id: u64) -> Option<SlotEntry> {
    // SAFETY: the entry is copied out at once; ids are not reused, so it cannot become another cgroup's.
    unsafe { SLOT_IDS.get(id).copied() }
}

/// Stores the entry of `cgroup`; false if there is no memory for it.
///
/// # Safety
/// `cgroup` must be a typed pointer to a live cgroup.
#[inline(always)]
pub(crate) unsafe fn insert(cgroup: *mut cgroup, id: u64, mut entry: SlotEntry) -> bool {
    if constant(&SETTINGS.network) != 0 {
        // Without an entry here its packets are counted as those of a cgroup without a slot.
        SLOT_IDS.insert(id, entry, 0).unwrap_or_default();
    }
    // SAFETY: the caller's.
    unsafe {
        !SLOTS
            .get_or_insert_ptr_mut(cgroup, Some(&mut entry))
            .is_null()
    }
}

/// Forgets the cgroup `id`. The storage dies with its cgroup.
#[inline(always)]
pub(crate) fn remove(id: u64) {
    if constant(&SETTINGS.network) != 0 {
        // A cgroup that got no slot has no entry; there is nothing to say of that.
        SLOT_IDS.remove(id).unwrap_or_default();
    }
}
