//! Processes that end and matter to their container: victims of a lack of memory, and the first of a pid namespace.
//!
//! Rare, so each is an event of its own; the agent counts them. Other ends are counted in `tasks`.

use agent_ebpf::lifecycle::{CgroupEvent, InitExit, Victim};
use aya_ebpf::{
    bindings::{BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP},
    helpers::generated::{bpf_ktime_get_boot_ns, bpf_ringbuf_submit},
    macros::btf_tracepoint,
    programs::BtfTracePointContext,
};

use super::{
    LAYOUT,
    cgroup::{self, Task, load},
    constant,
    lifecycle::reserve,
};

/// Tells the agent whom the kernel kills because memory ran out.
///
/// `trace_mark_victim(struct task_struct *task, uid_t uid)`, from `mark_oom_victim` (`mm/oom_kill.c`) before the victim
/// can let go of its cgroup; older kernels pass a pid alone, which leads to no cgroup. Every thread of a victim may be
/// marked, and so may a task that was dying anyway: the agent tells threads of one process apart from processes, a
/// task that was dying anyway is told as a victim. Checked on 6.18.
#[btf_tracepoint(function = "mark_victim")]
pub(crate) fn mark_victim(ctx: BtfTracePointContext) -> i32 {
    let victim: *const Task = ctx.arg(0);
    // SAFETY: the task is the hook's argument; the record is freshly reserved, of this type's size.
    unsafe {
        let Some(record) = reserve::<Victim>() else {
            return 0;
        };
        (&raw mut (*record).event).write(event(victim, CgroupEvent::VICTIM));
        let comm = constant(&LAYOUT.ending.task_comm);
        let words: *mut u64 = (&raw mut (*record).comm).cast();
        words.write(load(victim, comm));
        words.add(1).write(load(victim, comm + 8));
        bpf_ringbuf_submit(record.cast(), u64::from(BPF_RB_FORCE_WAKEUP));
    }
    0
}

/// Tells the agent how `task` ended, if it is the first process of its pid namespace: a container's main process, as
/// most runtimes make them. Its threads may all be told, the last one last; all ended by `exit_group` or a signal
/// have the same status. The agent need not wake for it: the end of the cgroup follows.
///
/// # Safety
/// `task` must be the argument of `sched_process_exit`.
#[inline(always)]
pub(super) unsafe fn tell_init(task: *const Task) {
    let layout = &LAYOUT.ending;
    if constant(&layout.pid_ns_reaper) == 0 {
        return;
    }
    // SAFETY: the task is a hook's argument. Its `nsproxy` is set until after the hook; the namespace for children is
    // its own unless it asked for another. A pointer that is null after all reads as zero.
    unsafe {
        let nsproxy: *const u8 = load(task, constant(&layout.task_nsproxy));
        let pid_ns: *const u8 = load(nsproxy, constant(&layout.nsproxy_pid_ns));
        let reaper: *const Task = load(pid_ns, constant(&layout.pid_ns_reaper));
        if reaper != task {
            return;
        }
        let Some(record) = reserve::<InitExit>() else {
            return;
        };
        record.write(InitExit {
            event: event(task, CgroupEvent::INIT_EXIT),
            status: load(task, constant(&layout.task_exit_code)),
            level: load(pid_ns, constant(&layout.pid_ns_level)),
        });
        bpf_ringbuf_submit(record.cast(), u64::from(BPF_RB_NO_WAKEUP));
    }
}

/// The event `kind` of the process that `task` is of.
///
/// # Safety
/// `task` must be a hook's argument.
#[inline(always)]
unsafe fn event(task: *const Task, kind: u32) -> CgroupEvent {
    // SAFETY: the caller's.
    unsafe {
        CgroupEvent {
            cgroup: cgroup::id(cgroup::of_task(task)),
            boot_ns: bpf_ktime_get_boot_ns(),
            kind,
            argument: load(task, constant(&LAYOUT.ending.task_tgid)),
        }
    }
}
