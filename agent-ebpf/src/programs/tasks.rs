//! Tasks created, programs started, tasks ended: counters only, no event per task.

use core::mem::offset_of;

use agent_ebpf::cpu::CpuCounters;
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};

use super::{
    add_atomic,
    cgroup::{self, Task},
    cpu::{counters, this_cpu},
    ending,
};

/// `trace_sched_process_fork(struct task_struct *parent, struct task_struct *child)`, from `kernel_clone` once the
/// child is in its cgroup. Threads count too. Checked on 5.10 to 7.3.
#[btf_tracepoint(function = "sched_process_fork")]
pub(crate) fn sched_process_fork(ctx: BtfTracePointContext) -> i32 {
    count(ctx.arg(1), offset_of!(CpuCounters, forks))
}

/// `trace_sched_process_exec(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)`, once the new program
/// has taken over. Checked on 5.10 to 7.3.
#[btf_tracepoint(function = "sched_process_exec")]
pub(crate) fn sched_process_exec(ctx: BtfTracePointContext) -> i32 {
    count(ctx.arg(0), offset_of!(CpuCounters, execs))
}

/// `trace_sched_process_exit(struct task_struct *p, ...)`, from `do_exit` while the task is still in its cgroup and its
/// exit code is set (kernel/exit.c). Checked on 5.10 to 7.3.
#[btf_tracepoint(function = "sched_process_exit")]
pub(crate) fn sched_process_exit(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the task is the hook's argument.
    unsafe { ending::tell_init(ctx.arg(0)) };
    count(ctx.arg(0), offset_of!(CpuCounters, exits))
}

/// Adds one to the counter at `offset` in the record of `task`'s slot.
#[inline(always)]
fn count(task: *const Task, offset: usize) -> i32 {
    // SAFETY: the task is a hook's argument.
    let slot = unsafe { cgroup::slot_uncached(task) };
    if let Some(counters) = counters(slot, this_cpu()) {
        // SAFETY: the pointer comes from the map and is checked; the offset is a `u64` field's.
        unsafe { add_atomic(counters.byte_add(offset).cast(), 1) };
    }
    0
}
