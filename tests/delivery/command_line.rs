//! What a person is told on the command line, and what a script sees: messages and exit statuses.

use std::{
    net::TcpListener,
    process::{Command, Output, Stdio},
};

use super::PATIENCE;
use crate::harness::{Home, eventually};

#[test]
fn a_configuration_that_does_not_hold_is_status_78_and_names_setting_and_place() {
    let home = Home::with("[collect]\nintervall = \"1s\"\n\n[http]\nlisten = \"0.0.0.0:1\"\n");
    for verb in ["run", "config check", "config show"] {
        let told = refused(&mut home.command(verb), 78);
        for part in [
            "collect.intervall (",
            "cgflux.toml:2): ",
            "did you mean `collect.interval`?",
            "http.listen (",
            "cgflux.toml:5): ",
            "http.auth_file",
        ] {
            assert!(told.contains(part), "{verb}: {part:?} in {told}");
        }
    }
    let home = Home::new();
    let mut command = home.command("run");
    let told = refused(command.env("CGFLUX_COLLECT__INTERVAL", "soon"), 78);
    let named = "collect.interval (variable CGFLUX_COLLECT__INTERVAL): ";
    assert!(told.contains(named), "{told}");
    let told = refused(home.command("run").args(["--slots", "3"]), 78);
    let named = "collect.slots (flag --slots): is 3; allowed are 64 to 65536";
    assert!(told.contains(named), "{told}");
}

#[test]
fn a_command_line_that_is_none_is_status_2_and_gets_a_hint() {
    let home = Home::new();
    let told = refused(home.command("run").arg("--intervall"), 2);
    assert!(told.contains("'--interval'"), "{told}");
    let told = refused(&mut home.command("runn"), 2);
    assert!(told.contains("'run'"), "{told}");
    let told = refused(&mut Command::new(env!("CARGO_BIN_EXE_cgflux")), 2);
    assert!(told.contains("Usage: cgflux"), "{told}");
}

#[test]
fn a_second_agent_in_one_state_folder_is_told_who_holds_it() {
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let mut second = home.command("run");
    let told = refused(second.args(["--listen", "127.0.0.1:0"]), 1);
    for part in [
        &format!("process {}", agent.pid()),
        home.path().join("state").to_str().unwrap(),
        "--state-dir",
    ] {
        assert!(told.contains(part), "{part:?} in {told}");
    }
    assert_eq!(told.lines().count(), 1, "{told}");
    // The first one goes on.
    agent.next_batch();
}

#[test]
fn a_port_in_use_is_named_with_the_way_out() {
    let home = Home::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let told = refused(home.command("run").args(["--listen", &address]), 1);
    for part in [address.as_str(), "--listen", "Address already in use"] {
        assert!(told.contains(part), "{part:?} in {told}");
    }
}

#[test]
fn the_settings_that_hold_are_printed_with_their_origins_and_what_they_will_write() {
    let home = Home::with("[collect]\nfile_interval = \"20s\"\n[tags]\nrack = \"r1\"\n");
    let mut command = home.command("config check");
    command.args(["--influx", "http://127.0.0.1:1", "--containers", "200"]);
    let output = ended(command.env("CGFLUX_HOST", "node-7"));
    assert_eq!(output.status.code(), Some(0));
    let printed = String::from_utf8(output.stdout).unwrap();
    let origin_of = |setting: &str| {
        let line = printed.lines().find(|line| line.starts_with(setting));
        let line = line.unwrap_or_else(|| panic!("no {setting} in {printed}"));
        line.split_once("# ").unwrap().1.to_owned()
    };
    let file = home.path().join("cgflux.toml").display().to_string();
    for (setting, origin) in [
        ("interval = \"1s\"", "default"),
        ("file_interval = \"20s\"", &format!("{file}:2")),
        ("rack = \"r1\"", &format!("{file}:4")),
        ("name = \"node-7\"", "variable CGFLUX_HOST"),
        ("url = \"http://127.0.0.1:1\"", "flag --influx"),
    ] {
        assert_eq!(origin_of(setting), origin, "{setting}");
    }
    let estimate = printed.lines().last().unwrap();
    assert!(
        printed.contains("With 200 containers and the host: "),
        "{printed}"
    );
    for part in ["Sink influxdb: ", " lines/s, ", " a day"] {
        assert!(estimate.contains(part), "{part:?} in {estimate}");
    }
}

/// Runs a command that must end badly with this status and print nothing but complaints; returns these.
#[track_caller]
fn refused(command: &mut Command, status: i32) -> String {
    let output = ended(command);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{command:?}: {told}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "", "{command:?}");
    told
}

/// Runs a command to its end, which must come.
#[track_caller]
pub(super) fn ended(command: &mut Command) -> Output {
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // What it prints fits into a pipe.
    eventually(PATIENCE, "the command ends", || {
        child.try_wait().unwrap().ok_or("it runs")
    });
    child.wait_with_output().unwrap()
}
