//! Nothing is lost uncounted, whatever fails: the fault list of `README.md` beside this folder, a theme a file.
//!
//! Each test hands over numbered points and reads back from the server by their keys.

mod answers;
mod clock;
mod crash;
mod credentials;
mod delivery;
mod disk;
mod instruments;
mod many;
mod names;
mod network;
mod outage;
mod poison;
mod scale;
mod tls;
mod versions;

use std::fs;

use crate::harness::InfluxServer;
use delivery::Place;

/// A configuration with one sink: the database `d` of this server, and `more` lines of settings.
fn influxdb(server: &InfluxServer, more: &str) -> String {
    sink("influxdb", &server.url(), more)
}

/// A sink of this name and address. What has waited is not held back, unless `more` says so.
fn sink(name: &str, url: &str, more: &str) -> String {
    let pace = if more.contains("drain_lines") {
        ""
    } else {
        "drain_lines = 0\n"
    };
    format!(
        "[sinks.{name}]\ntype = \"influxdb\"\nurl = \"{url}\"\ndatabase = \"d\"\n{pace}{more}\n"
    )
}

/// Lines that no server took, with why; empty without any.
fn quarantined(place: &Place) -> String {
    fs::read_to_string(place.state().join("quarantine/influxdb.lp")).unwrap_or_default()
}
