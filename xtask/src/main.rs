//! `cargo xtask`: the developer tool.
//!
//! The only place that knows compilers, packages and services. Each verb is a file of its name;
//! what they share is in the files named after it.

mod apt;
mod archive;
mod ask;
mod bench;
mod build;
mod build_ebpf;
mod cargo;
mod cgroup;
mod check;
mod cli;
mod command;
mod compiler;
mod containers;
mod dashboards;
mod demo;
mod dist;
mod elevate;
mod failure;
mod foreign;
mod golang;
mod gotool;
mod guard;
mod guest;
mod image;
mod influxd;
mod install;
mod libtest;
mod linker;
mod nodejs;
mod output;
mod packages;
mod person;
mod root;
mod run;
mod services;
mod session;
mod setup;
mod test;
#[cfg(test)]
mod tidy;
mod tree;
mod versions;
mod vm;
mod wave;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;

use crate::{
    cli::{Cli, Verb},
    failure::Failure,
    output::Output,
    session::Session,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::new(cli.verbose, cli.plain);
    match act(cli, output.clone()) {
        Ok(code) => code.into(),
        Err(error) => {
            let failure = error.downcast_ref::<Failure>();
            if !matches!(failure, Some(Failure::Reported(_))) {
                output.error(&format!("{error:#}"));
            }
            failure.map_or(1, Failure::code).into()
        }
    }
}

fn act(cli: Cli, output: Output) -> Result<u8> {
    let session = Session::open(output, cli.yes)?;
    let result = match cli.verb {
        Verb::Setup => setup::run(&session).map(|()| 0),
        Verb::Build {
            release,
            whole: false,
        } => build::run(&session, release).map(|_| 0),
        Verb::Build {
            release,
            whole: true,
        } => build::run_static(&session, release).map(|()| 0),
        Verb::Run { arguments } => run::run(&session, &arguments),
        Verb::Test { filter, full } => test::run(&session, filter.as_deref(), full),
        Verb::Vm(matrix) => vm::run(&session, &matrix),
        Verb::Dist(options) => dist::run(&session, &options).map(|()| 0),
        Verb::Check => check::run(&session).map(|()| 0),
        Verb::Dashboards(options) => dashboards::run(&session, &options).map(|()| 0),
        Verb::Bench { name } => bench::run(&session, name),
        Verb::AsRoot { task } => root::run(&session, task),
        Verb::Demo { verb } => demo::run(&session, verb),
        Verb::Wave => wave::load().map(|never| match never {}),
    };
    session.reclaim_target()?;
    result
}
