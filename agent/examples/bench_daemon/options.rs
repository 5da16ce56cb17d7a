//! What to measure and for how long. One file for both who ask: `cargo xtask bench daemon` reads these flags from a
//! person and hands them on, the benchmark reads them again.

use clap::Args;
use serde::Serialize;

/// The flags of `cargo xtask bench daemon`.
#[derive(Args, Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Options {
    /// Docker containers, each starting a process twice a second; repeatable [default: 200]
    ///
    /// Each is busybox with `while :; do sleep 0.5; done` and five labels.
    #[arg(long, value_name = "COUNT")]
    pub(crate) containers: Vec<u32>,
    /// Cgroups without Docker, each with a process that wakes twice a second; repeatable
    ///
    /// They are named as LXC names its containers', so that the agent publishes them one by one.
    #[arg(long, value_name = "COUNT")]
    pub(crate) cgroups: Vec<u32>,
    /// Seconds between two shipments; repeatable, each is a run of its own
    #[arg(long, value_name = "SECONDS", default_values_t = [10, 1])]
    pub(crate) ship_every: Vec<u64>,
    /// Seconds before the figures are taken
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    pub(crate) warm_up: u64,
    /// Seconds the figures are taken over
    #[arg(long, value_name = "SECONDS", default_value_t = 40)]
    pub(crate) seconds: u64,
    /// Paired rounds, without and with the agent, for what its programs cost the workload; 0 for none
    #[arg(long, value_name = "COUNT", default_value_t = 5)]
    pub(crate) rounds: usize,
    /// Seconds of each half of a round
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub(crate) round_seconds: u64,
    /// What `docker run --network` is told; with `bridge`, Docker's default, starting them takes longer
    #[arg(long, value_name = "MODE", default_value = "none")]
    pub(crate) network: String,
    /// Leave out cAdvisor
    #[arg(long)]
    pub(crate) no_cadvisor: bool,
    /// Measure each run once more without a spool: what waits, waits in memory alone
    #[arg(long)]
    pub(crate) no_spool: bool,
}
