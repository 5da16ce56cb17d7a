//! Programs that a Go compiles for the tests, once: below `target/tools`, a folder a version.
//!
//! What a build leaves behind, but for the program, is removed: gigabytes of some.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::{command, golang::Go, session::Session};

/// One that is compiled here.
pub(crate) struct GoTool {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// What is said before.
    pub(crate) step: &'static str,
    /// Makes the program with this Go, in a folder that is removed afterwards.
    pub(crate) compile: fn(&Session, &Go, &Path) -> Result<()>,
}

impl GoTool {
    /// Has the program lie where the tests look for it. Without it its tests skip themselves, so nothing is lost but they.
    pub(crate) fn offer(&self, session: &Session) {
        if let Err(error) = self.ensure(session) {
            let Self { name, version, .. } = self;
            session
                .output
                .warn(&format!("no {name} {version} to test with: {error:#}"));
        }
    }

    fn ensure(&self, session: &Session) -> Result<()> {
        let folder = format!("{}-{}", self.name, self.version);
        let folder = session.tree.tools().join(folder);
        let program = folder.join("bin").join(self.name);
        if self.is_there(session, &program) {
            return Ok(());
        }
        session.output.step(self.step);
        let build = folder.join("build");
        fs::create_dir_all(&build).context("cannot make the build folder")?;
        session.reclaim_target()?;
        let built =
            Go::working_in(&build, session).and_then(|go| (self.compile)(session, &go, &program));
        // Half a build is of no use to the next attempt's fresh one.
        fs::remove_dir_all(&build).context("cannot remove the build folder")?;
        built?;
        anyhow::ensure!(self.is_there(session, &program), "it does not run here");
        Ok(())
    }

    fn is_there(&self, session: &Session, program: &Path) -> bool {
        let said = command::read(session.person.command(program).arg("version"));
        said.is_some_and(|said| said.contains(&format!("v{}", self.version)))
    }
}

/// Where Go has laid a module: `go install` refuses one whose module file replaces or excludes others, so that such a one
/// is built there.
pub(crate) fn module(session: &Session, go: &Go, from: &Path, name: &str) -> Result<PathBuf> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Module {
        dir: PathBuf,
    }
    let mut download = go.command(session);
    download
        .args(["mod", "download", "-json", name])
        .current_dir(from);
    session.output.command(&download);
    let said = command::read(&mut download).with_context(|| format!("Go cannot fetch {name}"))?;
    let module: Module = serde_json::from_str(&said).context("Go does not say where it is")?;
    Ok(module.dir)
}
