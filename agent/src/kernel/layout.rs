//! This kernel's structure offsets and tracepoint signatures: facts only, from its type information.

use std::path::Path;

use agent_ebpf::layout::KernelLayout;

use super::btf::{Argument, Btf, BtfError, VMLINUX};

/// Structures and enums that offsets are wanted of.
const NAMES: [&str; 7] = [
    "task_struct",
    "css_set",
    "cgroup",
    "cgroup_root",
    "cgroup_subsys_state",
    "kernfs_node",
    "cgroup_subsys_id",
];

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
            task_prio: at("task_struct", &["prio"])?,
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
        })
    }

    /// Whether `sched_stat_runtime` tells of real-time and deadline tasks too: since Linux 5.16, which also moved the
    /// statistics out of `sched_entity`. By that and not by the version, which kernels with backports do not keep to.
    pub(super) fn tells_realtime(&self) -> bool {
        let statistics = self.btf.offset("task_struct", &["se", "statistics"]);
        statistics.is_none()
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
