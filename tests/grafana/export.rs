//! `cgflux dashboards export`: a folder that Grafana and Prometheus are pointed at.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value as Json;

use crate::harness::Home;

#[test]
fn a_folder_has_all_that_grafana_reads_and_no_password() {
    let home = Home::new();
    let folder = home.path().join("grafana");
    let export = |variables: &[(&str, &str)], further: &[&str]| {
        let mut command = home.command("dashboards export");
        let command = command.arg(&folder).args(further);
        let output = command.envs(variables.iter().copied()).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), told)
    };
    let stack = [
        ("INFLUXDB_PROTO", "http"),
        ("INFLUXDB_HOST", "influxdb"),
        ("INFLUXDB_PORT", "8086"),
        ("INFLUXDB_NAME", "cadvisor;nodemetrics"),
        ("INFLUXDB_USER", "root"),
        ("INFLUXDB_PASS", "s3cret-of-the-stack"),
    ];
    assert_eq!(export(&stack, &[]), (Some(0), String::new()));
    let files = files(&folder);
    assert_eq!(files.len(), 13, "{files:?}");
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        assert!(!text.contains("s3cret"), "{}", file.display());
        if file.extension().is_some_and(|it| it == "json") {
            serde_json::from_str::<Json>(&text).unwrap();
        }
    }
    let sources = folder.join("provisioning/datasources/influxdb.yaml");
    let sources = fs::read_to_string(sources).unwrap();
    assert!(
        sources.contains("url: \"http://influxdb:8086\""),
        "{sources}"
    );
    assert!(sources.contains("dbName: \"nodemetrics\""), "{sources}");

    let (status, told) = export(&[("INFLUXDB_NAME", "a;b;c")], &[]);
    assert_eq!(status, Some(2), "{told}");
    assert!(told.contains("INFLUXDB_NAME names neither"), "{told}");
}

#[test]
fn who_asks_nobody_is_told_whom_to_name() {
    let home = Home::new();
    let check = |arguments: &[&str]| {
        let mut command = home.command("dashboards check");
        let output = command.args(arguments).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), told)
    };
    let (status, told) = check(&[]);
    assert_eq!(status, Some(78), "{told}");
    let (status, told) = check(&["--flavour", "promql"]);
    assert_eq!(status, Some(2), "{told}");
    assert!(told.contains("--prometheus URL"), "{told}");
    // Nobody there: every query failed.
    let (status, _) = check(&["--prometheus", "http://127.0.0.1:1"]);
    assert_eq!(status, Some(1));
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}
