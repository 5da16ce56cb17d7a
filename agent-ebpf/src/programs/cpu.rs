//! CPU time, switches and run-queue wait, from the scheduler's own hooks.
//!
//! These hooks run with interrupts off and the run queue locked: no clock, no hash, plain adds.

use core::mem::offset_of;

use agent_ebpf::{
    cpu::{CpuCounters, RunningTask, WaitBuckets},
    histogram,
    losses::Losses,
    preemption::Turns,
};
use aya_ebpf::{
    btf_maps::Array,
    helpers::bpf_get_smp_processor_id,
    macros::{btf_map, btf_tracepoint},
    programs::BtfTracePointContext,
};

use super::{
    LAYOUT, SETTINGS, add_own,
    cgroup::{self, Task, load, running},
    constant, lost, preemption,
};

/// Priorities below are those of the real-time and deadline classes, whatever a task's policy: they are lent, too
/// (`rt_prio` in include/linux/sched/rt.h, Linux 5.10).
const MAX_RT_PRIO: i32 = 100;

#[btf_map]
static CPU_COUNTERS: Array<CpuCounters, 1, { super::MMAPABLE }> = Array::new();

#[btf_map]
static WAIT_BUCKETS: Array<WaitBuckets, 1, { super::MMAPABLE }> = Array::new();

/// Charges run time where the kernel charges it.
///
/// `trace_sched_stat_runtime(struct task_struct *tsk, u64 runtime)`; before 6.8 with a third argument `vruntime`.
/// Called by `update_curr` for every class since 5.16 (kernel/sched/fair.c: `account_group_exec_runtime`), beside the
/// charge to cpuacct and `cpu.stat`, so both agree to the nanosecond. Checked on 5.10, 6.1, 6.12, 6.18, 7.3. The idle
/// task is never charged. Before 5.16 it misses real-time and deadline tasks; see `Settings::realtime_at_switch`.
#[btf_tracepoint(function = "sched_stat_runtime")]
pub(crate) fn sched_stat_runtime(ctx: BtfTracePointContext) -> i32 {
    let task: *const Task = ctx.arg(0);
    let run_ns: u64 = ctx.arg(1);
    let cpu = this_cpu();
    let Some(running) = running(cpu) else {
        return 0;
    };
    // SAFETY: the task is the hook's argument, the record is this CPU's.
    let slot = unsafe { cgroup::slot(task, running) };
    if let Some(counters) = counters(slot, cpu) {
        // SAFETY: the pointer comes from the map and is checked; interrupts are off.
        unsafe { add_own(&raw mut (*counters).run_ns, run_ns) };
    }
    0
}

/// Counts switches and the wait before each turn on a CPU.
///
/// `trace_sched_switch(bool preempt, struct task_struct *prev, struct task_struct *next, unsigned int prev_state)`;
/// without `prev_state` before 5.18. Checked on 5.10, 6.1, 6.12, 6.18, 7.3. The wait of a turn is `sched_info.run_delay` at its
/// end less that at its beginning: the scheduler adds to it in `sched_info_arrive`, after this hook
/// (kernel/sched/stats.h). It includes throttled time. It misses what a task waited in a queue that it was then moved
/// out of: `sched_info_dequeue` adds that before the turn begins.
#[btf_tracepoint(function = "sched_switch")]
pub(crate) fn sched_switch(ctx: BtfTracePointContext) -> i32 {
    switch(&ctx, None)
}

/// [`sched_switch`], and it deals out each wait to those who ran meanwhile.
///
/// No clock is asked: when a turn began is `sched_info.last_arrival`, noted together with the wait before it
/// (`sched_info_arrive` in kernel/sched/stats.h), so turns and waits fit to the nanosecond; interrupts and the switch itself
/// are part of the turn that they happen in. What it counts is who ran on the CPU whose queue the task waited in, not who
/// is to blame: while a group is throttled, whoever runs is named, although the group could not have run. It misses what
/// ran on the sibling of a core, and what ran before the CPU last rested: a task that waits beside a resting CPU is being
/// woken, or is throttled. Of waits longer than the turns remembered it knows the latest turns, and takes the others to
/// have been alike. Where a switch was not seen, the two turns around it are nobody's.
#[btf_tracepoint(function = "sched_switch")]
pub(crate) fn sched_switch_turns(ctx: BtfTracePointContext) -> i32 {
    switch(&ctx, preemption::turns(this_cpu()))
}

#[inline(always)]
fn switch(ctx: &BtfTracePointContext, turns: Option<*mut Turns>) -> i32 {
    let preempt: u64 = ctx.arg(0);
    let prev: *const Task = ctx.arg(1);
    let next: *const Task = ctx.arg(2);
    let cpu = this_cpu();
    let Some(running) = running(cpu) else {
        return 0;
    };
    // SAFETY: both tasks are the hook's arguments, the records are this CPU's.
    unsafe {
        if !is_idle(prev) {
            let (slot, wait_ns) = end_turn(prev, preempt & 0xff != 0, running, cpu);
            if let Some(turns) = turns {
                preemption::end(turns, prev, slot, cpu, wait_ns);
            }
        }
        begin_turn(next, running);
        if let Some(turns) = turns
            && is_idle(next)
        {
            preemption::rest(turns);
        }
    }
    0
}

/// Counts the turn, and tells its slot and the wait before it, if that is known.
///
/// # Safety
/// `prev` must be the hook's argument, `running` this CPU's.
#[inline(always)]
unsafe fn end_turn(
    prev: *const Task,
    preempt: bool,
    running: *mut RunningTask,
    cpu: u32,
) -> (u32, Option<u64>) {
    // SAFETY: the caller's; pointers into maps are checked.
    unsafe {
        let slot = cgroup::slot(prev, running);
        let Some(counters) = counters(slot, cpu) else {
            return (slot, None);
        };
        // As the kernel tells `nvcsw` from `nivcsw` in `__schedule` (kernel/sched/core.c): a task that yields or is
        // preempted has not blocked.
        let blocked = !preempt && load::<u32, _>(prev, constant(&LAYOUT.task_state)) != 0;
        if blocked {
            add_own(&raw mut (*counters).voluntary_switches, 1);
        } else {
            add_own(&raw mut (*counters).involuntary_switches, 1);
        }
        // A switch that never fired (seen on virtual machines) must not bill a container for a stranger's turn.
        let seen = (*running).task == prev as u64;
        if is_charged_at_switch(prev) {
            add_own(&raw mut (*counters).run_ns, turn_ns(prev, running, seen));
        }
        let run_delay_ns: u64 = load(prev, constant(&LAYOUT.task_run_delay));
        // Less than before is another task at the same address.
        if !seen || run_delay_ns < (*running).run_delay_ns {
            lost(offset_of!(Losses, unseen_switch_ins));
            return (slot, None);
        }
        let wait_ns = run_delay_ns - (*running).run_delay_ns;
        add_own(&raw mut (*counters).wait_ns, wait_ns);
        if let Some(histogram) = WAIT_BUCKETS.get_ptr_mut(record(slot, cpu)) {
            let bucket = histogram::bucket(wait_ns);
            add_own((&raw mut (*histogram).buckets).cast::<u64>().add(bucket), 1);
        }
        (slot, Some(wait_ns))
    }
}

/// Whether nothing has charged the turn that ends. A task whose class changed within it is taken for what it is now.
///
/// # Safety
/// `prev` must be the hook's argument.
#[inline(always)]
unsafe fn is_charged_at_switch(prev: *const Task) -> bool {
    if constant(&SETTINGS.charge_at_switch) != 0 {
        return true;
    }
    // SAFETY: the caller's.
    constant(&SETTINGS.realtime_at_switch) != 0
        && unsafe { load::<i32, _>(prev, constant(&LAYOUT.task_prio)) } < MAX_RT_PRIO
}

/// CPU time of the turn that ends, by the task's own clock. Where its beginning was not seen, the kernel's own mark of
/// the last time the task was picked serves; it is reset by exit and by changes of affinity.
///
/// # Safety
/// `prev` must be the hook's argument, `running` this CPU's.
#[inline(always)]
unsafe fn turn_ns(prev: *const Task, running: *const RunningTask, seen: bool) -> u64 {
    // SAFETY: the caller's.
    unsafe {
        let now: u64 = load(prev, constant(&LAYOUT.task_sum_exec_runtime));
        let then = if seen {
            (*running).sum_exec_ns
        } else {
            load(prev, constant(&LAYOUT.task_prev_sum_exec_runtime))
        };
        now.wrapping_sub(then)
    }
}

/// # Safety
/// `next` must be the hook's argument, `running` this CPU's.
#[inline(always)]
unsafe fn begin_turn(next: *const Task, running: *mut RunningTask) {
    // SAFETY: the caller's.
    unsafe {
        if is_idle(next) {
            (*running).task = 0;
            return;
        }
        (*running).task = next as u64;
        (*running).run_delay_ns = load(next, constant(&LAYOUT.task_run_delay));
        // Of any task: it may become a real-time one within the turn.
        if constant(&SETTINGS.charge_at_switch) | constant(&SETTINGS.realtime_at_switch) != 0 {
            (*running).sum_exec_ns = load(next, constant(&LAYOUT.task_sum_exec_runtime));
        }
    }
}

/// Counts moves to another CPU.
///
/// `trace_sched_migrate_task(struct task_struct *p, int dest_cpu)`, from `set_task_cpu` under the task's `pi_lock`
/// or its run queue's lock, interrupts off. Checked on 5.10 to 7.3.
#[btf_tracepoint(function = "sched_migrate_task")]
pub(crate) fn sched_migrate_task(ctx: BtfTracePointContext) -> i32 {
    let task: *const Task = ctx.arg(0);
    let cpu = this_cpu();
    let Some(running) = running(cpu) else {
        return 0;
    };
    // SAFETY: the task is the hook's argument, the record is this CPU's.
    let slot = unsafe { cgroup::slot(task, running) };
    if let Some(counters) = counters(slot, cpu) {
        // SAFETY: the pointer comes from the map and is checked; interrupts are off.
        unsafe { add_own(&raw mut (*counters).migrations, 1) };
    }
    0
}

/// The counters of `slot` on this CPU's stripe.
#[inline(always)]
pub(crate) fn counters(slot: u32, cpu: u32) -> Option<*mut CpuCounters> {
    CPU_COUNTERS.get_ptr_mut(record(slot, cpu))
}

/// The executing CPU's number.
#[inline(always)]
pub(crate) fn this_cpu() -> u32 {
    // SAFETY: takes nothing, returns a number.
    unsafe { bpf_get_smp_processor_id() as u32 }
}

/// Index of the record of `slot` on the stripe of `cpu`.
#[inline(always)]
pub(crate) fn record(slot: u32, cpu: u32) -> u32 {
    let stripes = constant(&SETTINGS.stripes);
    slot.wrapping_mul(stripes)
        .wrapping_add(cpu & stripes.wrapping_sub(1))
}

/// # Safety
/// `task` must be a hook's argument.
#[inline(always)]
unsafe fn is_idle(task: *const Task) -> bool {
    // SAFETY: the caller's.
    unsafe { load::<u32, _>(task, constant(&LAYOUT.task_pid)) == 0 }
}
