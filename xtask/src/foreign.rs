//! The agent for 64-bit ARM, built elsewhere: static, since that system's libraries are not here.
//!
//! Where the toolchain that started xtask has a standard library for it, that one builds. Else the compiler of the kernel
//! objects does, and the standard library with it, from its source. The kernel objects are the same for both: they are
//! BPF, and find their way by the kernel's type information.

use std::{ffi::OsStr, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;

use crate::{
    cargo, command,
    compiler::{self, Compiler},
    failure::Failure,
    session::Session,
    setup,
};

/// A processor that the agent is built for on machines with another.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Processor {
    /// 64-bit ARM.
    Aarch64,
}

/// What rustc calls it.
const TARGET: &str = "aarch64-unknown-linux-gnu";

impl Processor {
    /// As `uname -m` tells it.
    pub(crate) fn machine(self) -> &'static str {
        match self {
            Self::Aarch64 => "aarch64",
        }
    }

    /// One of the binutils or compilers that are for it.
    pub(crate) fn tool(self, name: &str) -> String {
        format!("{}-linux-gnu-{name}", self.machine())
    }
}

/// Builds it and gives its path, unoptimized or as it is packaged.
pub(crate) fn build(session: &Session, processor: Processor, debug: bool) -> Result<PathBuf> {
    let gcc = processor.tool("gcc");
    if command::find_program(&gcc).is_none() {
        let missing =
            format!("there is no {gcc} (packages gcc-aarch64-linux-gnu, libc6-dev-arm64-cross)");
        return Err(Failure::Unavailable(missing).into());
    }
    let mut cargo = if has_library(session) {
        cargo::cargo(session, &["build"])
    } else {
        let compiler = compiler::find(&session.person).map_err(|complaints| {
            Failure::Unavailable(format!("missing: {}", setup::no_compiler(&complaints)))
        })?;
        with_library_source(session, &compiler)
    };
    cargo
        .args(["--package", "cgflux", "--bin", "cgflux"])
        .args(["--no-default-features", "--target", TARGET])
        .args(
            (!debug)
                .then_some(["--profile", "dist"])
                .into_iter()
                .flatten(),
        )
        // Encoded, which keeps the person's own out; they are meant for their processor.
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static")
        // What is for debuggers is stripped wherever the program goes.
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", &gcc)
        .env("CC_aarch64_unknown_linux_gnu", &gcc);
    let built = cargo::build_by(session, cargo)?;
    let program = built.into_iter().find(|it| it.target == "cgflux");
    let program = program.context("cargo built no agent")?.path;
    let header = command::read(Command::new("readelf").arg("-h").arg(&program));
    let header = header.context("readelf cannot read the agent's header")?;
    let is_for_it = |line: &str| line.contains("Machine:") && line.contains("AArch64");
    ensure!(
        header.lines().any(is_for_it),
        "cargo built for another processor: {header}"
    );
    Ok(program)
}

/// Whether the toolchain that started xtask has the standard library for it.
fn has_library(session: &Session) -> bool {
    let rustc = std::env::var_os("RUSTC");
    let mut rustc = session
        .person
        .command(rustc.as_deref().unwrap_or(OsStr::new("rustc")));
    let folder = command::read(rustc.args(["--print", "target-libdir", "--target", TARGET]));
    folder.is_some_and(|folder| PathBuf::from(folder.trim()).is_dir())
}

/// Another compiler than the rest of the tree has, so it has a folder of its own.
fn with_library_source(session: &Session, compiler: &Compiler) -> Command {
    let mut cargo = compiler::on_its_own(session.person.command(&compiler.cargo));
    cargo
        .args(["build", "-Zbuild-std=std,panic_abort", "--target-dir"])
        .arg(session.tree.foreign_build())
        .current_dir(session.tree.root())
        .env("RUSTC", &compiler.rustc)
        // A stable compiler then takes the option above; to a nightly it means nothing.
        .env("RUSTC_BOOTSTRAP", "1");
    cargo
}
