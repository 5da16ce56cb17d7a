//! `cargo xtask build`: the kernel objects, then the agent with them inside.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::{
    build_ebpf, cargo, image,
    session::Session,
    setup::{self, Purpose},
};

/// Builds the agent and gives its path.
pub(crate) fn run(session: &Session, release: bool) -> Result<PathBuf> {
    setup::ensure(session, Purpose::Build)?;
    session.output.step("Kernel objects");
    build_ebpf::build(session)?;
    session.output.step("Agent");
    let mut arguments = vec!["build", "--package", "cgflux", "--bin", "cgflux"];
    arguments.extend(release.then_some("--release"));
    let built = cargo::build(session, &arguments)?;
    let agent = built
        .into_iter()
        .find(|executable| executable.target == "cgflux");
    agent
        .map(|agent| agent.path)
        .context("cargo built no agent")
}

/// Builds the agent as the program of its image, and says where it is.
pub(crate) fn run_static(session: &Session, release: bool) -> Result<()> {
    setup::ensure(session, Purpose::Build)?;
    session.output.step("Kernel objects");
    build_ebpf::build(session)?;
    session.output.step("Agent, as one static program");
    let program = image::build(session, release)?;
    session.output.note(&format!("It is {}", program.display()));
    Ok(())
}
