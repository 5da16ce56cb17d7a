//! Cgroups made and removed: slots given at birth, events for the agent.
//!
//! The programs see every hierarchy and answer only to the accounting one; of some others they keep the paths.

use core::mem::offset_of;

use agent_ebpf::{
    lifecycle::{CgroupEvent, NewCgroup, PATH_ROOM},
    losses::Losses,
    slot::SlotEntry,
};
use aya_ebpf::{
    bindings::{BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP, cgroup as Cgroup},
    btf_maps::{RingBuf, Stack},
    helpers::generated::{
        bpf_ktime_get_boot_ns, bpf_probe_read_kernel_str, bpf_ringbuf_reserve, bpf_ringbuf_submit,
    },
    macros::{btf_map, btf_tracepoint},
    programs::BtfTracePointContext,
};

use super::{
    LAYOUT, SETTINGS,
    cgroup::{self, Task, load},
    constant, lost, paths,
};
use crate::slots;

/// Free slots. Last given back, first taken: the slots in use stay close together, and so does what the agent maps.
#[btf_map]
static FREE_SLOTS: Stack<u32, 1> = Stack::new();

#[btf_map]
static EVENTS: RingBuf<CgroupEvent, { 1 << 20 }> = RingBuf::new();

/// Gives a new cgroup its slot and tells the agent, path included.
///
/// `trace_cgroup_mkdir(struct cgroup *cgrp, const char *path)`, from `cgroup_mkdir` before any task can be in it
/// (kernel/cgroup/cgroup.c). Needs `bpf_probe_read_kernel_str`, which lockdown=confidentiality refuses; then
/// [`cgroup_mkdir_pathless`] serves. Checked on 5.10 to 7.3.
#[btf_tracepoint(function = "cgroup_mkdir")]
pub(crate) fn cgroup_mkdir(ctx: BtfTracePointContext) -> i32 {
    let new: *mut Cgroup = ctx.arg(0);
    let path: *const u8 = ctx.arg(1);
    // SAFETY: the cgroup is the hook's argument, the path its second one.
    unsafe {
        // Each way has its own call: put together, the compiler would leave the slot unset on the stack where there is no
        // event, and look again whether there is one; before Linux 6.4 the verifier then refuses to read it.
        let Some(event) = birth(new) else {
            paths::arrive(paths::key(new), path, 0);
            return 0;
        };
        paths::arrive(paths::key(new), path, event.argument);
        let Some(record) = reserve::<NewCgroup>() else {
            return 0;
        };
        (&raw mut (*record).event).write(event);
        bpf_probe_read_kernel_str((&raw mut (*record).path).cast(), PATH_ROOM, path.cast());
        bpf_ringbuf_submit(record.cast(), u64::from(BPF_RB_FORCE_WAKEUP));
    }
    0
}

/// [`cgroup_mkdir`] without the path.
#[btf_tracepoint(function = "cgroup_mkdir")]
pub(crate) fn cgroup_mkdir_pathless(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the cgroup is the hook's argument.
    unsafe {
        if let Some(event) = birth(ctx.arg(0)) {
            send(event, BPF_RB_FORCE_WAKEUP);
        }
    }
    0
}

/// Tells the agent that a cgroup has no more tasks and its directory is gone, and forgets its path.
///
/// `trace_cgroup_rmdir(struct cgroup *cgrp, const char *path)`, from `cgroup_rmdir`. Checked on 5.10 to 7.3.
#[btf_tracepoint(function = "cgroup_rmdir")]
pub(crate) fn cgroup_rmdir(ctx: BtfTracePointContext) -> i32 {
    let removed: *mut Cgroup = ctx.arg(0);
    // SAFETY: the cgroup is the hook's argument.
    unsafe {
        paths::leave(paths::key(removed));
        if let Some(event) = event(removed, CgroupEvent::RMDIR, 0) {
            send(event, BPF_RB_FORCE_WAKEUP);
        }
    }
    0
}

/// Tells the agent that nothing refers to a cgroup any more, so that its slot can be given back.
///
/// `trace_cgroup_release(struct cgroup *cgrp, const char *path)`, from `css_release_work_fn`. Checked on 5.10 to 7.3.
#[btf_tracepoint(function = "cgroup_release")]
pub(crate) fn cgroup_release(ctx: BtfTracePointContext) -> i32 {
    let released: *mut Cgroup = ctx.arg(0);
    // SAFETY: the cgroup is the hook's argument.
    unsafe {
        if let Some(mut event) = event(released, CgroupEvent::RELEASE, 0) {
            event.argument = slots::get(released, event.cgroup).map_or(0, SlotEntry::own_slot);
            slots::remove(event.cgroup);
            send(event, BPF_RB_NO_WAKEUP);
        }
    }
    0
}

/// Tells the agent that a task was moved into a cgroup.
///
/// `trace_cgroup_attach_task(struct cgroup *dst_cgrp, const char *path, struct task_struct *task, bool threadgroup)`,
/// from `cgroup_attach_task`. Checked on 5.10 to 7.3.
#[btf_tracepoint(function = "cgroup_attach_task")]
pub(crate) fn cgroup_attach_task(ctx: BtfTracePointContext) -> i32 {
    let task: *const Task = ctx.arg(2);
    // SAFETY: the cgroup and the task are the hook's arguments.
    unsafe {
        let pid = load(task, constant(&LAYOUT.task_pid));
        if let Some(event) = event(ctx.arg(0), CgroupEvent::ATTACH, pid) {
            send(event, BPF_RB_NO_WAKEUP);
        }
    }
    0
}

/// Gives `new` a slot: its parent's where that one owns its subtree, else a free one. The event that tells of it, or
/// none for another hierarchy's cgroup.
///
/// # Safety
/// `new` must be the hook's argument.
#[inline(always)]
unsafe fn birth(new: *mut Cgroup) -> Option<CgroupEvent> {
    // SAFETY: the caller's.
    unsafe {
        let mut event = event(new, CgroupEvent::MKDIR, 0)?;
        let parent = cgroup::parent(new);
        let inherited = if parent.is_null() {
            None
        } else {
            slots::get(parent, cgroup::id(parent))
        };
        if let Some(entry) = inherited.filter(|entry| entry.owns_subtree())
            && slots::insert(new, event.cgroup, entry.inherited())
        {
            event.argument = entry.slot;
            return Some(event);
        }
        if let Ok(Some(slot)) = FREE_SLOTS.pop() {
            if slots::insert(new, event.cgroup, SlotEntry { slot, flags: 0 }) {
                event.argument = slot;
                return Some(event);
            }
            // There is room for every slot. One that cannot be pushed is lost until the agent starts again; the new
            // cgroup without a slot is counted all the same.
            FREE_SLOTS.push(slot, 0).unwrap_or_default();
        }
        lost(offset_of!(Losses, slots_exhausted));
        Some(event)
    }
}

/// The event `kind` of `cgroup`, if it belongs to the accounting hierarchy.
///
/// # Safety
/// `cgroup` must be the hook's argument.
#[inline(always)]
unsafe fn event(cgroup: *mut Cgroup, kind: u32, argument: u32) -> Option<CgroupEvent> {
    // SAFETY: the caller's.
    unsafe {
        if cgroup::hierarchy(cgroup) != constant(&SETTINGS.hierarchy) {
            return None;
        }
        Some(CgroupEvent {
            cgroup: cgroup::id(cgroup),
            boot_ns: bpf_ktime_get_boot_ns(),
            kind,
            argument,
        })
    }
}

/// Sends an event without a path.
#[inline(always)]
fn send(event: CgroupEvent, wakeup: u32) {
    if let Some(record) = reserve::<CgroupEvent>() {
        // SAFETY: freshly reserved, of this type's size.
        unsafe {
            record.write(event);
            bpf_ringbuf_submit(record.cast(), u64::from(wakeup));
        }
    }
}

/// Room for a `T` in the ring buffer; without room, the event is counted as lost.
#[inline(always)]
pub(super) fn reserve<T>() -> Option<*mut T> {
    // SAFETY: the map is a ring buffer; the size is a constant.
    let record = unsafe {
        bpf_ringbuf_reserve(
            (&raw const EVENTS).cast_mut().cast(),
            size_of::<T>() as u64,
            0,
        )
    };
    if record.is_null() {
        lost(offset_of!(Losses, events_lost));
        return None;
    }
    Some(record.cast())
}
