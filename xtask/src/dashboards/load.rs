//! The page that a load is watched on: what was asked for, what came of it, and what containers do meanwhile.
//!
//! The counter's and the generator's own points are in no catalog: they are those of the README's tables of `web` and
//! `load`.

use super::model::{
    Ask, Dashboard, Event,
    Expression::{Growth, Mean, Rate},
    Panel, Query, Row, Source, Unit, Written, lines, values,
};

const ONLY_HERE: &str = "only while `cgflux load` runs";

pub(super) fn page() -> Dashboard {
    Dashboard {
        name: "load",
        title: "load and containers",
        about: "Requests and their latencies beside what containers use: raise the load, and see who moves.",
        hosts: (
            Source::Containers,
            "container_cpu",
            "cgflux_container_cpu_usage_seconds_total",
        ),
        has_containers: true,
        rows: vec![
            Row {
                title: "Load",
                panels: load(),
            },
            Row {
                title: "Containers meanwhile",
                panels: containers(),
            },
        ],
        events: vec![Event {
            name: "load and counter",
            colour: "purple",
            influxql: Some(
                "SELECT \"title\", \"text\" FROM \"events\" WHERE $timeFilter AND \"host\" =~ /^${host:regex}$/",
            ),
            columns: ("title", "text"),
            promql: None,
        }],
    }
}

fn load() -> Vec<Panel> {
    vec![
        lines(
            "Requests",
            "Requests that were asked for, replies, and numbers that the counter gave, in each second.",
            Unit::PerSecond,
            [
                generator(&[("target_rate", "asked for"), ("rate", "replies")]),
                counter(
                    &[("rps", "counted")],
                    &[("rate(cgflux_web_hits_total[$__rate_interval])", "counted")],
                ),
            ],
        ),
        lines(
            "Latency at the client",
            "From when requests were due to their replies: half, 99 % and all of them are faster.",
            Unit::Seconds,
            [generator(&[
                ("p50_us", "half"),
                ("p99_us", "99 %"),
                ("max_us", "all"),
            ])],
        ),
        lines(
            "Latency at the counter",
            "From a hit to its number, over ten seconds.",
            Unit::Seconds,
            [counter(
                &[("p50_us", "half"), ("p99_us", "99 %"), ("max_us", "all")],
                &[
                    ("cgflux_web_latency_seconds{quantile=\"0.5\"}", "half"),
                    ("cgflux_web_latency_seconds{quantile=\"0.99\"}", "99 %"),
                    ("cgflux_web_latency_seconds{quantile=\"1\"}", "all"),
                ],
            )],
        ),
        lines(
            "Errors and what waits",
            "Requests that failed or are overdue since the start, requests under way, and hits that wait for Redis.",
            Unit::Count,
            [
                generator(&[
                    ("errors", "errors"),
                    ("unsent", "overdue"),
                    ("in_flight", "under way"),
                ]),
                counter(
                    &[("waiting", "wait for Redis")],
                    &[("cgflux_web_waiting", "wait for Redis")],
                ),
            ],
        ),
    ]
}

fn containers() -> Vec<Panel> {
    vec![
        lines(
            "CPU",
            "CPUs used by each container.",
            Unit::Cpus,
            [values("container_cpu", &[], &[("CPU", Mean("usage_cpus"))])],
        ),
        lines(
            "Waiting for a CPU",
            "Tasks that could have run and did not, on average.",
            Unit::Count,
            [values(
                "container_sched",
                &[],
                &[("waiting", Mean("runq_waiting"))],
            )],
        ),
        lines(
            "Throttled",
            "The share of periods in which the CPU limit held tasks back.",
            Unit::Share,
            [values(
                "container_cpu",
                &[],
                &[("throttled", Growth("throttled_periods", "periods"))],
            )
            .may_be_empty("only where a limit is set")],
        ),
        lines(
            "Network",
            "Bytes received and sent in each second, by where the peer is.",
            Unit::BytesPerSecond,
            [values(
                "container_net",
                &["peer"],
                &[("received", Rate("rx_bytes")), ("sent", Rate("tx_bytes"))],
            )],
        ),
        lines(
            "Memory",
            "Memory in use without page cache not used lately.",
            Unit::Bytes,
            [values(
                "container_mem",
                &[],
                &[("in use", Mean("working_set_bytes"))],
            )],
        ),
        lines(
            "Block I/O",
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
    ]
}

/// Fields of `load`, by run; `/metrics` has nothing of them.
fn generator(fields: &[(&str, &str)]) -> Query {
    let own = written("load", "run", fields);
    Query::from(Ask::Written {
        source: Source::Containers,
        influxql: Some(own),
        promql: Vec::new(),
    })
    .may_be_empty(ONLY_HERE)
}

/// Fields of `web`, and what the counter's own `/metrics` has of them: a target of its own, so that no `$host` chooses
/// among them.
fn counter(fields: &[(&str, &str)], series: &[(&str, &str)]) -> Query {
    let promql = series.iter().map(|(text, label)| Written {
        text: (*text).to_owned(),
        legend: format!("{label} ({{{{instance}}}})"),
    });
    Query::from(Ask::Written {
        source: Source::Containers,
        influxql: Some(written("web", "container", fields)),
        promql: promql.collect(),
    })
    .may_be_empty("only while `cgflux web` runs")
}

fn written(measurement: &str, tag: &str, fields: &[(&str, &str)]) -> Written {
    let selected = fields.iter().map(|(field, label)| {
        let scale = if field.ends_with("_us") {
            " / 1000000"
        } else {
            ""
        };
        format!("max(\"{field}\"){scale} AS \"{label}\"")
    });
    Written {
        text: format!(
            "SELECT {} FROM \"{measurement}\" WHERE $timeFilter AND \"host\" =~ /^${{host:regex}}$/ GROUP BY time($__interval), \"{tag}\", \"host\" fill(none)",
            selected.collect::<Vec<_>>().join(", ")
        ),
        legend: format!("$tag_{tag} $col ($tag_host)"),
    }
}
