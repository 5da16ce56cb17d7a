//! Cargo for the host: its commands and what they built.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::{command, session::Session};

/// An executable that cargo built or found fresh.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Executable {
    /// Name of the target: the package's library, a binary, a test.
    pub(crate) target: String,
    pub(crate) kind: String,
    /// Whether it is a test binary.
    pub(crate) is_test: bool,
    /// The folder of its package, in which cargo runs tests.
    pub(crate) package: PathBuf,
    pub(crate) path: PathBuf,
}

/// Cargo in the workspace, as the person, with whatever toolchain started xtask.
pub(crate) fn cargo(session: &Session, arguments: &[&str]) -> Command {
    let mut cargo = session.person.command(session.person.cargo());
    cargo.args(arguments).current_dir(session.tree.root());
    cargo
}

/// Builds, with cargo's own progress shown, and says what there is to run.
pub(crate) fn build(session: &Session, arguments: &[&str]) -> Result<Vec<Executable>> {
    build_with(session, arguments, &[])
}

/// The same with these variables set.
pub(crate) fn build_with(
    session: &Session,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Result<Vec<Executable>> {
    let mut cargo = cargo(session, arguments);
    cargo.envs(environment.iter().copied());
    build_by(session, cargo)
}

/// The same by this cargo, which has all its arguments.
pub(crate) fn build_by(session: &Session, mut cargo: Command) -> Result<Vec<Executable>> {
    session.output.command(&cargo);
    let mut child = cargo
        .arg("--message-format=json-render-diagnostics")
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| command::cannot_run(&cargo))?;
    let messages = child.stdout.take().context("cargo has no output")?;
    let mut executables = Vec::new();
    for line in BufReader::new(messages).lines() {
        executables.extend(executable(&line?));
    }
    let status = child.wait()?;
    if status.success() {
        return Ok(executables);
    }
    let verb = cargo.get_args().next().unwrap_or_default();
    bail!("`cargo {}` failed ({status})", verb.to_string_lossy())
}

/// The part of cargo's messages that matters here.
#[derive(Deserialize)]
struct Message {
    manifest_path: PathBuf,
    target: Target,
    profile: Profile,
    executable: PathBuf,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// `None` for messages about anything but an executable.
fn executable(line: &str) -> Option<Executable> {
    let message: Message = serde_json::from_str(line).ok()?;
    Some(Executable {
        target: message.target.name,
        kind: message.target.kind.into_iter().next().unwrap_or_default(),
        is_test: message.profile.test,
        package: message.manifest_path.parent()?.to_owned(),
        path: message.executable,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_executable_is_read_from_cargos_message() {
        let line = r#"{"reason":"compiler-artifact","package_id":"path+file:///w/agent#cgflux@0.1.0",
            "manifest_path":"/w/agent/Cargo.toml","target":{"kind":["test"],"crate_types":["bin"],
            "name":"system","src_path":"/w/tests/main.rs"},"profile":{"opt_level":"0","test":true},
            "filenames":[],"executable":"/w/target/debug/deps/system-1","fresh":false}"#;
        let expected = Executable {
            target: "system".to_owned(),
            kind: "test".to_owned(),
            is_test: true,
            package: "/w/agent".into(),
            path: "/w/target/debug/deps/system-1".into(),
        };
        assert_eq!(executable(line), Some(expected));
    }

    #[test]
    fn other_messages_are_passed_over() {
        assert_eq!(
            executable(r#"{"reason":"build-finished","success":true}"#),
            None
        );
        let library = r#"{"reason":"compiler-artifact","manifest_path":"/w/Cargo.toml",
            "target":{"kind":["lib"],"name":"x"},"profile":{"test":false},"executable":null}"#;
        assert_eq!(executable(library), None);
    }
}
