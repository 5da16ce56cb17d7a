//! What the running agent serves to others: `/metrics`, and only to whom it may.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::{Command, Stdio},
};

use super::PATIENCE;
use crate::harness::{AgentProcess, Docker, Home, eventually, skip};

#[test]
fn prometheus_own_checker_complains_of_nothing_but_cadvisors_own_names() {
    let Some(docker) = Docker::here() else { return };
    let found = Command::new("promtool").arg("--version").output();
    if !found.is_ok_and(|it| it.status.success()) {
        return skip("promtool is missing (apt-get install prometheus)").unwrap_or_default();
    }
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let container = docker.run(&["--cpus", "0.5"], "while :; do :; done");
    let ended = docker.run(&[], "true");
    ended.wait();
    eventually(PATIENCE, "both are counted", || {
        let metrics = agent.metrics();
        let both = [&container, &ended]
            .iter()
            .all(|it| metrics.contains(&it.id));
        both.then_some(()).ok_or(metrics)
    });
    for (query, about) in [("names=cgflux", &[][..]), ("", CADVISORS_OWN)] {
        let metrics = agent.get(&format!("/metrics?{query}")).unwrap();
        println!("{} lines checked", metrics.lines().count());
        let complaints = checked(&metrics);
        let is_expected = |line: &str| about.iter().any(|it| line.starts_with(it));
        let unexpected: Vec<&str> = complaints.lines().filter(|it| !is_expected(it)).collect();
        assert!(unexpected.is_empty(), "{unexpected:#?}\n{metrics}");
    }
}

/// Metrics that promtool complains of, whose names or labels are cAdvisor's own: camel case, and a type that the name
/// does not tell.
const CADVISORS_OWN: &[&str] = &[
    "cadvisor_version_info ",
    "container_fs_inodes_total ",
    "container_memory_failcnt ",
];

/// What promtool says of a scrape.
#[track_caller]
fn checked(metrics: &str) -> String {
    let mut checker = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = checker.stdin.take().unwrap();
    stdin.write_all(metrics.as_bytes()).unwrap();
    drop(stdin);
    let checked = checker.wait_with_output().unwrap();
    String::from_utf8(checked.stderr).unwrap()
}

#[test]
fn no_more_watch_live_than_are_allowed() {
    let home = Home::with("[http]\nwatchers = 2\n");
    let agent = home.start::<&str>(&[]);
    let watch = || ask(&agent, "/api/v1/live", &agent.address().to_string());
    let watchers = [watch(), watch()];
    for (head, _) in &watchers {
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    }
    let (refusal, mut rest) = watch();
    assert!(refusal.starts_with("HTTP/1.1 503 "), "{refusal}");
    let mut reason = String::new();
    rest.read_to_string(&mut reason).unwrap();
    assert!(
        reason.contains("2 watchers already (http.watchers)"),
        "{reason}"
    );
    // Others are still served, and a place that becomes free can be taken.
    agent.batch();
    drop(watchers);
    eventually(PATIENCE, "a place is free", || {
        let (head, _) = watch();
        head.starts_with("HTTP/1.1 200 ").then_some(()).ok_or(head)
    });
}

#[test]
fn a_request_to_another_name_is_refused_with_the_way_out() {
    let home = Home::with("[http]\nhosts = [\"metrics.example\"]\n");
    let agent = home.start::<&str>(&[]);
    for path in [
        "/",
        "/metrics",
        "/api/v1/containers",
        "/api/v1/live",
        "/healthz",
    ] {
        let (head, mut rest) = ask(&agent, path, "evil.example");
        assert!(head.starts_with("HTTP/1.1 403 "), "{path}: {head}");
        let mut reason = String::new();
        rest.read_to_string(&mut reason).unwrap();
        assert!(reason.contains("http.hosts"), "{path}: {reason}");
    }
    for host in ["localhost", "127.0.0.1", "metrics.example:8080"] {
        let (head, _) = ask(&agent, "/healthz", host);
        assert!(head.starts_with("HTTP/1.1 200 "), "{host}: {head}");
    }
}

/// The head of an answer, and the connection to read on.
#[track_caller]
fn ask(agent: &AgentProcess, path: &str, host: &str) -> (String, TcpStream) {
    let mut stream = TcpStream::connect(agent.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    (String::from_utf8_lossy(&head).into_owned(), stream)
}
