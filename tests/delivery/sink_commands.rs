//! `cgflux sink test` and `cgflux sink init` against real servers with users.

use std::{
    collections::BTreeSet, fs, os::unix::fs::PermissionsExt as _, process::Output, time::Duration,
};

use serde_json::{Value as Json, json};

use crate::harness::{
    Home, InfluxServer2, Influxd, eventually,
    scripted::{Reply, ScriptedServer},
};

#[test]
fn what_is_missing_is_named_made_and_then_tested() {
    let Some(server) = Influxd::packaged().auth().start() else {
        return;
    };
    let home = Home::new();
    let password = home.path().join("password");
    let write = |text: &str| keep_secret(&password, text);
    home.configure(&format!(
        "[sinks.influxdb]\nurl = \"{}\"\nusername = \"{}\"\npassword_file = \"{}\"\ncreate_database = false\n",
        server.url(),
        "admin",
        password.display(),
    ));
    let run = |command: &str| run(&home, command);

    write("wrong");
    let (code, said) = run("sink test");
    assert!(
        code == Some(1) && said.contains("right to write"),
        "{code:?} {said}"
    );
    assert!(!said.contains("wrong"), "{said}");

    write("admins-own");
    let (code, said) = run("sink test");
    assert!(
        code == Some(1) && said.contains("sink init influxdb"),
        "{code:?} {said}"
    );
    let (code, said) = run("sink init");
    assert!(
        code == Some(2) && said.contains("CREATE DATABASE"),
        "{code:?} {said}"
    );
    for _ in 0..2 {
        let (code, said) = run("sink init --retention 30d --rollup --yes");
        assert!(
            code == Some(0) && !said.contains("FAILED"),
            "{code:?} {said}"
        );
    }
    let (code, said) = run("sink test");
    assert!(
        code == Some(0) && said.contains("taken away again"),
        "{code:?} {said}"
    );
    let (code, said) = run("sink test --json");
    let report: Json = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &report["verdict"]), (Some(0), &"ready".into()));
}

#[test]
fn of_an_influxdb_2_buckets_and_tasks_are_made_and_the_tasks_roll_up() {
    let Some(server) = InfluxServer2::start() else {
        return;
    };
    let home = Home::new();
    let token = home.path().join("token");
    keep_secret(&token, InfluxServer2::TOKEN);
    home.configure(&format!(
        "[sinks.influxdb]\nversion = \"2\"\nurl = \"{}\"\norg = \"home\"\nbucket = \"metrics\"\n\
         host_bucket = \"nodes\"\ntoken_file = \"{}\"\n",
        server.url(),
        token.display(),
    ));
    let (code, said) = run(&home, "sink test");
    assert!(
        code == Some(1) && said.contains("`cgflux sink init influxdb` makes the bucket \"nodes\""),
        "{code:?} {said}"
    );
    let init = "sink init --retention 30d --rollup --yes";
    for word in ["done ", "there "] {
        let (code, said) = run(&home, init);
        let done = said.lines().filter(|line| line.starts_with(word)).count();
        assert!(code == Some(0) && done == 3 + 4, "{code:?} {said}");
    }
    let (code, said) = run(&home, "sink init --retention 7d --yes");
    assert!(
        code == Some(1) && said.contains("keeps points for 30d; it is left as it is"),
        "{code:?} {said}"
    );
    let (code, said) = run(&home, "sink test");
    assert!(
        code == Some(0) && said.matches("taken away again").count() == 2,
        "{code:?} {said}"
    );
    assert_eq!(server.points("metrics").len(), 0);

    let agent = home.start(&["--interval", "1s"]);
    // A run of a task looks at what is before the second in which it was asked for.
    eventually(
        Duration::from_secs(30),
        "points of two seconds arrive",
        || {
            let points = server.points("metrics");
            let cpu = points.iter().filter(|it| it.measurement == "container_cpu");
            let seconds: BTreeSet<i64> = cpu.map(|it| it.wall_ns / 1_000_000_000).collect();
            (seconds.len() > 2).then_some(()).ok_or(seconds.len())
        },
    );
    drop(agent);
    let tasks = "/api/v2/tasks?name=cgflux_metrics_5m_container_cpu&org=home";
    let tasks = server.call("GET", tasks, &Json::Null).unwrap();
    let id = tasks["tasks"][0]["id"].as_str().unwrap();
    let runs = format!("/api/v2/tasks/{id}/runs");
    server.call("POST", &runs, &json!({})).unwrap();
    eventually(Duration::from_secs(30), "the task has run", || {
        let done = server.call("GET", &runs, &Json::Null).unwrap();
        match done["runs"][0]["status"].as_str() {
            Some("success") => Ok(()),
            _ => Err(done.to_string()),
        }
    });
    let rolled_up = server.points("metrics_5m");
    let host = rolled_up
        .iter()
        .find(|it| it.measurement == "container_cpu");
    let host = host.unwrap_or_else(|| panic!("{rolled_up:?}"));
    for field in ["usage_ns", "usage_cpus", "usage_cpus_max"] {
        assert!(host.fields.contains_key(field), "{field}: {host:?}");
    }

    let (code, said) = run(&home, "query --format csv cpu");
    assert!(
        code == Some(0) && said.lines().count() > 1,
        "{code:?} {said}"
    );
}

#[test]
fn of_an_influxdb_3_databases_are_made_as_its_documents_say() {
    let server = ScriptedServer::answering(|request| {
        if request.body.contains("\"known\"") {
            return Reply::status(409).body("application/json", r#"{"error":"it exists"}"#);
        }
        Reply::status(200).body("application/json", "{}")
    });
    let home = Home::new();
    let token = home.path().join("token");
    keep_secret(&token, "secret");
    home.configure(&format!(
        "[sinks.influxdb]\nversion = \"3\"\nurl = \"{}\"\ndatabase = \"metrics\"\nhost_database = \"known\"\n\
         token_file = \"{}\"\n",
        server.url(),
        token.display(),
    ));
    let (code, said) = run(&home, "sink init --yes");
    let is_done =
        said.contains("done   database \"metrics\"") && said.contains("there  database \"known\"");
    assert!(code == Some(0) && is_done, "{code:?} {said}");
    // How long a database keeps points cannot be asked for.
    let (code, said) = run(&home, "sink init --retention 90m --yes");
    let is_told = said.contains("database \"known\", which keeps points for 2h: is there");
    assert!(code == Some(1) && is_told, "{code:?} {said}");
    let first = &server.requests()[2];
    assert!(
        first.line.starts_with("POST /api/v3/configure/database "),
        "{}",
        first.line
    );
    let body: Json = serde_json::from_str(&first.body).unwrap();
    assert_eq!(body, json!({"db": "metrics", "retention_period": "2h"}));
    let (code, said) = run(&home, "sink init --rollup --yes");
    assert!(
        code == Some(1) && said.contains("leave --rollup out"),
        "{code:?} {said}"
    );
}

fn keep_secret(path: &std::path::Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn run(home: &Home, command: &str) -> (Option<i32>, String) {
    let output = home.command(command).output().unwrap();
    (output.status.code(), text(&output))
}

fn text(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]]
        .map(String::from_utf8_lossy)
        .concat()
}
