//! The Debian package, by cargo-deb; what it holds and does stands in `agent/Cargo.toml`, `[package.metadata.deb]`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::{program::Build, stage::Stage};
use crate::{command, session::Session, versions};

/// Makes it.
///
/// A package of the debug build is packed quickly, not well.
pub(super) fn make(
    session: &Session,
    stage: &Stage,
    packages: &Path,
    debug: bool,
) -> Result<PathBuf> {
    let tool = ensure(session)?;
    let machine = stage.build.machine();
    let architecture = match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let package = packages.join(format!("cgflux_{}-1_{architecture}.deb", stage.version));
    // It needs no library; see the variant.
    let target = format!("{machine}-unknown-linux-gnu");
    let foreign = match stage.build {
        Build::Foreign { .. } => &["--target", &target, "--variant", "static"][..],
        _ => &[],
    };
    let mut deb = session.person.command(&tool);
    deb.args(["--no-build", "--no-strip", "--package", "cgflux"])
        .args(["--deb-revision", "1", "--quiet", "--output"])
        .arg(&package)
        .args(debug.then_some("--fast"))
        .args(foreign)
        .env("SOURCE_DATE_EPOCH", stage.epoch.to_string())
        .env("CARGO", session.person.cargo())
        .current_dir(session.tree.root());
    command::run_hidden(&session.output, "cargo-deb", &mut deb)?;
    Ok(package)
}

/// cargo-deb, compiled once and kept.
fn ensure(session: &Session) -> Result<PathBuf> {
    let version = versions::CARGO_DEB;
    let folder = session.tree.tools().join(format!("cargo-deb-{version}"));
    let tool = folder.join("bin/cargo-deb");
    let said = command::read(session.person.command(&tool).arg("--version"));
    if said.is_some_and(|said| said.trim() == format!("cargo-deb {version}")) {
        return Ok(tool);
    }
    let mut install = session.person.command(session.person.cargo());
    install
        .args(["install", "cargo-deb", "--version", version, "--locked"])
        // xz by the system's program; no separate debug symbols.
        .args(["--no-default-features", "--force", "--root"])
        .arg(&folder)
        .arg("--target-dir")
        .arg(folder.join("build"))
        // It waits for xz most of the time: this halves the wait for it.
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .current_dir(session.tree.root());
    command::run_hidden(
        &session.output,
        &format!("cargo-deb {version}"),
        &mut install,
    )?;
    fs::remove_dir_all(folder.join("build")).context("cannot remove cargo-deb's build folder")?;
    Ok(tool)
}
