//! The alerts: what each is about, and its rule in both languages. Pure.
//!
//! Every window and wait goes through [`Pace`], so that a test has the very same rules in seconds.

pub(super) mod grafana;
pub(super) mod prometheus;

use std::time::Duration;

use super::model::Source;

/// By how much times are shorter than in what is committed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace(pub(crate) u64);

impl Pace {
    /// As it is committed.
    pub(crate) const NORMAL: Self = Self(1);

    fn of(self, duration: Duration) -> Duration {
        Duration::from_secs((duration.as_secs() / self.0).max(1))
    }

    fn minutes(self, minutes: u64) -> String {
        words(self.of(Duration::from_mins(minutes)))
    }
}

/// As both languages write a duration.
fn words(duration: Duration) -> String {
    match duration.as_secs() {
        seconds if seconds % 3_600 == 0 => format!("{}h", seconds / 3_600),
        seconds if seconds % 60 == 0 => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}

/// One alert.
#[derive(Clone, Debug)]
struct Alert {
    name: &'static str,
    severity: &'static str,
    /// What is so while it fires.
    summary: &'static str,
    /// What to do.
    advice: &'static str,
    /// For how long it has to be so.
    wait: Duration,
    /// Whole, with its threshold.
    promql: String,
    influxql: Influx,
}

/// A query whose last value in each series is compared.
#[derive(Clone, Debug)]
struct Influx {
    source: Source,
    query: String,
    /// How far back it looks.
    window: Duration,
    fires: Fires,
    /// Whether nothing at all is an alert too.
    silence_fires: bool,
}

#[derive(Clone, Copy, Debug)]
enum Fires {
    Above(f64),
    Below(f64),
}

/// All of them.
fn all(pace: Pace) -> Vec<Alert> {
    vec![
        silent(pace),
        points_lost(pace),
        sink_failing(pace),
        spool_full(pace),
        out_of_memory(pace),
        throttled(pace),
        filesystem_full(pace),
    ]
}

fn silent(pace: Pace) -> Alert {
    // Long enough for a shipment every 10 s to miss a few. The last group is not over yet, and empty for a moment at its
    // begin: no longer than it is waited for.
    let gap = pace.minutes(2);
    Alert {
        name: "CgfluxAgentSilent",
        severity: "critical",
        summary: "The agent says nothing any more.",
        advice: "See `systemctl status cgflux` on that host, or whether the network is between.",
        wait: pace.of(Duration::from_mins(2)),
        // Whatever the job is called: a target that had slots within a day is an agent.
        promql: "up == 0 and on (job, instance) count_over_time(cgflux_slots_in_use[1d]) > 0"
            .to_owned(),
        influxql: Influx {
            source: Source::Containers,
            query: format!(
                "SELECT count(\"rss_bytes\") FROM \"agent_self\" WHERE $timeFilter GROUP BY time({gap}), \"host\" fill(0)"
            ),
            window: pace.of(Duration::from_hours(6)),
            fires: Fires::Below(1.0),
            silence_fires: true,
        },
    }
}

fn points_lost(pace: Pace) -> Alert {
    let window = Duration::from_mins(10);
    Alert {
        name: "CgfluxPointsLost",
        severity: "critical",
        summary: "Points were lost that will never arrive.",
        advice: "See `reason` of cgflux_sink_points_lost_total, and the README on what each means.",
        wait: Duration::ZERO,
        promql: format!(
            "increase(cgflux_sink_points_dropped_total[{}]) > 0",
            words(pace.of(window))
        ),
        influxql: Influx {
            source: Source::Containers,
            query: "SELECT sum(\"lost\") FROM (SELECT non_negative_difference(\"points_dropped\") AS \"lost\" FROM \"agent_self\" WHERE $timeFilter GROUP BY \"host\", \"sink\") WHERE $timeFilter GROUP BY \"host\", \"sink\"".to_owned(),
            window: pace.of(window),
            fires: Fires::Above(0.0),
            silence_fires: false,
        },
    }
}

fn sink_failing(pace: Pace) -> Alert {
    Alert {
        name: "CgfluxSinkFailing",
        severity: "warning",
        summary: "Writing to the sink fails, or is paused until somebody acts; points wait.",
        advice: "`cgflux sink test` and /api/v1/status say why.",
        wait: pace.of(Duration::from_mins(5)),
        promql: "cgflux_sink_failing == 1".to_owned(),
        influxql: Influx {
            source: Source::Containers,
            query: "SELECT last(\"failing\") FROM \"agent_self\" WHERE $timeFilter GROUP BY \"host\", \"sink\"".to_owned(),
            window: pace.of(Duration::from_mins(5)),
            fires: Fires::Above(0.0),
            silence_fires: false,
        },
    }
}

fn spool_full(pace: Pace) -> Alert {
    let (window, ahead) = (
        pace.of(Duration::from_mins(30)),
        pace.of(Duration::from_hours(6)),
    );
    let times = ahead.as_secs() / window.as_secs();
    Alert {
        name: "CgfluxSpoolFull",
        severity: "warning",
        summary: "At this rate the spool is full within 6 h; then the oldest points go.",
        advice: "Mend the sink, or raise its `spool_bytes`.",
        wait: pace.of(Duration::from_mins(10)),
        // By what waits and not by the files, which grow to some MiB on a healthy agent too. A part of them is not for
        // batches. Once it is full it grows no more: then points are lost, which is an alert of its own.
        promql: format!(
            "predict_linear(cgflux_sink_waiting_bytes[{}], {}) > {FULL} * cgflux_sink_spool_limit_bytes",
            words(window),
            ahead.as_secs()
        ),
        influxql: Influx {
            source: Source::Containers,
            query: format!(
                "SELECT (last(\"waiting_bytes\") + (last(\"waiting_bytes\") - first(\"waiting_bytes\")) * {times}) / last(\"spool_limit_bytes\") FROM \"agent_self\" WHERE $timeFilter GROUP BY \"host\", \"sink\""
            ),
            window,
            fires: Fires::Above(FULL),
            silence_fires: false,
        },
    }
}

/// The share of its bound that batches fill of a spool that is full.
const FULL: f64 = 0.8;

fn out_of_memory(pace: Pace) -> Alert {
    let window = Duration::from_mins(10);
    let range = words(pace.of(window));
    let kills = "cgflux_container_oom_kills_total";
    Alert {
        name: "CgfluxOutOfMemory",
        severity: "warning",
        summary: "The kernel killed a process of the container because memory ran out.",
        advice: "Raise its memory limit, or find what it keeps.",
        wait: Duration::ZERO,
        // A container that is killed before it is first scraped begins with its kills.
        promql: format!(
            "increase({kills}[{range}]) > 0 or ({kills} > 0 unless {kills} offset {range})"
        ),
        influxql: Influx {
            source: Source::Containers,
            query: "SELECT count(\"pid\") FROM \"container_event\" WHERE $timeFilter AND \"event\" = 'oom' GROUP BY \"host\", \"container\"".to_owned(),
            window: pace.of(window),
            fires: Fires::Above(0.0),
            silence_fires: false,
        },
    }
}

fn throttled(pace: Pace) -> Alert {
    let window = Duration::from_mins(5);
    let range = words(pace.of(window));
    Alert {
        name: "CgfluxThrottled",
        severity: "warning",
        summary: "The CPU limit holds the container back in more than a quarter of its periods.",
        advice: "Raise its CPU limit, or look at what it is busy with.",
        wait: pace.of(Duration::from_mins(10)),
        promql: format!(
            "rate(cgflux_container_cpu_throttled_periods_total[{range}]) / (rate(cgflux_container_cpu_periods_total[{range}]) > 0) > 0.25"
        ),
        influxql: Influx {
            source: Source::Containers,
            query: "SELECT (last(\"throttled_periods\") - first(\"throttled_periods\")) / (last(\"periods\") - first(\"periods\")) FROM \"container_cpu\" WHERE $timeFilter GROUP BY \"host\", \"container\"".to_owned(),
            window: pace.of(window),
            fires: Fires::Above(0.25),
            silence_fires: false,
        },
    }
}

fn filesystem_full(pace: Pace) -> Alert {
    Alert {
        name: "CgfluxFilesystemFull",
        severity: "critical",
        summary: "Less than 5 % of a filesystem is left to ordinary users.",
        advice: "Make room there.",
        wait: pace.of(Duration::from_mins(5)),
        promql: "cgflux_host_fs_available_bytes / cgflux_host_fs_size_bytes < 0.05".to_owned(),
        influxql: Influx {
            source: Source::Host,
            query: "SELECT last(\"available_bytes\") / last(\"size_bytes\") FROM \"host_fs\" WHERE $timeFilter GROUP BY \"host\", \"mount\"".to_owned(),
            window: pace.of(Duration::from_mins(5)),
            fires: Fires::Below(0.05),
            silence_fires: false,
        },
    }
}
