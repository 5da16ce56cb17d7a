//! What to measure and for how long. One file for both who ask: `cargo xtask bench daemon` reads these flags from a
//! person and hands them on, the benchmark reads them again.

use std::ffi::OsString;

use clap::Args;

/// The flags of `cargo xtask bench daemon`.
#[derive(Args, Clone, Debug, Eq, PartialEq)]
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

impl Options {
    /// The flags that say the same.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let one = |name: &str, value: &dyn ToString| format!("--{name}={}", value.to_string());
        let mut arguments = vec![
            one("warm-up", &self.warm_up),
            one("seconds", &self.seconds),
            one("rounds", &self.rounds),
            one("round-seconds", &self.round_seconds),
            one("network", &self.network),
        ];
        arguments.extend(self.containers.iter().map(|it| one("containers", it)));
        arguments.extend(self.cgroups.iter().map(|it| one("cgroups", it)));
        arguments.extend(self.ship_every.iter().map(|it| one("ship-every", it)));
        arguments.extend(self.no_cadvisor.then(|| "--no-cadvisor".to_owned()));
        arguments.extend(self.no_spool.then(|| "--no-spool".to_owned()));
        arguments.into_iter().map(OsString::from).collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn read(arguments: &[OsString]) -> Options {
        let name = OsString::from("bench");
        Line::parse_from([&name].into_iter().chain(arguments)).options
    }

    #[test]
    fn flags_handed_on_say_the_same() {
        let given = "--containers=20 --cgroups=1000 --cgroups=10000 --ship-every=5 --warm-up=1 --seconds=2 --rounds=0 \
                     --round-seconds=3 --network=host --no-cadvisor --no-spool";
        let given: Vec<OsString> = given.split_whitespace().map(OsString::from).collect();
        for options in [read(&[]), read(&given)] {
            assert_eq!(read(&options.arguments()), options);
        }
    }
}
