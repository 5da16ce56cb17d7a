//! What the daemon costs, run as users run it: `cargo xtask bench daemon`, whose `--help` says what can be asked.
//!
//! The release agent counts a real workload and ships it to a real InfluxDB; cAdvisor then looks at the same workload.
//! CPU is each process's own clock; the kernel programs, which run on the account of whatever they interrupt, are
//! told apart twice: by the kernel's own measuring of them, and by the workload's CPU without and with the agent in
//! turns. Needs root and Docker. Figures go to standard output, what is going on to standard error.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints its figures"
)]

mod cadvisor;
mod daemon;
mod docker;
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
mod kernel_side;
mod load;
mod memory;
mod options;
#[path = "../shared/process.rs"]
mod process;
mod report;
mod sleepers;
#[path = "../shared/spread.rs"]
mod spread;
#[path = "../shared/waiting.rs"]
mod waiting;
mod window;
mod workload;
#[path = "../shared/written.rs"]
mod written;

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
    thread::available_parallelism,
    time::Duration,
};

use anyhow::Context as _;
use aya::{
    sys::{Stats, enable_stats},
    util::nr_cpus,
};
use cgflux::kernel::stripes_for;
use clap::Parser;
use tempfile::TempDir;

use cadvisor::CAdvisor;
use daemon::{Daemon, Settings, slots_for};
use influxdb::InfluxDb;
use kernel_side::Cpus;
use load::{Load, loads};
use options::Options;
use report::{AgentPart, Column, Pairs};
use waiting::{Waiting, exit_code};
use window::{Reading, Spent, Watched};
use workload::Workload;

/// How long the kernel measures the programs: longer would measure no better, and it slows them down.
const PROGRAMS_MEASURED: Duration = Duration::from_secs(10);

/// Until an agent that is ready has done what it does only once.
const SETTLED: Duration = Duration::from_secs(5);

/// CPUs for which the memory of the maps is computed.
const OTHER_CPUS: [u64; 3] = [2, 16, 64];

/// Flags that `cargo xtask bench daemon` adds.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    options: Options,
    /// The agent.
    #[arg(long)]
    agent: PathBuf,
    /// cAdvisor; left out where it could not be had.
    #[arg(long)]
    cadvisor: Option<PathBuf>,
    /// Where data and logs are kept while it runs.
    #[arg(long)]
    folder: PathBuf,
}

fn main() -> ExitCode {
    exit_code(run())
}

fn run() -> anyhow::Result<()> {
    let mut arguments = env::args().skip(1);
    if arguments.next().as_deref() == Some(sleepers::VERB) {
        let count = arguments.next().context("how many?")?.parse()?;
        return sleepers::run(count);
    }
    let arguments = Arguments::parse();
    let waiting = Waiting::new()?;
    println!("{}", heading::of("daemon", &arguments.options)?);
    for load in loads(&arguments.options) {
        Bench::new(&arguments, load, &waiting)?.run()?;
    }
    Ok(())
}

/// Says what is going on.
fn say(text: &str) {
    eprintln!("{text}");
}

/// One workload and all that is measured beside it.
struct Bench<'a> {
    arguments: &'a Arguments,
    waiting: &'a Waiting,
    load: Load,
    cpus: usize,
    here: Cpus,
    workload: Workload,
    influxdb: InfluxDb,
    /// Removed last.
    folder: TempDir,
}

impl<'a> Bench<'a> {
    fn new(arguments: &'a Arguments, load: Load, waiting: &'a Waiting) -> anyhow::Result<Self> {
        let folder = folder::below(&arguments.folder, "daemon")?;
        say("starting InfluxDB");
        let influxdb = InfluxDb::start(folder.path(), waiting)?;
        say(match load {
            Load::Containers(_) => "starting containers",
            Load::Cgroups(_) => "making cgroups",
        });
        let possible = nr_cpus().map_err(|(_, error)| error)?;
        Ok(Self {
            arguments,
            waiting,
            load,
            cpus: available_parallelism()?.get(),
            here: cpus(u64::try_from(possible)?),
            workload: Workload::start(load, &arguments.options.network, waiting)?,
            influxdb,
            folder,
        })
    }

    fn run(&self) -> anyhow::Result<()> {
        let options = &self.arguments.options;
        let mut columns = Vec::new();
        for ship_every in &options.ship_every {
            columns.push(self.agent(*ship_every, true)?);
            if options.no_spool {
                columns.push(self.agent(*ship_every, false)?);
            }
        }
        let pairs = self.pairs()?;
        let cadvisor = self.cadvisor();
        let no_cadvisor = match cadvisor {
            Ok(column) => {
                columns.extend(column);
                None
            }
            // A wish to stop is no failure of cAdvisor.
            Err(error) => {
                self.waiting.check()?;
                Some(error)
            }
        };
        self.print(&columns, &pairs);
        if let Some(error) = no_cadvisor {
            println!("cAdvisor: {error:#}");
        }
        Ok(())
    }

    /// The agent, for as long as it takes to know it.
    fn agent(&self, ship_every: u64, spool: bool) -> anyhow::Result<Column> {
        let options = &self.arguments.options;
        say(&format!(
            "agent, shipping every {ship_every} s: {} s of warm-up, {} s, {} s for its programs",
            options.warm_up,
            options.seconds,
            PROGRAMS_MEASURED.as_secs()
        ));
        let daemon = self.start_agent(ship_every, spool)?;
        let watched = self.watched(Some(daemon.pid()));
        self.waiting.pause(Duration::from_secs(options.warm_up))?;
        let spent = self.measure(&watched, options.seconds)?;
        let memory = memory::of(daemon.pid())?;
        let (programs, program_seconds) = self.programs(&daemon)?;
        let told = daemon.told()?;
        Ok(Column {
            title: if spool {
                format!("agent, ships {ship_every} s")
            } else {
                format!("{ship_every} s without spool")
            },
            spent,
            memory,
            seen: told.containers,
            agent: Some(AgentPart {
                told,
                ready_after: daemon.ready_after(),
                maps: kernel_side::maps_of(daemon.pid())?,
                programs,
                program_seconds,
            }),
        })
    }

    fn start_agent(&self, ship_every: u64, spool: bool) -> anyhow::Result<Daemon> {
        let folder = tempfile::tempdir_in(self.folder.path())?.keep();
        let settings = Settings {
            ship_every,
            slots: self.slots(),
            spool,
        };
        Daemon::start(
            &self.arguments.agent,
            &folder,
            &self.influxdb,
            settings,
            self.waiting,
        )
    }

    fn slots(&self) -> u32 {
        slots_for(self.load.count())
    }

    /// What the kernel measures of the agent's programs, and for how many seconds.
    fn programs(&self, daemon: &Daemon) -> anyhow::Result<(Vec<kernel_side::ProgramUse>, f64)> {
        // Off again when the descriptor is closed, however this ends.
        let statistics = enable_stats(Stats::RunTime).context("the kernel does not measure")?;
        let since = std::time::Instant::now();
        let before = kernel_side::programs_of(daemon.pid())?;
        self.waiting.pause(PROGRAMS_MEASURED)?;
        let after = kernel_side::programs_of(daemon.pid())?;
        let seconds = since.elapsed().as_secs_f64();
        drop(statistics);
        Ok((kernel_side::between(&before, &after), seconds))
    }

    /// The workload without and with the agent, in turns.
    fn pairs(&self) -> anyhow::Result<Pairs> {
        let options = &self.arguments.options;
        let mut pairs = Pairs::default();
        for round in 0..options.rounds {
            say(&format!("paired round {} of {}", round + 1, options.rounds));
            // The order changes, so that a drift of the machine does not favour one half.
            if round % 2 == 0 {
                pairs.without.push(self.half(false)?);
                pairs.with.push(self.half(true)?);
            } else {
                pairs.with.push(self.half(true)?);
                pairs.without.push(self.half(false)?);
            }
        }
        Ok(pairs)
    }

    fn half(&self, with_agent: bool) -> anyhow::Result<Spent> {
        let options = &self.arguments.options;
        let ship_every = options.ship_every.first().copied().unwrap_or(10);
        let daemon = with_agent
            .then(|| self.start_agent(ship_every, true))
            .transpose()?;
        self.waiting.pause(SETTLED)?;
        let watched = self.watched(daemon.as_ref().map(Daemon::pid));
        self.measure(&watched, options.round_seconds)
    }

    /// cAdvisor beside the same workload; `None` if it is not wanted.
    fn cadvisor(&self) -> anyhow::Result<Option<Column>> {
        let options = &self.arguments.options;
        if options.no_cadvisor {
            return Ok(None);
        }
        let program = self.arguments.cadvisor.as_deref();
        let program: &Path = program.context("not here, so there is nothing to compare with")?;
        say(&format!(
            "cAdvisor: {} s of warm-up, {} s",
            options.warm_up, options.seconds
        ));
        let docker_only = matches!(self.load, Load::Containers(_));
        let cadvisor = CAdvisor::start(program, self.folder.path(), docker_only, self.waiting)?;
        let watched = self.watched(Some(cadvisor.pid()));
        self.waiting.pause(Duration::from_secs(options.warm_up))?;
        let spent = self.measure(&watched, options.seconds)?;
        Ok(Some(Column {
            title: "cAdvisor".to_owned(),
            spent,
            memory: memory::of(cadvisor.pid())?,
            seen: cadvisor.seen(&workload::mark())?,
            agent: None,
        }))
    }

    fn watched(&self, collector: Option<nix::unistd::Pid>) -> Watched {
        Watched {
            collector,
            database: Some(self.influxdb.pid()),
            docker: docker::daemons(),
        }
    }

    fn measure(&self, watched: &Watched, seconds: u64) -> anyhow::Result<Spent> {
        let read = || Reading::take(watched, self.workload.cpu_ns()?, self.influxdb.stored()?);
        let before = read()?;
        self.waiting.pause(Duration::from_secs(seconds))?;
        Ok(read()?.since(&before, self.cpus))
    }

    fn print(&self, columns: &[Column], pairs: &Pairs) {
        let options = &self.arguments.options;
        let load = match self.load {
            Load::Containers(count) => format!(
                "{count} Docker containers, each starting a process twice a second (--network {})",
                options.network
            ),
            Load::Cgroups(count) => {
                format!(
                    "{count} cgroups without Docker, each with a process that wakes twice a second"
                )
            }
        };
        println!("\n{load}");
        println!(
            "Figures over {} s after {} s of warm-up; the agent collects every second into {} slots, everything on\n",
            options.seconds,
            options.warm_up,
            self.slots()
        );
        println!("{}", report::table(columns, self.load.target()));
        let rounds = pairs.without.iter().chain(&pairs.with);
        let stretches = columns.iter().map(|column| &column.spent).chain(rounds);
        if let Some(told) = report::disturbance(stretches) {
            println!("{told}");
        }
        if let Some(agent) = columns.iter().find_map(|column| column.agent.as_ref()) {
            println!("{}", report::programs(agent));
            if options.rounds > 0 {
                println!("{}", report::pairs(pairs, options.round_seconds));
            }
            for map in kernel_side::of_another_size(&agent.maps, self.slots(), self.here) {
                println!(
                    "{} is not of the size expected; the next table is wrong",
                    map.name
                );
            }
            println!(
                "{}",
                report::map_memory(agent, self.here, &OTHER_CPUS.map(cpus))
            );
        }
        if columns.iter().any(|column| column.agent.is_none()) {
            println!(
                "cAdvisor 0.38.7 (Debian 11): looks once a second, ships nothing, is asked for nothing while measured."
            );
        }
    }
}

/// A machine with that many possible CPUs.
fn cpus(possible: u64) -> Cpus {
    let (stripes, _) = stripes_for(usize::try_from(possible).unwrap_or(usize::MAX));
    Cpus {
        possible,
        stripes: u64::from(stripes),
    }
}
