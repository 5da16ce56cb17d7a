//! `cargo xtask bench`: a benchmark of the agent, optimized and as root.

use std::ffi::OsString;

use anyhow::{Context as _, Result};

use crate::{
    build_ebpf, cargo,
    cli::Benchmark,
    elevate, guard,
    session::Session,
    setup::{self, Purpose},
};

/// Builds, runs and gives the benchmark's exit code.
pub(crate) fn run(session: &Session, benchmark: Benchmark, arguments: &[OsString]) -> Result<u8> {
    let example = match benchmark {
        Benchmark::Packet => "bench_packet",
        Benchmark::Request => "bench_request",
        Benchmark::Switch => "bench_switch",
        Benchmark::Snapshot => "bench_snapshot",
    };
    setup::ensure(session, Purpose::Build)?;
    session.output.step("Kernel objects");
    build_ebpf::build(session)?;
    session.output.step("Benchmark");
    let built = cargo::build(
        session,
        &[
            "build",
            "--release",
            "--package",
            "cgflux",
            "--example",
            example,
        ],
    )?;
    let built = built
        .into_iter()
        .find(|executable| executable.target == example);
    let program = built.context("cargo built no benchmark")?.path;
    let mut task: Vec<OsString> = vec!["exec".into(), "--".into(), program.into()];
    task.extend_from_slice(arguments);
    let mut elevated = elevate::as_root(session, task)?;
    let status = guard::run_elevated(&mut elevated, |_| Ok(()))?;
    Ok(guard::exit_code(status))
}
