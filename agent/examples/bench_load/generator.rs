//! The two that make load: how each is started, and what it tells.

use std::{path::PathBuf, process::Command};

use super::{told::Told, wrk};

/// One that makes load as fast as it is answered.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Generator {
    Wrk,
    Ours,
}

/// In the order in which they are told; the first is what the other is compared with.
pub(crate) const GENERATORS: [Generator; 2] = [Generator::Wrk, Generator::Ours];

/// What one of them found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) requests: u64,
    /// Answers a second.
    pub(crate) rate: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// All that was not answered well.
    pub(crate) errors: u64,
}

/// What they are started from.
#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) agent: PathBuf,
    /// What makes wrk tell its figures.
    pub(crate) script: PathBuf,
}

impl Generator {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Wrk => "wrk",
            Self::Ours => "cgflux load",
        }
    }

    /// It, with two threads.
    pub(crate) fn command(
        self,
        tools: &Tools,
        url: &str,
        connections: u32,
        seconds: u64,
    ) -> Command {
        match self {
            Self::Wrk => wrk::command(url, connections, seconds, &tools.script),
            Self::Ours => ours(tools, url, connections, seconds),
        }
    }

    /// Reads what it said.
    pub(crate) fn seen(self, said: &str) -> anyhow::Result<Seen> {
        match self {
            Self::Wrk => {
                let seen = wrk::Seen::of(said)?;
                Ok(Seen {
                    requests: seen.requests,
                    rate: seen.rate(),
                    p50_us: seen.p50_us,
                    p99_us: seen.p99_us,
                    errors: seen.errors(),
                })
            }
            Self::Ours => {
                let told = Told::of(said)?;
                Ok(Seen {
                    requests: told.sent,
                    rate: told.rate,
                    p50_us: told.latency_us.p50,
                    p99_us: told.latency_us.p99,
                    errors: told.errors,
                })
            }
        }
    }
}

/// Ours, that many requests a second, sent when they are due whatever becomes of those before.
pub(crate) fn at_rate(
    tools: &Tools,
    url: &str,
    connections: u32,
    seconds: u64,
    rate: u32,
) -> Command {
    let mut command = ours(tools, url, connections, seconds);
    command.arg(format!("--rate={rate}"));
    command
}

fn ours(tools: &Tools, url: &str, connections: u32, seconds: u64) -> Command {
    let mut command = Command::new(&tools.agent);
    command
        .args(["load", "--points=none", "--json"])
        .arg(format!("--threads={}", connections.min(2)))
        .arg(format!("--connections={connections}"))
        .arg(format!("--duration={seconds}s"))
        .arg(url);
    command
}
