//! This kernel's structure offsets and tracepoint signatures: facts only, from its type information.

use std::path::Path;

use agent_ebpf::layout::KernelLayout;

use super::btf::{Argument, Btf, BtfError, VMLINUX};

/// Structures and enums that offsets are wanted of.
const NAMES: [&str; 10] = [
    "task_struct",
    "css_set",
    "cgroup",
    "cgroup_root",
    "cgroup_subsys_state",
    "kernfs_node",
    "cgroup_subsys_id",
    "sock",
    "sk_buff",
    "tcp_skb_cb",
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

    /// All offsets, or the first member that is missing.
    pub(super) fn layout(&self, anchor: Anchor) -> Result<KernelLayout, String> {
        let at = |structure: &str, members: &[&str]| {
            self.btf
                .offset(structure, members)
                .ok_or_else(|| format!("this kernel has no {structure}.{}", members.join(".")))
        };
        Ok(KernelLayout {
            task_pid: at("task_struct", &["pid"])?,
            task_state: at("task_struct", &["__state"])
                .or_else(|_| at("task_struct", &["state"]))?,
            task_run_delay: at("task_struct", &["sched_info", "run_delay"])?,
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
        })
    }

    /// Whether all is there that programs on TCP connections read; the error says what is not.
    pub(super) fn sockets(&self) -> Result<(), String> {
        for member in [&SOCK_CGROUP, &SOCK_PROTOCOL, &SKB_CB, &TCP_CB_SEGMENTS] {
            self.in_socket(member)?;
        }
        Ok(())
    }

    fn in_socket(&self, (structure, members): &Member) -> Result<u64, String> {
        self.btf
            .offset(structure, members)
            .ok_or_else(|| format!("this kernel has no {structure}.{}", members.join(".")))
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
