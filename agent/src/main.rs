//! The `cgflux` program: takes the command line apart, hands each command its part, and says why it ended.

mod auth;
mod commands;
mod counter;
mod daemon;
mod generator;

use std::{
    env,
    error::Error,
    io::{self, Write as _},
};

use cgflux::{
    cli::{Cli, Command, in_our_words},
    config::Complaints,
    exit::Exit,
    text::{chain, printable},
};
use clap::Parser as _;

fn main() -> Exit {
    let Cli { global, command } = Cli::parse_from(in_our_words(env::args_os()));
    let done = match &command {
        Command::Run(arguments) => daemon::run(&global, || commands::resolve(&global, arguments)),
        Command::Cadvisor(arguments) => commands::cadvisor(&global, arguments),
        Command::Check(arguments) => commands::check(&global, arguments),
        Command::Stat(arguments) => commands::stat(&global, arguments),
        Command::Top(arguments) => commands::top(&global, arguments),
        Command::Sink(command) => commands::sink(&global, command),
        Command::Auth(command) => auth::auth(command),
        Command::Query(arguments) => commands::query(&global, arguments),
        Command::Dashboards(command) => commands::dashboards(&global, command),
        Command::Web(arguments) => counter::run(&global, arguments),
        Command::Load(arguments) => generator::run(&global, arguments),
        Command::Config(command) => commands::config(&global, command),
        Command::Completions { shell } => commands::completions(*shell),
        Command::Version { json } => commands::version(*json),
    };
    done.unwrap_or_else(|error| complain(&error))
}

/// Tells an error with all its causes and what to do about it, and finds the exit status it stands for.
fn complain(error: &anyhow::Error) -> Exit {
    let (exit, remedy) = Exit::of(error.as_ref());
    let complaints = error.chain().find_map(<dyn Error>::downcast_ref);
    let mut text = match complaints {
        // One line each, made safe already.
        Some::<&Complaints>(complaints) => {
            format!("the configuration does not hold:\n{complaints}")
        }
        None => printable(&chain(error.as_ref())).into_owned(),
    };
    if let Some(remedy) = remedy {
        text.push_str("; ");
        text.push_str(remedy);
    }
    // Without standard error there is nobody left to tell; the exit status remains.
    drop(writeln!(io::stderr(), "cgflux: {text}"));
    exit
}
