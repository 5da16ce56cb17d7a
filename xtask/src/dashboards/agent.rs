//! The page of the agent itself: what it costs, what it could not record, and whether its points arrive.

use super::model::{
    Ask, Dashboard,
    Expression::{Mean, Rate},
    Panel, Query, Row, Shape, Source, Unit, Written, lines, values,
};

pub(super) fn page() -> Dashboard {
    Dashboard {
        name: "agent",
        title: "agent",
        about: "What the agent costs, what it could not record, and whether its points arrive.",
        hosts: (Source::Containers, "agent_self", "cgflux_slots_in_use"),
        has_containers: false,
        rows: vec![
            Row {
                title: "Delivery",
                panels: delivery(),
            },
            Row {
                title: "Cost",
                panels: cost(),
            },
            Row {
                title: "What is counted",
                panels: counted(),
            },
        ],
        events: Vec::new(),
    }
}

fn delivery() -> Vec<Panel> {
    vec![
        lines(
            "Sinks that fail",
            "1 while writing to the sink fails.",
            Unit::Count,
            [values("agent_self", &["sink"], &[("failing", Mean("failing"))]).of("sink")],
        ),
        lines(
            "Points sent",
            "Points that each sink acknowledged, in each second.",
            Unit::PerSecond,
            [values("agent_self", &["sink"], &[("sent", Rate("points_sent"))]).of("sink")],
        ),
        lines(
            "Points lost",
            "Points that will never arrive, since the sink was made; by reason where there is one.",
            Unit::Count,
            [
                values("agent_self", &["sink"], &[("lost", Mean("points_dropped"))]).of("sink"),
                values(
                    "agent_self",
                    &["sink", "reason"],
                    &[("lost", Mean("points_lost"))],
                )
                .of("sink")
                .may_be_empty("only once points were lost"),
            ],
        ),
        lines(
            "Writes that failed",
            "Writes that were tried again, in each second.",
            Unit::PerSecond,
            [values("agent_self", &["sink"], &[("failed", Rate("write_errors"))]).of("sink")],
        ),
        lines(
            "Points that wait",
            "Points that the sink has not acknowledged yet.",
            Unit::Count,
            [values("agent_self", &["sink"], &[("wait", Mean("waiting_points"))]).of("sink")],
        ),
        lines(
            "Spool",
            "Bytes of the files that points wait in, and the most that there may be.",
            Unit::Bytes,
            [values(
                "agent_self",
                &["sink"],
                &[
                    ("on disk", Mean("spool_bytes")),
                    ("at most", Mean("spool_limit_bytes")),
                ],
            )
            .of("sink")
            .may_be_empty("only for sinks with a spool")],
        ),
    ]
}

fn cost() -> Vec<Panel> {
    vec![
        lines(
            "CPU",
            "CPUs that the agent uses, and its kernel programs.",
            Unit::Cpus,
            [
                values("agent_self", &[], &[("agent", Rate("cpu_ns"))]),
                values(
                    "agent_self",
                    &[],
                    &[("kernel programs", Mean("programs_cpus"))],
                )
                .may_be_empty("measured for one tick a minute, with CAP_SYS_ADMIN only"),
                values(
                    "agent_self",
                    &[],
                    &[("of the budget", Mean("budget_used_cpus"))],
                )
                .may_be_empty("only with `budget.cpu_percent`, after its first window"),
            ],
        ),
        lines(
            "Memory",
            "Resident memory, and kernel records mapped, which are a part of it.",
            Unit::Bytes,
            [values(
                "agent_self",
                &[],
                &[
                    ("resident", Mean("rss_bytes")),
                    ("kernel records", Mean("mapped_record_bytes")),
                ],
            )],
        ),
        lines(
            "Time of a collection",
            "From reading the counters to handing the numbers on.",
            Unit::Seconds,
            [values(
                "agent_self",
                &[],
                &[("collection", Mean("tick_ns"))],
            )],
        ),
        lines(
            "Late collections and clock steps",
            "Collections left out because the one before was late, and steps of the wall clock, since the start.",
            Unit::Count,
            [values(
                "agent_self",
                &[],
                &[
                    ("left out", Mean("ticks_skipped")),
                    ("clock steps", Mean("clock_steps")),
                ],
            )],
        ),
    ]
}

fn counted() -> Vec<Panel> {
    vec![
        lines(
            "Not recorded, by reason",
            "What could not be recorded since the start; the README says what each reason means.",
            Unit::Count,
            [values("agent_self", &["reason"], &[("lost", Mean("losses"))]).of("reason")],
        ),
        lines(
            "CPU time that no entry has",
            "A share of the root's; below zero, what entries have beyond it.",
            Unit::Share,
            [values(
                "agent_self",
                &[],
                &[("unaccounted", Mean("unaccounted_cpu"))],
            )],
        ),
        lines(
            "Entries",
            "Containers, systemd units and other cgroups that are counted.",
            Unit::Count,
            [values("agent_self", &["kind"], &[("entries", Mean("entries"))]).of("kind")],
        ),
        Panel {
            shape: Shape::Table,
            ..lines(
                "Containers by runtime",
                "Series of containers in the time shown (InfluxQL), or now (PromQL).",
                Unit::Count,
                [by_runtime()],
            )
        },
        lines(
            "Points of other processes",
            "Lines that came in by the socket, and were refused, in each second.",
            Unit::PerSecond,
            [
                values("agent_self", &[], &[("taken", Rate("socket_lines_taken"))])
                    .may_be_empty("only with `socket.enabled`"),
                values(
                    "agent_self",
                    &["reason"],
                    &[("refused", Rate("socket_lines_refused"))],
                )
                .of("reason")
                .may_be_empty("only with `socket.enabled`"),
            ],
        ),
    ]
}

fn by_runtime() -> Query {
    Ask::Written {
        source: Source::Containers,
        influxql: Some(Written {
            text: "SELECT count(\"usage\") AS \"containers\" FROM (SELECT last(\"usage_ns\") AS \"usage\" FROM \"container_cpu\" WHERE $timeFilter AND \"host\" =~ /^${host:regex}$/ GROUP BY \"container\", \"runtime\", \"host\") WHERE $timeFilter GROUP BY \"runtime\"".to_owned(),
            legend: String::new(),
        }),
        promql: vec![Written {
            text: "count by (runtime) (cgflux_container_cpu_usage_seconds_total{instance=~\"$host\"})".to_owned(),
            legend: String::new(),
        }],
    }
    .into()
}
