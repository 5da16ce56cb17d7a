//! A client of each question and each parameter, as one would write it for cAdvisor.

use serde_json::Value as Json;

use super::{BUSY, PATIENCE};
use crate::harness::{Answer, Docker, Home, cgroup, eventually};

#[test]
fn a_client_of_cadvisors_api_gets_what_it_asks_for() {
    let Some(docker) = Docker::here() else { return };
    let name = cgroup::unique("script");
    let container = docker.run(&["--name", &name, "--memory", "64m"], BUSY);
    let home = Home::new();
    // As cAdvisor: what it keeps is there from the start.
    let agent = home.start_cadvisor(&[], "--listen_ip=127.0.0.1 --port=0");
    let path = format!("/docker/{}", container.id);
    let answer = |question: &str| Answer::to(agent.address(), question, None);
    let json = |question: &str| -> Json {
        let answer = answer(question);
        assert_eq!(answer.status, 200, "{question}: {answer:?}");
        serde_json::from_str(&answer.body).unwrap()
    };
    let count = |json: &Json| json.as_array().map_or(0, Vec::len);
    eventually(PATIENCE, "five samples", || {
        let answer = answer(&format!("/api/v1.0/containers{path}"));
        let json: Json = serde_json::from_str(&answer.body)
            .map_err(|error| format!("{error}: {}", answer.body))?;
        let samples = count(&json["stats"]);
        (samples >= 5).then_some(()).ok_or(format!("{samples}"))
    });

    // v1: paths, and what a body asks for.
    let question = format!("/api/v1.3/containers{path}");
    let asked = |body: &str| {
        let answer = Answer::to(agent.address(), &question, Some(body));
        let json: Json = serde_json::from_str(&answer.body).unwrap();
        json["stats"].as_array().cloned().unwrap_or_default()
    };
    assert_eq!(asked(r#"{"num_stats":3}"#).len(), 3);
    assert_eq!(asked(r#"{"num_stats":0}"#).len(), 0);
    let all = asked(r#"{"num_stats":-1}"#);
    let third = all[2]["timestamp"].as_str().unwrap();
    let until = asked(&format!(r#"{{"num_stats":-1,"end":"{third}"}}"#));
    assert_eq!(until.last(), Some(&all[2]));
    let from = asked(&format!(r#"{{"num_stats":-1,"start":"{third}"}}"#));
    assert_eq!(from.first(), Some(&all[2]));
    for pair in all.windows(2) {
        let total = |at: usize| pair[at]["cpu"]["usage"]["total"].as_u64().unwrap();
        assert!(total(0) <= total(1), "{pair:?}");
    }
    assert_eq!(json("/api/v1.0/containers/")["name"], "/");
    assert!(count(&json("/api/v1.0/machine")["topology"]) > 0);
    let below = json("/api/v1.1/subcontainers/docker");
    let names: Vec<_> = below
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["name"])
        .collect();
    assert!(names.contains(&&Json::from("/docker")) && names.contains(&&Json::from(path.as_str())));
    for docker in [name.as_str(), &container.id, &container.id[..20]] {
        let json = json(&format!("/api/v1.2/docker/{docker}"));
        assert_eq!(json[&path]["aliases"][0], name.as_str(), "{docker}");
    }
    assert!(json("/api/v1.2/docker")[&path].is_object());

    // v2: options.
    for version in ["v2.0", "v2.1"] {
        let stats = |question: &str| {
            let json = json(&format!("/api/{version}/stats{question}"));
            let of_container = &json[&path];
            let stats = of_container.get("stats").unwrap_or(of_container);
            count(stats)
        };
        assert_eq!(stats(&format!("{path}?count=2")), 2);
        assert_eq!(stats(&format!("{path}?count=1&max_age=0s")), 1);
        assert!(stats(&format!("{path}?count=-1")) >= 5);
        assert!(stats(&format!("/{name}?type=docker")) >= 5);
        assert_eq!(stats("?type=docker&recursive=true&count=1"), 1);
        assert_eq!(stats("/docker?recursive=true&count=1"), 1);
        assert_eq!(stats("?type=name&recursive=true&count=1"), 1);
    }
    assert_eq!(
        json("/api/v2.0/stats/?type=podman&recursive=true"),
        serde_json::json!({})
    );
    let rate = &json(&format!("/api/v2.1/stats{path}?count=2"))[&path]["stats"][1]["cpu_inst"];
    assert!(rate["usage"]["total"].is_u64(), "{rate}");
    let spec = &json(&format!("/api/v2.0/spec/{name}?type=docker"))[&path];
    assert_eq!(spec["memory"]["limit"], 64 << 20);
    let summary = &json(&format!("/api/v2.0/summary{path}"))[&path];
    assert!(
        summary["minute_usage"]["cpu"]["max"].as_u64().unwrap() > 0,
        "{summary}"
    );
    assert!(
        summary["latest_usage"]["memory"].as_u64().unwrap() > 0,
        "{summary}"
    );
    let machine = json("/api/v2.1/machinestats?count=1");
    assert!(
        machine[0]["memory"]["usage"].as_u64().unwrap() > 0,
        "{machine}"
    );
    assert!(count(&machine[0]["filesystem"]) > 0);
    let storage = json("/api/v2.0/storage?label=root");
    assert_eq!(storage[0]["mountpoint"], "/");
    let pid: u64 = container.pid().parse().unwrap();
    let processes = json(&format!("/api/v2.0/ps{path}"));
    let mut processes = processes.as_array().unwrap().iter();
    let main = processes.find(|it| it["pid"] == pid).unwrap();
    assert_eq!(main["cmd"], "sh");
    assert!(main["fd_count"].is_u64() || main.get("fd_count").is_none());
    let everyone = json("/api/v2.0/ps");
    let mut everyone = everyone.as_array().unwrap().iter();
    assert!(everyone.any(|it| it["pid"] == pid && it["cgroup_path"] == path.as_str()));
    assert_eq!(
        json(&format!("/api/v2.0/appmetrics{path}"))[&path],
        serde_json::json!({})
    );
    let version = json("/api/v2.0/version");
    assert!(version.as_str().unwrap().starts_with("cgflux-"));
    let attributes = json("/api/v2.1/attributes");
    assert_eq!(attributes["cadvisor_version"], version);

    // What else cAdvisor answers.
    assert_eq!(answer("/healthz").body, "ok");
    let validated = answer("/validate/");
    assert_eq!(validated.content_type, "text/plain; charset=utf-8");
    assert!(
        validated.body.contains(&format!("\t\t\t{name}\n")),
        "{validated:?}"
    );
    for page in ["/containers/", &format!("/containers{path}"), &path] {
        let answer = answer(page);
        assert_eq!(
            (answer.status, answer.content_type.as_str()),
            (200, "text/html; charset=utf-8")
        );
        assert!(answer.body.contains("<base href="), "{page}");
    }

    // What happened: a death for want of memory, by its kind alone and by its container.
    let name = cgroup::unique("greedy");
    let options = ["--name", &name, "--memory", "8m", "--memory-swap", "8m"];
    docker.run_to_any_end(&options, "tail /dev/zero");
    let id = docker.command(&["inspect", "--format", "{{.Id}}", &name]);
    docker.command(&["rm", &name]);
    let kinds = |parameters: &str| -> Vec<String> {
        let events = json(&format!("/api/v2.0/events/docker/{id}?{parameters}"));
        let events = events.as_array().unwrap().iter();
        events
            .map(|it| it["event_type"].as_str().unwrap().to_owned())
            .collect()
    };
    eventually(PATIENCE, "all that happened to it is told", || {
        let told = kinds("all_events=true");
        let is_whole = ["containerCreation", "oom", "oomKill", "containerDeletion"]
            .iter()
            .all(|kind| told.iter().any(|it| it == kind));
        is_whole.then_some(()).ok_or(format!("{told:?}"))
    });
    assert!(kinds("oom_events=true").iter().all(|it| it == "oom"));
    assert!(
        kinds("oom_kill_events=true")
            .iter()
            .all(|it| it == "oomKill")
    );
    assert_eq!(kinds("creation_events=true"), ["containerCreation"]);
    assert_eq!(
        kinds("deletion_events=true&max_events=1"),
        ["containerDeletion"]
    );
    assert!(kinds("all_events=true&end_time=2020-01-01T00:00:00Z").is_empty());
}
