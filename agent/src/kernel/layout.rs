//! This kernel's structure offsets and tracepoint signatures: facts only, from its type information.

use std::path::Path;

use agent_ebpf::layout::{BlockLayout, EndingLayout, KernelLayout};

use super::btf::{Argument, Btf, BtfError, VMLINUX};

/// Structures and enums that offsets are wanted of.
const NAMES: [&str; 23] = [
    "task_struct",
    "css_set",
    "cgroup",
    "cgroup_root",
    "cgroup_subsys_state",
    "kernfs_node",
    "cgroup_subsys_id",
    "request",
    "request_queue",
    "gendisk",
    "bio",
    "bio_vec",
    "blkcg_gq",
    "blkcg",
    "page",
    "folio",
    "mem_cgroup",
    "rqf_flags",
    "sock",
    "sk_buff",
    "tcp_skb_cb",
    "nsproxy",
    "pid_namespace",
];

/// A member of a structure.
type Member = (&'static str, &'static [&'static str]);

// What programs on TCP connections read. Before 5.15 a socket has no pointer to its cgroup but a number that may be one.
const SOCK_CGROUP: Member = ("sock", &["sk_cgrp_data", "cgroup"]);
const SOCK_PROTOCOL: Member = ("sock", &["sk_protocol"]);
const SKB_CB: Member = ("sk_buff", &["cb"]);
const TCP_CB_SEGMENTS: Member = ("tcp_skb_cb", &["tcp_gso_segs"]);

/// What this kernel's type information says. `None` is "not there".
#[derive(Debug)]
pub(super) struct KernelTypes {
    btf: Btf,
}

/// Which pointer of `css_set` leads to the accounting hierarchy's cgroup.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Anchor {
    /// `css_set.dfl_cgrp`: the unified hierarchy.
    Unified,
    /// `css_set.subsys[cpuacct]`: a v1 hierarchy.
    Cpuacct,
}

impl KernelTypes {
    /// Reads the running kernel's.
    pub(super) fn read() -> Result<Self, BtfError> {
        Ok(Self {
            btf: Btf::read(Path::new(VMLINUX), &NAMES)?,
        })
    }

    /// Where a member lies, or that it is missing.
    fn at(&self, structure: &str, members: &[&str]) -> Result<u64, String> {
        let offset = self.btf.offset(structure, members);
        offset.ok_or_else(|| format!("this kernel has no {structure}.{}", members.join(".")))
    }

    /// All offsets, or the first member that is missing. Those of sockets and of [`KernelTypes::ending`] may be.
    pub(super) fn layout(&self, anchor: Anchor) -> Result<KernelLayout, String> {
        let at = |structure: &str, members: &[&str]| self.at(structure, members);
        Ok(KernelLayout {
            task_pid: at("task_struct", &["pid"])?,
            task_prio: at("task_struct", &["prio"])?,
            task_state: at("task_struct", &["__state"])
                .or_else(|_| at("task_struct", &["state"]))?,
            task_run_delay: at("task_struct", &["sched_info", "run_delay"])?,
            task_last_arrival: at("task_struct", &["sched_info", "last_arrival"])?,
            task_sum_exec_runtime: at("task_struct", &["se", "sum_exec_runtime"])?,
            task_prev_sum_exec_runtime: at("task_struct", &["se", "prev_sum_exec_runtime"])?,
            task_cgroups: at("task_struct", &["cgroups"])?,
            css_set_anchor: match anchor {
                Anchor::Unified => at("css_set", &["dfl_cgrp"])?,
                Anchor::Cpuacct => {
                    let index = self
                        .btf
                        .enumerator("cgroup_subsys_id", "cpuacct_cgrp_id")
                        .ok_or("this kernel has no cpuacct controller")?;
                    at("css_set", &["subsys"])? + u64::from(index) * size_of::<usize>() as u64
                }
            },
            css_cgroup: at("cgroup_subsys_state", &["cgroup"])?,
            cgroup_kn: at("cgroup", &["kn"])?,
            cgroup_root: at("cgroup", &["root"])?,
            cgroup_parent: at("cgroup", &["self", "parent"])?,
            root_hierarchy: at("cgroup_root", &["hierarchy_id"])?,
            kernfs_id: at("kernfs_node", &["id"])?,
            sock_cgroup: self.in_socket(&SOCK_CGROUP).unwrap_or_default(),
            sock_protocol: self.in_socket(&SOCK_PROTOCOL).unwrap_or_default(),
            skb_cb: self.in_socket(&SKB_CB).unwrap_or_default(),
            tcp_cb_segments: self.in_socket(&TCP_CB_SEGMENTS).unwrap_or_default(),
            retransmit_tells_error: u64::from(self.arguments("tcp_retransmit_skb") > 2),
            ending: self.ending().unwrap_or_default(),
        })
    }

    /// What the block I/O programs read of a request, its bio and its disk.
    pub(super) fn block(&self) -> Result<BlockLayout, String> {
        /// `RQF_FLUSH_SEQ` as long as it was a macro (include/linux/blkdev.h and blk-mq.h, 5.8 to 6.9).
        const FLUSH_SEQUENCE: u32 = 1 << 4;
        let at = |structure: &str, members: &[&str]| self.at(structure, members);
        let bit = self.btf.enumerator("rqf_flags", "__RQF_FLUSH_SEQ");
        let queue_disk = at("request_queue", &["disk"]);
        Ok(BlockLayout {
            request_cmd_flags: at("request", &["cmd_flags"])?,
            request_rq_flags: at("request", &["rq_flags"])?,
            request_data_len: at("request", &["__data_len"])?,
            request_bio: at("request", &["bio"])?,
            request_start_time: at("request", &["start_time_ns"])?,
            request_io_start_time: at("request", &["io_start_time_ns"])?,
            // 5.15 gave the queue its disk, 5.17 took it from the request.
            request_anchor: match &queue_disk {
                Ok(_) => at("request", &["q"])?,
                Err(_) => at("request", &["rq_disk"])?,
            },
            anchor_is_queue: u32::from(queue_disk.is_ok()),
            queue_disk: queue_disk.unwrap_or_default(),
            disk_major: at("gendisk", &["major"])?,
            disk_first_minor: at("gendisk", &["first_minor"])?,
            bio_vcnt: at("bio", &["bi_vcnt"])?,
            bio_blkg: at("bio", &["bi_blkg"])?,
            blkg_blkcg: at("blkcg_gq", &["blkcg"])?,
            blkcg_cgroup: at("blkcg", &["css", "cgroup"])?,
            flush_sequence: bit.map_or(FLUSH_SEQUENCE, |bit| 1 << bit),
            ..BlockLayout::ZERO
        })
    }

    /// `block` with what leads from a bio to the memory cgroup of a page.
    pub(super) fn block_pages(&self, block: &BlockLayout) -> Result<BlockLayout, String> {
        let at = |structure: &str, members: &[&str]| self.at(structure, members);
        Ok(BlockLayout {
            bio_next: at("bio", &["bi_next"])?,
            bio_size: at("bio", &["bi_iter", "bi_size"])?,
            bio_io_vec: at("bio", &["bi_io_vec"])?,
            bio_index: at("bio", &["bi_iter", "bi_idx"])?,
            vec_page: at("bio_vec", &["bv_page"])?,
            // Seen with the second name on 7.3.
            page_head: at("page", &["compound_head"])
                .or_else(|_| at("page", &["compound_info"]))?,
            // Before 5.11 a pointer without flags (`page_memcg` in include/linux/mm.h, Linux 5.10), but for slab pages,
            // which have the lowest bit set and are nobody's here.
            page_memcg: at("page", &["memcg_data"])
                .or_else(|_| at("folio", &["memcg_data"]))
                .or_else(|_| at("page", &["mem_cgroup"]))?,
            memcg_cgroup: at("mem_cgroup", &["css", "cgroup"])?,
            ..*block
        })
    }

    /// Whether all is there that programs on TCP connections read; the error says what is not.
    pub(super) fn sockets(&self) -> Result<(), String> {
        for member in [&SOCK_CGROUP, &SOCK_PROTOCOL, &SKB_CB, &TCP_CB_SEGMENTS] {
            self.in_socket(member)?;
        }
        Ok(())
    }

    /// What is read of a process that ends, or the first member that is missing.
    pub(super) fn ending(&self) -> Result<EndingLayout, String> {
        Ok(EndingLayout {
            task_tgid: self.at("task_struct", &["tgid"])?,
            task_comm: self.at("task_struct", &["comm"])?,
            task_exit_code: self.at("task_struct", &["exit_code"])?,
            task_nsproxy: self.at("task_struct", &["nsproxy"])?,
            nsproxy_pid_ns: self.at("nsproxy", &["pid_ns_for_children"])?,
            pid_ns_reaper: self.at("pid_namespace", &["child_reaper"])?,
            pid_ns_level: self.at("pid_namespace", &["level"])?,
        })
    }

    fn in_socket(&self, (structure, members): &Member) -> Result<u64, String> {
        self.at(structure, members)
    }

    /// Whether `sched_stat_runtime` tells of real-time and deadline tasks too: since Linux 5.16, which also moved the
    /// statistics out of `sched_entity`. By that and not by the version, which kernels with backports do not keep to.
    pub(super) fn tells_realtime(&self) -> bool {
        let statistics = self.btf.offset("task_struct", &["se", "statistics"]);
        statistics.is_none()
    }

    /// How much the tracepoint `name` passes; nothing where it is not there.
    fn arguments(&self, name: &str) -> usize {
        self.btf.tracepoint(name).map_or(0, |it| it.len())
    }

    /// Whether the tracepoint `name` passes what its program reads: at each place of `expected` that names a
    /// structure, a pointer to it. The error says what is different.
    pub(super) fn signature(&self, name: &str, expected: &[Option<&str>]) -> Result<(), String> {
        let arguments = self
            .btf
            .tracepoint(name)
            .ok_or_else(|| format!("this kernel has no tracepoint {name}"))?;
        for (place, wanted) in expected.iter().enumerate() {
            let Some(found) = arguments.get(place) else {
                return Err(format!("{name} passes only {} arguments", arguments.len()));
            };
            if let Some(structure) = wanted
                && *found != Argument::Pointer((*structure).to_owned())
            {
                return Err(format!(
                    "argument {place} of {name} is no pointer to {structure}"
                ));
            }
        }
        Ok(())
    }
}
