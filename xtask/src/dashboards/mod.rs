//! `cargo xtask dashboards`: Grafana's dashboards, data sources and alerts, and Prometheus's rules, from one source.
//!
//! - `model`, `catalog`: what a panel shows, of which metrics; `host`, `container`, `load`, `agent`: the pages.
//! - `influxql`, `promql`: a panel's questions in each language; `json`: the pages as Grafana reads them.
//! - `alerts`: the rules, for Prometheus and for Grafana over InfluxDB; `provisioning`: how Grafana finds all of it.
//! - `typed`: the pages against the types of `@grafana/schema`.
//!
//! What is made lies in `packaging/`, is embedded in the agent, and is committed: a test keeps both the same. No Flux:
//! the InfluxDB that the tests have speaks InfluxQL with or without it.

mod agent;
pub(crate) mod alerts;
mod catalog;
mod container;
mod host;
mod influxql;
mod json;
mod load;
mod model;
mod promql;
mod provisioning;
#[cfg(test)]
mod tests;
pub(crate) mod typed;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use self::{
    alerts::Pace,
    model::{Dashboard, Flavour},
};
use crate::{failure::Failure, session::Session, tree::Tree};

/// What is asked for on the command line.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// Write nothing; fail if what is committed is another.
    #[arg(long, conflicts_with = "to")]
    check: bool,
    /// Write below this folder instead of `packaging`.
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Make all times of the alerts so many times shorter, to see them fire.
    #[arg(long, value_name = "TIMES", default_value_t = Pace::NORMAL.0, value_parser = clap::value_parser!(u64).range(1..=120))]
    pace: u64,
}

/// Writes everything, or compares it.
pub(crate) fn run(session: &Session, options: &Options) -> Result<()> {
    let folder = options
        .to
        .clone()
        .unwrap_or_else(|| committed(&session.tree));
    let files = files(Pace(options.pace))?;
    if options.check {
        let stale = stale(&folder, &files);
        if stale.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = stale.iter().map(|it| it.display().to_string()).collect();
        session.output.error(&format!(
            "`cargo xtask dashboards` makes these otherwise: {}",
            names.join(", ")
        ));
        return Err(Failure::Reported(1).into());
    }
    for (path, text) in files {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(&folder);
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, text))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Where the committed files lie.
fn committed(tree: &Tree) -> PathBuf {
    tree.root().join("packaging")
}

/// Those that are absent or otherwise there.
fn stale(folder: &Path, files: &[(PathBuf, String)]) -> Vec<PathBuf> {
    let is_fresh = |(path, text): &&(PathBuf, String)| {
        fs::read_to_string(folder.join(path)).is_ok_and(|it| it == *text)
    };
    files
        .iter()
        .filter(|file| !is_fresh(file))
        .map(|(path, _)| path.clone())
        .collect()
}

/// Every file, by its path below `packaging/`.
fn files(pace: Pace) -> Result<Vec<(PathBuf, String)>> {
    let mut files = Vec::new();
    for flavour in Flavour::ALL {
        for page in pages() {
            let path = format!("grafana/dashboards/{}/{}.json", flavour.name(), page.name);
            files.push((path, pretty(&json::dashboard(&page, flavour)?)?));
        }
    }
    let others = [
        (
            "grafana/provisioning/datasources/influxdb.yaml",
            provisioning::INFLUXDB.to_owned(),
        ),
        (
            "grafana/provisioning/datasources/prometheus.yaml",
            provisioning::PROMETHEUS.to_owned(),
        ),
        (
            "grafana/provisioning/dashboards/cgflux.yaml",
            provisioning::DASHBOARDS.to_owned(),
        ),
        (
            "grafana/provisioning/alerting/cgflux.json",
            pretty(&alerts::grafana::rules(pace))?,
        ),
        (
            "prometheus/cgflux-rules.yaml",
            alerts::prometheus::rules(pace),
        ),
    ];
    let others = others.map(|(path, text)| (path.to_owned(), text));
    let files = files.into_iter().chain(others);
    Ok(files.map(|(path, text)| (path.into(), text)).collect())
}

/// The pages, in the order of the menu.
fn pages() -> [Dashboard; 4] {
    [host::page(), container::page(), load::page(), agent::page()]
}

fn pretty(json: &serde_json::Value) -> Result<String> {
    let mut text = serde_json::to_string_pretty(json)?;
    text.push('\n');
    Ok(text)
}
