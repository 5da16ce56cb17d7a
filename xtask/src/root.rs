//! `cargo xtask as-root`, hidden: the part of other verbs that needs root.
//!
//! Started by them, under sudo where need be. It gives back what root left in `target/`.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::{
    ask,
    cli::{Exec, RootTask},
    demo, guard, guest, install,
    services::Docker,
    session::Session,
    vm,
    wave::Wave,
};

/// How often the agent is asked whether it sees a container.
const WAVE_PAUSE: Duration = Duration::from_millis(500);

/// An agent that has not answered by then gets no wave.
const WAVE_DEADLINE: Duration = Duration::from_mins(1);

/// Does the task and gives its exit code.
pub(crate) fn run(session: &Session, task: RootTask) -> Result<u8> {
    match task {
        RootTask::Install { refresh, packages } => {
            install::install(&session.output, refresh, &packages).map(|()| 0)
        }
        RootTask::Guest { release } => guest::make(session, release).map(|()| 0),
        RootTask::Debian => vm::make_debian(session).map(|()| 0),
        RootTask::Exec(exec) => run_exec(session, &exec),
        RootTask::Demo { task } => demo::run_task(session, task),
    }
}

fn run_exec(session: &Session, exec: &Exec) -> Result<u8> {
    fs::create_dir_all(session.tree.run()).context("cannot make target/run")?;
    let (program, arguments) = exec.program.split_first().context("no program named")?;
    let mut command = Command::new(program);
    command.args(arguments);
    if let Some(folder) = &exec.directory {
        command.current_dir(folder);
    }
    let docker = exec.docker.then(|| docker(session, &mut command)).flatten();
    let mut watch = exec.wave.map(|agent| WaveWatch::new(agent, &session.xtask));

    session.output.command(&command);
    let status = guard::run_guarded(&mut command, WAVE_PAUSE, || {
        if let Some(watch) = &mut watch {
            watch.look(session);
        }
    });
    drop(watch);
    if let Some(docker) = docker {
        docker.stop(&session.output)?;
    }
    Ok(guard::exit_code(status?))
}

/// Without Docker the tests that need it say so themselves and are counted as skipped.
fn docker(session: &Session, command: &mut Command) -> Option<Docker> {
    match Docker::ensure(&session.output, &session.tree) {
        Ok(docker) => {
            command.env("DOCKER_HOST", docker.host());
            Some(docker)
        }
        Err(error) => {
            session
                .output
                .warn(&format!("no Docker to test with: {error:#}"));
            None
        }
    }
}

/// Starts the wave once the agent says that it sees no container.
#[derive(Debug)]
struct WaveWatch<'a> {
    agent: SocketAddr,
    xtask: &'a Path,
    since: Instant,
    decided: bool,
    wave: Option<Wave>,
}

impl<'a> WaveWatch<'a> {
    fn new(agent: SocketAddr, xtask: &'a Path) -> Self {
        Self {
            agent,
            xtask,
            since: Instant::now(),
            decided: false,
            wave: None,
        }
    }

    fn look(&mut self, session: &Session) {
        if self.decided {
            return;
        }
        if let Ok(answer) = ask::tcp(self.agent, "/api/v1/containers") {
            match sees_a_container(&answer) {
                Ok(Some(true)) => self.decided = true,
                Ok(Some(false)) => self.start(session),
                Ok(None) => {}
                Err(error) => self.give_up(session, &format!("the agent's answer: {error}")),
            }
        } else if self.since.elapsed() > WAVE_DEADLINE {
            self.give_up(session, "the agent does not answer");
        }
    }

    fn start(&mut self, session: &Session) {
        match Wave::start(self.xtask) {
            Ok(wave) => {
                self.decided = true;
                self.wave = Some(wave);
                session.output.note(
                    "No container runs here: the cgroup `cgflux-wave` shows a varying load \
                     until this command ends.",
                );
            }
            Err(error) => self.give_up(session, &format!("{error:#}")),
        }
    }

    fn give_up(&mut self, session: &Session, why: &str) {
        self.decided = true;
        session.output.warn(&format!("no varying load: {why}"));
    }
}

/// The part of the agent's answer that matters here.
#[derive(Deserialize)]
struct Containers {
    containers: Vec<Container>,
}

#[derive(Deserialize)]
struct Container {
    kind: String,
}

/// `None` before the agent has looked round.
fn sees_a_container(answer: &str) -> serde_json::Result<Option<bool>> {
    let Containers { containers } = serde_json::from_str(answer)?;
    let seen = !containers.is_empty();
    Ok(seen.then(|| {
        containers
            .iter()
            .any(|container| container.kind == "container")
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_container_counts_as_one() {
        let host = r#"{"containers":[{"name":"h","kind":"host","cpu":1}]}"#;
        let both = r#"{"containers":[{"name":"h","kind":"host"},{"name":"c","kind":"container"}]}"#;
        assert_eq!(sees_a_container(host).unwrap(), Some(false));
        assert_eq!(sees_a_container(both).unwrap(), Some(true));
        assert_eq!(sees_a_container(r#"{"containers":[]}"#).unwrap(), None);
        assert!(sees_a_container("<html>").is_err());
    }
}
