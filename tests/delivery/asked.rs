//! `cgflux stat` and `cgflux check`: the numbers and the abilities, as told to a person and to a script.

use std::{net::TcpListener, process::Command};

use serde_json::Value as Json;

use super::command_line::ended;
use crate::harness::{Batch, Docker, Home, cgroup, parse};

const BUSY: &str = "while :; do :; done";

#[test]
fn stat_tells_what_the_running_agent_counts_in_each_form() {
    let Some(docker) = Docker::here() else { return };
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let name = cgroup::unique("asked");
    let container = docker.run(&["--name", &name, "--cpus", "0.3"], BUSY);
    let before_ns = usage_ns(&agent.next_batch(), &container.id);
    let url = format!("http://{}", agent.address());
    let stat = |form| {
        let mut command = home.command("stat");
        command.args([&name, "--once", "--url", &url, "--format", form]);
        printed(&mut command)
    };
    let json: Batch = serde_json::from_str(&stat("json")).unwrap();
    let told_ns = usage_ns(&json, &container.id);
    let line = stat("line");
    let table = stat("table");
    let after_ns = usage_ns(&agent.next_batch(), &container.id);
    println!("before={before_ns}ns told={told_ns}ns after={after_ns}ns\n{table}");
    assert!((before_ns..=after_ns).contains(&told_ns));
    assert_eq!(json.containers.len(), 1, "{json:?}");
    for line in parse(&line) {
        assert_eq!(line.tag("container"), name, "{line:?}");
    }
    let rows: Vec<&str> = table.lines().collect();
    assert!(rows[0].starts_with("NAME "), "{table}");
    assert!(rows[1].starts_with(&name) && rows.len() == 2, "{table}");

    let mut command = home.command("stat");
    let other = ended(command.args(["no-such-name", "--once", "--url", &url]));
    let told = String::from_utf8(other.stderr).unwrap();
    assert_eq!(other.status.code(), Some(1), "{told}");
    assert!(told.contains("\"no-such-name\""), "{told}");
}

#[test]
fn stat_measures_by_itself_where_no_agent_runs() {
    let Some(docker) = Docker::here() else { return };
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let home = Home::with(&format!("[http]\nlisten = \"{address}\"\n"));
    let name = cgroup::unique("alone");
    let container = docker.run(&["--name", &name, "--cpus", "0.3"], BUSY);
    let path = container.cgroup_path();
    let before_us = cgroup::usage_us(&path).unwrap();
    let mut command = home.command("stat");
    let json = printed(command.args([&name, "--once", "--format", "json"]));
    let after_us = cgroup::usage_us(&path).unwrap();
    let told_ns = usage_ns(&serde_json::from_str(&json).unwrap(), &container.id);
    let facts = format!("kernel={before_us}us told={told_ns}ns kernel={after_us}us");
    println!("{facts}");
    assert!(before_us * 1_000 <= told_ns + 1_000, "{facts}");
    assert!(told_ns <= after_us * 1_000 + 1_000, "{facts}");
}

#[test]
fn check_finds_all_that_the_agent_then_uses() {
    let home = Home::new();
    let found: Json = serde_json::from_str(&printed(home.command("check").arg("--json"))).unwrap();
    let sections = found["sections"].as_array().into_iter().flatten();
    let metrics = sections.filter(|section| section["name"] == "metrics");
    let items: Vec<&Json> = metrics
        .flat_map(|section| section["items"].as_array().into_iter().flatten())
        .collect();
    let agent = home.start::<&str>(&[]);
    for field in ["usage_ns", "user_ns", "runq_wait_ns", "forks"] {
        let item = items.iter().find(|it| it["name"] == field);
        let item = item.unwrap_or_else(|| panic!("no {field} in {found}"));
        assert_eq!(item["level"], "pass", "{item}");
        let said = item["finding"].as_str().unwrap();
        let metrics = agent.metrics();
        let used = metrics.lines().find(|line| {
            line.starts_with("cgflux_metric_source{") && line.contains(&format!("\"{field}\""))
        });
        let used = used.unwrap_or_else(|| panic!("no source of {field} in {metrics}"));
        let source = used
            .split("source=\"")
            .nth(1)
            .and_then(|it| it.split('"').next());
        assert!(said.contains(source.unwrap()), "{said} {used}");
    }
}

#[track_caller]
fn usage_ns(batch: &Batch, id: &str) -> u64 {
    let container = batch.container(id);
    container
        .unwrap_or_else(|| panic!("no {id} in {batch:?}"))
        .usage_ns()
}

/// What a command prints that must end well.
#[track_caller]
fn printed(command: &mut Command) -> String {
    let output = ended(command);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}: {told}",
        output.status
    );
    String::from_utf8(output.stdout).unwrap()
}
