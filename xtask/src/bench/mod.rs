//! `cargo xtask bench`: a benchmark of the agent, optimized and as root.

mod baseline;
#[path = "../../../agent/examples/bench_daemon/options.rs"]
pub(crate) mod daemon;
#[path = "../../../agent/examples/shared/flags.rs"]
mod flags;
#[path = "../../../agent/examples/bench_load/options.rs"]
pub(crate) mod load;
#[path = "../../../agent/examples/bench_sink/options.rs"]
pub(crate) mod sink;
#[path = "../../../agent/examples/bench_web/options.rs"]
pub(crate) mod web;

use std::{ffi::OsString, path::PathBuf};

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::{
    archive, build_ebpf, cargo, cli::Benchmark, elevate, guard, session::Session, setup,
    setup::Purpose,
};

/// Builds, runs and gives the benchmark's exit code.
pub(crate) fn run(session: &Session, benchmark: Benchmark) -> Result<u8> {
    match benchmark {
        Benchmark::Packet(passed) => run_alone(session, "bench_packet", passed.arguments),
        Benchmark::Request(passed) => run_alone(session, "bench_request", passed.arguments),
        Benchmark::Switch(passed) => run_alone(session, "bench_switch", passed.arguments),
        Benchmark::Snapshot(passed) => run_alone(session, "bench_snapshot", passed.arguments),
        Benchmark::Daemon(options) => run_daemon(session, &options),
        Benchmark::Sink(options) => run_sink(session, &options),
        Benchmark::Web(options) => run_web(session, &options),
        Benchmark::Load(options) => run_load(session, &options),
    }
}

/// One that needs nothing but itself.
fn run_alone(session: &Session, example: &str, arguments: Vec<OsString>) -> Result<u8> {
    let [program] = build(session, Purpose::Build, [example])?;
    let mut task: Vec<OsString> = vec!["exec".into(), "--".into(), program.into()];
    task.extend(arguments);
    run_as_root(session, task)
}

fn run_daemon(session: &Session, options: &daemon::Options) -> Result<u8> {
    let [program, agent] = build(session, Purpose::Tests, ["bench_daemon", "cgflux"])?;
    let mut task = task(session, &["--docker"], program, options);
    task.extend(["--agent".into(), agent.into()]);
    if !options.no_cadvisor {
        match archive::CADVISOR.ensure(session) {
            Ok(cadvisor) => task.extend(["--cadvisor".into(), cadvisor.into()]),
            Err(error) => session
                .output
                .warn(&format!("no cAdvisor to compare with: {error:#}")),
        }
    }
    session.output.step("Benchmark");
    run_as_root(session, task)
}

/// Delivery by itself, then the whole agent with as many containers.
fn run_sink(session: &Session, options: &sink::Options) -> Result<u8> {
    let [program] = build(session, Purpose::Tests, ["bench_sink"])?;
    let task = task(session, &[], program, options);
    session.output.step("Benchmark");
    let code = run_as_root(session, task)?;
    if code != 0 || options.no_agent {
        return Ok(code);
    }
    let daemon = daemon::Options {
        containers: Vec::new(),
        cgroups: vec![options.containers],
        ship_every: vec![1],
        warm_up: 20,
        seconds: 40,
        rounds: 0,
        round_seconds: 0,
        network: "none".to_owned(),
        no_cadvisor: true,
        no_spool: true,
    };
    run_daemon(session, &daemon)
}

fn run_web(session: &Session, options: &web::Options) -> Result<u8> {
    let [program, agent] = build(session, Purpose::Benchmarks, ["bench_web", "cgflux"])?;
    let baseline = baseline::ensure(session)?;
    let mut task = task(session, &[], program, options);
    task.extend(["--agent".into(), agent.into()]);
    task.extend(["--baseline".into(), baseline.into()]);
    session.output.step("Benchmark");
    run_as_root(session, task)
}

fn run_load(session: &Session, options: &load::Options) -> Result<u8> {
    let [program, agent] = build(session, Purpose::Benchmarks, ["bench_load", "cgflux"])?;
    let mut task = task(session, &[], program, options);
    task.extend(["--agent".into(), agent.into()]);
    session.output.step("Benchmark");
    run_as_root(session, task)
}

/// What root is to do: a benchmark with these options, its data and logs where those of all runs are.
fn task(
    session: &Session,
    needs: &[&str],
    program: PathBuf,
    options: &impl Serialize,
) -> Vec<OsString> {
    let mut task: Vec<OsString> = vec!["exec".into()];
    task.extend(needs.iter().map(OsString::from));
    task.extend(["--".into(), program.into()]);
    task.extend(flags::of(options));
    task.extend(["--folder".into(), session.tree.run().into()]);
    task
}

/// The optimized executables of these targets, built where need be.
fn build<const N: usize>(
    session: &Session,
    purpose: Purpose,
    targets: [&str; N],
) -> Result<[PathBuf; N]> {
    setup::ensure(session, purpose)?;
    session.output.step("Kernel objects");
    build_ebpf::build(session)?;
    session.output.step("Benchmark, built as it is released");
    let mut arguments = vec!["build", "--profile", "dist", "--package", "cgflux"];
    for target in targets {
        let kind = if target.starts_with("bench_") {
            "--example"
        } else {
            "--bin"
        };
        arguments.extend([kind, target]);
    }
    let built = cargo::build(session, &arguments)?;
    let path = |target: &str| {
        let built = built.iter().find(|executable| executable.target == target);
        built.map(|executable| executable.path.clone())
    };
    let paths: Vec<PathBuf> = targets.iter().filter_map(|target| path(target)).collect();
    let paths: Result<[PathBuf; N], _> = paths.try_into();
    paths.ok().context("cargo built no benchmark")
}

fn run_as_root(session: &Session, task: Vec<OsString>) -> Result<u8> {
    let mut elevated = elevate::as_root(session, task)?;
    let status = guard::run_elevated(&mut elevated, |_| Ok(()))?;
    Ok(guard::exit_code(status))
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use clap::{Args, Parser};

    use super::*;

    #[derive(Parser)]
    struct Line<O: Args> {
        #[command(flatten)]
        options: O,
    }

    fn read<O: Args>(given: Vec<OsString>) -> O {
        let name = OsString::from("bench");
        Line::parse_from([name].into_iter().chain(given)).options
    }

    #[track_caller]
    fn say_the_same<O: Args + Debug + PartialEq + Serialize>(given: &str) {
        let given = given.split_whitespace().map(OsString::from).collect();
        for options in [read::<O>(Vec::new()), read(given)] {
            assert_eq!(read::<O>(flags::of(&options)), options);
        }
    }

    #[test]
    fn flags_handed_on_say_the_same() {
        say_the_same::<daemon::Options>(
            "--containers=20 --cgroups=1000 --cgroups=10000 --ship-every=5 --warm-up=1 --seconds=2 --rounds=0 \
             --round-seconds=3 --network=host --no-cadvisor --no-spool",
        );
        say_the_same::<load::Options>(
            "--rounds=2 --seconds=5 --connections=8 --rate=9 --rate=10 --foreign=1.5 --patience=1",
        );
        say_the_same::<sink::Options>("--containers=5 --seconds=2 --rounds=1 --no-agent");
        say_the_same::<web::Options>(
            "--rounds=2 --seconds=5 --connections=8 --connections=1 --foreign=2 --patience=1",
        );
    }
}
