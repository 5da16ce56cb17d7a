//! `cgflux dashboards`: Grafana's dashboards and the alert rules that this program brings, written to a folder, or
//! asked against the real databases as Grafana would.
//!
//! - `embedded`: the files, made by `cargo xtask dashboards`; `export`: those for one stack, in a folder.
//! - `question`: a page → its queries; `variables`: a query → what is sent; `found`: an answer → is there something.
//! - `alert`: the rules over InfluxDB, and what of an answer fires.
//! - `servers`: who is asked.

mod alert;
mod embedded;
mod export;
mod found;
mod question;
mod servers;
mod variables;

use std::{collections::BTreeMap, time::Duration};

pub use alert::Rule;
pub use embedded::{ALERTS, Flavour, PAGES, Page};
pub use export::{ExportError, export};
pub use variables::View;

use crate::{
    check::{Item, Level, Report, Section, Verdict},
    cli::DashboardsCheckArgs,
    config::{Config, Endpoint, Influxdb, Schema},
    query::{self, QueryError},
    sink::influxdb::ClientError,
};
use question::questions;
use servers::{InfluxServer, PrometheusServer, Server};

/// Who is asked.
#[derive(Clone, Debug, Default)]
pub struct Servers<'a> {
    /// The settings of a sink.
    pub influxdb: Option<&'a Influxdb>,
    /// Where a Prometheus answers.
    pub prometheus: Option<Endpoint>,
}

impl<'a> Servers<'a> {
    /// Those that the command line asks for, else the InfluxDB that is configured.
    pub fn of(config: &'a Config, arguments: &DashboardsCheckArgs) -> Result<Self, QueryError> {
        let wanted = |flavour| arguments.flavour.is_none_or(|it| it == flavour);
        let prometheus = arguments.prometheus.clone();
        let prometheus = prometheus.filter(|_| wanted(Flavour::Promql));
        let is_given = arguments.server.influx.is_some();
        let influxdb = if wanted(Flavour::Influxql) {
            match query::chosen(config, arguments.server.sink.as_deref(), is_given) {
                Ok((_, Schema::Native, influxdb)) => Some(influxdb),
                Ok((sink, ..)) => {
                    let usage = format!(
                        "sink {sink:?} is not of the native schema, which the dashboards are of"
                    );
                    return Err(QueryError::Usage(usage));
                }
                Err(QueryError::NoServer) if prometheus.is_some() => None,
                Err(error) => return Err(error),
            }
        } else {
            None
        };
        if influxdb.is_none() && prometheus.is_none() {
            let usage = "the dashboards in PromQL are asked of --prometheus URL";
            return Err(QueryError::Usage(usage.to_owned()));
        }
        Ok(Self {
            influxdb,
            prometheus,
        })
    }
}

/// Asks everything that Grafana would, of those that there are, and the alert rules of `alerts` over InfluxDB.
pub async fn check(
    servers: &Servers<'_>,
    view: &View,
    alerts: &[Rule],
) -> Result<Report, ClientError> {
    let mut sections = Vec::new();
    if let Some(settings) = servers.influxdb {
        let mut server = InfluxServer::of(settings)?;
        let mut items = Vec::new();
        for rule in alerts {
            items.push(alert(&mut server, rule, view).await);
        }
        let mut server = Server::Influxdb(Box::new(server));
        ask_pages(&mut server, Flavour::Influxql, view, &mut sections).await;
        sections.push(section("alerts", items));
    }
    if let Some(endpoint) = &servers.prometheus {
        let mut server = Server::Prometheus(PrometheusServer::at(endpoint.clone()));
        ask_pages(&mut server, Flavour::Promql, view, &mut sections).await;
    }
    Ok(report(sections))
}

async fn ask_pages(
    server: &mut Server,
    flavour: Flavour,
    view: &View,
    sections: &mut Vec<Section>,
) {
    for page in PAGES.iter().filter(|it| it.flavour == flavour) {
        let mut items = Vec::new();
        for question in questions(page).unwrap_or_default() {
            items.push(match server.ask(&question, view).await {
                Ok(found) => found.judged(&question, view),
                Err(reason) => Item::fail(question.name, reason),
            });
        }
        sections.push(section(page.name, items));
    }
}

/// Whether a rule fires at the end of the time shown: that is told, and nothing is wrong with the rule then.
async fn alert(server: &mut InfluxServer, rule: &Rule, view: &View) -> Item {
    let window_ns = i64::try_from(rule.window.as_nanos()).unwrap_or(i64::MAX);
    let view = View {
        start_ns: view.end_ns.saturating_sub(window_ns),
        ..view.clone()
    };
    let text = match view.fill(&rule.query, Flavour::Influxql) {
        Ok(text) => text,
        Err(error) => return Item::fail(&rule.title, error.to_string()),
    };
    match server.answer(&text, rule.role).await {
        Err(reason) => Item::fail(&rule.title, reason),
        Ok(answer) if answer.is_empty() && rule.silence_fires => {
            Item::note(&rule.title, "fires: there is nothing at all")
        }
        Ok(answer) => {
            let firing = rule.firing(&answer);
            if firing.is_empty() {
                return Item::pass(&rule.title, "does not fire");
            }
            let tags = |it: &BTreeMap<String, String>| {
                let tags: Vec<&str> = it.values().map(String::as_str).collect();
                tags.join(" ")
            };
            let firing: Vec<String> = firing.into_iter().map(tags).collect();
            Item::note(&rule.title, format!("fires: {}", firing.join(", ")))
        }
    }
}

fn section(name: &'static str, items: Vec<Item>) -> Section {
    Section { name, items }
}

/// What it comes to. Pure.
fn report(sections: Vec<Section>) -> Report {
    let levels = sections.iter().flat_map(|it| &it.items);
    let levels: Vec<Level> = levels.map(|item| item.level).collect();
    let of = |level: Level| levels.iter().filter(|it| **it == level).count();
    let (failed, empty, all) = (of(Level::Fail), of(Level::Warn), levels.len());
    let verdict = match (failed, empty) {
        (0, 0) => Verdict::Ready,
        (0, _) => Verdict::Degraded,
        _ => Verdict::CannotStart,
    };
    Report {
        sections,
        verdict,
        summary: format!("{all} queries: {failed} failed, {empty} found nothing"),
    }
}

/// The time between two points in a chart of this length.
pub fn interval(since: Duration) -> Duration {
    /// Points that a chart has room for, and the shortest that the data sources ask for.
    const POINTS: u32 = 200;
    const LEAST: Duration = Duration::from_secs(10);
    Duration::from_secs((since / POINTS).as_secs()).max(LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_query_decides() {
        for (levels, verdict) in [
            (&[Level::Pass, Level::Note][..], Verdict::Ready),
            (&[Level::Pass, Level::Warn], Verdict::Degraded),
            (&[Level::Fail, Level::Warn], Verdict::CannotStart),
        ] {
            let items = levels.iter().map(|level| Item::new(*level, "a", "b"));
            let report = report(vec![section("page", items.collect())]);
            assert_eq!(report.verdict, verdict);
        }
    }

    #[test]
    fn a_longer_time_has_longer_intervals() {
        assert_eq!(interval(Duration::from_mins(15)).as_secs(), 10);
        assert_eq!(interval(Duration::from_hours(24)).as_secs(), 432);
    }
}
