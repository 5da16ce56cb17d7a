//! In what our answers differ from cAdvisor 0.38.7's, each with its argument. What is not here must be the same.

/// A field that one has and the other lacks: a part of its path.
pub(super) struct Difference(pub(super) &'static str, pub(super) &'static str);

/// What cAdvisor has and we have not.
pub(super) const LACKING: &[Difference] = &[
    Difference(
        ".per_cpu_usage",
        "CPU time is summed over CPUs; cAdvisor has none by CPU on cgroup v2 either",
    ),
    Difference(
        ".schedstat.run_periods",
        "is zero there unless `sched` is enabled; not counted here",
    ),
    Difference(
        ".load_average",
        "is zero there without --enable_load_reader",
    ),
    Difference(".load_stats", "the same"),
    Difference(".task_stats", "the same"),
    Difference(
        ".stats.Async",
        "of a disk reads and writes are told, as on cgroup v2",
    ),
    Difference(".stats.Sync", "the same"),
    Difference(".stats.Discard", "the same"),
    Difference(".numa_stats", "is empty there on all but NUMA machines"),
    Difference(
        ".mapped_file",
        "a container's is not read; the host's is told",
    ),
    Difference(
        ".tcp",
        "is zero there unless `tcp` and `advtcp` are enabled; not read here",
    ),
    Difference(
        ".udp",
        "is zero there unless `udp` is enabled; not read here",
    ),
    Difference(
        ".process_count",
        "is zero there unless `process` is enabled; threads are told here",
    ),
    Difference(
        ".fd_count",
        "the same; of one process where it may not be read",
    ),
    Difference(".socket_count", "the same"),
    Difference(".resctrl", "there is none here, and no perf event either"),
    Difference(
        ".hugetlb",
        "is null there: huge pages are not told by container",
    ),
    Difference(
        ".base_usage",
        "a container's disk space is found there by a walk over its files, which is not done here",
    ),
    Difference(".filesystem.totalUsageBytes", "the same"),
    Difference(".filesystem.baseUsageBytes", "the same"),
    Difference(".filesystem.containter_inode_usage", "the same"),
    Difference(
        ".hour_usage",
        "minutes are kept here, and years in the database",
    ),
    Difference(".day_usage", "the same"),
    Difference(
        ".memory_by_type",
        "DIMMs are not looked for; in a virtual machine there are none",
    ),
    Difference(".nvm", "non-volatile memory is not looked for"),
    Difference(
        ".docker_version",
        "Docker's version is not asked; cAdvisor since 2021 tells none",
    ),
    Difference(".docker_api_version", "the same"),
    Difference(
        ".system_uuid",
        "where the firmware has none cAdvisor tells the machine's id, which is confidential",
    ),
];

/// What cAdvisor has of the host as a whole and we have not.
pub(super) const LACKING_OF_THE_HOST: &[Difference] = &[
    Difference(
        ".cfs",
        "the root cgroup has no bandwidth to enforce: zero there",
    ),
    Difference(".schedstat", "waiting is counted by container"),
    Difference(".max_usage", "the root has a peak on cgroup v1 alone"),
    Difference(".failcnt", "the root has no limit: zero there"),
    Difference(
        ".working_set",
        "what of the page cache was used lately is known by container",
    ),
    Difference(
        ".minute_usage.memory",
        "the same: it is percentiles of the working set",
    ),
    Difference(".latest_usage.memory", "the same"),
];

/// What cAdvisor has of a container's filesystem and we have not.
pub(super) const LACKING_OF_A_CONTAINER: &[Difference] = &[Difference(
    ".filesystem[]",
    "a container's disk space is found there by a walk over its files, which is not done here",
)];

/// What cAdvisor has of a cgroup above containers and we have not: it is counted by container, and a sum would fall when
/// one ends.
pub(super) const LACKING_ABOVE_CONTAINERS: &[Difference] = &[
    Difference(".cpu", "counted by container"),
    Difference(".diskio", "counted by container"),
    Difference(
        ".network",
        "cAdvisor has zeros of an interface without a name",
    ),
];

/// What we have and 0.38.7 has not: what cAdvisor gained since, or tells only where it is asked to.
pub(super) const MORE: &[Difference] = &[
    Difference(".psi", "pressure, totals alone"),
    Difference(".memory.kernel", "in later versions"),
    Difference(".memory.events", "in later versions"),
    Difference(".threads_current", "there with `process` enabled"),
    Difference(".threads_max", "the same"),
    Difference(".oom_events", "in later versions"),
    Difference(".count", "of a percentile's samples"),
    Difference(".vendor_id", "in later versions"),
    Difference(".swap_capacity", "in later versions"),
    Difference(".caches[].id", "in later versions"),
    Difference(".distances", "in later versions"),
    Difference(".container_deletion", "in later versions"),
    Difference(".processes.limit", "there with `process` enabled"),
];
