//! The counter, beside a real Redis: what counts, what Redis may do, how it ends, and that the agent sees it.

mod clients;
mod counting;
mod ending;
mod limits;
mod outage;
mod refusals;
mod seen;
mod service;
mod ways;

use std::time::Duration;

/// How long something may take that takes a second or so on an idle machine.
const PATIENCE: Duration = Duration::from_mins(1);
