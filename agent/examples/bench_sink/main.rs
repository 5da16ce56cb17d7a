//! What delivery costs: `cargo xtask bench sink`, whose `--help` says what can be asked.
//!
//! The same lines go to a real InfluxDB by every way in each round, beside the least that could be done: one request
//! after the other for what is sent, one synced append after the other for what is kept. CPU is this process's own
//! clock: encoding is done before, the server runs elsewhere. Figures go to standard output, what is going on to
//! standard error.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints its figures"
)]

#[path = "../shared/containers.rs"]
mod containers;
#[path = "../shared/flags.rs"]
mod flags;
#[path = "../shared/folder.rs"]
mod folder;
#[path = "../shared/heading.rs"]
mod heading;
#[path = "../shared/http.rs"]
mod http;
#[path = "../shared/influxdb.rs"]
mod influxdb;
#[path = "../shared/median.rs"]
mod median;
mod options;
#[path = "../shared/process.rs"]
mod process;
mod report;
#[path = "../shared/spread.rs"]
mod spread;
#[path = "../shared/waiting.rs"]
mod waiting;
mod ways;
#[path = "../shared/written.rs"]
mod written;

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use clap::Parser;

use influxdb::InfluxDb;
use options::Options;
use report::Report;
use waiting::{Waiting, exit_code};
use ways::{Bench, Lines, WAYS};

/// Flags that `cargo xtask bench sink` adds.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    options: Options,
    /// Where data and logs are kept while it runs; on the disk that is to be measured.
    #[arg(long)]
    folder: PathBuf,
}

fn main() -> ExitCode {
    exit_code(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let options = &arguments.options;
    let waiting = Waiting::new()?;
    let folder = folder::below(&arguments.folder, "sink")?;
    eprintln!("starting InfluxDB");
    let influxdb = InfluxDb::start(folder.path(), &waiting)?;
    let bench = Bench::new(&influxdb, folder.path(), &waiting)?;
    let mut report = Report::default();
    // The first round makes the series, and is not counted.
    for round in 0..=options.rounds {
        eprintln!("round {round} of {}", options.rounds);
        for way in WAYS {
            waiting.check()?;
            // Points of their own for each way: none is written over another.
            let lines = Lines::of(options.containers, options.seconds, now_ns()?)?;
            let spent = bench.measure(way, &lines)?;
            if round > 0 {
                report.add(way, &lines, spent);
            }
        }
    }
    println!("{}\n", heading::of("sink", options)?);
    println!("{report}\n");
    Ok(())
}

fn now_ns() -> anyhow::Result<i64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    i64::try_from(since.as_nanos()).context("after the year 2262")
}
