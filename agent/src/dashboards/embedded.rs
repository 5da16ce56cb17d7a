//! What `cargo xtask dashboards` made, in this program: each file by its path below the folder of an export.

/// The languages of dashboards.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Flavour {
    /// For InfluxDB.
    Influxql,
    /// For Prometheus.
    Promql,
}

/// One page of Grafana.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// The language it asks in.
    pub flavour: Flavour,
    /// Its path without the ending.
    pub name: &'static str,
    /// The whole JSON.
    pub json: &'static str,
}

const fn page(flavour: Flavour, name: &'static str, json: &'static str) -> Page {
    Page {
        flavour,
        name,
        json,
    }
}

/// All pages.
#[rustfmt::skip]
pub const PAGES: [Page; 8] = [
    page(Flavour::Influxql, "influxql/host", include_str!("../../../packaging/grafana/dashboards/influxql/host.json")),
    page(Flavour::Influxql, "influxql/container", include_str!("../../../packaging/grafana/dashboards/influxql/container.json")),
    page(Flavour::Influxql, "influxql/load", include_str!("../../../packaging/grafana/dashboards/influxql/load.json")),
    page(Flavour::Influxql, "influxql/agent", include_str!("../../../packaging/grafana/dashboards/influxql/agent.json")),
    page(Flavour::Promql, "promql/host", include_str!("../../../packaging/grafana/dashboards/promql/host.json")),
    page(Flavour::Promql, "promql/container", include_str!("../../../packaging/grafana/dashboards/promql/container.json")),
    page(Flavour::Promql, "promql/load", include_str!("../../../packaging/grafana/dashboards/promql/load.json")),
    page(Flavour::Promql, "promql/agent", include_str!("../../../packaging/grafana/dashboards/promql/agent.json")),
];

/// Data sources of the two databases; see `export` for what is filled in.
pub(super) const INFLUXDB: &str =
    include_str!("../../../packaging/grafana/provisioning/datasources/influxdb.yaml");

/// The data source of a Prometheus.
pub(super) const PROMETHEUS: &str =
    include_str!("../../../packaging/grafana/provisioning/datasources/prometheus.yaml");

/// Where Grafana finds the pages.
pub(super) const PROVIDER: &str =
    include_str!("../../../packaging/grafana/provisioning/dashboards/cgflux.yaml");

/// Alerts that Grafana evaluates over InfluxDB.
pub const ALERTS: &str =
    include_str!("../../../packaging/grafana/provisioning/alerting/cgflux.json");

/// Alerts that Prometheus evaluates.
pub(super) const RULES: &str = include_str!("../../../packaging/prometheus/cgflux-rules.yaml");
