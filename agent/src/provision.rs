//! `cgflux sink init`: makes what a sink of InfluxDB 1.x is written to: databases, how long they keep points, and
//! roll-ups that outlive them.
//!
//! What is done is shown before; the statements are pure. All can be run again: what is there as asked for stays, and what
//! is there otherwise is told and left as it is.

use std::time::Duration;

use crate::{
    config::{Influxdb, InfluxdbVersion, Sink, SinkKind},
    metrics::catalog::{self, Kind, Metric},
    sink::influxdb::{Client, ClientError, quoted},
    surroundings::read_secret,
};

/// The retention policy that is made where the sink names none.
const POLICY: &str = "cgflux";

/// Where roll-ups go, how long they are kept, and over what time they are.
const ROLLUP_POLICY: &str = "cgflux_5m";
const ROLLUP_KEPT: &str = "52w";
const ROLLUP_OVER: &str = "5m";

/// What is rolled up: what long-term charts of containers show.
const ROLLED_UP: [&str; 4] = [
    "container_cpu",
    "container_mem",
    "container_io",
    "container_net",
];

/// What is wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// How long points are kept; as the server has it if absent.
    pub retention: Option<Duration>,
    /// Whether to keep means of five minutes for a year.
    pub rollup: bool,
}

/// Statements for one server.
#[derive(Debug)]
pub struct Plan {
    /// The sink.
    pub sink: String,
    settings: Influxdb,
    /// In this order; each stands by itself.
    pub statements: Vec<String>,
}

/// Why nothing can be made.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// No sink is an InfluxDB of 1.x.
    #[error(
        "no sink of the configuration is an InfluxDB 1.x; 2.x: `influx bucket create`, 3.x makes databases when they are \
         written to"
    )]
    NoServer,
    /// The sink's settings are of no use.
    #[error("cannot ask sink {sink:?}")]
    Client {
        /// The sink.
        sink: String,
        /// Why.
        source: ClientError,
    },
}

/// What is to be done for these sinks.
pub fn plan(sinks: &[&Sink], wanted: Wanted) -> Result<Vec<Plan>, ProvisionError> {
    let plans: Vec<Plan> = sinks
        .iter()
        .filter_map(|sink| match &sink.kind {
            SinkKind::Influxdb(settings) if settings.version == InfluxdbVersion::V1 => Some(Plan {
                sink: sink.name.clone(),
                settings: settings.clone(),
                statements: statements(settings, wanted),
            }),
            _ => None,
        })
        .collect();
    if plans.is_empty() {
        return Err(ProvisionError::NoServer);
    }
    Ok(plans)
}

/// Runs a plan's statements; each with what the server says of it.
pub async fn run(plan: &Plan) -> Result<Vec<Result<(), String>>, ProvisionError> {
    let client = Client::new(&plan.settings, read_secret);
    let mut client = client.map_err(|source| ProvisionError::Client {
        sink: plan.sink.clone(),
        source,
    })?;
    let mut done = Vec::with_capacity(plan.statements.len());
    for statement in &plan.statements {
        let result = client.query(statement, &plan.settings.database).await;
        done.push(result.map(|_results| ()));
    }
    Ok(done)
}

fn statements(settings: &Influxdb, wanted: Wanted) -> Vec<String> {
    let mut statements = Vec::new();
    let policy = settings.retention_policy.as_deref();
    for database in [Some(&settings.database), settings.host_database.as_ref()] {
        let Some(database) = database else {
            continue;
        };
        let database = quoted(database);
        statements.push(format!("CREATE DATABASE {database}"));
        if let Some(retention) = wanted.retention {
            // A policy that the sink names is written to by name, another by being the default.
            let is_default = if policy.is_none() { " DEFAULT" } else { "" };
            statements.push(format!(
                "CREATE RETENTION POLICY {} ON {database} DURATION {} REPLICATION 1{is_default}",
                quoted(policy.unwrap_or(POLICY)),
                duration(retention),
            ));
        }
    }
    if wanted.rollup {
        statements.extend(rollups(settings));
    }
    statements
}

/// A policy for roll-ups, and a continuous query for each measurement.
fn rollups(settings: &Influxdb) -> impl Iterator<Item = String> {
    let database = quoted(&settings.database);
    let to = quoted(ROLLUP_POLICY);
    let policy =
        format!("CREATE RETENTION POLICY {to} ON {database} DURATION {ROLLUP_KEPT} REPLICATION 1");
    let from = match settings.retention_policy.as_deref() {
        Some(policy) => format!("{database}.{}", quoted(policy)),
        None => format!("{database}."),
    };
    let queries = ROLLED_UP.map(|measurement| {
        let metrics = catalog::container().filter(|it| it.measurement == measurement);
        let fields: Vec<String> = metrics.filter_map(rolled_up).collect();
        format!(
            "CREATE CONTINUOUS QUERY \"cgflux_5m_{measurement}\" ON {database} BEGIN SELECT {} INTO \
             {database}.{to}.\"{measurement}\" FROM {from}.\"{measurement}\" GROUP BY time({ROLLUP_OVER}), * END",
            fields.join(", ")
        )
    });
    std::iter::once(policy).chain(queries)
}

/// A total is as it was last, a gauge as it was on average, a peak the highest. A distribution has too many fields.
fn rolled_up(metric: &Metric) -> Option<String> {
    let field = metric.field;
    let function = match metric.kind {
        Kind::Histogram => return None,
        Kind::Counter => "last",
        Kind::Gauge if std::ptr::eq(metric, &raw const catalog::CPU_RATE_MAX) => "max",
        Kind::Gauge => "mean",
    };
    Some(format!("{function}(\"{field}\") AS \"{field}\""))
}

/// As InfluxQL writes it, in whole minutes: an hour at the least is what a policy takes.
fn duration(kept: Duration) -> String {
    format!("{}m", (kept.as_secs() / 60).max(60))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Influxdb {
        Influxdb {
            database: "a \"b\"".to_owned(),
            host_database: Some("nodes".to_owned()),
            ..Influxdb::at("http://db:8086".parse().unwrap())
        }
    }

    #[test]
    fn databases_are_made_and_keep_as_long_as_asked() {
        assert_eq!(
            statements(&settings(), Wanted::default()),
            [r#"CREATE DATABASE "a \"b\"""#, r#"CREATE DATABASE "nodes""#]
        );
        let wanted = Wanted {
            retention: Some(Duration::from_hours(30 * 24)),
            rollup: false,
        };
        let named = Influxdb {
            retention_policy: Some("month".to_owned()),
            host_database: None,
            ..settings()
        };
        assert_eq!(
            statements(&named, wanted)[1],
            r#"CREATE RETENTION POLICY "month" ON "a \"b\"" DURATION 43200m REPLICATION 1"#
        );
        assert!(statements(&settings(), wanted)[1].ends_with(" DEFAULT"));
    }

    #[test]
    fn totals_are_rolled_up_as_they_were_last_and_gauges_on_average() {
        let wanted = Wanted {
            retention: None,
            rollup: true,
        };
        let statements = statements(&settings(), wanted);
        let cpu = statements.iter().find(|it| it.contains("5m_container_cpu"));
        let cpu = cpu.unwrap();
        for part in [
            r#"last("usage_ns") AS "usage_ns""#,
            r#"mean("usage_cpus") AS "usage_cpus""#,
            r#"max("usage_cpus_max") AS "usage_cpus_max""#,
            r#"FROM "a \"b\""."#,
            "GROUP BY time(5m), * END",
        ] {
            assert!(cpu.contains(part), "{part} in {cpu}");
        }
        assert_eq!(statements.len(), 2 + 1 + ROLLED_UP.len());
    }
}
