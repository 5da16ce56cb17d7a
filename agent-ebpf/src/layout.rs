//! What the agent tells the programs before they are loaded: this kernel's structure offsets, and settings.
//!
//! Rust emits no CO-RE relocations, so no offset of one kernel may be compiled in. The agent resolves each from the
//! running kernel's BTF and writes it to read-only data; the verifier then sees constants and typed loads.

/// Byte offsets in the running kernel's structures.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(C)]
pub struct KernelLayout {
    /// `task_struct.pid`
    pub task_pid: u64,
    /// `task_struct.prio`
    pub task_prio: u64,
    /// `task_struct.__state` (`state` before 5.14)
    pub task_state: u64,
    /// `task_struct.sched_info.run_delay`
    pub task_run_delay: u64,
    /// `task_struct.se.sum_exec_runtime`
    pub task_sum_exec_runtime: u64,
    /// `task_struct.se.prev_sum_exec_runtime`
    pub task_prev_sum_exec_runtime: u64,
    /// `task_struct.cgroups`
    pub task_cgroups: u64,
    /// `css_set.dfl_cgrp`, or `css_set.subsys[cpuacct]` where the accounting hierarchy is cpuacct's
    pub css_set_anchor: u64,
    /// `cgroup_subsys_state.cgroup`
    pub css_cgroup: u64,
    /// `cgroup.kn`
    pub cgroup_kn: u64,
    /// `cgroup.root`
    pub cgroup_root: u64,
    /// `cgroup.self.parent`
    pub cgroup_parent: u64,
    /// `cgroup_root.hierarchy_id`
    pub root_hierarchy: u64,
    /// `kernfs_node.id`
    pub kernfs_id: u64,
}

/// How the programs are to count.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(C)]
pub struct Settings {
    /// Number of the accounting hierarchy; 0 is the unified one.
    pub hierarchy: u32,
    /// 1 where [`KernelLayout::css_set_anchor`] points to a `cgroup_subsys_state`, 0 where to the cgroup itself.
    pub anchor_is_css: u32,
    /// Stripes per slot, a power of two.
    pub stripes: u32,
    /// 1 where CPUs share stripes, so that every add must be atomic.
    pub shared_stripes: u32,
    /// 1 where `sched_switch` charges run time because `sched_stat_runtime` is not attached.
    pub charge_at_switch: u32,
    /// 1 where `sched_stat_runtime` is attached but not told of real-time and deadline tasks, so that `sched_switch`
    /// charges those.
    pub realtime_at_switch: u32,
    /// The root cgroup's id: its charges belong to slot 0 by right.
    pub root: u64,
}

impl KernelLayout {
    /// Before the agent has filled it in.
    pub const ZERO: Self = Self {
        task_pid: 0,
        task_prio: 0,
        task_state: 0,
        task_run_delay: 0,
        task_sum_exec_runtime: 0,
        task_prev_sum_exec_runtime: 0,
        task_cgroups: 0,
        css_set_anchor: 0,
        css_cgroup: 0,
        cgroup_kn: 0,
        cgroup_root: 0,
        cgroup_parent: 0,
        root_hierarchy: 0,
        kernfs_id: 0,
    };
}

impl Settings {
    /// Before the agent has filled it in.
    pub const ZERO: Self = Self {
        hierarchy: 0,
        anchor_is_css: 0,
        stripes: 0,
        shared_stripes: 0,
        charge_at_switch: 0,
        realtime_at_switch: 0,
        root: 0,
    };
}

const _: () = assert!(size_of::<KernelLayout>() == 14 * 8);
const _: () = assert!(size_of::<Settings>() == 32);
