//! Becomes root for one command: this program again, under sudo where it is not root already.

use std::{
    env,
    ffi::OsStr,
    io::{self, IsTerminal as _},
    process::Command,
};

use anyhow::Result;

use crate::{command, failure::Failure, person::Person, session::Session};

/// Environment that goes through sudo: what the agent and the tests are told by, and nothing else.
const KEPT_PREFIXES: [&str; 7] = [
    "CGFLUX_",
    "INFLUX_",
    "DOCKER_",
    "NODE_NAME",
    "NO_COLOR",
    "RUST_BACKTRACE",
    "RUST_LOG",
];

/// Environment that apt reads.
const KEPT_FOR_APT: [&str; 6] = [
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "APT_CONFIG",
];

/// This program as root, at its hidden verb `as-root`; `task` is what comes after it.
pub(crate) fn as_root<S: AsRef<OsStr>>(
    session: &Session,
    task: impl IntoIterator<Item = S>,
) -> Result<Command> {
    let mut elevated = if Person::is_root_now() {
        Command::new(&session.xtask)
    } else {
        let mut sudo = sudo()?;
        sudo.arg(&session.xtask);
        sudo
    };
    elevated.args(["as-root"]);
    if session.output.is_verbose() {
        elevated.arg("--verbose");
    }
    if !session.output.is_watched() {
        elevated.arg("--plain");
    }
    elevated.args(task);
    Ok(elevated)
}

/// Sudo ready to take a program: with somebody to ask for a password, or without need of one.
fn sudo() -> Result<Command> {
    let no_way = |why: &str| Failure::NeedsRoot(why.to_owned());
    if command::find_program("sudo").is_none() {
        return Err(no_way("run it as root, or install sudo").into());
    }
    let mut sudo = Command::new("sudo");
    if !io::stdin().is_terminal() {
        if command::read(Command::new("sudo").args(["-n", "true"])).is_none() {
            return Err(no_way("sudo wants a password and there is no terminal").into());
        }
        sudo.arg("-n");
    }
    let kept: Vec<_> = env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| is_kept(name))
        .collect();
    if !kept.is_empty() {
        sudo.arg(format!("--preserve-env={}", kept.join(",")));
    }
    sudo.arg("--");
    Ok(sudo)
}

fn is_kept(name: &str) -> bool {
    KEPT_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || KEPT_FOR_APT.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_the_agent_go_through_sudo_and_the_rest_stays_out() {
        assert!(is_kept("CGFLUX_HOST"));
        assert!(is_kept("RUST_LOG"));
        assert!(!is_kept("LD_PRELOAD"));
        assert!(!is_kept("PATH"));
    }
}
