//! Programs of other Debians to test with, unpacked below `target/tools` and never installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use super::Apt;
use crate::{command, session::Session};

/// cAdvisor 0.38.7, of the last release that has the package.
pub(crate) const CADVISOR: Tool = Tool {
    package: "cadvisor",
    release: "bullseye",
    program: "usr/bin/cadvisor",
    version: "--version",
};

/// Docker Compose 2: Debian 12 has 1.
pub(crate) const COMPOSE: Tool = Tool {
    package: "docker-compose",
    release: "trixie",
    program: "usr/libexec/docker/cli-plugins/docker-compose",
    version: "version",
};

/// kustomize, which Debian 12 has not.
pub(crate) const KUSTOMIZE: Tool = Tool {
    package: "kustomize",
    release: "trixie",
    program: "usr/bin/kustomize",
    version: "version",
};

/// A program of a package that this machine's release does not have.
pub(crate) struct Tool {
    package: &'static str,
    release: &'static str,
    /// Where the package has it.
    program: &'static str,
    /// What has it tell its version.
    version: &'static str,
}

impl Tool {
    /// Has the program lie where the tests look for it. Without it they skip themselves.
    pub(crate) fn offer(&self, session: &Session) {
        if let Err(error) = self.ensure(session) {
            let warning = format!("no {} to test with: {error:#}", self.package);
            session.output.warn(&warning);
        }
    }

    /// The program, fetched now if it must be.
    pub(crate) fn ensure(&self, session: &Session) -> Result<PathBuf> {
        let folder = format!("{}-{}", self.package, self.release);
        let folder = session.tree.tools().join(folder);
        let program = folder.join(self.program);
        if self.runs(&program) {
            return Ok(program);
        }
        let Self {
            package, release, ..
        } = self;
        session
            .output
            .step(&format!("{package} of Debian {release}, to test with"));
        session.reclaim_target()?;
        let machine = command::read(Command::new("dpkg").arg("--print-architecture"));
        let machine = machine.context("this system has no dpkg")?;
        let apt = Apt::with_fresh_lists(session, machine.trim(), &[release])?;
        let unpacked = apt.unpack(package)?;
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(session.tree.tools())?;
        fs::rename(unpacked, &folder).context("cannot lay it ready")?;
        ensure!(self.runs(&program), "it does not run here");
        Ok(program)
    }

    fn runs(&self, program: &Path) -> bool {
        command::read(Command::new(program).arg(self.version)).is_some()
    }
}
