//! One run of a load generator: what it says, its CPU, that of the servers it loads, and that of everybody else.

use std::{
    fs::File,
    io::{Read as _, Seek as _},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use nix::{
    sys::resource::{UsageWho, getrusage},
    unistd::Pid,
};

use super::{machine, process, waiting::Waiting};

/// No run is asked to take longer.
const PATIENCE: Duration = Duration::from_mins(2);

/// A run that has ended well.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// Its standard output.
    pub(crate) said: String,
    /// Its CPU time, user and system.
    pub(crate) cpu: Duration,
    /// CPU time of each server meanwhile.
    pub(crate) servers: Vec<Duration>,
    /// CPUs that were busy for others.
    pub(crate) foreign: f64,
}

/// Runs it to its end against `servers`, each of which may be several processes.
pub(crate) fn run(
    command: &mut Command,
    servers: &[Vec<Pid>],
    waiting: &Waiting,
) -> anyhow::Result<Run> {
    let before = Reading::now(servers)?;
    let said = to_its_end(command, waiting)?;
    let after = Reading::now(servers)?;
    let spent = |after: Duration, before: Duration| after.saturating_sub(before);
    let own = spent(after.own, before.own);
    let cpu = spent(after.client, before.client);
    let servers: Vec<Duration> = after
        .servers
        .iter()
        .zip(&before.servers)
        .map(|(after, before)| spent(*after, *before))
        .collect();
    let ours = own + cpu + servers.iter().sum::<Duration>();
    let foreign = spent(after.machine, before.machine).saturating_sub(ours);
    let wall = after.at.duration_since(before.at);
    Ok(Run {
        said,
        cpu,
        servers,
        foreign: foreign.as_secs_f64() / wall.as_secs_f64(),
    })
}

/// Microseconds of it for each of so many requests.
pub(crate) fn per_request_us(time: Duration, requests: u64) -> f64 {
    time.as_secs_f64() * 1e6 / requests.max(1) as f64
}

/// What has been used up to a moment.
struct Reading {
    at: Instant,
    machine: Duration,
    own: Duration,
    /// All generators that have ended.
    client: Duration,
    servers: Vec<Duration>,
}

impl Reading {
    fn now(servers: &[Vec<Pid>]) -> anyhow::Result<Self> {
        let servers = servers.iter().map(|pids| cpu_of(pids));
        Ok(Self {
            servers: servers.collect::<anyhow::Result<_>>()?,
            own: used(UsageWho::RUSAGE_SELF)?,
            client: used(UsageWho::RUSAGE_CHILDREN)?,
            machine: machine::busy()?,
            at: Instant::now(),
        })
    }
}

fn cpu_of(pids: &[Pid]) -> anyhow::Result<Duration> {
    let each = pids
        .iter()
        .map(|pid| process::cpu_ns(*pid)?.with_context(|| format!("process {pid} has ended")));
    let sum_ns = each.sum::<anyhow::Result<u64>>()?;
    Ok(Duration::from_nanos(sum_ns))
}

fn used(whose: UsageWho) -> anyhow::Result<Duration> {
    let usage = getrusage(whose).context("cannot read CPU times")?;
    let sum = usage.user_time() + usage.system_time();
    let micros = sum.tv_sec() * 1_000_000 + sum.tv_usec();
    Ok(Duration::from_micros(u64::try_from(micros)?))
}

/// Its standard output, if it ends with code 0.
pub(crate) fn to_its_end(command: &mut Command, waiting: &Waiting) -> anyhow::Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    // Files, since a pipe that nobody reads is full some day.
    let (mut output, mut errors) = (tempfile::tempfile()?, tempfile::tempfile()?);
    command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(errors.try_clone()?);
    let child = process::tied(command)
        .spawn()
        .with_context(|| format!("cannot run {name}"))?;
    let status = Running(child).end(&name, waiting)?;
    let said = all_of(&mut output)?;
    ensure!(
        status.success(),
        "{name} ended with {status}:\n{said}{}",
        all_of(&mut errors)?
    );
    Ok(said)
}

fn all_of(file: &mut File) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Killed, should nobody wait for it any longer.
struct Running(Child);

impl Running {
    fn end(mut self, name: &str, waiting: &Waiting) -> anyhow::Result<ExitStatus> {
        waiting.until(&format!("the end of {name}"), PATIENCE, || {
            Ok(self.0.try_wait()?)
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // An error means that it has ended.
        if self.0.kill().is_ok() {
            drop(self.0.wait());
        }
    }
}
