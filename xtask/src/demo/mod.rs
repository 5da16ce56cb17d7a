//! `cargo xtask demo`: a counter with its Redis, the collector, and a database, as one thing to start, look at and end.
//!
//! Nothing here is in a container of its own: each service has a cgroup, which is what the collector counts. The
//! supervisor runs them as root; `ps` and `logs` only read files below `target/run/demo`.

mod backoff;
pub(crate) mod cli;
mod ground;
mod launch;
mod logs;
mod places;
mod ports;
mod process;
mod running;
mod services;
mod start;
mod state;
mod supervisor;
mod table;

use std::{
    ffi::OsString,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Result;
use nix::sys::signal::Signal;
use serde_json::json;

use crate::{
    build, elevate, guard,
    output::show,
    session::Session,
    setup::{self, Purpose},
};
use cli::{DemoTask, DemoVerb, Manner};
use ground::Ground;
use places::{Places, RUNTIME};
use process::Process;
use state::Found;

/// How long the supervisor may take to end: each service has fifteen seconds.
const DOWN_DEADLINE: Duration = Duration::from_secs(75);

/// Does what a person asks.
pub(crate) fn run(session: &Session, verb: Option<DemoVerb>) -> Result<u8> {
    let places = Places::of(&session.tree);
    match verb {
        None => up(session, &places, Manner::Story),
        Some(DemoVerb::Up { detach: false }) => up(session, &places, Manner::Logs),
        Some(DemoVerb::Up { detach: true }) => up(session, &places, Manner::Detached),
        Some(DemoVerb::Ps { json }) => ps(session, &places, json),
        Some(DemoVerb::Logs {
            service,
            follow,
            tail,
        }) => logs::print(&places, service.as_deref(), follow, tail).map(|()| 0),
        Some(DemoVerb::Load { arguments }) => {
            let mut task: Vec<OsString> = ["load", "--"].map(Into::into).to_vec();
            task.extend(arguments);
            as_root(session, task)
        }
        Some(DemoVerb::Down) => down(session, &places),
    }
}

/// Does its part as root.
pub(crate) fn run_task(session: &Session, task: DemoTask) -> Result<u8> {
    match task {
        DemoTask::Start(task) => start::start(session, &task),
        DemoTask::Supervise(task) => supervisor::supervise(session, task),
        DemoTask::Launch(task) => launch::launch(&task),
        DemoTask::Load { arguments } => start::make_load(session, &arguments),
        DemoTask::Down => end(session),
    }
}

fn as_root(session: &Session, task: Vec<OsString>) -> Result<u8> {
    let mut whole: Vec<OsString> = vec!["demo".into()];
    whole.extend(task);
    let mut elevated = elevate::as_root(session, whole)?;
    let status = guard::run_elevated(&mut elevated, |_| Ok(()))?;
    Ok(guard::exit_code(status))
}

fn up(session: &Session, places: &Places, manner: Manner) -> Result<u8> {
    if let Ok(Found::Live(state)) = state::read(&places.state()) {
        session.output.note(
            "The demo is up already: `cargo xtask demo load` makes load on it, `cargo xtask demo down` ends it.",
        );
        show(table::table(&state.services).trim_end());
        return Ok(0);
    }
    setup::ensure(session, Purpose::Demo)?;
    let agent = build::run(session, true)?;
    let manner = match manner {
        Manner::Detached => "detached",
        Manner::Logs => "logs",
        Manner::Story => "story",
    };
    let mut task: Vec<OsString> = ["start", "--manner", manner, "--agent"]
        .map(Into::into)
        .to_vec();
    task.push(agent.into());
    as_root(session, task)
}

fn ps(session: &Session, places: &Places, as_json: bool) -> Result<u8> {
    let (state, phase, code) = match state::read(&places.state())? {
        Found::Live(state) => (Some(state), "", 0),
        Found::Nothing => (None, "down", 0),
        Found::Stale(_) => (None, "stale", 1),
    };
    match (&state, as_json) {
        (Some(state), false) => show(table::table(&state.services).trim_end()),
        (Some(state), true) => show(&serde_json::to_string_pretty(state)?),
        (None, true) => show(&json!({ "phase": phase, "services": [] }).to_string()),
        (None, false) => session.output.note(match code {
            0 => "The demo is not up: `cargo xtask demo up -d` starts it.",
            _ => {
                "The demo's supervisor was killed, or the machine started anew: nothing of it is \
                 looked after.\n`cargo xtask demo down` clears away what is left."
            }
        }),
    }
    Ok(code)
}

fn down(session: &Session, places: &Places) -> Result<u8> {
    if !places.state().exists() && !Path::new(RUNTIME).exists() {
        session.output.note("The demo is not up.");
        return Ok(0);
    }
    as_root(session, vec!["down".into()])
}

/// Ends the supervisor, which ends all else, and clears away what none has cleared.
fn end(session: &Session) -> Result<u8> {
    let places = Places::of(&session.tree);
    // What cannot be read is cleared away like what nobody looks after.
    if let Ok(Found::Live(state)) = state::read(&places.state()) {
        let waiting = session.output.waiting("stopping the demo");
        for (signal, deadline) in [
            (Signal::SIGTERM, DOWN_DEADLINE),
            (Signal::SIGKILL, Duration::from_secs(5)),
        ] {
            if !state.supervisor.is_alive() {
                break;
            }
            process::send(signal, state.supervisor.pid)?;
            wait_for(&state.supervisor, deadline);
        }
        waiting.done();
    }
    Ground::take(&places, &session.output)?.release()?;
    session.output.note("The demo is down.");
    Ok(0)
}

fn wait_for(process: &Process, deadline: Duration) {
    let since = Instant::now();
    while process.is_alive() && since.elapsed() < deadline {
        ground::pause();
    }
}
