//! cAdvisor beside the agent: the same workload, after it, looked at once a second.
//!
//! Debian's build ships to no InfluxDB, and nobody scrapes it here: what it costs to hand its figures on is not in
//! what is measured.

use std::{env, net::SocketAddr, path::Path, process::Command, time::Duration};

use anyhow::Context as _;
use nix::unistd::Pid;

use super::{http, process::Process, waiting::Waiting};

/// It looks at each container before it answers.
const PATIENCE: Duration = Duration::from_mins(3);

/// One that runs. Ended when dropped.
#[derive(Debug)]
pub(crate) struct CAdvisor {
    process: Process,
    address: SocketAddr,
}

impl CAdvisor {
    /// Starts one that logs into `folder`, and waits until it answers.
    pub(crate) fn start(
        program: &Path,
        folder: &Path,
        docker_only: bool,
        waiting: &Waiting,
    ) -> anyhow::Result<Self> {
        let [port] = http::free_ports()?;
        let address = ([127, 0, 0, 1], port).into();
        let mut command = Command::new(program);
        command.args(["-listen_ip=127.0.0.1", "-housekeeping_interval=1s"]);
        command.arg(format!("-port={port}"));
        if let Ok(docker) = env::var("DOCKER_HOST") {
            command.arg(format!("-docker={docker}"));
        }
        if docker_only {
            command.arg("-docker_only");
        }
        let mut cadvisor = Self {
            process: Process::start(&mut command, folder.join("cadvisor.log"))?,
            address,
        };
        waiting.until("an answer of cAdvisor", PATIENCE, || {
            cadvisor.process.said().context("cAdvisor")?;
            Ok(http::get(address, "/healthz").ok())
        })?;
        Ok(cadvisor)
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> Pid {
        self.process.pid()
    }

    /// How many containers it shows that have `mark` in their labels.
    pub(crate) fn seen(&self, mark: &str) -> anyhow::Result<u64> {
        let metrics = http::get(self.address, "/metrics").context("cannot ask cAdvisor")?;
        let seen = metrics.lines().filter(|line| {
            line.starts_with("container_start_time_seconds{") && line.contains(mark)
        });
        Ok(seen.count() as u64)
    }
}
