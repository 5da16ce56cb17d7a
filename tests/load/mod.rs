//! The load generator on the real counter: what it sends is what the counter counts, and how it ends is what a script
//! needs to know.

mod command_line;
mod counted;

use std::{
    process::{Command, Output, Stdio},
    time::Duration,
};

use serde_json::Value;

/// How long something may take that takes a second or so on an idle machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// `cgflux load` with these arguments, without a variable of ours.
fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cgflux"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CGFLUX_") {
            command.env_remove(name);
        }
    }
    command.arg("load").args(arguments).stdin(Stdio::null());
    command
}

/// Runs it to its end, which must have this status.
#[track_caller]
fn run(arguments: &[&str], status: i32) -> Output {
    let output = command(arguments).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {told}");
    output
}

/// Runs it well, and reads its JSON.
#[track_caller]
fn summary(arguments: &[&str]) -> Value {
    let arguments = [arguments, &["--json", "-q"]].concat();
    serde_json::from_slice(&run(&arguments, 0).stdout).unwrap()
}
