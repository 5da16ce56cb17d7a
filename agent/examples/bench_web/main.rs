//! What the counter costs: `cargo xtask bench web`, whose `--help` says what can be asked.
//!
//! `cgflux web` in each of its modes, the same counter in Go, nginx and Redis by themselves: one at a time, each with a
//! Redis of its own, in a new order each round, loaded by wrk. CPU is each process's own clock. What a counter says is
//! checked before it is measured. Needs root, to count system calls. Figures go to standard output, what is going on to
//! standard error.
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
mod goals;
#[path = "../shared/heading.rs"]
mod heading;
#[path = "../shared/http.rs"]
mod http;
#[path = "../shared/machine.rs"]
mod machine;
mod measure;
#[path = "../shared/median.rs"]
mod median;
#[path = "../shared/nginx.rs"]
mod nginx;
mod options;
#[path = "../shared/process.rs"]
mod process;
#[path = "../shared/quiet.rs"]
mod quiet;
mod redis_benchmark;
mod report;
mod rounds;
#[path = "../shared/spread.rs"]
mod spread;
mod stage;
mod syscalls;
mod variant;
#[path = "../shared/versions.rs"]
mod versions;
#[path = "../shared/waiting.rs"]
mod waiting;
#[path = "../shared/wrk.rs"]
mod wrk;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context as _;
use clap::Parser;

use measure::Turn;
use options::Options;
use quiet::QuietGate;
use report::Report;
use rounds::Rounds;
use stage::Stage;
use variant::{VARIANTS, Variant};
use waiting::{Waiting, exit_code};

/// Flags that `cargo xtask bench web` adds.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    options: Options,
    /// The agent.
    #[arg(long)]
    agent: PathBuf,
    /// The counter in Go.
    #[arg(long)]
    baseline: PathBuf,
    /// Where logs are kept while it runs.
    #[arg(long)]
    folder: PathBuf,
}

/// What servers are started from, and where.
#[derive(Debug)]
struct Tools {
    agent: PathBuf,
    baseline: PathBuf,
    /// What makes wrk tell its figures.
    script: PathBuf,
    folder: PathBuf,
}

fn main() -> ExitCode {
    exit_code(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let options = &arguments.options;
    let waiting = Waiting::new()?;
    let folder = folder::below(&arguments.folder, "web")?;
    let tools = Tools {
        agent: arguments.agent.clone(),
        baseline: arguments.baseline.clone(),
        script: wrk::script(folder.path())?,
        folder: folder.path().to_owned(),
    };
    println!("{}", heading::of("web", options)?);
    println!("{}\n", versions(&tools)?);
    let mut bench = Bench {
        options,
        tools: &tools,
        waiting: &waiting,
        gate: QuietGate::new(options.foreign, Duration::from_secs(options.patience)),
        rounds: Rounds::default(),
    };
    for round in 1..=options.rounds {
        for connections in &options.connections {
            eprintln!(
                "round {round} of {}, {connections} connections",
                options.rounds
            );
            let mut order = VARIANTS;
            fastrand::shuffle(&mut order);
            for variant in order {
                bench.take_turn(round, *connections, variant)?;
            }
        }
    }
    let report = Report {
        rounds: &bench.rounds,
        connections: &options.connections,
        gate: &bench.gate,
    };
    println!("{report}\n");
    Ok(())
}

fn versions(tools: &Tools) -> anyhow::Result<String> {
    let said = [
        versions::first_line(&tools.agent, "--version")?,
        versions::first_line(&tools.baseline, "-version")?,
        versions::first_line("redis-server", "--version")?,
        versions::first_line("nginx", "-v")?,
        versions::first_line("wrk", "-v")?,
    ];
    Ok(said.join("\n"))
}

/// What has been measured so far.
struct Bench<'a> {
    options: &'a Options,
    tools: &'a Tools,
    waiting: &'a Waiting,
    gate: QuietGate,
    rounds: Rounds,
}

impl Bench<'_> {
    fn take_turn(&mut self, round: u32, connections: u32, variant: Variant) -> anyhow::Result<()> {
        self.waiting.check()?;
        let stage = Stage::set(variant, self.tools, self.waiting)?;
        stage.check().context(variant.name())?;
        let turn = Turn::new(variant, &stage, connections, self.tools, self.waiting)?;
        let seconds = self.options.seconds;
        let figures = self
            .gate
            .undisturbed(self.waiting, || turn.measure(seconds))
            .context(variant.name())?;
        if let Some(figures) = figures {
            self.rounds.add(round, connections, variant, figures);
        }
        // Once: this number hardly varies.
        if round == 1 {
            let syscalls = turn.count_syscalls()?;
            self.rounds.add_syscalls(connections, variant, syscalls);
        }
        Ok(())
    }
}
