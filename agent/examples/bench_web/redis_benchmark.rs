//! `redis-benchmark`: how it is started, and what it says.

use std::{net::SocketAddr, process::Command};

use anyhow::Context as _;

/// What it found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Seen {
    /// Commands a second.
    pub(crate) rate: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// So many INCR, `pipeline` at a time on each connection.
pub(crate) fn command(
    address: SocketAddr,
    connections: u32,
    pipeline: u32,
    requests: u64,
) -> Command {
    let mut command = Command::new("redis-benchmark");
    command
        .args(["-h", &address.ip().to_string()])
        .args(["-p", &address.port().to_string()])
        .args(["-t", "incr", "--csv"])
        .args(["-c", &connections.to_string()])
        .args(["-P", &pipeline.to_string()])
        .args(["-n", &requests.to_string()]);
    command
}

/// As many as at this rate take so long.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is neither negative nor beyond 2^53"
)]
pub(crate) fn requests(rate: f64, seconds: u64) -> u64 {
    (rate * seconds as f64).max(1_000.0) as u64
}

impl Seen {
    /// Reads the table that it prints: a line of names, a line of figures.
    pub(crate) fn of(said: &str) -> anyhow::Result<Self> {
        let mut lines = said.lines().filter(|line| line.starts_with('"'));
        let mut row = || -> Vec<&str> {
            let line = lines.next().unwrap_or_default();
            line.split(',').map(|cell| cell.trim_matches('"')).collect()
        };
        let (names, cells) = (row(), row());
        let figure = |name: &str| -> anyhow::Result<f64> {
            let cell = names
                .iter()
                .position(|it| *it == name)
                .and_then(|at| cells.get(at));
            let cell = cell.with_context(|| format!("redis-benchmark tells no {name}:\n{said}"))?;
            cell.parse()
                .with_context(|| format!("its {name} is {cell}"))
        };
        Ok(Self {
            rate: figure("rps")?,
            p50_ms: figure("p50_latency_ms")?,
            p99_ms: figure("p99_latency_ms")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// redis-benchmark 7.0.15.
    const SAID: &str = "\
\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"
\"INCR\",\"69777.00\",\"0.470\",\"0.120\",\"0.459\",\"0.700\",\"0.955\",\"2.000\"
";

    #[test]
    fn figures_are_found_by_their_names() {
        let expected = Seen {
            rate: 69_777.0,
            p50_ms: 0.459,
            p99_ms: 0.955,
        };
        assert_eq!(Seen::of(SAID).unwrap(), expected);
        assert!(Seen::of("Could not connect to Redis").is_err());
    }

    #[test]
    fn it_is_never_asked_for_next_to_nothing() {
        assert_eq!(requests(69_777.0, 2), 139_554);
        assert_eq!(requests(1.0, 2), 1_000);
    }
}
