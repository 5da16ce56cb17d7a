//! The commands that end by themselves: `check`, `stat`, `top`, `sink`, `query`, `dashboards`, `config`, `completions`, `version`. A part of
//! `main`.

use std::{
    collections::BTreeMap,
    env::{self, consts},
    fs,
    io::{self, IsTerminal as _, Write as _},
};

use anyhow::Context as _;

use cgflux::{
    check::{Facts, Look, Report, judge},
    cli::{
        Asked, CadvisorArgs, CheckArgs, Cli, ConfigCommand, DashboardsCheckArgs, DashboardsCommand,
        Global, Meant, QueryArgs, RunArgs, SinkCommand, StatArgs, TelemetryArgs, TopArgs,
    },
    client::Way,
    clock,
    config::{self, Given, Predecessor, Resolved},
    dashboards::{self, Flavour, Rule, Servers, View},
    encode::Tagging,
    estimate::Estimate,
    exit::Exit,
    kernel, logging, preview, probe,
    provision::{self, Done, Plan, Wanted},
    query, stat, surroundings,
    telemetry::{self, Telemetry},
    text::printable,
    top,
};
use clap::CommandFactory as _;

use crate::daemon;

/// The configuration that holds for a command with these flags. A [`config::Complaints`] error stands for
/// [`Exit::Configuration`].
pub(crate) fn resolve(global: &Global, run: &RunArgs) -> anyhow::Result<Resolved> {
    let mut flags = global.settings();
    flags.extend(run.settings()?);
    settle(global, flags, Predecessor::default())
}

/// The same for flags of cAdvisor, which stand above those of every command.
fn resolve_cadvisor(global: &Global, meant: &Meant) -> anyhow::Result<Resolved> {
    let mut flags = global.settings();
    flags.extend(meant.flags.iter().cloned());
    let mut resolved = settle(global, flags, meant.predecessor.clone())?;
    resolved.config.stands_in = true;
    Ok(resolved)
}

fn settle(
    global: &Global,
    flags: Vec<Given>,
    predecessor: Predecessor,
) -> anyhow::Result<Resolved> {
    let resolved = surroundings::resolve(global.config.as_deref(), flags, predecessor)?;
    kernel::check_skipped(&resolved)?;
    Ok(resolved)
}

/// `cgflux cadvisor`
pub(crate) fn cadvisor(global: &Global, arguments: &CadvisorArgs) -> anyhow::Result<Exit> {
    match arguments.asked() {
        Asked::Help => {
            let mut cli = Cli::command();
            let cadvisor = cli.find_subcommand_mut("cadvisor");
            print(&cadvisor.map_or_else(String::new, |it| it.render_long_help().to_string()))
        }
        Asked::Version => version(false),
        Asked::Settings(meant) => {
            let resolved = resolve_cadvisor(global, &meant)?;
            let colours = logging::stderr_colours(global.color.choice());
            logging::start(resolved.config.log, colours)?;
            for warning in &resolved.warnings {
                tracing::warn!("{warning}");
            }
            print(&config::listing(&resolved.settings))
        }
        Asked::Run(meant) => daemon::run(global, || resolve_cadvisor(global, &meant)),
    }
}

/// How `program`, which is `web` or `load`, tells of itself, and where to, in words. Starts the log.
pub(crate) fn telemetry(
    program: &str,
    global: &Global,
    arguments: &TelemetryArgs,
) -> anyhow::Result<(Telemetry, String)> {
    let (resolved, place) = telemetry::resolve(global, arguments)?;
    let colours = logging::stderr_colours(global.color.choice());
    logging::start(resolved.config.log, colours)?;
    for warning in &resolved.warnings {
        tracing::warn!("{warning}");
    }
    let telemetry = Telemetry::open(program, &resolved, arguments.container.as_deref())?;
    Ok((telemetry, place))
}

/// `cgflux check`
pub(crate) fn check(global: &Global, arguments: &CheckArgs) -> anyhow::Result<Exit> {
    let resolved = resolve(global, &RunArgs::default())?;
    Tagging::of(&resolved)?;
    start_log(global, &resolved)?;
    let report = judge(&waited_for(Facts::gather(&resolved.config))?);
    show(global, &report, arguments.json)
}

/// Prints a report, for people or programs.
fn show(global: &Global, report: &Report, json: bool) -> anyhow::Result<Exit> {
    let is_terminal = io::stdout().is_terminal();
    let size = is_terminal.then(terminal_size::terminal_size).flatten();
    let text = if json {
        report.json()
    } else {
        report.text(Look {
            colours: logging::colours(global.color.choice(), is_terminal),
            width: size.map(|(width, _)| width.0.into()),
        })
    };
    print(&text)?;
    Ok(report.verdict.exit())
}

/// `cgflux stat`
pub(crate) fn stat(global: &Global, arguments: &StatArgs) -> anyhow::Result<Exit> {
    let resolved = resolve(global, &RunArgs::default())?;
    let tagging = Tagging::of(&resolved)?;
    start_log(global, &resolved)?;
    warn_of(&arguments.daemon.way())?;
    waited_for(stat::run(&resolved.config, tagging, arguments))??;
    Ok(Exit::Ok)
}

/// `cgflux top`
pub(crate) fn top(global: &Global, arguments: &TopArgs) -> anyhow::Result<Exit> {
    let resolved = resolve(global, &RunArgs::default())?;
    start_log(global, &resolved)?;
    warn_of(&arguments.daemon.way())?;
    let colours = logging::colours(global.color.choice(), io::stdout().is_terminal());
    waited_for(top::run(&resolved.config, arguments, colours))??;
    Ok(Exit::Ok)
}

/// `cgflux query`
pub(crate) fn query(global: &Global, arguments: &QueryArgs) -> anyhow::Result<Exit> {
    if arguments.list {
        return print(&query::list());
    }
    let resolved = resolve(global, &arguments.server.run())?;
    start_log(global, &resolved)?;
    waited_for(query::run(&resolved.config, arguments))??;
    Ok(Exit::Ok)
}

/// `cgflux dashboards …`
pub(crate) fn dashboards(global: &Global, command: &DashboardsCommand) -> anyhow::Result<Exit> {
    match command {
        DashboardsCommand::Export { folder, flavour } => {
            let flavours = match flavour.as_slice() {
                [] => &[Flavour::Influxql, Flavour::Promql],
                some => some,
            };
            let variable = |name: &str| env::var(name).ok().filter(|it| !it.is_empty());
            let written = dashboards::export(folder, flavours, variable)?;
            let lines = written.iter().map(|path| format!("{}\n", path.display()));
            print(&lines.collect::<String>())
        }
        DashboardsCommand::Check(arguments) => check_dashboards(global, arguments),
    }
}

fn check_dashboards(global: &Global, arguments: &DashboardsCheckArgs) -> anyhow::Result<Exit> {
    let resolved = resolve(global, &arguments.run())?;
    start_log(global, &resolved)?;
    let servers = Servers::of(&resolved.config, arguments)?;
    let alerts = match &arguments.alerts {
        Some(file) => {
            fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?
        }
        None => dashboards::ALERTS.to_owned(),
    };
    let alerts =
        Rule::all(&alerts).context("the file of alerts has none as `export` writes them")?;
    let end_ns = clock::now().wall_ns;
    let since_ns = i64::try_from(arguments.since.as_nanos())?;
    let view = View {
        start_ns: end_ns.saturating_sub(since_ns),
        end_ns,
        interval: dashboards::interval(arguments.since),
        scrape_interval: arguments.scrape_interval,
        host: arguments.host.clone(),
        container: arguments.container.clone(),
    };
    let report = waited_for(dashboards::check(&servers, &view, &alerts))??;
    show(global, &report, arguments.json)
}

/// `cgflux sink …`
pub(crate) fn sink(global: &Global, command: &SinkCommand) -> anyhow::Result<Exit> {
    match command {
        SinkCommand::Test { name, json, run } => {
            let resolved = resolve(global, run)?;
            let tagging = Tagging::of(&resolved)?;
            start_log(global, &resolved)?;
            let sinks = probe::chosen(&resolved.config, name.as_deref())?;
            let report = waited_for(probe::test(&sinks, &tagging))?;
            show(global, &report, *json)
        }
        SinkCommand::Init {
            name,
            retention,
            rollup,
            yes,
            run,
        } => {
            let resolved = resolve(global, run)?;
            start_log(global, &resolved)?;
            let sinks = probe::chosen(&resolved.config, name.as_deref())?;
            let wanted = Wanted {
                retention: *retention,
                rollup: *rollup,
            };
            init(&provision::plan(&sinks, wanted)?, *yes)
        }
    }
}

/// Shows what is to be done, asks unless that is agreed to, and does it.
fn init(plans: &[Plan], is_agreed: bool) -> anyhow::Result<Exit> {
    for plan in plans {
        print(&format!("sink {}:\n", plan.sink))?;
        for step in &plan.steps {
            for line in step.to_string().lines() {
                print(&format!("  {}\n", printable(line)))?;
            }
        }
    }
    if !is_agreed && !io::stdin().is_terminal() {
        writeln!(
            io::stderr(),
            "cgflux: nobody is here to ask; --yes agrees to the above"
        )?;
        return Ok(Exit::Usage);
    }
    if !is_agreed {
        print("Do this? [y/N] ")?;
        io::stdout().flush()?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        if !matches!(answer.trim(), "y" | "Y" | "yes") {
            return print("nothing is done\n");
        }
    }
    let mut exit = Exit::Ok;
    for plan in plans {
        let done = waited_for(provision::run(plan))??;
        for (step, done) in plan.steps.iter().zip(done) {
            let (word, reason) = match done {
                Ok(Done::Made) => ("done  ", String::new()),
                Ok(Done::Was) => ("there ", String::new()),
                Err(reason) => {
                    exit = Exit::Failure;
                    ("FAILED", format!(": {}", printable(&reason)))
                }
            };
            print(&format!("{word} {}{reason}\n", printable(&step.title())))?;
        }
    }
    Ok(exit)
}

/// Commands say themselves what went how; the log is for those who ask for it with `-v`.
fn start_log(global: &Global, resolved: &Resolved) -> anyhow::Result<()> {
    if global.verbose > 0 {
        let colours = logging::stderr_colours(global.color.choice());
        logging::start(resolved.config.log, colours)?;
    }
    Ok(())
}

/// Says what is unwise about the way to a daemon.
fn warn_of(way: &Way) -> io::Result<()> {
    match way.warning() {
        Some(warning) => writeln!(io::stderr(), "warning: {warning}"),
        None => Ok(()),
    }
}

fn waited_for<T>(command: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(command))
}

/// `cgflux config …`
pub(crate) fn config(global: &Global, command: &ConfigCommand) -> anyhow::Result<Exit> {
    match command {
        ConfigCommand::Check { containers, run } => {
            let resolved = resolve(global, run)?;
            let tagging = Tagging::of(&resolved)?;
            for warning in &resolved.warnings {
                writeln!(io::stderr(), "warning: {warning}")?;
            }
            let listing = config::listing(&resolved.settings);
            let estimate = Estimate::of(&resolved.config, &tagging, *containers).text();
            let running = preview::selection(resolved.config.selection());
            print(&format!("{listing}\n{running}{estimate}"))
        }
        ConfigCommand::Default => print(config::EXAMPLE),
        ConfigCommand::Show { run } => print(&config::listing(&resolve(global, run)?.settings)),
    }
}

/// `cgflux completions`
pub(crate) fn completions(shell: clap_complete::Shell) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "cgflux", &mut script);
    print(&String::from_utf8(script)?)
}

/// `cgflux version`
pub(crate) fn version(json: bool) -> anyhow::Result<Exit> {
    let (version, architecture) = (env!("CARGO_PKG_VERSION"), consts::ARCH);
    if json {
        let fields = [
            ("name", "cgflux"),
            ("version", version),
            ("architecture", architecture),
        ];
        print(&format!(
            "{}\n",
            serde_json::to_string(&BTreeMap::from(fields))?
        ))
    } else {
        print(&format!("cgflux {version} ({architecture})\n"))
    }
}

/// Prints to standard output. A reader that has seen enough, as `head` does, is no failure.
pub(crate) fn print(text: &str) -> anyhow::Result<Exit> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(Exit::Ok),
    }
}
