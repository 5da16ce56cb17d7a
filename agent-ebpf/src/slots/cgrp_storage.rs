//! Slots in cgroup-local storage (Linux 6.2 and later): found by the cgroup itself, gone with it.

use core::ptr;

use agent_ebpf::slot::SlotEntry;
use aya_ebpf::{bindings::cgroup, btf_maps::CgrpStorage, macros::btf_map};

#[btf_map]
static SLOTS: CgrpStorage<SlotEntry> = CgrpStorage::new();

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

/// Stores the entry of `cgroup`; false if there is no memory for it.
///
/// # Safety
/// `cgroup` must be a typed pointer to a live cgroup.
#[inline(always)]
pub(crate) unsafe fn insert(cgroup: *mut cgroup, _id: u64, mut entry: SlotEntry) -> bool {
    // SAFETY: the caller's.
    unsafe {
        !SLOTS
            .get_or_insert_ptr_mut(cgroup, Some(&mut entry))
            .is_null()
    }
}

/// Nothing to do: the storage dies with its cgroup.
#[inline(always)]
pub(crate) fn remove(_id: u64) {}
