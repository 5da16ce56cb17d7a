//! What 1.x is told, in InfluxQL: databases, retention policies, continuous queries. Pure.

use super::{
    ROLLUP_KEPT, Wanted, databases, lasting,
    rollup::{self, MEASUREMENTS, OVER},
};
use crate::{config::Influxdb, sink::influxdb::quoted};

/// The retention policy that is made where the sink names none.
const POLICY: &str = "cgflux";

/// The statements, in this order; each stands by itself.
pub(super) fn statements(settings: &Influxdb, wanted: Wanted) -> Vec<String> {
    let mut statements = Vec::new();
    let policy = settings.retention_policy.as_deref();
    for database in databases(settings) {
        let database = quoted(&database);
        statements.push(format!("CREATE DATABASE {database}"));
        if let Some(retention) = wanted.retention {
            // A policy that the sink names is written to by name, another by being the default.
            let is_default = if policy.is_none() { " DEFAULT" } else { "" };
            statements.push(format!(
                "CREATE RETENTION POLICY {} ON {database} DURATION {} REPLICATION 1{is_default}",
                quoted(policy.unwrap_or(POLICY)),
                lasting(retention),
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
    let rollup = format!("cgflux_{OVER}");
    let to = quoted(&rollup);
    let kept = lasting(ROLLUP_KEPT);
    let policy =
        format!("CREATE RETENTION POLICY {to} ON {database} DURATION {kept} REPLICATION 1");
    let from = match settings.retention_policy.as_deref() {
        Some(policy) => format!("{database}.{}", quoted(policy)),
        None => format!("{database}."),
    };
    let queries = MEASUREMENTS.map(move |measurement| {
        let fields = rollup::fields(measurement).map(|(field, function)| {
            format!("{}({}) AS {}", function.as_str(), quoted(field), quoted(field))
        });
        format!(
            "CREATE CONTINUOUS QUERY \"{rollup}_{measurement}\" ON {database} BEGIN SELECT {} INTO \
             {database}.{to}.\"{measurement}\" FROM {from}.\"{measurement}\" GROUP BY time({OVER}), * END",
            fields.collect::<Vec<_>>().join(", ")
        )
    });
    std::iter::once(policy).chain(queries)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
            r#"CREATE RETENTION POLICY "month" ON "a \"b\"" DURATION 30d REPLICATION 1"#
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
        assert_eq!(statements.len(), 2 + 1 + MEASUREMENTS.len());
    }
}
