//! Grafana's dashboards and alerts, without Grafana: every query of theirs is asked of the real databases with the real
//! agent's points, and every alert fires under its fault.

mod alerts;
mod export;
mod panels;

use std::time::Duration;

use serde_json::Value as Json;

use crate::harness::Home;

/// How long something may take that takes seconds on an idle machine. What the kernel programs cost is measured once a
/// minute.
const PATIENCE: Duration = Duration::from_mins(4);

/// The databases that the dashboards' variables call `cadvisor;nodemetrics`.
const DATABASES: [&str; 4] = ["--database", "cadvisor", "--host-database", "nodemetrics"];

/// One query as `cgflux dashboards check` tells it.
#[derive(Debug)]
struct Told {
    /// Its page, panel and letter.
    name: String,
    /// `pass`, `note`, `warn` or `fail`.
    level: String,
    finding: String,
}

/// What `cgflux dashboards check` ends with and tells.
#[track_caller]
fn check(home: &Home, arguments: &[&str]) -> (Option<i32>, Vec<Told>) {
    let mut command = home.command("dashboards check");
    let output = command.arg("--json").args(arguments).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    let report: Json = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {complaint}"));
    let mut told = Vec::new();
    for section in report["sections"].as_array().unwrap() {
        for item in section["items"].as_array().unwrap() {
            let text = |json: &Json| json.as_str().unwrap().to_owned();
            told.push(Told {
                name: format!("{}: {}", text(&section["name"]), text(&item["name"])),
                level: text(&item["level"]),
                finding: text(&item["finding"]),
            });
        }
    }
    (output.status.code(), told)
}
