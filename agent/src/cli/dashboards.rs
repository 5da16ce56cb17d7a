//! What `cgflux dashboards` takes.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};

use super::{InfluxArgs, RunArgs, between};
use crate::{config::Endpoint, dashboards::Flavour};

/// Commands about Grafana's dashboards.
#[derive(Clone, Debug, Subcommand)]
pub enum DashboardsCommand {
    /// Write dashboards, data sources and alert rules to a folder, for Grafana and Prometheus to read
    ///
    /// The data sources are those that the variables `INFLUXDB_PROTO`, `INFLUXDB_HOST`, `INFLUXDB_PORT` and `INFLUXDB_NAME` name
    /// now; that one is containers;host, or one database for both. `INFLUXDB_USER`, `INFLUXDB_PASS` and `PROMETHEUS_URL` are
    /// read by Grafana when it starts, and stand in no file.
    #[command(after_help = "\
Example:
  INFLUXDB_HOST=influxdb INFLUXDB_NAME='cadvisor;nodemetrics' cgflux dashboards export /etc/cgflux/grafana --flavour influxql

  dashboards/    mount it at /var/lib/grafana/dashboards/cgflux
  provisioning/  mount its folders within /etc/grafana/provisioning
  prometheus/    name its file in `rule_files` of prometheus.yml")]
    Export {
        /// The folder; made if it is not there, files of these names are replaced
        folder: PathBuf,
        /// Only these
        #[arg(long, value_name = "FLAVOUR")]
        flavour: Vec<Flavour>,
    },
    /// Ask every query of the dashboards as Grafana would, and say which find nothing
    ///
    /// The InfluxDB is that of a sink of the native schema. Each query must give values for each of its lines, within the time
    /// asked for; what a panel's own text says may be empty is a note. Also says which alert rules over InfluxDB fire.
    ///
    /// Ends with 0 if all is there, 3 if a query found nothing, 1 if one failed.
    #[command(after_help = "\
Examples:
  cgflux dashboards check
      The dashboards in InfluxQL, asked of the InfluxDB of the configuration.
  cgflux dashboards check --prometheus http://127.0.0.1:9090 --flavour promql --container web --since 1h
      Those in PromQL, with one container chosen.")]
    Check(Box<DashboardsCheckArgs>),
}

/// What `dashboards check` takes.
#[derive(Args, Clone, Debug)]
pub struct DashboardsCheckArgs {
    /// Who is asked.
    #[command(flatten)]
    pub server: InfluxArgs,
    /// Database of the host as a whole, for --influx [default: the same]
    #[arg(long, value_name = "NAME", requires = "influx")]
    pub host_database: Option<String>,
    /// Ask the Prometheus at this address, http://host:port
    #[arg(long, value_name = "URL")]
    pub prometheus: Option<Endpoint>,
    /// Time between two scrapes of it
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = scrape_interval)]
    pub scrape_interval: Duration,
    /// How far back
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = since)]
    pub since: Duration,
    /// Choose this host [default: all]; for Prometheus it is the target
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// Choose this container [default: all]
    #[arg(long, value_name = "NAME")]
    pub container: Option<String>,
    /// Only queries of this language
    #[arg(long, value_name = "FLAVOUR")]
    pub flavour: Option<Flavour>,
    /// Evaluate the alert rules of this file of Grafana's provisioning [default: those of `export`]
    #[arg(long, value_name = "FILE")]
    pub alerts: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

impl DashboardsCheckArgs {
    /// The flags of `run` among these.
    pub fn run(&self) -> RunArgs {
        RunArgs {
            host_database: self.host_database.clone(),
            ..self.server.run()
        }
    }
}

fn since(text: &str) -> Result<Duration, String> {
    between(
        text,
        Duration::from_secs(10)..=Duration::from_hours(24 * 366),
    )
}

fn scrape_interval(text: &str) -> Result<Duration, String> {
    between(text, Duration::from_secs(1)..=Duration::from_hours(1))
}
