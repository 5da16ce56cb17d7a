//! A real InfluxDB for a machine: outside of it, on a free port, with its data below `target/vm`.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::{Child, Stdio},
};

use anyhow::{Context as _, Result};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{command, failure::Failure, session::Session};

const PROGRAM: &str = "influxd";

/// No machine takes longer, tried twice; it ends then even if nobody is left to end it.
const LONGEST_SECONDS: &str = "2400";

/// Ended when dropped, and its data removed.
#[derive(Debug)]
pub(super) struct Database {
    process: Child,
    folder: PathBuf,
    /// Where it listens on 127.0.0.1.
    pub(super) port: u16,
}

impl Database {
    /// Starts one that is empty. Whether it answers is for the machine to find out, which starts more slowly.
    pub(super) fn start(session: &Session) -> Result<Self> {
        if command::find_program(PROGRAM).is_none() {
            let missing = format!("there is no {PROGRAM} (package influxdb)");
            return Err(Failure::Unavailable(missing).into());
        }
        let folder = session.tree.vm().join("influxdb");
        if folder.exists() {
            fs::remove_dir_all(&folder).context("cannot remove the last database")?;
        }
        fs::create_dir_all(&folder).context("cannot make the database's folder")?;
        let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let (http, other) = (free()?, free()?);
        let (port, backup) = (http.local_addr()?.port(), other.local_addr()?.port());
        session.reclaim_target()?;
        let mut influxd = session.person.command("timeout");
        influxd
            .args([LONGEST_SECONDS, PROGRAM, "run", "-config", "/dev/null"])
            .env("INFLUXDB_REPORTING_DISABLED", "true")
            .env("INFLUXDB_MONITOR_STORE_ENABLED", "false")
            .env("INFLUXDB_BIND_ADDRESS", format!("127.0.0.1:{backup}"))
            .env("INFLUXDB_HTTP_BIND_ADDRESS", format!("127.0.0.1:{port}"))
            .env("INFLUXDB_META_DIR", "meta")
            .env("INFLUXDB_DATA_DIR", "data")
            .env("INFLUXDB_DATA_WAL_DIR", "wal")
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(folder.join("log"))?);
        drop((http, other));
        session.output.command(&influxd);
        let process = influxd
            .spawn()
            .with_context(|| command::cannot_run(&influxd))?;
        Ok(Self {
            process,
            folder,
            port,
        })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // timeout(1) passes it on.
        let pid = self.process.id().try_into().map(Pid::from_raw);
        if pid.is_ok_and(|pid| kill(pid, Signal::SIGTERM).is_ok()) {
            drop(self.process.wait());
        }
        drop(fs::remove_dir_all(&self.folder));
    }
}
