//! The page of a host: what it does as a whole, and which containers do it.

use super::model::{
    Dashboard, Event,
    Expression::{Growth, Mean, Rate, Rest},
    Most, Panel, Row, Source, Unit, lines, top, values,
};

pub(super) fn page() -> Dashboard {
    Dashboard {
        name: "host",
        title: "host",
        about: "What a host does as a whole, whoever does it, and the containers that do most.",
        hosts: (Source::Host, "host_cpu", "cgflux_host_cpus"),
        has_containers: false,
        rows: vec![
            Row {
                title: "Containers with most",
                panels: containers(),
            },
            Row {
                title: "CPU and memory",
                panels: cpu_and_memory(),
            },
            Row {
                title: "Disks and filesystems",
                panels: disks(),
            },
            Row {
                title: "Network",
                panels: network(),
            },
            Row {
                title: "Waiting",
                panels: waiting(),
            },
        ],
        events: vec![Event::out_of_memory()],
    }
}

fn containers() -> Vec<Panel> {
    vec![
        top(
            "Most CPU",
            "CPUs used, on average over the time shown.",
            Unit::Cpus,
            "container_cpu",
            &[],
            Most::Mean("usage_cpus"),
        ),
        top(
            "Most memory",
            "Memory in use without page cache not used lately, on average over the time shown.",
            Unit::Bytes,
            "container_mem",
            &[],
            Most::Mean("working_set_bytes"),
        ),
        top(
            "Most block I/O",
            "Bytes read and written in the time shown.",
            Unit::Bytes,
            "container_io",
            &["device"],
            Most::Grown("read_bytes", "write_bytes"),
        ),
        top(
            "Most traffic",
            "Bytes received and sent in the time shown.",
            Unit::Bytes,
            "container_net",
            &["peer"],
            Most::Grown("rx_bytes", "tx_bytes"),
        ),
    ]
}

fn cpu_and_memory() -> Vec<Panel> {
    let modes = [
        ("user", Rate("user_ns")),
        ("nice", Rate("nice_ns")),
        ("system", Rate("system_ns")),
        ("irq", Rate("irq_ns")),
        ("softirq", Rate("softirq_ns")),
        ("steal", Rate("steal_ns")),
        ("iowait", Rate("iowait_ns")),
    ];
    vec![
        lines(
            "CPU by mode",
            "CPUs busy, by what with; iowait is idle time while a task waited for I/O.",
            Unit::Cpus,
            [values("host_cpu", &[], &modes)],
        )
        .stacked(),
        lines(
            "Load",
            "Tasks that ran, could run or waited for I/O; above the number of CPUs some wait.",
            Unit::Count,
            [
                values(
                    "host_load",
                    &[],
                    &[
                        ("1 min", Mean("load1")),
                        ("5 min", Mean("load5")),
                        ("15 min", Mean("load15")),
                    ],
                ),
                values("host_cpu", &[], &[("CPUs", Mean("cpus"))]),
            ],
        ),
        lines(
            "Memory",
            "What there is, what new work could have, and what is in use for what.",
            Unit::Bytes,
            [values(
                "host_mem",
                &[],
                &[
                    ("total", Mean("total_bytes")),
                    ("available", Mean("available_bytes")),
                    ("processes", Mean("anon_bytes")),
                    ("page cache", Mean("cached_bytes")),
                    ("shared", Mean("shmem_bytes")),
                    ("dirty", Mean("dirty_bytes")),
                ],
            )],
        ),
        lines(
            "Swap and faults",
            "Bytes swapped in and out, and page faults that waited for I/O, in each second.",
            Unit::PerSecond,
            [values(
                "host_mem",
                &[],
                &[
                    ("swapped in, bytes", Rate("swapped_in_bytes")),
                    ("swapped out, bytes", Rate("swapped_out_bytes")),
                    ("major faults", Rate("major_faults")),
                ],
            )],
        ),
        lines(
            "Switches and forks",
            "Context switches and new tasks in each second.",
            Unit::PerSecond,
            [values(
                "host_cpu",
                &[],
                &[
                    ("switches", Rate("context_switches")),
                    ("forks", Rate("forks")),
                ],
            )],
        ),
        lines(
            "Tasks",
            "Tasks that run or could, and those that wait for I/O.",
            Unit::Count,
            [values(
                "host_load",
                &[],
                &[("running", Mean("running")), ("blocked", Mean("blocked"))],
            )],
        ),
    ]
}

fn disks() -> Vec<Panel> {
    vec![
        lines(
            "Disk bytes",
            "Bytes read and written in each second.",
            Unit::BytesPerSecond,
            [values(
                "host_disk",
                &["device"],
                &[
                    ("read", Rate("read_bytes")),
                    ("written", Rate("write_bytes")),
                ],
            )],
        ),
        lines(
            "Disk requests",
            "Requests completed in each second.",
            Unit::PerSecond,
            [values(
                "host_disk",
                &["device"],
                &[("reads", Rate("reads")), ("writes", Rate("writes"))],
            )],
        ),
        lines(
            "Disk busy",
            "The share of time in which there was at least one request.",
            Unit::Share,
            [values("host_disk", &["device"], &[("busy", Rate("io_ns"))])],
        ),
        lines(
            "Disk write latency",
            "Mean time of a write.",
            Unit::Seconds,
            [values(
                "host_disk",
                &["device"],
                &[("write", Growth("write_ns", "writes"))],
            )],
        ),
        lines(
            "Filesystem space used",
            "What ordinary users can no longer fill, as a share of the size.",
            Unit::Share,
            [values(
                "host_fs",
                &["mount"],
                &[("used", Rest("available_bytes", "size_bytes"))],
            )],
        ),
        lines(
            "Filesystem inodes used",
            "Inodes in use, as a share of all there are.",
            Unit::Share,
            [values(
                "host_fs",
                &["mount"],
                &[("used", Rest("inodes_free", "inodes"))],
            )
            .may_be_empty("filesystems that make inodes as needed have no number of them")],
        ),
    ]
}

fn network() -> Vec<Panel> {
    vec![
        lines(
            "Interface bytes",
            "Bytes received and sent in each second; virtual pairs are left out.",
            Unit::BytesPerSecond,
            [values(
                "host_net",
                &["interface"],
                &[("received", Rate("rx_bytes")), ("sent", Rate("tx_bytes"))],
            )],
        ),
        lines(
            "Interface errors and drops",
            "Packets that were broken, could not be sent, or were dropped, in each second.",
            Unit::PerSecond,
            [values(
                "host_net",
                &["interface"],
                &[
                    ("receive errors", Rate("rx_errors")),
                    ("receive drops", Rate("rx_drops")),
                    ("send errors", Rate("tx_errors")),
                    ("send drops", Rate("tx_drops")),
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
                "host_psi",
                &[],
                &[
                    ("CPU, some", Rate("cpu_some_ns")),
                    ("memory, some", Rate("memory_some_ns")),
                    ("memory, all", Rate("memory_full_ns")),
                    ("I/O, some", Rate("io_some_ns")),
                    ("I/O, all", Rate("io_full_ns")),
                ],
            )
            .may_be_empty("kernels without pressure (psi=0) tell none")],
        ),
        lines(
            "Interrupt pressure",
            "The share of time in which interrupts kept all tasks from running.",
            Unit::Share,
            [values("host_psi", &[], &[("all", Rate("irq_full_ns"))])
                .may_be_empty("told by kernels from 6.1 on that account interrupts")],
        ),
    ]
}

impl Event {
    /// Kills, of all containers.
    fn out_of_memory() -> Self {
        Self {
            name: "out of memory",
            colour: "red",
            influxql: Some(
                "SELECT \"comm\", \"container\" FROM \"container_event\" WHERE $timeFilter AND \"host\" =~ /^${host:regex}$/ AND \"event\" = 'oom'",
            ),
            columns: ("container", "comm"),
            promql: Some("increase(cgflux_container_oom_kills_total{instance=~\"$host\"}[1m]) > 0"),
        }
    }
}
