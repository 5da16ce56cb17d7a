//! wrk: how it is started, and what it says.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::Context as _;
use serde::Deserialize;

/// Makes wrk tell what it found in one line of JSON.
const SCRIPT: &str = include_str!("wrk.lua");

/// What wrk found.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
pub(crate) struct Seen {
    /// Answers.
    pub(crate) requests: u64,
    us: u64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// Answers that were not good.
    status: u64,
    /// Connections, reads and writes that failed, and requests that took too long.
    broken: u64,
}

impl Seen {
    /// Answers a second.
    pub(crate) fn rate(&self) -> f64 {
        self.requests as f64 / Duration::from_micros(self.us).as_secs_f64()
    }

    /// All that was not answered well.
    pub(crate) fn errors(&self) -> u64 {
        self.status + self.broken
    }

    /// Reads what it said.
    pub(crate) fn of(said: &str) -> anyhow::Result<Self> {
        let line = said.lines().find(|line| line.starts_with('{'));
        let line = line.with_context(|| format!("wrk does not tell what it found:\n{said}"))?;
        serde_json::from_str(line).with_context(|| format!("wrk's figures: {line}"))
    }
}

/// The file that makes wrk tell its figures.
pub(crate) fn script(folder: &Path) -> anyhow::Result<PathBuf> {
    let path = folder.join("wrk.lua");
    fs::write(&path, SCRIPT).context("cannot write wrk's script")?;
    Ok(path)
}

/// wrk with two threads, of which one connection uses one. `script` is what [`script`] made.
pub(crate) fn command(url: &str, connections: u32, seconds: u64, script: &Path) -> Command {
    let mut command = Command::new("wrk");
    command
        .arg(format!("--threads={}", connections.min(2)))
        .arg(format!("--connections={connections}"))
        .arg(format!("--duration={seconds}s"))
        .args(["--latency", "--script"])
        .args([script, Path::new(url)]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    /// wrk 4.1.0, shortened.
    const SAID: &str = "Running 2s test @ http://127.0.0.1:10000/
  2 threads and 64 connections
  Latency Distribution
     50%  589.00us
Requests/sec:  86568.20

{\"requests\":173136,\"us\":2000000,\"p50_us\":589,\"p99_us\":1480,\"status\":0,\"broken\":3}
";

    #[test]
    fn figures_are_read_behind_the_report() {
        let seen = Seen::of(SAID).unwrap();
        assert!((seen.rate() - 86_568.0).abs() < 1e-9);
        assert!((seen.p99_us - 1_480.0).abs() < 1e-9);
        assert_eq!(seen.errors(), 3);
        let refused = Seen::of("unable to connect to 127.0.0.1:1").unwrap_err();
        assert!(refused.to_string().contains("unable to connect"));
    }
}
