//! Starts the supervisor and tells what it does, until all is up or somebody wishes that it ends. Runs as root.

use std::{
    ffi::OsString,
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr},
    ops::ControlFlow,
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Child, Command},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

use super::{
    cli::{Manner, Start},
    launch,
    logs::{self, Logs},
    places::{POINTS, Places},
    services::{COUNTER, INFLUX, LOAD, PAGE},
    state::{self, Found, Health, Phase, State},
    table,
};
use crate::{ask, failure::Failure, guard, output::show, session::Session};

const PAUSE: Duration = Duration::from_millis(100);

/// The load of the story: a step that is seen on every chart.
const TWO_RATES: [&str; 2] = ["--stages", "10s@500,15s@4k"];

pub(super) fn start(session: &Session, start: &Start) -> Result<u8> {
    let places = Places::of(&session.tree);
    fs::create_dir_all(places.folder()).context("cannot make target/run/demo")?;
    if let Ok(Found::Live(_)) = state::read(&places.state()) {
        bail!("the demo is up already");
    }
    let log = places.log(logs::SUPERVISOR);
    let said = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;

    let mut supervisor = Command::new(&session.xtask);
    supervisor.args(["as-root", "--plain", "demo", "supervise", "--agent"]);
    supervisor.arg(&start.agent);
    if start.manner != Manner::Detached {
        supervisor.arg("--bound");
    }
    supervisor.stdout(said.try_clone()?).stderr(said);
    session.output.step("Demo");
    let mut watch = Watch::new(session, &places, start.manner);
    let mut failed = None;
    let status = guard::run_until(&mut supervisor, PAUSE, || match watch.look() {
        Ok(flow) => flow,
        Err(error) => {
            failed.get_or_insert(error);
            ControlFlow::Continue(())
        }
    })?;
    if let Some(error) = failed {
        session.output.warn(&format!("{error:#}"));
    }
    let Some(status) = status else {
        // Left running.
        return Ok(0);
    };
    watch.wait_for_load();
    if watch.is_up && status.success() {
        session.output.note("All of it has ended.");
        return Ok(0);
    }
    // By a signal where it had not even begun to listen for one.
    if status.success() || status.signal().is_some() {
        session
            .output
            .note("Stopped before it was up; nothing is left.");
        return Ok(1);
    }
    session.output.note(&logs::last_lines(&log, 20));
    Err(Failure::Reported(guard::exit_code(status)).into())
}

/// What has been told so far.
struct Watch<'a> {
    session: &'a Session,
    places: &'a Places,
    manner: Manner,
    since: Instant,
    before: Option<State>,
    is_up: bool,
    logs: Logs,
    load: Option<Child>,
}

impl<'a> Watch<'a> {
    fn new(session: &'a Session, places: &'a Places, manner: Manner) -> Self {
        Self {
            session,
            places,
            manner,
            since: Instant::now(),
            before: None,
            is_up: false,
            logs: Logs::new(places, None),
            load: None,
        }
    }

    fn look(&mut self) -> Result<ControlFlow<()>> {
        let Found::Live(state) = state::read(&self.places.state())? else {
            return Ok(ControlFlow::Continue(()));
        };
        self.tell_changes(&state);
        let has_come_up = !self.is_up && state.phase == Phase::Up;
        self.is_up |= has_come_up;
        match self.manner {
            Manner::Detached if has_come_up => {
                show(table::table(&state.services).trim_end());
                show(&addresses());
                show(
                    "\nIt runs on: `cargo xtask demo ps` shows it, `cargo xtask demo down` ends it.",
                );
                return Ok(ControlFlow::Break(()));
            }
            Manner::Logs => self.logs.show_new()?,
            Manner::Story if has_come_up => {
                count_to_ten(self.session)?;
                let mut load = load(self.session, &state.agent, &[])?;
                self.session.output.note("Two rates of load:");
                self.load = Some(load.spawn().context("cannot start the load")?);
            }
            _ => {}
        }
        if let Some(load) = &mut self.load
            && let Some(status) = load.try_wait()?
        {
            self.load = None;
            if !status.success() {
                self.session.output.warn(&format!("the load: {status}"));
            }
            if state.phase == Phase::Up {
                show(&format!("\n{}", table::table(&state.services)));
                show(&addresses());
                if status.success() {
                    show(&queries(&state.agent));
                }
                show("\nCtrl-C ends all of it.");
            }
        }
        self.before = Some(state);
        Ok(ControlFlow::Continue(()))
    }

    fn tell_changes(&self, state: &State) {
        let output = &self.session.output;
        let health = |name: &str| {
            let mut before = self.before.iter().flat_map(|state| &state.services);
            before.find(|it| it.name == name).map(|it| it.health)
        };
        for service in &state.services {
            let (name, now) = (&service.name, service.health);
            if health(name).unwrap_or(Health::None) == now {
                continue;
            }
            let after = format!("{:.1} s", self.since.elapsed().as_secs_f64());
            match (now, &service.last_error) {
                (Health::Healthy, _) => {
                    output.note(&format!("    {name}: {} ({after})", service.ports[0]));
                }
                (Health::Unhealthy | Health::None, Some(error)) if state.phase == Phase::Up => {
                    output.warn(&format!("{name} {error}"));
                }
                _ => {}
            }
        }
    }

    /// The supervisor has ended it; this waits until it has said its last.
    fn wait_for_load(&mut self) {
        if let Some(mut load) = self.load.take() {
            drop(load.wait());
        }
    }
}

/// The seed's loop with curl.
fn count_to_ten(session: &Session) -> Result<()> {
    let counter = COUNTER.trim_start_matches("http://").trim_end_matches('/');
    let counter: SocketAddr = counter
        .parse()
        .unwrap_or_else(|_| (Ipv4Addr::LOCALHOST, 48080).into());
    session.output.note(&format!(
        "Ten requests to {COUNTER}, as the seed made them with curl:"
    ));
    let mut replies = Vec::new();
    for _ in 0..10 {
        replies.push(ask::tcp(counter, "/").context("the counter does not answer")?);
    }
    show(&replies.join(" "));
    Ok(())
}

/// `cgflux load` against the counter, in its cgroup and with nobody's rights.
pub(super) fn load(session: &Session, agent: &Path, arguments: &[OsString]) -> Result<Command> {
    let mut all: Vec<OsString> = ["load", COUNTER, "--points"].map(Into::into).to_vec();
    all.push(format!("unix://{POINTS}").into());
    all.push("--state-dir".into());
    all.push(Places::of(&session.tree).data(LOAD).into());
    if arguments.is_empty() {
        all.extend(TWO_RATES.map(Into::into));
    }
    all.extend_from_slice(arguments);
    let account = session.person.unprivileged();
    launch::agent_command(session, agent, LOAD, Some(account), all)
}

/// Makes load until it ends; for somebody who asks while the demo is up.
pub(super) fn make_load(session: &Session, arguments: &[OsString]) -> Result<u8> {
    let places = Places::of(&session.tree);
    let found = state::read(&places.state())?;
    let agent = match &found {
        Found::Live(state) if state.phase == Phase::Up => Some(&state.agent),
        _ => None,
    };
    ensure!(
        agent.is_some(),
        "the demo is not up: `cargo xtask demo up -d` starts it"
    );
    let agent = agent.context("no agent")?;
    let status = guard::run_guarded(&mut load(session, agent, arguments)?, PAUSE, || {})?;
    Ok(guard::exit_code(status))
}

fn addresses() -> String {
    format!(
        "\nThe page:     {PAGE}\n\
         The counter:  for i in $(seq 0 9); do curl -s {COUNTER}; echo; done\n\
         The database: {INFLUX}, database cgflux"
    )
}

fn queries(agent: &Path) -> String {
    let agent = std::env::current_dir()
        .ok()
        .and_then(|here| agent.strip_prefix(here).ok())
        .unwrap_or(agent)
        .display();
    format!(
        "\nWhere the step is seen:\n  \
         {agent} query cpu /cgflux-demo/web --since 2m --every 1s --chart --influx {INFLUX}\n  \
         {agent} query 'SELECT mean(rate), max(p99_us) FROM load WHERE time > now() - 2m \
         GROUP BY time(5s) fill(none)' --influx {INFLUX}"
    )
}
