//! The page of a container: what it uses, what it waits for, and which bounds it runs into.

use super::model::{
    Dashboard, Event,
    Expression::{Growth, Mean, MeanTime, Part, Peak, Rate},
    Panel, Row, Source, Unit, lines, values,
};

const NO_LIMIT: &str = "only where a limit is set";

const NOT_ASKED_FOR: &str = "only where [families.preemption] is on";

pub(super) fn page() -> Dashboard {
    Dashboard {
        name: "container",
        title: "container",
        about: "What containers use, what they wait for, and which bounds they run into.",
        hosts: (
            Source::Containers,
            "container_cpu",
            "cgflux_container_cpu_usage_seconds_total",
        ),
        has_containers: true,
        rows: vec![
            Row {
                title: "CPU",
                panels: cpu(),
            },
            Row {
                title: "Memory",
                panels: memory(),
            },
            Row {
                title: "Block I/O",
                panels: block_io(),
            },
            Row {
                title: "Network",
                panels: network(),
            },
            Row {
                title: "Waiting and tasks",
                panels: waiting(),
            },
        ],
        events: events(),
    }
}

fn cpu() -> Vec<Panel> {
    vec![
        lines(
            "CPU used",
            "CPUs used on average and in the busiest second, and the limit.",
            Unit::Cpus,
            [
                values(
                    "container_cpu",
                    &[],
                    &[
                        ("mean", Mean("usage_cpus")),
                        ("most", Peak("usage_cpus_max", "usage_cpus")),
                    ],
                ),
                values(
                    "container_cpu",
                    &[],
                    &[("limit", Part("quota_us", "period_us"))],
                )
                .may_be_empty(NO_LIMIT),
            ],
        ),
        lines(
            "CPU by mode",
            "CPUs used in user and in kernel mode.",
            Unit::Cpus,
            [values(
                "container_cpu",
                &[],
                &[("user", Rate("user_ns")), ("system", Rate("system_ns"))],
            )],
        )
        .stacked(),
        lines(
            "Throttled",
            "The share of periods in which the CPU limit held tasks back.",
            Unit::Share,
            [values(
                "container_cpu",
                &[],
                &[("throttled", Growth("throttled_periods", "periods"))],
            )
            .may_be_empty(NO_LIMIT)],
        ),
        lines(
            "Waiting for a CPU",
            "Tasks that could have run and did not, on average; throttled ones included.",
            Unit::Count,
            [values(
                "container_sched",
                &[],
                &[("waiting", Mean("runq_waiting"))],
            )],
        ),
        lines(
            "Who took the CPU",
            "Tasks that waited, on average, by who ran on the CPU they waited for. Where a limit throttles, whoever runs is \
             named.",
            Unit::Count,
            [values(
                "container_preemption",
                &["by"],
                &[("waiting", Mean("waiting"))],
            )
            .may_be_empty(NOT_ASKED_FOR)],
        ),
        lines(
            "Run-queue wait",
            "How long a task waited for each turn on a CPU, on average.",
            Unit::Seconds,
            [values(
                "container_sched",
                &[],
                &[(
                    "mean",
                    MeanTime(
                        "runq_wait_ns",
                        "runq_wait_count",
                        "cgflux_container_runq_wait_seconds",
                    ),
                )],
            )],
        ),
        lines(
            "Switches and new tasks",
            "Context switches of its tasks, and tasks that it made, in each second.",
            Unit::PerSecond,
            [values(
                "container_sched",
                &[],
                &[
                    ("voluntary", Rate("voluntary_switches")),
                    ("involuntary", Rate("involuntary_switches")),
                    ("forks", Rate("forks")),
                ],
            )],
        ),
    ]
}

fn memory() -> Vec<Panel> {
    vec![
        lines(
            "Memory in use",
            "The working set (without page cache not used lately), all that is in use, and the limit.",
            Unit::Bytes,
            [
                values(
                    "container_mem",
                    &[],
                    &[
                        ("working set", Mean("working_set_bytes")),
                        ("in use", Mean("usage_bytes")),
                    ],
                ),
                values("container_mem", &[], &[("limit", Mean("limit_bytes"))])
                    .may_be_empty(NO_LIMIT),
            ],
        ),
        lines(
            "Memory by kind",
            "Memory of processes, page cache, shared memory and the kernel's own for it.",
            Unit::Bytes,
            [values(
                "container_mem",
                &[],
                &[
                    ("processes", Mean("anon_bytes")),
                    ("page cache", Mean("file_bytes")),
                    ("shared", Mean("shmem_bytes")),
                    ("kernel", Mean("kernel_bytes")),
                ],
            )],
        ),
        lines(
            "Faults",
            "Page faults, and those that waited for I/O, in each second.",
            Unit::PerSecond,
            [values(
                "container_mem",
                &[],
                &[
                    ("faults", Rate("pgfault")),
                    ("major faults", Rate("pgmajfault")),
                ],
            )],
        ),
        lines(
            "Killed for want of memory",
            "Processes killed since the container was made.",
            Unit::Count,
            [values(
                "container_mem",
                &[],
                &[("kills", Mean("oom_kills"))],
            )],
        ),
    ]
}

fn block_io() -> Vec<Panel> {
    vec![
        lines(
            "Bytes from and to disks",
            "Bytes read and written in each second, by device.",
            Unit::BytesPerSecond,
            [values(
                "container_io",
                &["device"],
                &[
                    ("read", Rate("read_bytes")),
                    ("written", Rate("write_bytes")),
                ],
            )],
        ),
        lines(
            "Disk latency",
            "Mean time of a request, from its making to its end.",
            Unit::Seconds,
            [values(
                "container_io",
                &["device"],
                &[
                    (
                        "read",
                        MeanTime(
                            "read_ns",
                            "reads",
                            "cgflux_container_io_read_latency_seconds",
                        ),
                    ),
                    (
                        "write",
                        MeanTime(
                            "write_ns",
                            "writes",
                            "cgflux_container_io_write_latency_seconds",
                        ),
                    ),
                ],
            )
            .may_be_empty("only while there are requests")],
        ),
        lines(
            "Disk requests",
            "Requests that ended in each second.",
            Unit::PerSecond,
            [values(
                "container_io",
                &["device"],
                &[("reads", Rate("reads")), ("writes", Rate("writes"))],
            )],
        ),
        lines(
            "Disk space left",
            "What may still be written where its writable layer is.",
            Unit::Bytes,
            [values(
                "container_fs",
                &[],
                &[("left", Mean("available_bytes"))],
            )],
        ),
    ]
}

fn network() -> Vec<Panel> {
    vec![
        lines(
            "Bytes by peer",
            "Bytes received and sent in each second, by where the peer is.",
            Unit::BytesPerSecond,
            [values(
                "container_net",
                &["peer"],
                &[("received", Rate("rx_bytes")), ("sent", Rate("tx_bytes"))],
            )],
        ),
        lines(
            "TCP",
            "Connections opened, taken and failed, and segments sent again, in each second.",
            Unit::PerSecond,
            [values(
                "container_net",
                &[],
                &[
                    ("opened", Rate("tcp_connects")),
                    ("taken", Rate("tcp_accepts")),
                    ("failed", Rate("tcp_failures")),
                    ("sent again", Rate("tcp_retransmits")),
                ],
            )],
        ),
    ]
}

fn waiting() -> Vec<Panel> {
    vec![
        lines(
            "Pressure",
            "The share of time in which some task, or all, waited.",
            Unit::Share,
            [values(
                "container_psi",
                &[],
                &[
                    ("CPU, some", Rate("cpu_some_ns")),
                    ("CPU, all", Rate("cpu_full_ns")),
                    ("memory, some", Rate("memory_some_ns")),
                    ("memory, all", Rate("memory_full_ns")),
                    ("I/O, some", Rate("io_some_ns")),
                    ("I/O, all", Rate("io_full_ns")),
                ],
            )
            .may_be_empty("kernels without pressure (psi=0) and cgroup v1 alone tell none")],
        ),
        lines(
            "Tasks",
            "Processes and threads, and how many there may be.",
            Unit::Count,
            [
                values("container_pids", &[], &[("tasks", Mean("pids"))]),
                values("container_pids", &[], &[("limit", Mean("pids_limit"))])
                    .may_be_empty(NO_LIMIT),
            ],
        ),
    ]
}

/// `/metrics` tells of kills only: a container that starts or ends is a series that begins or ends.
fn events() -> Vec<Event> {
    vec![
        Event {
            name: "starts and ends",
            colour: "blue",
            influxql: Some(
                "SELECT \"id\", \"container\", \"event\" FROM \"container_event\" WHERE $timeFilter AND \"host\" =~ /^${host:regex}$/ AND \"container\" =~ /^${container:regex}$/ AND \"event\" != 'oom'",
            ),
            columns: ("event", "container"),
            promql: None,
        },
        Event {
            name: "out of memory",
            colour: "red",
            influxql: Some(
                "SELECT \"comm\", \"container\" FROM \"container_event\" WHERE $timeFilter AND \"host\" =~ /^${host:regex}$/ AND \"container\" =~ /^${container:regex}$/ AND \"event\" = 'oom'",
            ),
            columns: ("container", "comm"),
            promql: Some(
                "increase(cgflux_container_oom_kills_total{instance=~\"$host\", name=~\"$container\"}[1m]) > 0",
            ),
        },
    ]
}
