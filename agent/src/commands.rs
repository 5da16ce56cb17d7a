//! The commands that only print: `config`, `completions`, `version`. A part of `main`.

use std::{
    collections::BTreeMap,
    env::consts,
    io::{self, Write as _},
};

use cgflux::{
    cli::{Cli, ConfigCommand, Global, RunArgs},
    config::{self, Resolved},
    encode::Tagging,
    estimate::Estimate,
    exit::Exit,
    surroundings,
};
use clap::CommandFactory as _;

/// The configuration that holds for a command with these flags. A [`config::Complaints`] error stands for
/// [`Exit::Configuration`].
pub(crate) fn resolve(global: &Global, run: &RunArgs) -> anyhow::Result<Resolved> {
    let mut flags = global.settings();
    flags.extend(run.settings()?);
    Ok(surroundings::resolve(global.config.as_deref(), flags)?)
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
            print(&format!("{listing}\n{estimate}"))
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
