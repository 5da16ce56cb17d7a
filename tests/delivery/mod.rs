//! What is counted arrives: in InfluxDB, on the page, on `/metrics`; and what is asked for is what runs.

mod arrival;
mod asked;
mod cadvisor;
mod cadvisor_api;
mod command_line;
mod ending;
mod gaps;
mod host;
mod journal;
mod layers;
mod listeners;
mod looks;
mod notify;
mod outage;
mod page;
mod prometheus;
mod query;
mod schemas;
mod selection;
mod served;
mod sink_commands;
mod socket;
mod spool;
mod top;
mod units;

use std::time::Duration;

/// How long something may take that takes a second or so on an idle machine.
const PATIENCE: Duration = Duration::from_mins(1);
