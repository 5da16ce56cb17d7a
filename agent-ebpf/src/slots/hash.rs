//! Slots in a hash map by cgroup id, for kernels without cgroup-local storage.

use agent_ebpf::slot::SlotEntry;
use aya_ebpf::{bindings::cgroup, btf_maps::HashMap, macros::btf_map};

#[btf_map]
static SLOTS: HashMap<u64, SlotEntry, 1> = HashMap::new();

/// The entry of the cgroup `id`.
///
/// # Safety
/// None here; the signature is that of cgroup storage, which follows the pointer.
#[inline(always)]
pub(crate) unsafe fn get(_cgroup: *mut cgroup, id: u64) -> Option<SlotEntry> {
    // SAFETY: the entry is copied out at once; ids are not reused, so it cannot become another cgroup's.
    unsafe { SLOTS.get(id).copied() }
}

/// The entry of the cgroup `id`.
#[inline(always)]
pub(crate) fn by_id(id: u64) -> Option<SlotEntry> {
    // SAFETY: as above.
    unsafe { SLOTS.get(id).copied() }
}

/// Stores the entry of the cgroup `id`; false if the map is full.
///
/// # Safety
/// As for [`get`].
#[inline(always)]
pub(crate) unsafe fn insert(_cgroup: *mut cgroup, id: u64, entry: SlotEntry) -> bool {
    SLOTS.insert(id, entry, 0).is_ok()
}

/// Forgets the cgroup `id`.
#[inline(always)]
pub(crate) fn remove(id: u64) {
    // A cgroup that got no slot has no entry; there is nothing to say of that.
    SLOTS.remove(id).unwrap_or_default();
}
