//! From a task to its cgroup in the accounting hierarchy, and to its slot.
//!
//! All loads are typed: the verifier follows the pointers from the hook's argument by the kernel's BTF, with the
//! offsets as constants. No `bpf_probe_read_kernel`, so lockdown does not matter.

use core::{mem::offset_of, ptr};

use agent_ebpf::{cpu::RunningTask, losses::Losses, slot::SlotEntry};
use aya_ebpf::{bindings::cgroup, btf_maps::Array, macros::btf_map};

use super::{LAYOUT, SETTINGS, constant, lost};
use crate::slots;

/// `struct task_struct` of the running kernel; only pointers to it exist.
pub(crate) enum Task {}

#[btf_map]
static RUNNING: Array<RunningTask, 1> = Array::new();

/// This CPU's [`RunningTask`].
#[inline(always)]
pub(crate) fn running(cpu: u32) -> Option<*mut RunningTask> {
    RUNNING.get_ptr_mut(cpu)
}

/// Loads a `T` at `offset` behind `base`.
///
/// # Safety
/// `base` must be a pointer to a kernel structure that has a `T` there, of a type the verifier knows.
#[inline(always)]
pub(crate) unsafe fn load<T: Copy, S>(base: *const S, offset: u64) -> T {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the target has 64-bit pointers"
    )]
    // SAFETY: the caller's; the verifier checks the access against the structure's BTF.
    unsafe {
        ptr::read_volatile(base.byte_add(offset as usize).cast::<T>())
    }
}

/// The cgroup that `task` is charged to.
///
/// # Safety
/// `task` must be a hook's argument.
#[inline(always)]
pub(crate) unsafe fn of_task(task: *const Task) -> *mut cgroup {
    // SAFETY: `task_struct.cgroups` is never null while a task can run or be switched away from, and
    // `css_set.dfl_cgrp` and `css_set.subsys[]` never are (kernel/cgroup/cgroup.c, Linux 6.12).
    unsafe {
        let css_set: *const u8 = load(task, constant(&LAYOUT.task_cgroups));
        let anchor: *const u8 = load(css_set, constant(&LAYOUT.css_set_anchor));
        if constant(&SETTINGS.anchor_is_css) == 0 {
            anchor.cast_mut().cast()
        } else {
            load(anchor, constant(&LAYOUT.css_cgroup))
        }
    }
}

/// The id of `cgroup` (`kernfs_node.id`).
///
/// # Safety
/// `cgroup` must come from [`of_task`], [`parent`] or a hook's argument.
#[inline(always)]
pub(crate) unsafe fn id(cgroup: *const cgroup) -> u64 {
    // SAFETY: `cgroup.kn` is set before the cgroup is visible and outlives it.
    unsafe {
        let kn: *const u8 = load(cgroup, constant(&LAYOUT.cgroup_kn));
        load(kn, constant(&LAYOUT.kernfs_id))
    }
}

/// The hierarchy `cgroup` belongs to; 0 is the unified one.
///
/// # Safety
/// `cgroup` must be a hook's argument.
#[inline(always)]
pub(crate) unsafe fn hierarchy(cgroup: *const cgroup) -> u32 {
    // SAFETY: `cgroup.root` is set for life.
    unsafe {
        let root: *const u8 = load(cgroup, constant(&LAYOUT.cgroup_root));
        load(root, constant(&LAYOUT.root_hierarchy))
    }
}

/// The parent of `cgroup`; null for a root.
///
/// # Safety
/// `cgroup` must be a hook's argument.
#[inline(always)]
pub(crate) unsafe fn parent(cgroup: *const cgroup) -> *mut cgroup {
    // SAFETY: `cgroup.self.parent` is set for life; a parent outlives its children.
    unsafe {
        let css: *const u8 = load(cgroup, constant(&LAYOUT.cgroup_parent));
        if css.is_null() {
            ptr::null_mut()
        } else {
            load(css, constant(&LAYOUT.css_cgroup))
        }
    }
}

/// The slot that `task` counts in. The slot found last is remembered for each CPU: cgroup ids are never reused, so
/// one comparison tells whether it still holds, and the storage is asked only on a change.
///
/// # Safety
/// `task` must be a hook's argument, `running` this CPU's [`RunningTask`].
#[inline(always)]
pub(crate) unsafe fn slot(task: *const Task, running: *mut RunningTask) -> u32 {
    // SAFETY: the caller's.
    unsafe {
        let cgroup = of_task(task);
        let id = id(cgroup);
        if (*running).cgroup == id {
            return (*running).slot;
        }
        match lookup(cgroup, id) {
            Some(entry) => {
                (*running).cgroup = id;
                (*running).slot = entry.slot;
                entry.slot
            }
            None => 0,
        }
    }
}

/// The slot that `task` counts in, for hooks that may run with interrupts on and so must not touch what the
/// scheduler hooks remember.
///
/// # Safety
/// `task` must be a hook's argument.
#[inline(always)]
pub(crate) unsafe fn slot_uncached(task: *const Task) -> u32 {
    // SAFETY: the caller's.
    unsafe {
        let cgroup = of_task(task);
        lookup(cgroup, id(cgroup)).map_or(0, |entry| entry.slot)
    }
}

/// # Safety
/// `cgroup` must come from [`of_task`], `id` be its id.
#[inline(always)]
unsafe fn lookup(cgroup: *mut cgroup, id: u64) -> Option<SlotEntry> {
    // SAFETY: the caller's.
    let entry = unsafe { slots::get(cgroup, id) };
    if entry.is_none() && id != constant(&SETTINGS.root) {
        lost(offset_of!(Losses, unslotted_charges));
    }
    entry
}
