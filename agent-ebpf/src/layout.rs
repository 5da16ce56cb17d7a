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
    /// `task_struct.sched_info.last_arrival`
    pub task_last_arrival: u64,
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
    /// `sock.sk_cgrp_data.cgroup`; like all below 0 where it is missing, and then no program reads it.
    pub sock_cgroup: u64,
    /// `sock.sk_protocol`
    pub sock_protocol: u64,
    /// `sk_buff.cb`
    pub skb_cb: u64,
    /// `tcp_skb_cb.tcp_gso_segs`
    pub tcp_cb_segments: u64,
    /// 1 where `tcp_retransmit_skb` passes an error as its third argument, 0 where it is silent about failures.
    pub retransmit_tells_error: u64,
    /// What is read of a process that ends.
    pub ending: EndingLayout,
}

/// Offsets that only the ends of processes need: all zero where one of them is missing, and then they go untold.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(C)]
pub struct EndingLayout {
    /// `task_struct.tgid`
    pub task_tgid: u64,
    /// `task_struct.comm`
    pub task_comm: u64,
    /// `task_struct.exit_code`
    pub task_exit_code: u64,
    /// `task_struct.nsproxy`
    pub task_nsproxy: u64,
    /// `nsproxy.pid_ns_for_children`
    pub nsproxy_pid_ns: u64,
    /// `pid_namespace.child_reaper`
    pub pid_ns_reaper: u64,
    /// `pid_namespace.level`
    pub pid_ns_level: u64,
}

/// What the block I/O programs need to know beside [`KernelLayout`]: offsets, flags and hierarchies.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(C)]
pub struct BlockLayout {
    /// `request.cmd_flags`
    pub request_cmd_flags: u64,
    /// `request.rq_flags`
    pub request_rq_flags: u64,
    /// `request.__data_len`
    pub request_data_len: u64,
    /// `request.bio`
    pub request_bio: u64,
    /// `request.start_time_ns`
    pub request_start_time: u64,
    /// `request.io_start_time_ns`
    pub request_io_start_time: u64,
    /// `request.q`, or `request.rq_disk` before 5.17
    pub request_anchor: u64,
    /// `request_queue.disk`
    pub queue_disk: u64,
    /// `gendisk.major`
    pub disk_major: u64,
    /// `gendisk.first_minor`
    pub disk_first_minor: u64,
    /// `bio.bi_vcnt`
    pub bio_vcnt: u64,
    /// `bio.bi_blkg`
    pub bio_blkg: u64,
    /// `blkcg_gq.blkcg`
    pub blkg_blkcg: u64,
    /// `blkcg.css.cgroup`
    pub blkcg_cgroup: u64,
    /// `bio.bi_next`
    pub bio_next: u64,
    /// `bio.bi_iter.bi_size`
    pub bio_size: u64,
    /// `bio.bi_io_vec`
    pub bio_io_vec: u64,
    /// `bio.bi_iter.bi_idx`
    pub bio_index: u64,
    /// `bio_vec.bv_page`
    pub vec_page: u64,
    /// `page.compound_head`, or `page.compound_info`
    pub page_head: u64,
    /// `page.memcg_data`, or `folio.memcg_data`; `page.mem_cgroup` before 5.11
    pub page_memcg: u64,
    /// `mem_cgroup.css.cgroup`
    pub memcg_cgroup: u64,
    /// `RQF_FLUSH_SEQ`
    pub flush_sequence: u32,
    /// 1 where [`BlockLayout::request_anchor`] is the queue, 0 where it is the disk itself.
    pub anchor_is_queue: u32,
    /// Number of the hierarchy with the I/O controller.
    pub io_hierarchy: u32,
    /// Number of the hierarchy with the memory controller.
    pub memory_hierarchy: u32,
    /// 1 where paths are kept, for cgroups of other hierarchies than the accounting one.
    pub keeps_paths: u32,
    /// Unused; fills up to eight bytes.
    pub reserved: u32,
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
    /// 1 where sockets are counted, so that slots must be found by a cgroup's id alone.
    pub network: u32,
    /// 1 where `sched_stat_runtime` is attached but not told of real-time and deadline tasks, so that `sched_switch`
    /// charges those.
    pub realtime_at_switch: u32,
    /// Unused; fills up to eight bytes.
    pub reserved: u32,
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
        task_last_arrival: 0,
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
        sock_cgroup: 0,
        sock_protocol: 0,
        skb_cb: 0,
        tcp_cb_segments: 0,
        retransmit_tells_error: 0,
        ending: EndingLayout::ZERO,
    };
}

impl EndingLayout {
    /// Before the agent has filled it in, and where this kernel lacks something.
    pub const ZERO: Self = Self {
        task_tgid: 0,
        task_comm: 0,
        task_exit_code: 0,
        task_nsproxy: 0,
        nsproxy_pid_ns: 0,
        pid_ns_reaper: 0,
        pid_ns_level: 0,
    };
}

impl BlockLayout {
    /// Before the agent has filled it in.
    pub const ZERO: Self = Self {
        request_cmd_flags: 0,
        request_rq_flags: 0,
        request_data_len: 0,
        request_bio: 0,
        request_start_time: 0,
        request_io_start_time: 0,
        request_anchor: 0,
        queue_disk: 0,
        disk_major: 0,
        disk_first_minor: 0,
        bio_vcnt: 0,
        bio_blkg: 0,
        blkg_blkcg: 0,
        blkcg_cgroup: 0,
        bio_next: 0,
        bio_size: 0,
        bio_io_vec: 0,
        bio_index: 0,
        vec_page: 0,
        page_head: 0,
        page_memcg: 0,
        memcg_cgroup: 0,
        flush_sequence: 0,
        anchor_is_queue: 0,
        io_hierarchy: 0,
        memory_hierarchy: 0,
        keeps_paths: 0,
        reserved: 0,
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
        network: 0,
        realtime_at_switch: 0,
        reserved: 0,
        root: 0,
    };
}

const _: () = assert!(size_of::<KernelLayout>() == 27 * 8);
const _: () = assert!(size_of::<BlockLayout>() == 22 * 8 + 6 * 4);
const _: () = assert!(size_of::<Settings>() == 40);
