//! What to measure and for how long. One file for both who ask: `cargo xtask bench sink` reads these flags from a
//! person and hands them on, the benchmark reads them again.

use clap::Args;
use serde::Serialize;

/// The flags of `cargo xtask bench sink`.
#[derive(Args, Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Options {
    /// Containers whose points are delivered
    #[arg(long, value_name = "COUNT", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) containers: u32,
    /// Seconds' worth of points in each round, each second's a shipment of its own
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) seconds: u32,
    /// Rounds, each of which measures every way once
    #[arg(long, value_name = "COUNT", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Leave out the whole agent, which is measured last
    #[arg(long)]
    pub(crate) no_agent: bool,
}
