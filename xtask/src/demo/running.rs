//! One service as the supervisor sees it: its process, its health, what it uses, when it is started again.

use std::{
    fs::OpenOptions,
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    process::{Child, ExitStatus},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use nix::sys::signal::Signal;

use super::{
    backoff::Backoff,
    launch,
    places::Places,
    process::{Usage, send},
    services::{Probe, Service},
    state::{Health, RunState, ServiceState},
};
use crate::{ask, session::Session};

/// Between two probes of a service that is healthy.
const PROBE_PAUSE: Duration = Duration::from_secs(2);

/// So many probes must fail on end before a service that was healthy is not.
const FAILURES: u32 = 3;

const PROBE_PATIENCE: Duration = Duration::from_secs(1);

/// Over how long the use of CPU is taken.
const SAMPLE: Duration = Duration::from_secs(1);

/// No log gets longer: it is begun anew.
const LONGEST_LOG_BYTES: u64 = 16 << 20;

/// A service, running or not.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) service: &'static Service,
    child: Option<Child>,
    command: String,
    pub(super) health: Health,
    pub(super) last_error: Option<String>,
    starts: u32,
    started: Instant,
    next_start: Instant,
    next_probe: Instant,
    failed_probes: u32,
    backoff: Backoff,
    sampled: Option<(Instant, Usage)>,
    cpu_percent: Option<f64>,
    memory_bytes: Option<u64>,
}

impl Running {
    pub(super) fn new(service: &'static Service, now: Instant) -> Self {
        Self {
            service,
            child: None,
            command: service.program_name().to_owned(),
            health: Health::None,
            last_error: None,
            starts: 0,
            started: now,
            next_start: now,
            next_probe: now,
            failed_probes: 0,
            backoff: Backoff::default(),
            sampled: None,
            cpu_percent: None,
            memory_bytes: None,
        }
    }

    /// Whether it is to be started as soon as what it needs is healthy.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.child.is_none() && now >= self.next_start
    }

    /// How long ago it was started, while it runs.
    pub(super) fn uptime(&self, now: Instant) -> Option<Duration> {
        let is_running = self.child.is_some();
        is_running.then(|| now.duration_since(self.started))
    }

    pub(super) fn start(
        &mut self,
        session: &Session,
        places: &Places,
        agent: &Path,
        now: Instant,
    ) -> Result<()> {
        let is_first = self.starts == 0;
        let mut launcher = launch::service(session, places, agent, self.service, is_first)?;
        let log = places.log(self.service.name);
        let log = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        launcher.stdout(log.try_clone()?).stderr(log);
        let child = launcher
            .spawn()
            .with_context(|| format!("cannot start {}", self.service.name))?;
        self.command = self.words(session, places, is_first);
        self.child = Some(child);
        self.health = Health::Starting;
        self.starts += 1;
        self.started = now;
        self.next_probe = now;
        self.failed_probes = 0;
        self.sampled = None;
        Ok(())
    }

    fn words(&self, session: &Session, places: &Places, is_first: bool) -> String {
        // Paths of the tree are told as from within it.
        let root = format!("{}/", session.tree.root().display());
        let arguments = self
            .service
            .arguments(&places.data(self.service.name), is_first);
        let quoted = arguments.into_iter().map(|word| {
            if word.is_empty() {
                "''".to_owned()
            } else {
                word.replace(&root, "")
            }
        });
        std::iter::once(self.service.program_name().to_owned())
            .chain(quoted)
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// How it ended, if it just has.
    pub(super) fn ended(&mut self, now: Instant) -> Result<Option<ExitStatus>> {
        let Some(child) = &mut self.child else {
            return Ok(None);
        };
        let status = child.try_wait().context("cannot wait for a service")?;
        if let Some(status) = status {
            self.child = None;
            self.health = Health::None;
            self.cpu_percent = None;
            let ran = now.duration_since(self.started);
            self.wait_after(format!("ended ({status})"), ran, now);
        }
        Ok(status)
    }

    /// Puts its next start off after it ran for so long; why is told.
    pub(super) fn wait_after(&mut self, error: String, ran: Duration, now: Instant) {
        self.last_error = Some(error);
        self.next_start = now + self.backoff.after_running(ran);
    }

    /// Asks it, where it is time.
    pub(super) fn probe(&mut self, now: Instant) {
        if self.child.is_none() || now < self.next_probe {
            return;
        }
        let answer = ask_service(self.service.probe);
        let is_healthy = answer.is_ok();
        self.failed_probes = if is_healthy {
            0
        } else {
            self.failed_probes + 1
        };
        match answer {
            Ok(()) if self.health == Health::Unhealthy => self.last_error = None,
            Ok(()) => {}
            // Before its first answer that is what starting looks like.
            Err(_) if self.health == Health::Starting => {}
            Err(error) => self.last_error = Some(why_silent(&error)),
        }
        self.health = judge(self.health, self.failed_probes);
        if self.health == Health::Healthy && is_healthy {
            self.next_probe = now + PROBE_PAUSE;
        }
    }

    /// What it uses, and its log within bounds.
    pub(super) fn look(&mut self, places: &Places, now: Instant) {
        let usage = self.pid().and_then(Usage::of);
        self.memory_bytes = usage.map(|usage| usage.memory_bytes);
        match (&self.sampled, usage) {
            (Some((then, before)), Some(usage)) => {
                let elapsed = now.duration_since(*then);
                if elapsed >= SAMPLE {
                    self.cpu_percent = usage.cpu_percent(before, elapsed);
                    self.sampled = Some((now, usage));
                }
            }
            (_, usage) => self.sampled = usage.map(|usage| (now, usage)),
        }
        let log = OpenOptions::new()
            .write(true)
            .open(places.log(self.service.name));
        if let Ok(log) = log
            && log.metadata().is_ok_and(|it| it.len() > LONGEST_LOG_BYTES)
        {
            // Whoever writes does so at its end.
            drop(log.set_len(0));
        }
    }

    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        // It is ours and not waited for yet, so the number is still its own.
        self.pid().map_or(Ok(()), |pid| send(signal, pid))
    }

    /// Whether it has been stopped; to be asked until it has.
    pub(super) fn has_stopped(&mut self) -> bool {
        let Some(child) = &mut self.child else {
            return true;
        };
        // Where nobody can say how it ended, it is nobody's child any more.
        if !matches!(child.try_wait(), Ok(None)) {
            self.child = None;
            self.health = Health::None;
        }
        self.child.is_none()
    }

    fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    pub(super) fn state(&self, is_stopping: bool, now: Instant) -> ServiceState {
        let state = match &self.child {
            Some(_) => RunState::Running,
            None if is_stopping => RunState::Stopped,
            None if self.starts > 0 => RunState::Restarting,
            None => RunState::Waiting,
        };
        ServiceState {
            name: self.service.name.to_owned(),
            command: self.command.clone(),
            pid: self.pid(),
            state,
            health: self.health,
            ports: self
                .service
                .ports
                .iter()
                .map(|port| format!("127.0.0.1:{port}"))
                .collect(),
            cpu_percent: self.cpu_percent,
            memory_bytes: self.memory_bytes,
            restarts: self.starts.saturating_sub(1),
            uptime_s: self.uptime(now).map(|uptime| uptime.as_secs()),
            last_error: self.last_error.clone(),
        }
    }
}

/// What a service is after a probe, with so many failed on end.
fn judge(before: Health, failed_probes: u32) -> Health {
    match before {
        _ if failed_probes == 0 => Health::Healthy,
        Health::Healthy if failed_probes >= FAILURES => Health::Unhealthy,
        before => before,
    }
}

fn why_silent(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "does not answer in time".to_owned(),
        _ => format!("does not answer: {error}"),
    }
}

fn ask_service(probe: Probe) -> io::Result<()> {
    let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    match probe {
        Probe::Http(port, path) => ask::tcp(at(port), path).map(drop),
        Probe::Redis(port) => {
            let mut stream = TcpStream::connect_timeout(&at(port), PROBE_PATIENCE)?;
            stream.set_read_timeout(Some(PROBE_PATIENCE))?;
            stream.write_all(b"PING\r\n")?;
            let mut answer = [0; 7];
            stream.read_exact(&mut answer)?;
            if answer == *b"+PONG\r\n" {
                return Ok(());
            }
            Err(io::Error::other("it does not say PONG"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_probe_that_fails_makes_nobody_unhealthy_and_one_that_goes_well_heals() {
        assert_eq!(judge(Health::Starting, 99), Health::Starting);
        assert_eq!(judge(Health::Starting, 0), Health::Healthy);
        assert_eq!(judge(Health::Healthy, 2), Health::Healthy);
        assert_eq!(judge(Health::Healthy, 3), Health::Unhealthy);
        assert_eq!(judge(Health::Unhealthy, 4), Health::Unhealthy);
        assert_eq!(judge(Health::Unhealthy, 0), Health::Healthy);
    }
}
