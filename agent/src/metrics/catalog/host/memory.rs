//! Memory and swap.

use super::{
    super::{Metric, Unit},
    COUNTER, GAUGE,
};

/// All of them, in the order of publication.
pub(super) static MEMORY_METRICS: &[&Metric] = &[
    &HOST_MEM_TOTAL,
    &HOST_MEM_FREE,
    &HOST_MEM_AVAILABLE,
    &HOST_MEM_BUFFERS,
    &HOST_MEM_CACHED,
    &HOST_MEM_ACTIVE,
    &HOST_MEM_INACTIVE,
    &HOST_MEM_ANON,
    &HOST_MEM_MAPPED,
    &HOST_MEM_SHMEM,
    &HOST_MEM_SLAB_RECLAIMABLE,
    &HOST_MEM_SLAB_UNRECLAIMABLE,
    &HOST_MEM_KERNEL_STACK,
    &HOST_MEM_PAGE_TABLES,
    &HOST_MEM_DIRTY,
    &HOST_MEM_WRITEBACK,
    &HOST_MEM_COMMITTED,
    &HOST_MEM_COMMIT_LIMIT,
    &HOST_MEM_HUGETLB,
    &HOST_SWAP_TOTAL,
    &HOST_SWAP_FREE,
    &HOST_SWAP_CACHED,
    &HOST_SWAPPED_IN,
    &HOST_SWAPPED_OUT,
    &HOST_PAGE_FAULTS,
    &HOST_MAJOR_FAULTS,
    &HOST_OOM_KILLS,
];

const TOTAL: Metric = Metric {
    measurement: "host_mem",
    ..COUNTER
};
const VALUE: Metric = Metric {
    measurement: "host_mem",
    ..GAUGE
};

/// Memory that the kernel manages.
pub static HOST_MEM_TOTAL: Metric = Metric {
    field: "total_bytes",
    prometheus: "cgflux_host_mem_total_bytes",
    unit: Unit::Bytes,
    help: "Memory that the kernel manages.",
    ..VALUE
};
/// Memory that nothing uses.
pub static HOST_MEM_FREE: Metric = Metric {
    field: "free_bytes",
    prometheus: "cgflux_host_mem_free_bytes",
    unit: Unit::Bytes,
    help: "Memory that nothing uses.",
    ..VALUE
};
/// Memory that new work could have without swapping, as the kernel estimates it.
pub static HOST_MEM_AVAILABLE: Metric = Metric {
    field: "available_bytes",
    prometheus: "cgflux_host_mem_available_bytes",
    unit: Unit::Bytes,
    help: "Memory that new work could have without swapping, as the kernel estimates it.",
    ..VALUE
};
/// Page cache of block devices.
pub static HOST_MEM_BUFFERS: Metric = Metric {
    field: "buffers_bytes",
    prometheus: "cgflux_host_mem_buffers_bytes",
    unit: Unit::Bytes,
    help: "Page cache of block devices.",
    ..VALUE
};
/// Page cache of files, shared memory included.
pub static HOST_MEM_CACHED: Metric = Metric {
    field: "cached_bytes",
    prometheus: "cgflux_host_mem_cached_bytes",
    unit: Unit::Bytes,
    help: "Page cache of files, shared memory included.",
    ..VALUE
};
/// Memory used lately, reclaimed last.
pub static HOST_MEM_ACTIVE: Metric = Metric {
    field: "active_bytes",
    prometheus: "cgflux_host_mem_active_bytes",
    unit: Unit::Bytes,
    help: "Memory used lately, reclaimed last.",
    ..VALUE
};
/// Memory not used lately, reclaimed first.
pub static HOST_MEM_INACTIVE: Metric = Metric {
    field: "inactive_bytes",
    prometheus: "cgflux_host_mem_inactive_bytes",
    unit: Unit::Bytes,
    help: "Memory not used lately, reclaimed first.",
    ..VALUE
};
/// Memory of processes that no file backs.
pub static HOST_MEM_ANON: Metric = Metric {
    field: "anon_bytes",
    prometheus: "cgflux_host_mem_anon_bytes",
    unit: Unit::Bytes,
    help: "Memory of processes that no file backs.",
    ..VALUE
};
/// Page cache that processes have mapped.
pub static HOST_MEM_MAPPED: Metric = Metric {
    field: "mapped_bytes",
    prometheus: "cgflux_host_mem_mapped_bytes",
    unit: Unit::Bytes,
    help: "Page cache that processes have mapped.",
    ..VALUE
};
/// Shared memory and tmpfs.
pub static HOST_MEM_SHMEM: Metric = Metric {
    field: "shmem_bytes",
    prometheus: "cgflux_host_mem_shmem_bytes",
    unit: Unit::Bytes,
    help: "Shared memory and tmpfs.",
    ..VALUE
};
/// Kernel objects that can be given up, such as cached names.
pub static HOST_MEM_SLAB_RECLAIMABLE: Metric = Metric {
    field: "slab_reclaimable_bytes",
    prometheus: "cgflux_host_mem_slab_reclaimable_bytes",
    unit: Unit::Bytes,
    help: "Kernel objects that can be given up, such as cached names.",
    ..VALUE
};
/// Kernel objects that cannot be given up.
pub static HOST_MEM_SLAB_UNRECLAIMABLE: Metric = Metric {
    field: "slab_unreclaimable_bytes",
    prometheus: "cgflux_host_mem_slab_unreclaimable_bytes",
    unit: Unit::Bytes,
    help: "Kernel objects that cannot be given up.",
    ..VALUE
};
/// Stacks of tasks in the kernel.
pub static HOST_MEM_KERNEL_STACK: Metric = Metric {
    field: "kernel_stack_bytes",
    prometheus: "cgflux_host_mem_kernel_stack_bytes",
    unit: Unit::Bytes,
    help: "Stacks of tasks in the kernel.",
    ..VALUE
};
/// Page tables of processes.
pub static HOST_MEM_PAGE_TABLES: Metric = Metric {
    field: "page_tables_bytes",
    prometheus: "cgflux_host_mem_page_tables_bytes",
    unit: Unit::Bytes,
    help: "Page tables of processes.",
    ..VALUE
};
/// Page cache that waits to be written.
pub static HOST_MEM_DIRTY: Metric = Metric {
    field: "dirty_bytes",
    prometheus: "cgflux_host_mem_dirty_bytes",
    unit: Unit::Bytes,
    help: "Page cache that waits to be written.",
    ..VALUE
};
/// Page cache that is being written.
pub static HOST_MEM_WRITEBACK: Metric = Metric {
    field: "writeback_bytes",
    prometheus: "cgflux_host_mem_writeback_bytes",
    unit: Unit::Bytes,
    help: "Page cache that is being written.",
    ..VALUE
};
/// Memory that processes have been promised.
pub static HOST_MEM_COMMITTED: Metric = Metric {
    field: "committed_bytes",
    prometheus: "cgflux_host_mem_committed_bytes",
    unit: Unit::Bytes,
    help: "Memory that processes have been promised.",
    ..VALUE
};
/// Memory that can be promised where overcommitment is off.
pub static HOST_MEM_COMMIT_LIMIT: Metric = Metric {
    field: "commit_limit_bytes",
    prometheus: "cgflux_host_mem_commit_limit_bytes",
    unit: Unit::Bytes,
    help: "Memory that can be promised where overcommitment is off.",
    ..VALUE
};
/// Memory set aside as huge pages of all sizes.
pub static HOST_MEM_HUGETLB: Metric = Metric {
    field: "hugetlb_bytes",
    prometheus: "cgflux_host_mem_hugetlb_bytes",
    unit: Unit::Bytes,
    help: "Memory set aside as huge pages of all sizes.",
    ..VALUE
};
/// Swap space; 0 is none.
pub static HOST_SWAP_TOTAL: Metric = Metric {
    field: "swap_total_bytes",
    prometheus: "cgflux_host_swap_total_bytes",
    unit: Unit::Bytes,
    help: "Swap space; 0 is none.",
    ..VALUE
};
/// Swap space that nothing uses.
pub static HOST_SWAP_FREE: Metric = Metric {
    field: "swap_free_bytes",
    prometheus: "cgflux_host_swap_free_bytes",
    unit: Unit::Bytes,
    help: "Swap space that nothing uses.",
    ..VALUE
};
/// Memory that is in the swap space too.
pub static HOST_SWAP_CACHED: Metric = Metric {
    field: "swap_cached_bytes",
    prometheus: "cgflux_host_swap_cached_bytes",
    unit: Unit::Bytes,
    help: "Memory that is in the swap space too.",
    ..VALUE
};
/// Memory read back from the swap space since boot.
pub static HOST_SWAPPED_IN: Metric = Metric {
    field: "swapped_in_bytes",
    prometheus: "cgflux_host_swapped_in_bytes_total",
    unit: Unit::Bytes,
    help: "Memory read back from the swap space since boot.",
    ..TOTAL
};
/// Memory written to the swap space since boot.
pub static HOST_SWAPPED_OUT: Metric = Metric {
    field: "swapped_out_bytes",
    prometheus: "cgflux_host_swapped_out_bytes_total",
    unit: Unit::Bytes,
    help: "Memory written to the swap space since boot.",
    ..TOTAL
};
/// Page faults since boot.
pub static HOST_PAGE_FAULTS: Metric = Metric {
    field: "faults",
    prometheus: "cgflux_host_page_faults_total",
    help: "Page faults since boot.",
    ..TOTAL
};
/// Page faults since boot that waited for I/O.
pub static HOST_MAJOR_FAULTS: Metric = Metric {
    field: "major_faults",
    prometheus: "cgflux_host_major_page_faults_total",
    help: "Page faults since boot that waited for I/O.",
    ..TOTAL
};
/// Processes killed since boot for want of memory.
pub static HOST_OOM_KILLS: Metric = Metric {
    field: "oom_kills",
    prometheus: "cgflux_host_oom_kills_total",
    help: "Processes killed since boot for want of memory.",
    ..TOTAL
};
