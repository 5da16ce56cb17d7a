//! Kernel object of empty programs on the hot hooks: the floor of `cargo xtask bench switch`, `request` and
//! `packet`.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(target_arch = "bpf")]
mod object;

#[cfg(any(target_arch = "bpf", lint_kernel))]
mod programs {
    use aya_ebpf::{
        macros::{btf_tracepoint, cgroup_skb},
        programs::{BtfTracePointContext, SkBuffContext},
    };

    /// Does nothing on each context switch.
    #[btf_tracepoint(function = "sched_switch")]
    pub(crate) fn sched_switch(_ctx: BtfTracePointContext) -> i32 {
        0
    }

    /// Does nothing on each charge of run time.
    #[btf_tracepoint(function = "sched_stat_runtime")]
    pub(crate) fn sched_stat_runtime(_ctx: BtfTracePointContext) -> i32 {
        0
    }

    /// Does nothing where a request ends.
    #[btf_tracepoint(function = "block_rq_complete")]
    pub(crate) fn block_rq_complete(_ctx: BtfTracePointContext) -> i32 {
        0
    }

    /// Lets each packet that a socket receives pass.
    #[cgroup_skb(ingress)]
    pub(crate) fn network_ingress(_ctx: SkBuffContext) -> i32 {
        1
    }

    /// Lets each packet that a socket sends pass.
    #[cgroup_skb(egress)]
    pub(crate) fn network_egress(_ctx: SkBuffContext) -> i32 {
        1
    }
}

#[cfg(not(target_arch = "bpf"))]
fn main() {}
