//! `cgflux sink init`: makes what a sink of an InfluxDB is written to: databases or buckets, how long they keep points,
//! and roll-ups that outlive them.
//!
//! What is done is shown before. All can be run again: what is there as asked for stays, and what is there otherwise is
//! told and left as it is. What to do is decided by pure parts, one a version; [`run`] does it.

mod flux;
mod influxql;
mod rollup;
mod server;

use std::{fmt, time::Duration};

use crate::{
    config::{Influxdb, InfluxdbVersion, Sink, SinkKind},
    sink::influxdb::ClientError,
};
pub use server::run;

/// How long roll-ups are kept.
const ROLLUP_KEPT: Duration = Duration::from_hours(52 * 7 * 24);

/// What is wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// How long points are kept; as the server has it if absent.
    pub retention: Option<Duration>,
    /// Whether to keep totals, means and peaks of five minutes for a year.
    pub rollup: bool,
}

/// What is to be done at one server.
#[derive(Debug)]
pub struct Plan {
    /// The sink.
    pub sink: String,
    settings: Influxdb,
    /// In this order.
    pub steps: Vec<Step>,
}

/// One thing that is to be there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// What a statement of InfluxQL makes; 1.x.
    Statement(String),
    /// A bucket of 2.x.
    Bucket {
        /// Its name.
        name: String,
        /// How long it keeps points; as the server has it if absent.
        retention: Option<Duration>,
    },
    /// A task of 2.x.
    Task {
        /// Its name.
        name: String,
        /// What it does.
        script: String,
    },
    /// A database of 3.x.
    Database {
        /// Its name.
        name: String,
        /// How long it keeps points; for ever if absent.
        retention: Option<Duration>,
    },
}

/// What became of a step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Done {
    /// It is there now.
    Made,
    /// It was there, as it is wanted.
    Was,
}

/// Why nothing can be made.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// No sink is an InfluxDB that can be told what to make.
    #[error("no sink of the configuration is an InfluxDB 1.x, 2.x or 3.x")]
    NoServer,
    /// Buckets belong to an organisation.
    #[error(
        "sink {sink:?} names no `org`, to which a bucket of 2.x belongs; an InfluxDB 1.8 is made ready with version = \"1\""
    )]
    NoOrganization {
        /// The sink.
        sink: String,
    },
    /// 3.x rolls nothing up.
    #[error(
        "sink {sink:?} is an InfluxDB 3.x, which has neither continuous queries nor tasks: leave --rollup out"
    )]
    NoRollup {
        /// The sink.
        sink: String,
    },
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
    let mut plans = Vec::new();
    for sink in sinks {
        let SinkKind::Influxdb(settings) = &sink.kind else {
            continue;
        };
        let steps = match settings.version {
            InfluxdbVersion::V08 => continue,
            InfluxdbVersion::V1 => {
                let statements = influxql::statements(settings, wanted);
                statements.into_iter().map(Step::Statement).collect()
            }
            InfluxdbVersion::V2 => match settings.organization.as_deref() {
                Some(organization) => of_v2(settings, organization, wanted),
                None => {
                    return Err(ProvisionError::NoOrganization {
                        sink: sink.name.clone(),
                    });
                }
            },
            InfluxdbVersion::V3 if wanted.rollup => {
                return Err(ProvisionError::NoRollup {
                    sink: sink.name.clone(),
                });
            }
            InfluxdbVersion::V3 => of_v3(settings, wanted),
        };
        plans.push(Plan {
            sink: sink.name.clone(),
            settings: settings.clone(),
            steps,
        });
    }
    if plans.is_empty() {
        return Err(ProvisionError::NoServer);
    }
    Ok(plans)
}

fn of_v2(settings: &Influxdb, organization: &str, wanted: Wanted) -> Vec<Step> {
    let retention = wanted.retention;
    let mut steps: Vec<Step> = databases(settings)
        .map(|name| Step::Bucket { name, retention })
        .collect();
    if wanted.rollup {
        let from = settings.database.as_str();
        let to = format!("{from}_{}", rollup::OVER);
        steps.push(Step::Bucket {
            name: to.clone(),
            retention: Some(ROLLUP_KEPT),
        });
        steps.extend(rollup::MEASUREMENTS.map(|measurement| {
            let name = format!("cgflux_{to}_{measurement}");
            let script = flux::task(&name, measurement, [from, &to], organization);
            Step::Task { name, script }
        }));
    }
    steps
}

fn of_v3(settings: &Influxdb, wanted: Wanted) -> Vec<Step> {
    // Hours are the smallest unit that it takes.
    let hours = |kept: Duration| Duration::from_hours(kept.as_secs().div_ceil(3600));
    let retention = wanted.retention.map(hours);
    databases(settings)
        .map(|name| Step::Database { name, retention })
        .collect()
}

/// Those that the sink writes to.
fn databases(settings: &Influxdb) -> impl Iterator<Item = String> {
    [Some(&settings.database), settings.host_database.as_ref()]
        .into_iter()
        .flatten()
        .cloned()
}

/// A time in days, hours or minutes, whichever is whole, as InfluxQL writes it.
fn lasting(time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    let units = [(24 * 60, 'd'), (60, 'h')];
    let whole = units.iter().find(|(long, _)| minutes.is_multiple_of(*long));
    let (long, unit) = whole.unwrap_or(&(1, 'm'));
    format!("{}{unit}", minutes / long)
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, name, retention) = match self {
            Self::Statement(statement) => return f.write_str(statement),
            Self::Task { name, script } => {
                write!(f, "task {name:?}:")?;
                return script
                    .lines()
                    .filter(|line| !line.is_empty())
                    .try_for_each(|line| write!(f, "\n    {line}"));
            }
            Self::Bucket { name, retention } => ("bucket", name, retention),
            Self::Database { name, retention } => ("database", name, retention),
        };
        write!(f, "{what} {name:?}")?;
        match retention {
            Some(kept) => write!(f, ", which keeps points for {}", lasting(*kept)),
            None => Ok(()),
        }
    }
}

impl Step {
    /// The same in a line.
    pub fn title(&self) -> String {
        match self {
            Self::Task { name, .. } => format!("task {name:?}"),
            step => step.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::fixture;

    fn steps(version: InfluxdbVersion, wanted: Wanted) -> Result<Vec<Step>, ProvisionError> {
        let mut sinks = fixture::resolved("[sinks.influxdb]\nurl = \"http://db:8086\"\n")
            .config
            .sinks;
        sinks[0].kind = SinkKind::Influxdb(Influxdb {
            version,
            database: "metrics".to_owned(),
            host_database: Some("nodes".to_owned()),
            organization: Some("home".to_owned()),
            ..Influxdb::at("http://db:8086".parse().unwrap())
        });
        let plans = plan(&[&sinks[0]], wanted)?;
        Ok(plans.into_iter().flat_map(|it| it.steps).collect())
    }

    const ALL: Wanted = Wanted {
        retention: Some(Duration::from_hours(30 * 24)),
        rollup: true,
    };

    #[test]
    fn of_2_buckets_are_made_and_a_task_for_each_measurement() {
        let steps = steps(InfluxdbVersion::V2, ALL).unwrap();
        let shown: Vec<String> = steps.iter().map(Step::to_string).collect();
        assert_eq!(
            shown[..3],
            [
                "bucket \"metrics\", which keeps points for 30d",
                "bucket \"nodes\", which keeps points for 30d",
                "bucket \"metrics_5m\", which keeps points for 364d",
            ]
        );
        assert_eq!(shown.len(), 3 + rollup::MEASUREMENTS.len());
        assert!(shown[3].starts_with("task \"cgflux_metrics_5m_container_cpu\":\n    option"));
    }

    #[test]
    fn of_3_databases_are_made_and_nothing_is_rolled_up() {
        let wanted = Wanted {
            rollup: false,
            ..ALL
        };
        assert_eq!(
            steps(InfluxdbVersion::V3, wanted).unwrap()[0].title(),
            "database \"metrics\", which keeps points for 30d"
        );
        let refused = steps(InfluxdbVersion::V3, ALL).unwrap_err();
        assert!(refused.to_string().contains("leave --rollup out"));
    }

    #[test]
    fn without_an_influxdb_there_is_nothing_to_make() {
        let none = steps(InfluxdbVersion::V08, Wanted::default());
        assert!(matches!(none, Err(ProvisionError::NoServer)));
    }
}
