//! The agent as its unit runs it: a user without rights, but for some capabilities.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Output},
};

use caps::Capability;
use serde_json::Value as Json;

use crate::harness::{Home, unprivileged::started};

/// A command of the program in a home that is open to that user.
pub(crate) fn command(home: &Home, verb: &str) -> Command {
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let mut command = home.command(verb);
    command.env("STATE_DIRECTORY", home.path());
    command
}

/// It measures on the spot, as that user with these capabilities, by what it is to measure by.
#[track_caller]
pub(crate) fn measures(capabilities: &[Capability], by: &str) {
    let home = Home::new();
    let mut command = command(&home, "stat");
    command.args(["--once", "--format", "json"]);
    let output = run(command, capabilities);
    let said = String::from_utf8_lossy(&output.stderr);
    println!("{}", said.trim());
    assert!(output.status.success() && said.contains(by), "{said}");
    let batch: Json = serde_json::from_slice(&output.stdout).unwrap();
    let entries = batch["containers"].as_array().into_iter().flatten();
    let counted = entries.filter(|entry| entry["cpu"]["usage_ns"].is_u64());
    assert!(counted.count() > 0, "{batch}");
}

/// Runs a command as that user with these capabilities and no other.
#[track_caller]
pub(crate) fn run(command: Command, capabilities: &[Capability]) -> Output {
    started(command, capabilities, |it| it.output().unwrap())
}
