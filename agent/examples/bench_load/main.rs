//! What making load costs: `cargo xtask bench load`, whose `--help` says what can be asked.
//!
//! wrk and `cgflux load` in turns against one nginx that answers the same few bytes to everything; then `cgflux load` at
//! given rates. CPU is each process's own clock. Figures go to standard output, what is going on to standard error.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints its figures"
)]

#[path = "../shared/client.rs"]
mod client;
#[path = "../shared/flags.rs"]
mod flags;
#[path = "../shared/folder.rs"]
mod folder;
mod generator;
#[path = "../shared/heading.rs"]
mod heading;
#[path = "../shared/http.rs"]
mod http;
#[path = "../shared/machine.rs"]
mod machine;
#[path = "../shared/median.rs"]
mod median;
#[path = "../shared/nginx.rs"]
mod nginx;
mod options;
#[path = "../shared/process.rs"]
mod process;
#[path = "../shared/quiet.rs"]
mod quiet;
mod report;
mod rounds;
#[path = "../shared/spread.rs"]
mod spread;
mod told;
#[path = "../shared/versions.rs"]
mod versions;
#[path = "../shared/waiting.rs"]
mod waiting;
#[path = "../shared/wrk.rs"]
mod wrk;

use std::{
    path::PathBuf,
    process::{Command, ExitCode},
    time::Duration,
};

use anyhow::Context as _;
use clap::Parser;
use nix::unistd::Pid;

use client::{Run, per_request_us};
use generator::{GENERATORS, Generator, Tools};
use options::Options;
use quiet::QuietGate;
use report::Report;
use rounds::{Fast, Rounds, Steady};
use told::Told;
use waiting::{Waiting, exit_code};

const PATIENCE: Duration = Duration::from_secs(20);

/// Long enough for nginx to be warm.
const WARM_UP_SECONDS: u64 = 1;

/// Flags that `cargo xtask bench load` adds.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    options: Options,
    /// The agent.
    #[arg(long)]
    agent: PathBuf,
    /// Where logs are kept while it runs.
    #[arg(long)]
    folder: PathBuf,
}

fn main() -> ExitCode {
    exit_code(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let options = &arguments.options;
    let waiting = Waiting::new()?;
    let folder = folder::below(&arguments.folder, "load")?;
    let [port] = http::free_ports()?;
    let address = ([127, 0, 0, 1], port).into();
    let mut server = nginx::start(address, folder.path())?;
    waiting.until("an answer of nginx", PATIENCE, || {
        server.said().context("nginx")?;
        Ok(http::get(address, "/").ok())
    })?;
    let tools = Tools {
        agent: arguments.agent.clone(),
        script: wrk::script(folder.path())?,
    };
    println!("{}", heading::of("load", options)?);
    println!("{}\n", versions(&tools)?);
    let mut bench = Bench {
        options,
        tools: &tools,
        waiting: &waiting,
        server: machine::with_children(server.pid())?,
        url: format!("http://{address}/"),
        gate: QuietGate::new(options.foreign, Duration::from_secs(options.patience)),
        rounds: Rounds::default(),
    };
    for connections in &options.connections {
        bench.warm_up(*connections)?;
    }
    for round in 1..=options.rounds {
        eprintln!("round {round} of {}", options.rounds);
        for connections in &options.connections {
            bench.beside_wrk(round, *connections)?;
            bench.at_rates(*connections)?;
        }
    }
    let report = Report {
        rounds: &bench.rounds,
        connections: &options.connections,
        rates: &options.rate,
        gate: &bench.gate,
    };
    println!("{report}\n");
    Ok(())
}

fn versions(tools: &Tools) -> anyhow::Result<String> {
    let said = [
        versions::first_line(&tools.agent, "--version")?,
        versions::first_line("wrk", "-v")?,
        versions::first_line("nginx", "-v")?,
    ];
    Ok(said.join("\n"))
}

/// What has been measured so far, against one nginx.
struct Bench<'a> {
    options: &'a Options,
    tools: &'a Tools,
    waiting: &'a Waiting,
    server: Vec<Pid>,
    url: String,
    gate: QuietGate,
    rounds: Rounds,
}

impl Bench<'_> {
    fn warm_up(&self, connections: u32) -> anyhow::Result<()> {
        for by in GENERATORS {
            let mut command = by.command(self.tools, &self.url, connections, WARM_UP_SECONDS);
            client::to_its_end(&mut command, self.waiting)?;
        }
        Ok(())
    }

    /// Both, the other one first each time.
    fn beside_wrk(&mut self, round: u32, connections: u32) -> anyhow::Result<()> {
        let mut order = GENERATORS;
        if round.is_multiple_of(2) {
            order.reverse();
        }
        for by in order {
            let seconds = self.options.seconds;
            let mut command = by.command(self.tools, &self.url, connections, seconds);
            if let Some(run) = self.undisturbed(&mut command)? {
                let run = fast(by, &run)?;
                self.rounds.add_fast(round, connections, by, run);
            }
        }
        Ok(())
    }

    fn at_rates(&mut self, connections: u32) -> anyhow::Result<()> {
        for rate in &self.options.rate {
            let (tools, url) = (self.tools, &self.url);
            let seconds = self.options.seconds;
            let mut command = generator::at_rate(tools, url, connections, seconds, *rate);
            if let Some(run) = self.undisturbed(&mut command)? {
                self.rounds.add_steady(connections, *rate, steady(&run)?);
            }
        }
        Ok(())
    }

    fn undisturbed(&mut self, command: &mut Command) -> anyhow::Result<Option<Run>> {
        self.waiting.check()?;
        let (waiting, server) = (self.waiting, [self.server.clone()]);
        self.gate.undisturbed(waiting, || {
            let run = client::run(command, &server, waiting)?;
            let foreign = run.foreign;
            Ok((run, foreign))
        })
    }
}

fn fast(by: Generator, run: &Run) -> anyhow::Result<Fast> {
    let seen = by.seen(&run.said)?;
    Ok(Fast {
        seen,
        client_us: per_request_us(run.cpu, seen.requests),
        server_us: per_request_us(run.servers.iter().sum(), seen.requests),
    })
}

fn steady(run: &Run) -> anyhow::Result<Steady> {
    let told = Told::of(&run.said)?;
    Ok(Steady {
        rate: told.rate,
        due: told.latency_us,
        service: told.service_us.context("it was asked for a rate")?,
        unsent: told.unsent,
        errors: told.errors,
        client_us: per_request_us(run.cpu, told.sent),
    })
}
