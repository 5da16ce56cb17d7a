//! The host as a whole as cAdvisor reckons it: the root cgroup.

use std::collections::HashSet;

use crate::{
    encode::{
        known::Extra,
        readings::{Readings, label},
    },
    metrics::{Metric, Sample, catalog},
};

/// How it is called.
pub(super) const NAME: &str = "/";

/// What of its CPU time was used, and in which mode: as the kernel reckons the root cgroup's (`root_cgroup_cputime`,
/// kernel/cgroup/rstat.c, Linux 6.12).
pub(in crate::encode) const CPU_USED: [&Metric; 6] = [
    &catalog::HOST_CPU_USER,
    &catalog::HOST_CPU_NICE,
    &catalog::HOST_CPU_SYSTEM,
    &catalog::HOST_CPU_IRQ,
    &catalog::HOST_CPU_SOFTIRQ,
    &catalog::HOST_CPU_STEAL,
];

/// The part in user mode.
pub(in crate::encode) const CPU_USER: [&Metric; 2] =
    [&catalog::HOST_CPU_USER, &catalog::HOST_CPU_NICE];

/// The part in kernel mode.
pub(in crate::encode) const CPU_SYSTEM: [&Metric; 3] = [
    &catalog::HOST_CPU_SYSTEM,
    &catalog::HOST_CPU_IRQ,
    &catalog::HOST_CPU_SOFTIRQ,
];

/// Its page cache: what `file` in the root's `memory.stat` counts (`NR_FILE_PAGES`), of which `/proc/meminfo` tells three parts
/// apart.
pub(in crate::encode) const CACHE: [&Metric; 3] = [
    &catalog::HOST_MEM_CACHED,
    &catalog::HOST_MEM_BUFFERS,
    &catalog::HOST_SWAP_CACHED,
];

/// What an interface's name begins with that is left out, for its traffic is counted elsewhere (`ignoredDevicePrefixes`,
/// github.com/google/cadvisor, container/libcontainer/handler.go).
const IGNORED_INTERFACES: [&str; 4] = ["lo", "veth", "docker", "nerdctl"];

/// Bytes that the root cgroup is charged: anonymous memory and page cache, as cgroup v1 tells it and cAdvisor reckons it
/// on v2 (github.com/opencontainers/cgroups, fs2/memory.go, `rootStatsFromMeminfo`).
pub(super) fn memory(readings: Readings<'_>) -> Option<u64> {
    let anon_bytes = readings.integer(&catalog::HOST_MEM_ANON)?;
    Some(anon_bytes.saturating_add(readings.sum_of(&CACHE)?))
}

/// Bytes swapped out.
pub(super) fn swap(readings: Readings<'_>) -> Option<u64> {
    let total_bytes = readings.integer(&catalog::HOST_SWAP_TOTAL)?;
    let free_bytes = readings.integer(&catalog::HOST_SWAP_FREE)?;
    Some(total_bytes.saturating_sub(free_bytes))
}

/// The sum over its interfaces but for those that are left out.
pub(super) fn on_interfaces(readings: Readings<'_>, metric: &Metric) -> Option<u64> {
    let is_counted =
        |labels: &Extra| shows_interface(label(labels, "interface").unwrap_or_default());
    let counted = readings
        .each(metric)
        .filter(|(labels, _)| is_counted(labels));
    counted.map(|(_, value)| value).reduce(u64::saturating_add)
}

/// Whether an interface of that name is not left out.
pub(in crate::encode) fn shows_interface(name: &str) -> bool {
    !IGNORED_INTERFACES.iter().any(|it| name.starts_with(it))
}

/// One of its filesystems.
pub(super) struct Filesystem<'a> {
    /// The device, or the mount point of what is in memory: cAdvisor's name for it.
    pub(super) device: &'a str,
    /// Where it is mounted.
    pub(super) mount: &'a str,
    /// Its size in bytes.
    pub(super) limit_bytes: u64,
    /// Bytes that are not free.
    pub(super) usage_bytes: Option<u64>,
    /// Bytes that may still be written.
    pub(super) available_bytes: Option<u64>,
    /// Inodes there may be.
    pub(super) inodes: Option<u64>,
    /// Inodes that are left.
    pub(super) inodes_free: Option<u64>,
}

/// Its filesystems; of one that is mounted in several places the first mount.
pub(super) fn filesystems(samples: &[Sample]) -> impl Iterator<Item = Filesystem<'_>> {
    let mut devices = HashSet::new();
    // Those of one filesystem stand together.
    samples
        .chunk_by(|one, next| one.labels == next.labels)
        .filter_map(filesystem)
        .filter(move |it| devices.insert(it.device))
}

fn filesystem(samples: &[Sample]) -> Option<Filesystem<'_>> {
    let readings = Readings(samples);
    let (labels, limit_bytes) = readings.each(&catalog::HOST_FS_SIZE).next()?;
    let free_bytes = readings.integer(&catalog::HOST_FS_FREE);
    let is_in_memory = label(labels, "fstype") == Some("tmpfs");
    Some(Filesystem {
        device: label(labels, if is_in_memory { "mount" } else { "device" })?,
        mount: label(labels, "mount").unwrap_or_default(),
        limit_bytes,
        usage_bytes: free_bytes.map(|free_bytes| limit_bytes.saturating_sub(free_bytes)),
        available_bytes: readings.integer(&catalog::HOST_FS_AVAILABLE),
        inodes: readings.integer(&catalog::HOST_FS_INODES),
        inodes_free: readings.integer(&catalog::HOST_FS_INODES_FREE),
    })
}
