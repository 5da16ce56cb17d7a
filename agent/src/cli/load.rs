//! What `load` takes.

use std::{num::NonZero, path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use hyper::{
    Method,
    header::{HeaderName, HeaderValue},
};

use super::{TelemetryArgs, between::between};
use crate::load::{
    Expectation, MAX_LENGTH, MAX_RATE, Stage, Target, read_amount, read_field, read_stages,
};

/// Examples of `load`.
pub(super) const EXAMPLES: &str = "\
Examples:
  cgflux load http://127.0.0.1:58080/
      As fast as 64 connections get replies, for 10 s: a closed loop, as ab, hey and wrk have it.
  cgflux load http://127.0.0.1:58080/ --rate 5k --duration 30s
      5,000 requests a second, whatever the target does: an open loop, as users are. A stall shows in full.
  cgflux load http://127.0.0.1:58080/ --stages 10s@1k,10s@5k,10s@1k --poisson
      A step up and down, at random times.
  cgflux load http://127.0.0.1:58080/ --rate 2k --expect 'p99<5ms' --expect 'errors<0.1%' --expect 'rate>=99%'
      For scripts: ends with 3 if one of these does not hold, and says what was seen.
  cgflux load http://127.0.0.1:58080/ --find-max 'p99<5ms'
      The highest rate at which that holds.
  cgflux load http://127.0.0.1:58080/ --verify-counter
      Is every reply a new integer, larger than the one before? Nobody else may hit the counter meanwhile.
  cgflux load compare before.json after.json
      What each of two runs that --json has kept came to; more pairs in turns tell more.
  cgflux load unix:///run/app.sock:/health -c 4 -n 1000 --json
      1,000 requests over a unix socket; the result as JSON.

Latency: with --rate, --stages and --find-max from when a request was due, and beside it from when it was sent; else from
when it was sent. Requests that got no reply within --timeout are among the latencies with the time they waited.

Exit status: 0 done, also by Ctrl-C; 1 failed, or no reply came; 2 bad usage, or a target that is not this host;
  3 an --expect, --find-max or --verify-counter does not hold; 4 the target cannot be reached.";

/// What `load` takes.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct LoadArgs {
    /// What to do rather than make load.
    #[command(subcommand)]
    pub verb: Option<LoadVerb>,
    /// What to load: `http://HOST:PORT/PATH`, or `unix:///SOCKET:/PATH`
    #[arg(value_name = "URL", required = true)]
    pub target: Option<Target>,
    /// Connections, each with one request at a time
    #[arg(short, long, value_name = "COUNT", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub connections: u16,
    /// How long, up to 1h [default: 10s; with --requests until these are sent; with --find-max 3s a trial]
    #[arg(short, long, value_name = "DURATION", value_parser = length, conflicts_with = "stages")]
    pub duration: Option<Duration>,
    /// Send so many requests
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "find_max")]
    pub requests: Option<u64>,
    /// Send so many requests a second, whatever the target does; 1k is 1,000, up to 1M; with --find-max the first to try
    #[arg(short, long, value_name = "RATE", value_parser = rate, conflicts_with = "stages")]
    pub rate: Option<f64>,
    /// Send at random times, as independent users do, rather than evenly
    #[arg(long)]
    pub poisson: bool,
    /// What makes random times the same again
    #[arg(long, value_name = "NUMBER", requires = "poisson")]
    pub seed: Option<u64>,
    /// Send so many at once, and none until as many are due again; give it as many --connections, or some wait for one
    #[arg(long, value_name = "COUNT", conflicts_with = "poisson")]
    pub burst: Option<NonZero<u32>>,
    /// Rates one after the other, such as `10s@1k,30s@5k`
    #[arg(long, value_name = "STAGES", value_parser = stages, conflicts_with = "find_max")]
    pub stages: Option<Stages>,
    /// Look for the highest rate at which this holds
    #[arg(long, value_name = "EXPR", conflicts_with_all = ["expect", "hgrm"])]
    pub find_max: Option<Expectation>,
    /// Begin with so much time that does not count
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = warmup)]
    pub warmup: Duration,
    /// How long to wait for a reply; 1ms to 60s
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = timeout)]
    pub timeout: Duration,
    /// Threads [default: one a CPU, at most 4]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: Option<u16>,
    /// A new connection for each request
    #[arg(long)]
    pub no_keep_alive: bool,
    /// The method
    #[arg(short, long, value_name = "METHOD", default_value = "GET", value_parser = method)]
    pub method: Method,
    /// A header field, as 'Name: value'; may be given again
    #[arg(short = 'H', long, value_name = "FIELD", value_parser = read_field)]
    pub header: Vec<(HeaderName, HeaderValue)>,
    /// What to send along
    #[arg(long, value_name = "TEXT")]
    pub body: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
    /// Write all percentiles to this file, in the form that the plotters of `HdrHistogram` read
    #[arg(long, value_name = "FILE")]
    pub hgrm: Option<PathBuf>,
    /// What must hold: p99<5ms, max<1s, mean<2ms, errors<0.1%, rate>=99% (of --rate), rate>=20k; may be given again
    #[arg(long, value_name = "EXPR")]
    pub expect: Vec<Expectation>,
    /// Verify that each reply is an integer of its own, growing on each connection
    #[arg(long, conflicts_with = "find_max")]
    pub verify_counter: bool,
    /// Load another host than this; only what is yours
    #[arg(long)]
    pub allow_remote: bool,
    /// Name of the run, the tag `run` of its points [default: the time]
    #[arg(long, value_name = "NAME")]
    pub run: Option<String>,
    /// Read where points go from this file; as with every command, but here -c is --connections
    #[arg(id = "config", long = "config", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where its own points go.
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
}

/// What `load` does rather than make load.
#[derive(Clone, Debug, Subcommand)]
pub enum LoadVerb {
    /// Set runs beside others, in pairs
    Compare {
        /// Runs as --json printed them: before, after; more pairs, made in turns, tell how sure it is
        #[arg(value_name = "FILE", num_args = 2.., required = true)]
        files: Vec<PathBuf>,
    },
}

/// Stages of one argument.
#[derive(Clone, Debug)]
pub struct Stages(pub Vec<Stage>);

fn length(text: &str) -> Result<Duration, String> {
    between(text, Duration::from_millis(1)..=MAX_LENGTH)
}

fn warmup(text: &str) -> Result<Duration, String> {
    between(text, Duration::ZERO..=MAX_LENGTH)
}

fn timeout(text: &str) -> Result<Duration, String> {
    between(text, Duration::from_millis(1)..=Duration::from_mins(1))
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = read_amount(text).ok_or("is no rate; write it as 500, 1k or 2.5k")?;
    if (0.001..=MAX_RATE).contains(&rate) {
        Ok(rate)
    } else {
        Err("is not between 0.001 and 1M".to_owned())
    }
}

fn stages(text: &str) -> Result<Stages, String> {
    read_stages(text).map(Stages)
}

fn method(text: &str) -> Result<Method, String> {
    let method: Method = text.parse().map_err(|_unnamed| "is no method")?;
    if method == Method::CONNECT {
        Err("makes a tunnel, which cannot be loaded".to_owned())
    } else {
        Ok(method)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::{
        super::{Cli, Command},
        *,
    };

    fn load(line: &str) -> Result<(Cli, LoadArgs), String> {
        let cli = Cli::try_parse_from(line.split(' ')).map_err(|error| error.to_string())?;
        match cli.command.clone() {
            Command::Load(load) => Ok((cli, *load)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn short_flags_are_those_of_other_load_generators() {
        let line =
            "cgflux load http://127.0.0.1:1/ -c 7 -d 3s -n 9 -r 1.5k -m PUT -H X:y --config /x -q";
        let (cli, load) = load(line).unwrap();
        assert_eq!(
            (load.connections, load.duration),
            (7, Some(Duration::from_secs(3)))
        );
        assert_eq!((load.requests, load.rate), (Some(9), Some(1_500.0)));
        assert_eq!((load.method, load.header.len()), (Method::PUT, 1));
        assert_eq!(
            (cli.global.config, cli.global.quiet),
            (Some("/x".into()), 1)
        );
    }

    #[test]
    fn what_is_out_of_bounds_is_refused() {
        for flags in [
            "-c 0",
            "-c 10001",
            "-d 2h",
            "-d 0s",
            "-r 2M",
            "-r 0",
            "-r x",
            "--stages 1s",
            "--timeout 2m",
            "-n 0",
            "--threads 65",
            "--find-max p99<5",
            "--expect p99",
            "-m CONNECT",
            "-H x",
            "--seed 3",
            "-r 1k --burst 0",
            "-r 1k --burst 5 --poisson",
            "-r 1k --stages 1s@1k",
            "-d 1s --stages 1s@1k",
        ] {
            assert!(
                load(&format!("cgflux load http://127.0.0.1:1/ {flags}")).is_err(),
                "{flags}"
            );
        }
        assert!(
            load("cgflux load https://127.0.0.1:1/")
                .unwrap_err()
                .contains("only http://")
        );
    }
}
