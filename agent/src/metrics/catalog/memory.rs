//! Memory: what is held, limits, faults and what the limits did.

use super::{Kind, Metric, NO_METRIC, Resolution, Source, Unit};

/// All of them, in the order of publication.
pub(super) static MEMORY_METRICS: &[&Metric] = &[
    &MEMORY_USAGE,
    &WORKING_SET,
    &ANON,
    &FILE,
    &SHMEM,
    &KERNEL_MEMORY,
    &SLAB,
    &SOCKET_BUFFERS,
    &SWAP,
    &MEMORY_LIMIT,
    &MEMORY_HIGH,
    &SWAP_LIMIT,
    &MEMORY_PEAK,
    &PAGE_FAULTS,
    &MAJOR_FAULTS,
    &REFAULTS,
    &HIGH_EVENTS,
    &LIMIT_EVENTS,
    &OOM_EVENTS,
];

/// Bytes in use, which add up over cgroups beside each other.
const USED: Metric = Metric {
    adds_up: true,
    ..BYTES
};

/// A number of bytes that goes up and down.
const BYTES: Metric = Metric {
    measurement: "container_mem",
    unit: Unit::Bytes,
    kind: Kind::Gauge,
    resolution: Resolution::Files,
    sources: &[Source::CgroupFile],
    ..NO_METRIC
};

/// A counter.
const EVENTS: Metric = Metric {
    measurement: "container_mem",
    resolution: Resolution::Files,
    sources: &[Source::CgroupFile],
    ..NO_METRIC
};

/// All memory charged.
pub static MEMORY_USAGE: Metric = Metric {
    field: "usage_bytes",
    prometheus: "cgflux_container_memory_usage_bytes",
    resolution: Resolution::Tick,
    help: "Memory charged to the cgroup and all below it, page cache included.",
    ..USED
};
/// Memory that reclaim would not find at once.
pub static WORKING_SET: Metric = Metric {
    field: "working_set_bytes",
    prometheus: "cgflux_container_memory_working_set_bytes",
    help: "Memory charged less the page cache not used lately, as the kubelet and `docker stats` count it.",
    ..USED
};
/// Anonymous memory.
pub static ANON: Metric = Metric {
    field: "anon_bytes",
    prometheus: "cgflux_container_memory_anon_bytes",
    help: "Anonymous memory: heaps and stacks.",
    ..USED
};
/// Page cache.
pub static FILE: Metric = Metric {
    field: "file_bytes",
    prometheus: "cgflux_container_memory_file_bytes",
    help: "Page cache, shared memory and tmpfs included.",
    ..USED
};
/// Shared memory.
pub static SHMEM: Metric = Metric {
    field: "shmem_bytes",
    prometheus: "cgflux_container_memory_shmem_bytes",
    help: "Shared memory and tmpfs.",
    ..USED
};
/// Memory of the kernel.
pub static KERNEL_MEMORY: Metric = Metric {
    field: "kernel_bytes",
    prometheus: "cgflux_container_memory_kernel_bytes",
    since: Some("5.18; any on v1"),
    help: "Memory that the kernel itself holds for it; v2 tells it since Linux 5.18.",
    ..USED
};
/// The kernel's objects.
pub static SLAB: Metric = Metric {
    field: "slab_bytes",
    prometheus: "cgflux_container_memory_slab_bytes",
    help: "The part of the kernel's memory in small objects such as inodes and directory entries; v2 only.",
    ..USED
};
/// Buffers of sockets.
pub static SOCKET_BUFFERS: Metric = Metric {
    field: "sock_bytes",
    prometheus: "cgflux_container_memory_sock_bytes",
    help: "Buffers of sockets; v2 only.",
    ..USED
};
/// Memory swapped out.
pub static SWAP: Metric = Metric {
    field: "swap_bytes",
    prometheus: "cgflux_container_memory_swap_bytes",
    help: "Memory swapped out.",
    ..USED
};
/// The hard limit.
pub static MEMORY_LIMIT: Metric = Metric {
    field: "limit_bytes",
    prometheus: "cgflux_container_memory_limit_bytes",
    help: "The cgroup's own limit of its memory; absent without a limit.",
    ..BYTES
};
/// The soft limit.
pub static MEMORY_HIGH: Metric = Metric {
    field: "high_bytes",
    prometheus: "cgflux_container_memory_high_bytes",
    help: "Memory above which it is throttled and reclaimed; absent without such a limit; v2 only.",
    ..BYTES
};
/// The limit of swap.
pub static SWAP_LIMIT: Metric = Metric {
    field: "swap_limit_bytes",
    prometheus: "cgflux_container_memory_swap_limit_bytes",
    help: "The limit of what is swapped out; absent without a limit.",
    ..BYTES
};
/// The highest usage.
pub static MEMORY_PEAK: Metric = Metric {
    field: "peak_bytes",
    prometheus: "cgflux_container_memory_peak_bytes",
    since: Some("5.19; any on v1"),
    help: "The most memory ever charged; v2 tells it since Linux 5.19.",
    ..BYTES
};
/// Page faults.
pub static PAGE_FAULTS: Metric = Metric {
    field: "pgfault",
    prometheus: "cgflux_container_memory_page_faults_total",
    help: "Page faults, major ones included.",
    ..EVENTS
};
/// Major page faults.
pub static MAJOR_FAULTS: Metric = Metric {
    field: "pgmajfault",
    prometheus: "cgflux_container_memory_major_page_faults_total",
    help: "Page faults that waited for a disk.",
    ..EVENTS
};
/// Pages needed again.
pub static REFAULTS: Metric = Metric {
    field: "refaults",
    prometheus: "cgflux_container_memory_refaults_total",
    help: "Pages that were evicted and soon needed again, anonymous and of files: what thrashing is made of.",
    ..EVENTS
};
/// Throttled above the soft limit.
pub static HIGH_EVENTS: Metric = Metric {
    field: "high_events",
    prometheus: "cgflux_container_memory_high_events_total",
    help: "Times it was throttled and reclaimed for being above `high_bytes`; v2 only.",
    ..EVENTS
};
/// Ran into the limit.
pub static LIMIT_EVENTS: Metric = Metric {
    field: "max_events",
    prometheus: "cgflux_container_memory_max_events_total",
    help: "Times its memory was about to go beyond `limit_bytes`.",
    ..EVENTS
};
/// Out of memory.
pub static OOM_EVENTS: Metric = Metric {
    field: "oom_events",
    prometheus: "cgflux_container_memory_oom_events_total",
    help: "Times the limit was reached and nothing could be reclaimed; v2 only.",
    ..EVENTS
};
