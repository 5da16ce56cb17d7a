//! Which cgroups of several hierarchies are one, by their path; see [`agent_ebpf::path`].

use core::mem::offset_of;

use agent_ebpf::{
    lifecycle::{PATH_BYTES, PATH_ROOM},
    losses::Losses,
    path::{CgroupKey, PathHash},
    slot::SlotEntry,
};
use aya_ebpf::{
    bindings::cgroup as Cgroup,
    btf_maps::{Array, HashMap},
    helpers::generated::bpf_probe_read_kernel_str,
    macros::btf_map,
};

use super::{BLOCK, SETTINGS, cgroup, constant, lost};

#[btf_map]
static PATHS: HashMap<CgroupKey, u64, 1> = HashMap::new();

#[btf_map]
static PATH_SLOTS: HashMap<u64, SlotEntry, 1> = HashMap::new();

/// Room for the path at hand. The hooks that use it run under one lock of the kernel (`trace_cgroup_path_lock`,
/// kernel/cgroup/cgroup-internal.h, Linux 6.12).
#[btf_map]
static PATH_SCRATCH: Array<[u8; PATH_BYTES], 1> = Array::new();

/// Takes in the new cgroup `key` with its path and, in the accounting hierarchy, the slot that was given for it; 0 for
/// none.
///
/// # Safety
/// `path` must be the hook's argument.
#[inline(always)]
pub(crate) unsafe fn arrive(key: CgroupKey, path: *const u8, slot: u32) {
    if !matters(key.hierarchy) {
        return;
    }
    // SAFETY: the caller's.
    let Some(hash) = (unsafe { hash(path) }) else {
        return;
    };
    let mut has_room = PATHS.insert(key, hash, 0).is_ok();
    if key.hierarchy == constant(&SETTINGS.hierarchy) && slot != 0 {
        let entry = SlotEntry { slot, flags: 0 };
        has_room &= PATH_SLOTS.insert(hash, entry, 0).is_ok();
    }
    if !has_room {
        lost(offset_of!(Losses, paths_exhausted));
    }
}

/// Forgets the cgroup `key`, whose directory is removed: from now on its path may be another's. What is written back
/// for it later counts for the cgroup above it.
#[inline(always)]
pub(crate) fn leave(key: CgroupKey) {
    if !matters(key.hierarchy) {
        return;
    }
    // SAFETY: the number is copied out at once.
    let hash = unsafe { PATHS.get(key).copied() };
    if let Some(hash) = hash {
        if key.hierarchy == constant(&SETTINGS.hierarchy) {
            // It has none where it got no slot.
            PATH_SLOTS.remove(hash).unwrap_or_default();
        }
        PATHS.remove(key).unwrap_or_default();
    }
}

/// The slot of the cgroup with the same path in the accounting hierarchy.
#[inline(always)]
pub(crate) fn slot(key: CgroupKey) -> Option<u32> {
    // SAFETY: both values are copied out at once.
    unsafe {
        let hash = PATHS.get(key).copied()?;
        PATH_SLOTS.get(hash).map(|entry| entry.slot)
    }
}

/// The key of `cgroup`.
///
/// # Safety
/// As for [`cgroup::id`].
#[inline(always)]
pub(crate) unsafe fn key(cgroup: *const Cgroup) -> CgroupKey {
    // SAFETY: the caller's.
    unsafe { CgroupKey::of(cgroup::hierarchy(cgroup), cgroup::id(cgroup)) }
}

/// Whether cgroups of `hierarchy` are kept: those that slots, block I/O requests and pages belong to.
#[inline(always)]
fn matters(hierarchy: u32) -> bool {
    constant(&BLOCK.keeps_paths) != 0
        && (hierarchy == constant(&SETTINGS.hierarchy)
            || hierarchy == constant(&BLOCK.io_hierarchy)
            || hierarchy == constant(&BLOCK.memory_hierarchy))
}

/// # Safety
/// `path` must be a hook's argument.
#[inline(always)]
unsafe fn hash(path: *const u8) -> Option<u64> {
    let scratch = PATH_SCRATCH.get_ptr_mut(0)?.cast::<u8>();
    // SAFETY: the scratch is as long as is said; the helper reads from anywhere.
    let length = unsafe { bpf_probe_read_kernel_str(scratch.cast(), PATH_ROOM, path.cast()) };
    let length = usize::try_from(length).ok()?;
    // It has the closing NUL. A path that fills its room may have been cut.
    if length <= 1 || length >= PATH_BYTES {
        return None;
    }
    let mut hash = PathHash::START;
    for at in 0..PATH_BYTES {
        if at + 1 >= length {
            break;
        }
        // SAFETY: within the scratch.
        hash = hash.with(unsafe { scratch.add(at).read_volatile() });
    }
    Some(hash.number())
}
