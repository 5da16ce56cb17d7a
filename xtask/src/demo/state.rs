//! What runs, as the supervisor last saw it: a file that is written by it alone and read by everybody.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::process::Process;

/// The whole file.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct State {
    pub(super) phase: Phase,
    pub(super) supervisor: Process,
    /// The `cgflux` that runs.
    pub(super) agent: PathBuf,
    pub(super) services: Vec<ServiceState>,
}

/// How far the whole is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Phase {
    /// Not everything has been healthy yet.
    Starting,
    Up,
    Stopping,
}

/// One service.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct ServiceState {
    pub(super) name: String,
    pub(super) command: String,
    pub(super) pid: Option<u32>,
    pub(super) state: RunState,
    pub(super) health: Health,
    pub(super) ports: Vec<String>,
    /// In percent of one CPU, over the last second.
    pub(super) cpu_percent: Option<f64>,
    pub(super) memory_bytes: Option<u64>,
    pub(super) restarts: u32,
    /// Since its last start.
    pub(super) uptime_s: Option<u64>,
    /// How it last ended, or why it was last not healthy.
    pub(super) last_error: Option<String>,
}

/// Whether its process is there.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RunState {
    /// For what it needs.
    Waiting,
    Running,
    /// It died, and will be started again.
    Restarting,
    Stopped,
}

/// What its probe says.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Health {
    /// It has not answered since its start.
    Starting,
    Healthy,
    /// It has answered, and does no longer.
    Unhealthy,
    /// There is nobody to ask.
    None,
}

/// What a reader of the file learns.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Found {
    /// Nothing runs.
    Nothing,
    /// The supervisor runs, and this is what it says.
    Live(State),
    /// The supervisor was killed, or the machine started anew: nobody looks after what this says.
    Stale(State),
}

/// Reads the file.
pub(super) fn read(path: &Path) -> Result<Found> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        text => text.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let state: State = serde_json::from_slice(&text).with_context(|| {
        format!(
            "{} is of another version: `cargo xtask demo down` takes it away",
            path.display()
        )
    })?;
    Ok(if state.supervisor.is_alive() {
        Found::Live(state)
    } else {
        Found::Stale(state)
    })
}

impl State {
    /// Writes the file so that a reader sees either the old one or this.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let new = path.with_extension("new");
        let write = || {
            fs::write(&new, serde_json::to_vec_pretty(self)?)?;
            fs::rename(&new, path)
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn service(name: &str) -> ServiceState {
        ServiceState {
            name: name.to_owned(),
            command: format!("{name} --listen x"),
            pid: Some(7),
            state: RunState::Running,
            health: Health::Healthy,
            ports: vec!["127.0.0.1:1".to_owned()],
            cpu_percent: Some(12.34),
            memory_bytes: Some(3 << 20),
            restarts: 0,
            uptime_s: Some(65),
            last_error: None,
        }
    }

    fn state(supervisor: Process) -> State {
        State {
            phase: Phase::Up,
            supervisor,
            agent: "/a/cgflux".into(),
            services: vec![service("web")],
        }
    }

    #[test]
    fn what_is_written_is_read_as_long_as_its_writer_lives() {
        let folder = std::env::temp_dir().join(format!("cgflux-state-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("state.json");
        assert_eq!(read(&path).unwrap(), Found::Nothing);

        let live = state(Process::of(std::process::id()).unwrap());
        live.write(&path).unwrap();
        assert_eq!(read(&path).unwrap(), Found::Live(live));

        let mut child = std::process::Command::new("true").spawn().unwrap();
        let gone = Process::of(child.id()).unwrap();
        child.wait().unwrap();
        let stale = state(gone);
        stale.write(&path).unwrap();
        assert_eq!(read(&path).unwrap(), Found::Stale(stale));

        fs::write(&path, "{\"phase\":").unwrap();
        assert!(read(&path).is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
