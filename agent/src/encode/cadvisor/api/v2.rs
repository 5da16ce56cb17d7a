//! The objects of v2: spec, stats in the forms of 2.0 and 2.1, and the machine's.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    super::moment::{Moment, PartKind},
    Disks,
    container::View,
    filesystem::{Filesystem, FilesystemV2},
    spec::{CpuSpec, MemorySpec, ProcessSpec, Spec},
    stats::{Cpu, CpuInst, DiskIo, Memory, NetworkV2, Processes, Resources},
    time::Time,
};

/// `spec` of v2: names beside limits, and no bandwidth of CPU time, as in cAdvisor's.
#[derive(Clone, Debug, Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are cAdvisor's, one for each resource"
)]
pub struct SpecV2 {
    #[serde(skip_serializing_if = "Option::is_none")]
    creation_time: Option<Time>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'static str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    has_cpu: bool,
    cpu: CpuSpec,
    has_memory: bool,
    memory: MemorySpec,
    has_hugetlb: bool,
    has_custom_metrics: bool,
    has_processes: bool,
    processes: ProcessSpec,
    has_network: bool,
    has_filesystem: bool,
    has_diskio: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
}

impl SpecV2 {
    /// The spec of one container.
    pub fn of(view: &View<'_>) -> Self {
        let identity = view.identity();
        let spec: Spec = view.spec();
        Self {
            creation_time: spec.creation_time,
            aliases: identity.aliases,
            namespace: identity.namespace,
            labels: spec.labels,
            has_cpu: spec.has_cpu,
            cpu: CpuSpec {
                quota: None,
                period: None,
                ..spec.cpu
            },
            has_memory: spec.has_memory,
            memory: spec.memory,
            has_hugetlb: spec.has_hugetlb,
            has_custom_metrics: spec.has_custom_metrics,
            has_processes: spec.has_processes,
            processes: spec.processes,
            has_network: spec.has_network,
            has_filesystem: spec.has_filesystem,
            has_diskio: spec.has_diskio,
            image: spec.image,
        }
    }
}

/// An answer of `stats` of 2.1.
#[derive(Clone, Debug, Serialize)]
pub struct ContainerV2 {
    spec: SpecV2,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stats: Vec<StatsV2_1>,
}

impl ContainerV2 {
    /// One container with its moments.
    pub fn of(view: &View<'_>, disks: &dyn Disks) -> Self {
        Self {
            spec: SpecV2::of(view),
            stats: with_rates(view.moments, |moment, cpu_inst| {
                StatsV2_1::of(moment, cpu_inst, disks)
            }),
        }
    }
}

/// One of `stats` of 2.1.
#[derive(Clone, Debug, Serialize)]
struct StatsV2_1 {
    timestamp: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu: Option<Cpu>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_inst: Option<CpuInst>,
    #[serde(skip_serializing_if = "Option::is_none")]
    diskio: Option<DiskIo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<Memory>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<NetworkV2>,
    #[serde(skip_serializing_if = "Option::is_none")]
    processes: Option<Processes>,
}

impl StatsV2_1 {
    fn of(moment: &Moment, cpu_inst: Option<CpuInst>, disks: &dyn Disks) -> Self {
        let known = Resources::of(moment, disks);
        Self {
            timestamp: Time(moment.wall_ns),
            cpu: known.cpu,
            cpu_inst,
            diskio: known.diskio,
            memory: known.memory,
            network: NetworkV2::of(known.interfaces),
            processes: known.processes,
        }
    }
}

/// One of `stats` of 2.0.
#[derive(Clone, Debug, Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are cAdvisor's, one for each resource"
)]
pub struct StatsV2_0 {
    timestamp: Time,
    has_cpu: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu: Option<Cpu>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_inst: Option<CpuInst>,
    has_diskio: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    diskio: Option<DiskIo>,
    has_memory: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<Memory>,
    has_hugetlb: bool,
    has_network: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<NetworkV2>,
    has_processes: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    processes: Option<Processes>,
    has_filesystem: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    filesystem: Vec<Filesystem>,
    has_load: bool,
    has_custom_metrics: bool,
}

impl StatsV2_0 {
    /// An answer of `stats` of 2.0 about one container.
    pub fn all_of(view: &View<'_>, disks: &dyn Disks) -> Vec<Self> {
        with_rates(view.moments, |moment, cpu_inst| {
            Self::of(moment, cpu_inst, disks)
        })
    }

    fn of(moment: &Moment, cpu_inst: Option<CpuInst>, disks: &dyn Disks) -> Self {
        let known = Resources::of(moment, disks);
        Self {
            timestamp: Time(moment.wall_ns),
            has_cpu: known.cpu.is_some(),
            cpu: known.cpu,
            cpu_inst,
            has_diskio: known.diskio.is_some(),
            diskio: known.diskio,
            has_memory: known.memory.is_some(),
            memory: known.memory,
            has_hugetlb: false,
            has_network: !known.interfaces.is_empty(),
            network: NetworkV2::of(known.interfaces),
            has_processes: known.processes.is_some(),
            processes: known.processes,
            has_filesystem: !known.filesystems.is_empty(),
            filesystem: known.filesystems,
            has_load: false,
            has_custom_metrics: false,
        }
    }
}

/// One of `machinestats`.
#[derive(Clone, Debug, Serialize)]
pub struct MachineStats {
    timestamp: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu: Option<Cpu>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_inst: Option<CpuInst>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<Memory>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<NetworkV2>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    filesystem: Vec<FilesystemV2>,
}

impl MachineStats {
    /// Of moments of the host as a whole.
    pub fn all_of(moments: &[Moment], disks: &dyn Disks) -> Vec<Self> {
        with_rates(moments, |moment, cpu_inst| {
            let known = Resources::of(moment, disks);
            let filesystems = moment.parts(PartKind::Filesystem);
            Self {
                timestamp: Time(moment.wall_ns),
                cpu: known.cpu,
                cpu_inst,
                memory: known.memory,
                network: NetworkV2::of(known.interfaces),
                filesystem: filesystems.map(FilesystemV2::of).collect(),
            }
        })
    }
}

/// Each moment with its rates since the one before; the first has none.
fn with_rates<T>(moments: &[Moment], of: impl Fn(&Moment, Option<CpuInst>) -> T) -> Vec<T> {
    let before = std::iter::once(None).chain(moments.iter().map(Some));
    let pairs = before.zip(moments);
    pairs
        .map(|(before, moment)| of(moment, before.and_then(|it| CpuInst::between(it, moment))))
        .collect()
}
