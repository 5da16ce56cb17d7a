//! Looks after the services: starts each when what it needs is healthy, starts again what died, ends all in the end.
//!
//! A process of its own session, so that it outlives the shell. Services end with it, however it ends.

use std::{
    path::PathBuf,
    process,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use nix::{
    sys::{prctl, signal::Signal},
    unistd::setsid,
};

use super::{
    cli::Supervise,
    ground::{Ground, LOOK},
    logs,
    places::Places,
    ports,
    process::Process,
    running::Running,
    services::SERVICES,
    state::{Health, Phase, State},
};
use crate::{guard::Wishes, session::Session};

const TICK: Duration = Duration::from_millis(100);

/// How often what is used is written down.
const WRITE_PAUSE: Duration = Duration::from_secs(1);

/// How long a service may take to be ready, on a busy machine.
const START_DEADLINE: Duration = Duration::from_mins(1);

/// How long it may take to end; the counter has ten seconds for what is under way.
const STOP_DEADLINE: Duration = Duration::from_secs(15);

/// Until a wish to stop comes.
pub(super) fn supervise(session: &Session, task: Supervise) -> Result<u8> {
    setsid().context("cannot leave the session of the shell")?;
    if task.bound {
        prctl::set_pdeathsig(Signal::SIGTERM).context("cannot be tied to whoever started this")?;
    }
    let wishes = Wishes::listen()?;
    let places = Places::of(&session.tree);
    let ground = Ground::take(&places, &session.output)?;
    let served = serve(session, &places, &ground, task.agent, &wishes);
    // What went wrong first is what is told.
    let released = ground.release();
    served.and(released).map(|()| 0)
}

fn serve(
    session: &Session,
    places: &Places,
    ground: &Ground,
    agent: PathBuf,
    wishes: &Wishes,
) -> Result<()> {
    for service in &SERVICES {
        ports::ensure_free(service)?;
    }
    ground.prepare(session.person.unprivileged())?;
    let now = Instant::now();
    let mut stack = Stack {
        session,
        places,
        supervisor: Process::of(process::id()).context("cannot read about itself in /proc")?,
        agent,
        phase: Phase::Starting,
        services: SERVICES
            .iter()
            .map(|service| Running::new(service, now))
            .collect(),
        written: None,
    };
    let ran = stack.run(wishes);
    let load_ended = ground.end_load();
    let stopped = stack.stop(wishes);
    ran.and(load_ended).and(stopped)
}

struct Stack<'a> {
    session: &'a Session,
    places: &'a Places,
    supervisor: Process,
    agent: PathBuf,
    phase: Phase,
    services: Vec<Running>,
    written: Option<(Instant, State)>,
}

impl Stack<'_> {
    /// Until a wish to stop comes, or the start fails.
    fn run(&mut self, wishes: &Wishes) -> Result<()> {
        loop {
            for at in 0..self.services.len() {
                self.tend(at)?;
            }
            if self.phase == Phase::Starting && self.services.iter().all(is_healthy) {
                self.phase = Phase::Up;
                self.session.output.note("up");
            }
            self.write()?;
            if wishes.within(TICK) {
                return Ok(());
            }
        }
    }

    fn tend(&mut self, at: usize) -> Result<()> {
        let now = Instant::now();
        let needed = self.services[at].service.after;
        let is_there = |name: &&str| {
            let mut services = self.services.iter();
            services.any(|it| it.service.name == *name && is_healthy(it))
        };
        let may_start = self.phase != Phase::Starting || needed.iter().all(is_there);
        let running = &mut self.services[at];
        let name = running.service.name;
        if let Some(status) = running.ended(now)? {
            if self.phase == Phase::Starting {
                let said = logs::last_lines(&self.places.log(name), 5);
                bail!("{name} ended ({status}) before it was ready; it said last:\n{said}");
            }
            let output = &self.session.output;
            output.warn(&format!("{name} ended ({status}) and is started again"));
        }
        if running.is_due(now) && may_start {
            let started = running.start(self.session, self.places, &self.agent, now);
            if self.phase == Phase::Starting {
                started?;
            } else if let Err(error) = started {
                let error = format!("does not start: {error:#}");
                running.wait_after(error, Duration::ZERO, now);
            }
        }
        running.probe(now);
        if self.phase == Phase::Starting
            && !is_healthy(running)
            && running.uptime(now).is_some_and(|it| it > START_DEADLINE)
        {
            let said = logs::last_lines(&self.places.log(name), 5);
            bail!("{name} was not ready within {START_DEADLINE:?}; it said last:\n{said}");
        }
        running.look(self.places, now);
        Ok(())
    }

    /// Writes the state: at once what changed, what is used once a second.
    fn write(&mut self) -> Result<()> {
        let now = Instant::now();
        let state = self.state(now);
        let is_fresh = self.written.as_ref().is_some_and(|(then, before)| {
            now.duration_since(*then) < WRITE_PAUSE && !has_changed(before, &state)
        });
        if !is_fresh {
            state.write(&self.places.state())?;
            self.written = Some((now, state));
        }
        Ok(())
    }

    fn state(&self, now: Instant) -> State {
        let is_stopping = self.phase == Phase::Stopping;
        State {
            phase: self.phase,
            supervisor: self.supervisor.clone(),
            agent: self.agent.clone(),
            services: self
                .services
                .iter()
                .map(|it| it.state(is_stopping, now))
                .collect(),
        }
    }

    /// Ends them, each before what it needs. A further wish ends them at once.
    fn stop(&mut self, wishes: &Wishes) -> Result<()> {
        self.phase = Phase::Stopping;
        for at in (0..self.services.len()).rev() {
            self.write()?;
            let running = &mut self.services[at];
            running.signal(Signal::SIGTERM)?;
            let since = Instant::now();
            while !running.has_stopped() {
                if wishes.within(LOOK) || since.elapsed() > STOP_DEADLINE {
                    let name = running.service.name;
                    let output = &self.session.output;
                    output.warn(&format!("{name} does not end and is killed"));
                    running.signal(Signal::SIGKILL)?;
                }
            }
        }
        self.session.output.note("stopped");
        Ok(())
    }
}

fn is_healthy(running: &Running) -> bool {
    running.health == Health::Healthy
}

/// Whether more has changed than what is used.
fn has_changed(before: &State, now: &State) -> bool {
    let pairs = before.services.iter().zip(&now.services);
    before.phase != now.phase
        || pairs.into_iter().any(|(before, now)| {
            (before.pid, before.state, before.health) != (now.pid, now.state, now.health)
        })
}
