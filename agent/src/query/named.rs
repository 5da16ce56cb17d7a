//! Queries with a name: the one table of them, and what they become with what was asked for. Pure.
//!
//! They are of this program's own schema. Whatever a user gives stands quoted in them.

use std::{fmt::Write as _, time::Duration};

/// A query with a name.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) name: &'static str,
    /// What it shows, for `--list`.
    pub(super) shows: &'static str,
    /// InfluxQL with `{where}` (time, host and container), `{time}` and `{every}`.
    template: &'static str,
    subject: Subject,
    pub(super) rows: Rows,
}

/// What its points are of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Subject {
    Container,
    /// The host as a whole, which may have a database of its own.
    Host,
    Agent,
}

/// What its rows are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Rows {
    /// As they come.
    Plain,
    /// One a series, over the whole time.
    Totals,
    /// The same, the highest ten of them.
    Highest,
}

/// All of them.
#[rustfmt::skip]
pub(super) const NAMED: [Named; 14] = [
    containers("cpu", "CPUs used", Rows::Plain,
        r#"SELECT mean("usage_cpus") AS "cpus" FROM "container_cpu" WHERE {where} GROUP BY time({every}), "container", "host" fill(none)"#),
    containers("waiting", "tasks that wait for a CPU, on average", Rows::Plain,
        r#"SELECT mean("runq_waiting") AS "waiting" FROM "container_sched" WHERE {where} GROUP BY time({every}), "container", "host" fill(none)"#),
    containers("throttling", "time in which a CPU limit held tasks back, in each second", Rows::Plain,
        r#"SELECT non_negative_derivative(max("throttled_ns"), 1s) AS "throttled_ns/s" FROM "container_cpu" WHERE {where} GROUP BY time({every}), "container", "host" fill(none)"#),
    containers("pressure", "time in which tasks waited for CPU, memory or I/O, in each second", Rows::Plain,
        r#"SELECT non_negative_derivative(max("cpu_some_ns"), 1s) AS "cpu_ns/s", non_negative_derivative(max("memory_some_ns"), 1s) AS "memory_ns/s", non_negative_derivative(max("io_some_ns"), 1s) AS "io_ns/s" FROM "container_psi" WHERE {where} GROUP BY time({every}), "container", "host" fill(none)"#),
    containers("memory", "memory in use, without page cache not used lately", Rows::Plain,
        r#"SELECT mean("working_set_bytes") AS "working_set_bytes" FROM "container_mem" WHERE {where} GROUP BY time({every}), "container", "host" fill(none)"#),
    containers("io", "bytes from and to all disks", Rows::Plain,
        r#"SELECT sum("r") AS "read_bytes/s", sum("w") AS "write_bytes/s" FROM (SELECT non_negative_derivative(max("read_bytes"), 1s) AS "r", non_negative_derivative(max("write_bytes"), 1s) AS "w" FROM "container_io" WHERE {where} GROUP BY time({every}), * fill(none)) WHERE {time} GROUP BY time({every}), "container", "host" fill(none)"#),
    containers("network", "bytes from and to all peers", Rows::Plain,
        r#"SELECT sum("r") AS "rx_bytes/s", sum("t") AS "tx_bytes/s" FROM (SELECT non_negative_derivative(max("rx_bytes"), 1s) AS "r", non_negative_derivative(max("tx_bytes"), 1s) AS "t" FROM "container_net" WHERE {where} GROUP BY time({every}), * fill(none)) WHERE {time} GROUP BY time({every}), "container", "host" fill(none)"#),
    containers("tasks", "processes and threads", Rows::Plain,
        r#"SELECT max("pids") AS "tasks" FROM "container_pids" WHERE {where} GROUP BY time({every}), "container", "host" fill(none)"#),
    containers("top", "the ten that used most CPU", Rows::Highest,
        r#"SELECT mean("usage_cpus") AS "cpus", max("usage_cpus") AS "most_cpus" FROM "container_cpu" WHERE {where} GROUP BY "container", "host""#),
    containers("events", "starts, ends and kills, the last 100", Rows::Plain,
        r#"SELECT "event", "container", "host", "id", "exit_code", "signal", "comm", "cgroup_id" FROM "container_event" WHERE {where} ORDER BY time DESC LIMIT 100"#),
    Named { name: "load", shows: "load of the host over a minute", subject: Subject::Host, rows: Rows::Plain,
        template: r#"SELECT mean("load1") AS "load1" FROM "host_load" WHERE {where} GROUP BY time({every}), "host" fill(none)"# },
    Named { name: "sinks", shows: "what each sink has sent, lost and still has waiting", subject: Subject::Agent, rows: Rows::Totals,
        template: r#"SELECT last("points_sent") AS "sent", last("points_lost") AS "lost", last("waiting_points") AS "waiting", last("waiting_bytes") AS "waiting_bytes", last("spool_bytes") AS "spool_bytes", last("failing") AS "failing" FROM "agent_self" WHERE "sink" != '' AND {where} GROUP BY "host", "sink""# },
    Named { name: "losses", shows: "points that never came: how many, of which time, and why", subject: Subject::Agent, rows: Rows::Plain,
        template: r#"SELECT "points", "reason", "sink", "host", "from_ns", "to_ns" FROM "agent_loss" WHERE {where} ORDER BY time DESC LIMIT 100"# },
    Named { name: "gaps", shows: "times in which no agent ran, and why", subject: Subject::Agent, rows: Rows::Plain,
        template: r#"SELECT "from_ns", "to_ns", "reason", "host" FROM "agent_gap" WHERE {where} ORDER BY time DESC LIMIT 100"# },
];

const fn containers(
    name: &'static str,
    shows: &'static str,
    rows: Rows,
    template: &'static str,
) -> Named {
    Named {
        name,
        shows,
        template,
        subject: Subject::Container,
        rows,
    }
}

/// What a named query is asked about.
#[derive(Clone, Debug)]
pub(super) struct Asked<'a> {
    pub(super) since: Duration,
    /// Time between two points; found from `since` if absent.
    pub(super) every: Option<Duration>,
    pub(super) container: Option<&'a str>,
    pub(super) host: Option<&'a str>,
}

/// Times between two points of a chart, in seconds.
const STEPS: [u64; 14] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_800, 3_600, 21_600, 86_400,
];

/// Points that a chart has room for.
const POINTS: u64 = 120;

impl Named {
    pub(super) fn of(name: &str) -> Option<&'static Self> {
        NAMED.iter().find(|named| named.name == name)
    }

    /// Whether it can be asked about one container.
    pub(super) fn is_of_containers(&self) -> bool {
        self.subject == Subject::Container
    }

    /// Whether its points are where those of the host as a whole go.
    pub(super) fn is_of_host(&self) -> bool {
        self.subject == Subject::Host
    }

    /// The InfluxQL.
    pub(super) fn statement(&self, asked: &Asked<'_>) -> String {
        let time = format!("time > now() - {}", duration(asked.since));
        let mut condition = time.clone();
        for (tag, value) in [("container", asked.container), ("host", asked.host)] {
            if let Some(value) = value {
                // Writing to a string does not fail.
                write!(condition, " AND \"{tag}\" = {}", quoted(value)).unwrap_or_default();
            }
        }
        // What the user gave goes in last, so that nothing in it is taken for a part of the template.
        self.template
            .replace("{every}", &duration(asked.step()))
            .replace("{time}", &time)
            .replace("{where}", &condition)
    }
}

impl Asked<'_> {
    fn step(&self) -> Duration {
        let wanted = self.since.as_secs().div_ceil(POINTS);
        let step = STEPS.iter().find(|step| **step >= wanted);
        let step = step.or(STEPS.last()).copied().unwrap_or(1);
        self.every.unwrap_or(Duration::from_secs(step))
    }
}

/// A duration of InfluxQL.
fn duration(duration: Duration) -> String {
    format!("{}ms", duration.as_millis().max(1))
}

/// Text as a string of InfluxQL.
fn quoted(text: &str) -> String {
    let mut quoted = "'".to_owned();
    for char in text.chars() {
        match char {
            '\'' | '\\' => quoted.extend(['\\', char]),
            '\n' => quoted.push_str("\\n"),
            _ => quoted.push(char),
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked<'a>(container: Option<&'a str>, host: Option<&'a str>) -> Asked<'a> {
        Asked {
            since: Duration::from_mins(15),
            every: None,
            container,
            host,
        }
    }

    #[test]
    fn a_statement_has_what_was_asked_for() {
        let cpu = Named::of("cpu").unwrap();
        assert_eq!(
            cpu.statement(&asked(Some("web"), Some("box"))),
            "SELECT mean(\"usage_cpus\") AS \"cpus\" FROM \"container_cpu\" WHERE time > now() - 900000ms \
             AND \"container\" = 'web' AND \"host\" = 'box' \
             GROUP BY time(10000ms), \"container\", \"host\" fill(none)"
        );
    }

    #[test]
    fn what_a_user_gives_stays_within_its_quotes() {
        for (name, literal) in [
            ("x' OR 'a'='a", r"'x\' OR \'a\'=\'a'"),
            (r"x\' OR 1=1", r"'x\\\' OR 1=1'"),
            ("a\nb", r"'a\nb'"),
            ("{every}{time}{where}", "'{every}{time}{where}'"),
        ] {
            let statement = Named::of("io").unwrap().statement(&asked(Some(name), None));
            let condition = format!("\"container\" = {literal} GROUP BY");
            assert!(statement.contains(&condition), "{statement}");
        }
    }

    #[test]
    fn each_has_a_name_of_its_own_and_leaves_no_placeholder() {
        for (at, named) in NAMED.iter().enumerate() {
            assert!(NAMED[..at].iter().all(|other| other.name != named.name));
            let statement = named.statement(&asked(None, None));
            assert!(!statement.contains(['{', '}']), "{statement}");
        }
    }

    #[test]
    fn a_longer_time_has_longer_steps() {
        for (since_s, step_s) in [
            (1, 1),
            (120, 1),
            (3_600, 30),
            (86_400, 1_800),
            (u64::MAX, 86_400),
        ] {
            let since = Duration::from_secs(since_s);
            let asked = Asked {
                since,
                ..asked(None, None)
            };
            assert_eq!(asked.step().as_secs(), step_s, "{since_s}");
        }
    }
}
