//! Builds the kernel objects and lays them ready for `agent/build.rs`.
//!
//! The only place that knows how Rust becomes BPF. Whether there is anything to do is cargo's
//! decision.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

use crate::{
    command,
    compiler::{self, Compiler},
    failure::Failure,
    linker,
    session::Session,
    setup, versions,
};

/// The objects, named as the programs in `agent-ebpf/Cargo.toml`.
const OBJECTS: [&str; 3] = ["cgrp-storage", "hash", "floor"];

const TARGET: &str = "bpfel-unknown-none";

/// Builds what is out of date.
pub(crate) fn build(session: &Session) -> Result<()> {
    let compiler = compiler::find(&session.person).map_err(|complaints| {
        Failure::Unavailable(format!("missing: {}", setup::no_compiler(&complaints)))
    })?;
    let linker = linker::ensure(session)?;
    compile(session, &compiler, &linker)?;
    for object in OBJECTS {
        lay_ready(session, object)?;
    }
    Ok(())
}

fn compile(session: &Session, compiler: &Compiler, linker: &Path) -> Result<()> {
    let linker = linker.display();
    let flags = [
        format!("-Clinker={linker}"),
        "-Clink-arg=--btf".to_owned(),
        "-Cdebuginfo=2".to_owned(),
        format!("-Ctarget-cpu={}", versions::BPF_CPU),
    ];
    let mut cargo = compiler::on_its_own(session.person.command(&compiler.cargo));
    cargo
        .args(["build", "--release", "--package", "agent-ebpf", "--bins"])
        .args(["--target", TARGET, "-Zbuild-std=core", "--target-dir"])
        .arg(session.tree.kernel_build())
        .current_dir(session.tree.root())
        .env("RUSTC", &compiler.rustc)
        // A stable compiler then takes the two options above; to a nightly it means nothing.
        .env("RUSTC_BOOTSTRAP", "1")
        // Encoded, since a path may have spaces. It also keeps the person's own RUSTFLAGS, which
        // are meant for their processor, out.
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        // The release profile of the workspace is for the agent.
        .env("CARGO_PROFILE_RELEASE_PANIC", "abort")
        .env("CARGO_PROFILE_RELEASE_LTO", "true")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "2");
    let label = format!("kernel objects, by {}", compiler.name);
    command::run_hidden(&session.output, &label, &mut cargo)
}

/// Copies only what changed, or the agent would be built again each time.
fn lay_ready(session: &Session, object: &str) -> Result<()> {
    let built = session
        .tree
        .kernel_build()
        .join(TARGET)
        .join("release")
        .join(object);
    let ready = session.tree.kernel_objects().join(format!("{object}.o"));
    let content = fs::read(&built).with_context(|| format!("cannot read {}", built.display()))?;
    if fs::read(&ready).is_ok_and(|before| before == content) {
        return Ok(());
    }
    let written =
        fs::create_dir_all(session.tree.kernel_objects()).and_then(|()| fs::write(&ready, content));
    written.with_context(|| format!("cannot write {}", ready.display()))
}
