//! `cargo xtask check`: everything that can be said of the code without running it.
//!
//! Each step runs even if one before it failed, so that one call shows all there is to mend.

use std::process::Command;

use anyhow::{Result, bail};

use crate::{
    build_ebpf, cargo, command,
    session::Session,
    setup::{self, Purpose},
};

/// Runs all steps and fails if one did.
pub(crate) fn run(session: &Session) -> Result<()> {
    setup::ensure(session, Purpose::Build)?;
    session.output.step("Kernel objects");
    build_ebpf::build(session)?;

    let mut failed = Vec::new();
    for (name, mut command) in steps(session) {
        session.output.step(name);
        if command::run(&session.output, &mut command).is_err() {
            failed.push(name);
        }
    }
    if failed.is_empty() {
        session.output.note("All is well.");
        return Ok(());
    }
    bail!("to mend: {}", failed.join(", "))
}

fn steps(session: &Session) -> [(&'static str, Command); 5] {
    let cargo = |arguments: &[&str]| cargo::cargo(session, arguments);
    let format = cargo(&["fmt", "--all", "--check"]);
    let host = cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]);
    // Kernel code is gated by target. This cfg widens the gate, so that the host's clippy, which
    // is the only one there is, reads it too.
    let mut kernel = cargo(&["clippy", "--package", "agent-ebpf", "--lib", "--bins"]);
    kernel
        .arg("--target-dir")
        .arg(session.tree.kernel_lint())
        .args(["--", "-D", "warnings"]);
    kernel.env("RUSTFLAGS", "--cfg lint_kernel");
    let mut docs = cargo(&["doc", "--no-deps", "--workspace"]);
    docs.env("RUSTDOCFLAGS", "-D warnings");
    let tidy = cargo(&["test", "--package", "xtask", "--quiet", "tidy::"]);
    [
        ("Formatting", format),
        ("Lints of host code", host),
        ("Lints of kernel code", kernel),
        ("Docs", docs),
        ("Rules of the house", tidy),
    ]
}
