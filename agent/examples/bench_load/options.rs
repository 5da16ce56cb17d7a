//! What to measure and for how long. One file for both who ask: `cargo xtask bench load` reads these flags from a person
//! and hands them on, the benchmark reads them again.

use clap::Args;
use serde::Serialize;

/// The flags of `cargo xtask bench load`.
#[derive(Args, Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Options {
    /// Rounds, each of which measures everything once
    #[arg(long, value_name = "COUNT", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Seconds of each run
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub(crate) seconds: u64,
    /// Connections at once, beside wrk and at each rate; may be given several times
    #[arg(
        long,
        value_name = "COUNT",
        default_values_t = [64],
        value_parser = clap::value_parser!(u32).range(1..=4_000)
    )]
    pub(crate) connections: Vec<u32>,
    /// Requests a second to keep to; may be given several times
    #[arg(
        long,
        value_name = "COUNT",
        default_values_t = [500, 2_000, 20_000],
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub(crate) rate: Vec<u32>,
    /// CPUs that others may keep busy; runs with more are dropped
    #[arg(long, value_name = "CPUS", default_value_t = 0.35)]
    pub(crate) foreign: f64,
    /// Seconds to wait, in all, for the machine to become quiet, and to repeat what was dropped
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) patience: u64,
}
