//! Who may look, and that nobody keeps another from it: tokens and roles, TLS, sockets, a proxy, slow and idle crowds. While
//! each is tried another client scrapes `/metrics`, and every answer it gets is a good one.

mod accounts;
mod crowds;
mod dialling;
mod proxy;
mod scraper;
mod tls;

use nix::sys::signal::Signal;

use super::PATIENCE;
use crate::harness::{AgentProcess, Home, eventually};

/// Numbers from files: the programs have no part in this, and the start is a matter of a second.
const FILES: [&str; 2] = ["--source", "files"];

/// What the log says after a reload that went well.
const RELOADED: &str = "the configuration is read again";

/// `cgflux auth add`: a new line in the file, and the token.
#[track_caller]
fn add(home: &Home, name: &str, role: &str) -> String {
    let file = home.path().join("auth");
    let mut command = home.command("auth add");
    command.args([name, "--role", role, "--file"]).arg(file);
    let done = command.output().unwrap();
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// What `/metrics` says of `series`, zero where it says nothing.
#[track_caller]
fn counted(agent: &AgentProcess, series: &str) -> f64 {
    let metrics = agent.metrics();
    let line = metrics.lines().find(|line| line.starts_with(series));
    let value = line.and_then(|line| line.rsplit(' ').next());
    value.map_or(0.0, |value| value.parse().unwrap())
}

/// Sends SIGHUP and waits for what the log then says.
#[track_caller]
fn reload(agent: &AgentProcess, said: &str) {
    let before = agent.log().matches(said).count();
    agent.signal(Signal::SIGHUP);
    eventually(PATIENCE, RELOADED, || {
        let log = agent.log();
        (log.matches(said).count() > before)
            .then_some(())
            .ok_or(log)
    });
}
