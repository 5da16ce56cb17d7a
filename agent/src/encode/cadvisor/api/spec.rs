//! What a container is and what it is limited to.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    super::{
        moment::{Moment, PartKind},
        numbers::Number,
    },
    is_zero,
    time::Time,
};
use crate::container::{Container, Runtime};

/// What a cgroup's files say of its limits, as they say it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Limits {
    /// Weight of its CPU time; 1024 is usual.
    pub cpu_shares: Option<u64>,
    /// CPU time in each period, in microseconds; `None` without a limit.
    pub cpu_quota_us: Option<u64>,
    /// Length of a period, in microseconds.
    pub cpu_period_us: Option<u64>,
    /// CPUs it may run on, as `0-3,7`.
    pub cpus: Option<String>,
    /// Bytes of memory; [`super::UNLIMITED`] or what version 1 has for it without a limit.
    pub memory: Option<u64>,
    /// Bytes of memory that are left to it when memory is short.
    pub memory_reservation: Option<u64>,
    /// Bytes of swap space; in version 1 of memory and swap space together.
    pub swap: Option<u64>,
    /// Tasks.
    pub tasks: Option<u64>,
}

/// Under which names a container is known.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Identity {
    /// The runtime's id.
    pub id: Option<String>,
    /// Names within the namespace, the one for people first.
    pub aliases: Vec<String>,
    /// Within which they are unique.
    pub namespace: Option<&'static str>,
}

impl Identity {
    /// Those of `container`. A cgroup that is none of a runtime's has its path alone.
    pub fn of(container: &Container) -> Self {
        let namespace = match container.runtime {
            Runtime::Docker => "docker",
            Runtime::Podman => "podman",
            Runtime::Containerd => "containerd",
            Runtime::Crio => "crio",
            _ => return Self::default(),
        };
        let Some(id) = &container.id else {
            return Self::default();
        };
        let mut aliases = vec![container.name.clone(), id.clone()];
        aliases.dedup();
        Self {
            id: Some(id.clone()),
            aliases,
            namespace: Some(namespace),
        }
    }
}

/// `spec` of v1.
#[derive(Clone, Debug, Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are cAdvisor's, one for each resource"
)]
pub(super) struct Spec {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) creation_time: Option<Time>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) labels: BTreeMap<String, String>,
    pub(super) has_cpu: bool,
    pub(super) cpu: CpuSpec,
    pub(super) has_memory: bool,
    pub(super) memory: MemorySpec,
    pub(super) has_hugetlb: bool,
    pub(super) has_network: bool,
    pub(super) has_processes: bool,
    pub(super) processes: ProcessSpec,
    pub(super) has_filesystem: bool,
    pub(super) has_diskio: bool,
    pub(super) has_custom_metrics: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) image: Option<String>,
}

/// `limit` is what cAdvisor calls shares; `max_limit` is never set by it, and zero means no limit there.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct CpuSpec {
    pub(super) limit: u64,
    pub(super) max_limit: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mask: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) quota: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) period: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct MemorySpec {
    #[serde(skip_serializing_if = "is_zero")]
    limit: u64,
    #[serde(skip_serializing_if = "is_zero")]
    reservation: u64,
    #[serde(skip_serializing_if = "is_zero")]
    swap_limit: u64,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct ProcessSpec {
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
}

impl Spec {
    /// The spec of an entry; which resources it has, its latest moment tells.
    pub(super) fn of(
        container: &Container,
        created: Option<Time>,
        limits: &Limits,
        moment: &Moment,
    ) -> Self {
        let memory = MemorySpec {
            limit: limits.memory.unwrap_or(0),
            reservation: limits.memory_reservation.unwrap_or(0),
            swap_limit: limits.swap.unwrap_or(0),
        };
        Self {
            labels: container.labels.clone(),
            image: container.image.clone(),
            ..Self::with(created, limits, memory, moment)
        }
    }

    /// The spec of the host as a whole: what it has stands for what it may use.
    pub(super) fn of_host(
        booted: Option<Time>,
        limits: &Limits,
        swap_bytes: u64,
        moment: &Moment,
    ) -> Self {
        let memory = MemorySpec {
            limit: moment.number(Number::MemoryLimit).unwrap_or(0),
            reservation: limits.memory_reservation.unwrap_or(0),
            swap_limit: swap_bytes,
        };
        Self::with(booted, limits, memory, moment)
    }

    fn with(
        creation_time: Option<Time>,
        limits: &Limits,
        memory: MemorySpec,
        moment: &Moment,
    ) -> Self {
        let has = |kind| moment.parts(kind).next().is_some();
        let has_cpu = moment.number(Number::CpuTotal).is_some();
        let has_memory = moment.number(Number::MemoryUsage).is_some();
        let cpu = CpuSpec {
            limit: limits.cpu_shares.unwrap_or(0),
            max_limit: 0,
            mask: limits.cpus.clone(),
            quota: limits.cpu_quota_us,
            period: limits.cpu_period_us,
        };
        Self {
            creation_time,
            labels: BTreeMap::new(),
            has_cpu,
            cpu: if has_cpu { cpu } else { CpuSpec::default() },
            has_memory,
            memory: if has_memory {
                memory
            } else {
                MemorySpec::default()
            },
            has_hugetlb: false,
            has_network: has(PartKind::Interface),
            has_processes: moment.number(Number::Threads).is_some(),
            processes: ProcessSpec {
                limit: limits.tasks,
            },
            has_filesystem: has(PartKind::Filesystem),
            has_diskio: has(PartKind::Disk),
            has_custom_metrics: false,
            image: None,
        }
    }
}
