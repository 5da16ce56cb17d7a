//! `check` and `stat` as programs: what they print, where, and how they end.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

/// Runs the program with a configuration that needs no privileges and meets no daemon.
fn cgflux(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    command(folder.path(), arguments).output().expect("started")
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let config = folder.join("cgflux.toml");
    let text = format!(
        "state_dir = \"{}\"\n[collect]\nsource = \"files\"\n[host]\nname = \"box\"\n[http]\nenabled = false\n",
        folder.display(),
    );
    fs::write(&config, text).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_cgflux"));
    command
        .arg("--config")
        .arg(config)
        .args(arguments)
        .stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// Whether there is no cgroup hierarchy to measure.
fn nothing_is_mounted() -> bool {
    cgflux(&["check"]).status.code() == Some(69)
}

#[test]
fn a_check_ends_as_it_says() {
    let output = cgflux(&["check", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let exit = report["exit"].as_i64();
    assert_eq!(output.status.code().map(i64::from), exit, "{report:#}");
    let sections: Vec<&str> = report["sections"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|section| section["name"].as_str())
        .collect();
    let expected = [
        "kernel",
        "privileges",
        "cgroups",
        "programs",
        "families",
        "metrics",
        "runtimes",
        "daemon",
        "sinks",
        "delivery",
    ];
    assert_eq!(sections, expected);
    let plain = text(&cgflux(&["check"]).stdout);
    assert!(!plain.contains('\u{1b}'), "colours only on a terminal");
    let coloured = text(&cgflux(&["check", "--color", "always"]).stdout);
    assert!(coloured.contains('\u{1b}'), "or when asked for");
}

#[test]
fn without_a_daemon_stat_measures_and_says_so() {
    if nothing_is_mounted() {
        println!("SKIP no cgroup hierarchy is mounted");
        return;
    }
    let arguments = ["stat", "--once", "--interval", "100ms", "--format"];
    for format in ["table", "json", "line"] {
        let output = cgflux(&[&arguments[..], &[format]].concat());
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{stderr}");
        assert!(stdout.contains("_host"), "{stdout}");
        assert!(
            stderr.starts_with("cgflux: measured here over 100ms from cgroup files"),
            "{stderr}"
        );
    }
}

#[test]
fn a_name_that_nobody_has_is_an_error_with_a_hint() {
    if nothing_is_mounted() {
        println!("SKIP no cgroup hierarchy is mounted");
        return;
    }
    let output = cgflux(&["stat", "_hots", "--once"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let stderr = text(&output.stderr);
    assert!(stderr.contains("did you mean _host"), "{stderr}");
}

#[test]
fn a_reader_that_has_seen_enough_ends_stat_in_peace() {
    if nothing_is_mounted() {
        println!("SKIP no cgroup hierarchy is mounted");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = command(
        folder.path(),
        &["stat", "--interval", "100ms", "--format", "json"],
    );
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    drop(child.stdout.take());
    let status = child.wait().expect("waited for");
    assert!(status.success(), "{status}");
}
