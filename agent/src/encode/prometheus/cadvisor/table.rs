//! The table of cAdvisor's metrics on `/metrics`: each that we can tell, and what of ours it is made of.
//!
//! Names, types and labels are those of cAdvisor v0.60 (`metrics/prometheus.go`, `metrics/prometheus_machine.go`).
//! Left out is what cAdvisor copies from the host's disks into every container, and what we do not measure.

use super::{By, Part, Rule, Term};
use crate::{encode::cadvisor, metrics::catalog};

/// The label of a fixed value of what a container's sockets sent and received. Packets are counted at the sockets, where
/// interfaces are not told apart.
const ALL_INTERFACES: &[(&str, &str)] = &[("interface", cadvisor::ALL_INTERFACES)];

const VERSION: &[(&str, &str)] = &[("cadvisorVersion", cadvisor::VERSION)];

/// In the order of publication.
pub(in super::super) static RULES: &[Rule] = &[
    Rule::gauge(
        "container_last_seen",
        "When the counters were read last, since the Unix epoch.",
        &[Part::of(Term::Taken)],
    ),
    Rule::gauge(
        "container_start_time_seconds",
        "Of the host, when it booted, since the Unix epoch.",
        &[Part::of(Term::Of(&catalog::HOST_BOOT_TIME))],
    ),
    Rule::gauge(
        "container_spec_cpu_period",
        "Length of a bandwidth enforcement period, in microseconds.",
        &[Part::of(Term::AsIs(&catalog::CPU_PERIOD))],
    ),
    Rule::gauge(
        "container_spec_cpu_quota",
        "CPU time allowed in each period, in microseconds; absent without a limit.",
        &[Part::of(Term::AsIs(&catalog::CPU_QUOTA))],
    ),
    Rule::gauge(
        "container_spec_memory_limit_bytes",
        "The cgroup's own limit of its memory, 0 without a limit; of the host all of its memory.",
        &[
            Part::of(Term::OrZero(&catalog::MEMORY_LIMIT, &catalog::WORKING_SET)),
            Part::of(Term::Of(&catalog::HOST_MEM_TOTAL)),
        ],
    ),
    Rule::gauge(
        "container_spec_memory_swap_limit_bytes",
        "The limit of what is swapped out, 0 without a limit; of the host all of its swap space.",
        &[
            Part::of(Term::OrZero(&catalog::SWAP_LIMIT, &catalog::WORKING_SET)),
            Part::of(Term::Of(&catalog::HOST_SWAP_TOTAL)),
        ],
    ),
    Rule::counter(
        "container_cpu_usage_seconds_total",
        "CPU time used since the cgroup was made, as the kernel charged it; of the host by the clock tick.",
        &[
            Part::of(Term::Of(&catalog::CPU_USAGE)).labelled(&[("cpu", "total")]),
            Part::of(Term::Sum(&cadvisor::CPU_USED)).labelled(&[("cpu", "total")]),
        ],
    ),
    Rule::counter(
        "container_cpu_user_seconds_total",
        "The part of the CPU time in user mode.",
        &[
            Part::of(Term::Of(&catalog::CPU_USER)),
            Part::of(Term::Sum(&cadvisor::CPU_USER)),
        ],
    ),
    Rule::counter(
        "container_cpu_system_seconds_total",
        "The part of the CPU time in kernel mode.",
        &[
            Part::of(Term::Of(&catalog::CPU_SYSTEM)),
            Part::of(Term::Sum(&cadvisor::CPU_SYSTEM)),
        ],
    ),
    Rule::counter(
        "container_cpu_cfs_periods_total",
        "Bandwidth enforcement periods that elapsed; where there is a quota.",
        &[Part::of(Term::Where(
            &catalog::CPU_PERIODS,
            &catalog::CPU_QUOTA,
        ))],
    ),
    Rule::counter(
        "container_cpu_cfs_throttled_periods_total",
        "Bandwidth enforcement periods in which it was throttled; where there is a quota.",
        &[Part::of(Term::Where(
            &catalog::CPU_THROTTLED_PERIODS,
            &catalog::CPU_QUOTA,
        ))],
    ),
    Rule::counter(
        "container_cpu_cfs_throttled_seconds_total",
        "Time it was throttled, summed over CPUs; where there is a quota.",
        &[Part::of(Term::Where(
            &catalog::CPU_THROTTLED,
            &catalog::CPU_QUOTA,
        ))],
    ),
    Rule::gauge(
        "container_memory_usage_bytes",
        "Memory charged, page cache included; of the host all that is not free.",
        &[
            Part::of(Term::Of(&catalog::MEMORY_USAGE)),
            Part::of(Term::Difference(
                &catalog::HOST_MEM_TOTAL,
                &catalog::HOST_MEM_FREE,
            )),
        ],
    ),
    Rule::gauge(
        "container_memory_working_set_bytes",
        "Memory charged less the page cache not used lately.",
        &[Part::of(Term::Of(&catalog::WORKING_SET))],
    ),
    Rule::gauge(
        "container_memory_rss",
        "Anonymous memory, in bytes: heaps and stacks.",
        &[
            Part::of(Term::Of(&catalog::ANON)),
            Part::of(Term::Of(&catalog::HOST_MEM_ANON)),
        ],
    ),
    Rule::gauge(
        "container_memory_cache",
        "Page cache in bytes, shared memory and tmpfs included.",
        &[
            Part::of(Term::Of(&catalog::FILE)),
            Part::of(Term::Sum(&cadvisor::CACHE)),
        ],
    ),
    Rule::gauge(
        "container_memory_swap",
        "Memory swapped out, in bytes.",
        &[
            Part::of(Term::Of(&catalog::SWAP)),
            Part::of(Term::Difference(
                &catalog::HOST_SWAP_TOTAL,
                &catalog::HOST_SWAP_FREE,
            )),
        ],
    ),
    Rule::gauge(
        "container_memory_mapped_file",
        "Page cache mapped by processes, in bytes.",
        &[Part::of(Term::Of(&catalog::HOST_MEM_MAPPED))],
    ),
    Rule::gauge(
        "container_memory_max_usage_bytes",
        "The most memory ever charged.",
        &[Part::of(Term::Of(&catalog::MEMORY_PEAK))],
    ),
    Rule::gauge(
        "container_memory_kernel_usage",
        "Memory that the kernel itself holds for it, in bytes.",
        &[Part::of(Term::Of(&catalog::KERNEL_MEMORY))],
    ),
    Rule::counter(
        "container_memory_failcnt",
        "Times its memory was about to go beyond the limit.",
        &[Part::of(Term::Of(&catalog::LIMIT_EVENTS))],
    ),
    Rule::counter(
        "container_memory_events_high_total",
        "Times it was throttled and reclaimed for being above its soft limit.",
        &[Part::of(Term::Of(&catalog::HIGH_EVENTS))],
    ),
    Rule::counter(
        "container_memory_events_max_total",
        "Times its memory was about to go beyond the limit.",
        &[Part::of(Term::Of(&catalog::LIMIT_EVENTS))],
    ),
    Rule::counter(
        "container_memory_failures_total",
        "Page faults, major ones included in pgfault; the scopes differ only where there are entries below.",
        &[
            Part::of(Term::Of(&catalog::PAGE_FAULTS))
                .labelled(&[("failure_type", "pgfault"), ("scope", "container")]),
            Part::of(Term::Of(&catalog::PAGE_FAULTS))
                .labelled(&[("failure_type", "pgfault"), ("scope", "hierarchy")]),
            Part::of(Term::Of(&catalog::MAJOR_FAULTS))
                .labelled(&[("failure_type", "pgmajfault"), ("scope", "container")]),
            Part::of(Term::Of(&catalog::MAJOR_FAULTS))
                .labelled(&[("failure_type", "pgmajfault"), ("scope", "hierarchy")]),
            Part::of(Term::Of(&catalog::HOST_PAGE_FAULTS))
                .labelled(&[("failure_type", "pgfault"), ("scope", "hierarchy")]),
            Part::of(Term::Of(&catalog::HOST_MAJOR_FAULTS))
                .labelled(&[("failure_type", "pgmajfault"), ("scope", "hierarchy")]),
        ],
    ),
    Rule::counter(
        "container_oom_events_total",
        "Processes that the kernel killed because memory ran out.",
        &[
            Part::of(Term::Of(&catalog::OOM_KILLS)),
            Part::of(Term::Of(&catalog::HOST_OOM_KILLS)),
        ],
    ),
    Rule::counter(
        "container_fs_reads_bytes_total",
        "Bytes read from the device.",
        &[
            Part::of(Term::Of(&catalog::READ_BYTES)).by(By::Disk),
            Part::of(Term::Of(&catalog::HOST_DISK_READ_BYTES)).by(By::Disk),
        ],
    ),
    Rule::counter(
        "container_fs_writes_bytes_total",
        "Bytes written to the device, write-back included.",
        &[
            Part::of(Term::Of(&catalog::WRITE_BYTES)).by(By::Disk),
            Part::of(Term::Of(&catalog::HOST_DISK_WRITE_BYTES)).by(By::Disk),
        ],
    ),
    Rule::counter(
        "container_fs_reads_total",
        "Read requests finished; merged ones are one.",
        &[
            Part::of(Term::Of(&catalog::READS)).by(By::Disk),
            Part::of(Term::Of(&catalog::HOST_DISK_READS)).by(By::Disk),
        ],
    ),
    Rule::counter(
        "container_fs_writes_total",
        "Write requests finished; merged ones are one.",
        &[
            Part::of(Term::Of(&catalog::WRITES)).by(By::Disk),
            Part::of(Term::Of(&catalog::HOST_DISK_WRITES)).by(By::Disk),
        ],
    ),
    Rule::counter(
        "container_fs_sector_reads_total",
        "Sectors of 512 bytes read.",
        &[
            Part::of(Term::Sectors(&catalog::READ_BYTES)).by(By::Disk),
            Part::of(Term::Sectors(&catalog::HOST_DISK_READ_BYTES)).by(By::Disk),
        ],
    ),
    Rule::counter(
        "container_fs_sector_writes_total",
        "Sectors of 512 bytes written.",
        &[
            Part::of(Term::Sectors(&catalog::WRITE_BYTES)).by(By::Disk),
            Part::of(Term::Sectors(&catalog::HOST_DISK_WRITE_BYTES)).by(By::Disk),
        ],
    ),
    Rule::counter(
        "container_fs_reads_merged_total",
        "Reads merged into another; of the host.",
        &[Part::of(Term::Of(&catalog::HOST_DISK_READS_MERGED)).by(By::Disk)],
    ),
    Rule::counter(
        "container_fs_writes_merged_total",
        "Writes merged into another; of the host.",
        &[Part::of(Term::Of(&catalog::HOST_DISK_WRITES_MERGED)).by(By::Disk)],
    ),
    Rule::counter(
        "container_fs_read_seconds_total",
        "Time of read requests from their making to their end.",
        &[
            Part::of(Term::Of(&catalog::READ_TIME)).by(By::Disk),
            Part::of(Term::Of(&catalog::HOST_DISK_READ_TIME)).by(By::Disk),
        ],
    ),
    Rule::counter(
        "container_fs_write_seconds_total",
        "Time of write requests from their making to their end.",
        &[
            Part::of(Term::Of(&catalog::WRITE_TIME)).by(By::Disk),
            Part::of(Term::Of(&catalog::HOST_DISK_WRITE_TIME)).by(By::Disk),
        ],
    ),
    Rule::gauge(
        "container_fs_io_current",
        "Requests that the device has not completed yet; of the host.",
        &[Part::of(Term::Of(&catalog::HOST_DISK_IN_FLIGHT)).by(By::Disk)],
    ),
    Rule::counter(
        "container_fs_io_time_seconds_total",
        "Time in which there was at least one request; of the host.",
        &[Part::of(Term::Of(&catalog::HOST_DISK_IO_TIME)).by(By::Disk)],
    ),
    Rule::counter(
        "container_fs_io_time_weighted_seconds_total",
        "Time of all requests, added up; of the host.",
        &[Part::of(Term::Of(&catalog::HOST_DISK_WEIGHTED_TIME)).by(By::Disk)],
    ),
    Rule::gauge(
        "container_fs_usage_bytes",
        "Space in use on a filesystem of the host.",
        &[Part::of(Term::Difference(
            &catalog::HOST_FS_SIZE,
            &catalog::HOST_FS_FREE,
        ))
        .by(By::Filesystem)],
    ),
    Rule::gauge(
        "container_fs_limit_bytes",
        "Size of a filesystem of the host.",
        &[Part::of(Term::Of(&catalog::HOST_FS_SIZE)).by(By::Filesystem)],
    ),
    Rule::gauge(
        "container_fs_inodes_total",
        "Inodes of a filesystem of the host.",
        &[Part::of(Term::Of(&catalog::HOST_FS_INODES)).by(By::Filesystem)],
    ),
    Rule::gauge(
        "container_fs_inodes_free",
        "Inodes not in use on a filesystem of the host.",
        &[Part::of(Term::Of(&catalog::HOST_FS_INODES_FREE)).by(By::Filesystem)],
    ),
    Rule::counter(
        "container_blkio_device_usage_total",
        "Bytes read from and written to the device.",
        &[
            Part::of(Term::Of(&catalog::READ_BYTES))
                .labelled(&[("operation", "Read")])
                .by(By::Disk),
            Part::of(Term::Of(&catalog::WRITE_BYTES))
                .labelled(&[("operation", "Write")])
                .by(By::Disk),
            Part::of(Term::Of(&catalog::HOST_DISK_READ_BYTES))
                .labelled(&[("operation", "Read")])
                .by(By::Disk),
            Part::of(Term::Of(&catalog::HOST_DISK_WRITE_BYTES))
                .labelled(&[("operation", "Write")])
                .by(By::Disk),
        ],
    ),
    Rule::counter(
        "container_network_receive_bytes_total",
        "Bytes received; of a container by its own sockets over all interfaces but the loopback, without link headers.",
        &[
            Part::of(Term::Peers(&catalog::NET_RX_BYTES)).labelled(ALL_INTERFACES),
            Part::of(Term::Of(&catalog::HOST_NET_RX_BYTES)).by(By::Interface),
        ],
    ),
    Rule::counter(
        "container_network_receive_packets_total",
        "Packets received; of a container by its own sockets over all interfaces but the loopback.",
        &[
            Part::of(Term::Peers(&catalog::NET_RX_PACKETS)).labelled(ALL_INTERFACES),
            Part::of(Term::Of(&catalog::HOST_NET_RX_PACKETS)).by(By::Interface),
        ],
    ),
    Rule::counter(
        "container_network_receive_packets_dropped_total",
        "Packets to be received that were dropped; of the host.",
        &[Part::of(Term::Of(&catalog::HOST_NET_RX_DROPS)).by(By::Interface)],
    ),
    Rule::counter(
        "container_network_receive_errors_total",
        "Packets that could not be received; of the host.",
        &[Part::of(Term::Of(&catalog::HOST_NET_RX_ERRORS)).by(By::Interface)],
    ),
    Rule::counter(
        "container_network_transmit_bytes_total",
        "Bytes sent; of a container by its own sockets over all interfaces but the loopback, without link headers.",
        &[
            Part::of(Term::Peers(&catalog::NET_TX_BYTES)).labelled(ALL_INTERFACES),
            Part::of(Term::Of(&catalog::HOST_NET_TX_BYTES)).by(By::Interface),
        ],
    ),
    Rule::counter(
        "container_network_transmit_packets_total",
        "Packets sent; of a container by its own sockets over all interfaces but the loopback.",
        &[
            Part::of(Term::Peers(&catalog::NET_TX_PACKETS)).labelled(ALL_INTERFACES),
            Part::of(Term::Of(&catalog::HOST_NET_TX_PACKETS)).by(By::Interface),
        ],
    ),
    Rule::counter(
        "container_network_transmit_packets_dropped_total",
        "Packets to be sent that were dropped; of the host.",
        &[Part::of(Term::Of(&catalog::HOST_NET_TX_DROPS)).by(By::Interface)],
    ),
    Rule::counter(
        "container_network_transmit_errors_total",
        "Packets that could not be sent; of the host.",
        &[Part::of(Term::Of(&catalog::HOST_NET_TX_ERRORS)).by(By::Interface)],
    ),
    Rule::counter(
        "container_pressure_cpu_waiting_seconds_total",
        "Time in which some task waited for a CPU.",
        &[
            Part::of(Term::Of(&catalog::CPU_SOME)),
            Part::of(Term::Of(&catalog::HOST_PSI_CPU_SOME)),
        ],
    ),
    Rule::counter(
        "container_pressure_cpu_stalled_seconds_total",
        "Time in which all tasks that were not idle waited for a CPU.",
        &[Part::of(Term::Of(&catalog::CPU_FULL))],
    ),
    Rule::counter(
        "container_pressure_memory_waiting_seconds_total",
        "Time in which some task waited for memory.",
        &[
            Part::of(Term::Of(&catalog::MEMORY_SOME)),
            Part::of(Term::Of(&catalog::HOST_PSI_MEMORY_SOME)),
        ],
    ),
    Rule::counter(
        "container_pressure_memory_stalled_seconds_total",
        "Time in which all tasks that were not idle waited for memory.",
        &[
            Part::of(Term::Of(&catalog::MEMORY_FULL)),
            Part::of(Term::Of(&catalog::HOST_PSI_MEMORY_FULL)),
        ],
    ),
    Rule::counter(
        "container_pressure_io_waiting_seconds_total",
        "Time in which some task waited for I/O.",
        &[
            Part::of(Term::Of(&catalog::IO_SOME)),
            Part::of(Term::Of(&catalog::HOST_PSI_IO_SOME)),
        ],
    ),
    Rule::counter(
        "container_pressure_io_stalled_seconds_total",
        "Time in which all tasks that were not idle waited for I/O.",
        &[
            Part::of(Term::Of(&catalog::IO_FULL)),
            Part::of(Term::Of(&catalog::HOST_PSI_IO_FULL)),
        ],
    ),
    Rule::gauge(
        "container_threads",
        "Tasks: processes and threads.",
        &[
            Part::of(Term::Of(&catalog::PIDS)),
            Part::of(Term::Of(&catalog::HOST_TASKS)),
        ],
    ),
    Rule::gauge(
        "container_threads_max",
        "Tasks there may be, 0 without a limit.",
        &[Part::of(Term::OrZero(&catalog::PIDS_LIMIT, &catalog::PIDS))],
    ),
    Rule {
        is_global: true,
        ..Rule::gauge(
            "machine_cpu_cores",
            "CPUs that are online.",
            &[Part::of(Term::Of(&catalog::HOST_CPUS))],
        )
    },
    Rule {
        is_global: true,
        ..Rule::gauge(
            "machine_memory_bytes",
            "Memory that the kernel manages.",
            &[Part::of(Term::Of(&catalog::HOST_MEM_TOTAL))],
        )
    },
    Rule {
        is_global: true,
        ..Rule::gauge(
            "machine_swap_bytes",
            "Swap space; 0 is none.",
            &[Part::of(Term::Of(&catalog::HOST_SWAP_TOTAL))],
        )
    },
    Rule {
        is_global: true,
        ..Rule::gauge(
            "cadvisor_version_info",
            "Who tells these metrics in place of cAdvisor.",
            &[Part::of(Term::Constant(1)).labelled(VERSION)],
        )
    },
    Rule {
        is_global: true,
        ..Rule::gauge(
            "container_scrape_error",
            "Always 0: what cannot be read is absent.",
            &[Part::of(Term::Constant(0))],
        )
    },
    Rule {
        is_global: true,
        ..Rule::gauge(
            "machine_scrape_error",
            "Always 0: what cannot be read is absent.",
            &[Part::of(Term::Constant(0))],
        )
    },
];
