//! What to measure and for how long. One file for both who ask: `cargo xtask bench sink` reads these flags from a
//! person and hands them on, the benchmark reads them again.

use std::ffi::OsString;

use clap::Args;

/// The flags of `cargo xtask bench sink`.
#[derive(Args, Clone, Debug, Eq, PartialEq)]
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

impl Options {
    /// The flags that say the same.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let one = |name: &str, value: u32| format!("--{name}={value}");
        let mut arguments = vec![
            one("containers", self.containers),
            one("seconds", self.seconds),
            one("rounds", self.rounds),
        ];
        arguments.extend(self.no_agent.then(|| "--no-agent".to_owned()));
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

    #[test]
    fn flags_handed_on_say_the_same() {
        for given in ["", "--containers=5 --seconds=2 --rounds=1 --no-agent"] {
            let read = |given: Vec<OsString>| {
                let name = OsString::from("bench");
                Line::parse_from([name].into_iter().chain(given)).options
            };
            let options = read(given.split_whitespace().map(OsString::from).collect());
            assert_eq!(read(options.arguments()), options);
        }
    }
}
