//! cAdvisor's API: what is answered to which question.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::{Answer, Running, two};
use crate::{
    encode::fixture::{HOSTILE, container, subject_of, tick_of},
    http::{Limits, Settings, Silence},
    metrics::{Sample, Value, catalog},
};

async fn running() -> Running {
    Running::with_ticks(Settings::default(), 3).await
}

fn path_of(cgroup: u64) -> String {
    format!("/docker/{cgroup:064x}")
}

async fn post(running: &Running, path: &str, body: &str) -> Answer {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut client = running.connect().await;
    client.write(&head).await;
    Answer::parse(&client.rest().await)
}

// Statuses, types and texts of cAdvisor 0.38.7.
#[tokio::test]
async fn what_is_not_whole_or_not_there_is_refused_in_cadvisors_words() {
    let running = running().await;
    for (path, status, body) in [
        (
            "/api/",
            400,
            "Supported API versions: v1.0,v1.1,v1.2,v1.3,v2.0,v2.1",
        ),
        (
            "/api/v1.0",
            400,
            "Supported request types: \"containers,machine\"",
        ),
        (
            "/api/v1.1/",
            400,
            "Supported request types: \"containers,machine,subcontainers\"",
        ),
        ("/api/v9.9/x", 500, "unsupported API version \"v9.9\""),
        ("/api/v1.0/docker", 500, "unknown request type \"docker\""),
        (
            "/api/v2.0/machinestats",
            500,
            "unknown request type \"machinestats\"",
        ),
        ("/api/v2.0/x?type=y", 500, "unknown 'type' \"y\""),
        (
            "/api/v1.0/containers/nope",
            500,
            "failed to get container \"/nope\" with error: unknown container \"/nope\"",
        ),
        (
            "/api/v1.3/subcontainers/a/../nope%0A",
            500,
            "failed to get subcontainers for container \"/nope\\n\" with error: no containers found",
        ),
        (
            "/api/v1.2/docker/nope",
            500,
            "failed to get Docker container \"nope\" with error: unable to find Docker container \"nope\"",
        ),
        (
            "/api/v1.2/docker/a/b",
            500,
            "unknown request for Docker container [a b]",
        ),
        ("/api/v2.0/stats/nope", 500, "unknown container \"/nope\""),
        (
            "/api/v2.1/stats/web?type=docker&recursive=true",
            500,
            "invalid request for docker container \"/web\" with subcontainers",
        ),
        (
            "/api/v2.0/ps/nope",
            500,
            "process listing failed: unknown container \"/nope\"",
        ),
        ("/api/v2.0/storage?label=x", 500, "non-existent label \"x\""),
        ("/api/v2.0/storage?uuid=x", 500, "cadvisor: no such device"),
        (
            "/api/v1.3/events?stream=true&start_time=2026-11-29T00:00:00Z",
            500,
            "for a call to watch, request.StartTime and request.EndTime must be uninitialized",
        ),
    ] {
        let answer = running.get(path).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (status, format!("{body}\n").as_str())
        );
        let content_type = answer.header("content-type");
        assert_eq!(content_type, Some("text/plain; charset=utf-8"), "{path}");
    }
    let before_all = Running::start(Settings::default()).await;
    let answer = before_all.get("/api/v1.0/containers/").await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (500, "nothing has been collected yet\n")
    );
}

#[tokio::test]
async fn containers_are_found_by_path_name_and_id() {
    let running = running().await;
    let json = async |path: &str| -> Json {
        let answer = running.get(path).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        serde_json::from_str(&unchunked(&answer)).unwrap()
    };
    let [web, db] = [path_of(7), path_of(8)];
    assert_eq!(
        json(&format!("/api/v1.0/containers{web}")).await["aliases"][0],
        "web"
    );
    let root = json("/api/v1.3/containers/").await;
    assert_eq!(root["subcontainers"], json!([{"name": web}, {"name": db}]));
    let all = json("/api/v1.1/subcontainers").await;
    let names: Vec<_> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["name"])
        .collect();
    assert_eq!(names, ["/", web.as_str(), db.as_str()]);
    for (path, count) in [
        ("/api/v1.2/docker", 2),
        ("/api/v1.2/docker/", 2),
        ("/api/v1.3/docker/web", 1),
        ("/api/v2.0/stats/db?type=docker", 1),
        ("/api/v2.1/stats?type=docker&recursive=true", 2),
        // The host as a whole is told by another question.
        ("/api/v2.1/stats?recursive=true", 2),
        ("/api/v2.0/stats?recursive=true", 3),
        ("/api/v2.0/spec?recursive=true", 3),
        ("/api/v2.0/summary?recursive=true", 3),
    ] {
        assert_eq!(json(path).await.as_object().unwrap().len(), count, "{path}");
    }
    assert_eq!(
        json("/api/v2.0/appmetrics/web?type=docker").await,
        json!({"/web": {}})
    );
    assert_eq!(
        json("/api/v2.1/machinestats")
            .await
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_question_may_have_a_body_where_cadvisor_takes_one() {
    let running = running().await;
    let path = format!("/api/v1.3/containers{}", path_of(7));
    let stats = |answer: &Answer| answer.json()["stats"].as_array().map_or(0, Vec::len);
    assert_eq!(stats(&post(&running, &path, "").await), 1);
    assert_eq!(stats(&post(&running, &path, r#"{"num_stats":0}"#).await), 0);
    let answer = post(&running, &path, "[]").await;
    assert_eq!(answer.status, 500);
    let text = "unable to decode the json value: json: cannot unmarshal array into Go value of type v1.ContainerInfoRequest\n";
    assert_eq!(answer.body, text);
    let large = format!("{{\"num_stats\":1{}}}", " ".repeat(5_000));
    assert_eq!(post(&running, &path, &large).await.status, 500);
    for path in [
        "/api/v1.0/machine",
        "/api/v2.0/stats",
        "/healthz",
        "/api/v1/containers",
    ] {
        let answer = post(&running, path, "{}").await;
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some("GET, HEAD")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn pages_are_the_live_page_with_its_parts_found_from_there() {
    let running = running().await;
    for (path, base) in [
        ("/containers", "./"),
        ("/containers/", "../"),
        ("/docker/x", "../"),
        ("/containers/docker/x", "../../"),
    ] {
        let answer = running.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        let element = format!("<head>\n<base href=\"{base}\">\n");
        assert!(answer.body.contains(&element), "{path}: {}", answer.body);
        assert!(answer.head.contains("base-uri 'self'"), "{path}");
    }
    assert_eq!(running.get("/dockers").await.status, 404);
    let moved = running.get("/api").await;
    assert_eq!(
        (moved.status, moved.header("location")),
        (301, Some("api/"))
    );
}

#[tokio::test]
async fn events_are_told_at_once_and_as_they_come() {
    let running = running().await;
    let mut client = running.connect().await;
    client
        .write("GET /api/v1.3/events/?stream=true&subcontainers=true&creation_events=true&deletion_events=true HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    client.until("\r\n\r\n").await;
    let mut subjects = two();
    subjects.push(subject_of(container(9, "new"), Vec::new()));
    subjects[0].alive = false;
    running.live.publish(tick_of(4, subjects));
    for (kind, cgroup) in [("containerDeletion", 7), ("containerCreation", 9)] {
        let told = client
            .until(&format!("\"{kind}\",\"event_data\":{{}}}}\n"))
            .await;
        assert!(told.contains(&path_of(cgroup)), "{told}");
    }
    let count = async |query: &str| {
        let answer = running.get(&format!("/api/v2.0/events{query}")).await;
        answer.json().as_array().unwrap().len()
    };
    assert_eq!(count("?all_events=true&subcontainers=true").await, 2);
    assert_eq!(count("?all_events=true").await, 0);
    assert_eq!(count("?subcontainers=true").await, 0);
    assert_eq!(
        count("?all_events=true&subcontainers=true&max_events=1").await,
        1
    );
    assert_eq!(
        count("?all_events=true&subcontainers=true&max_events=0").await,
        0
    );
    assert_eq!(
        count("?all_events=true&subcontainers=true&max_events=-1").await,
        2
    );
    assert_eq!(
        count(&format!("{}?deletion_events=true", path_of(7))).await,
        1
    );
    let times = "&start_time=1970-01-01T00:00:05Z";
    assert_eq!(
        count(&format!("?all_events=true&subcontainers=true{times}")).await,
        0
    );
}

#[tokio::test]
async fn streams_are_counted_with_the_watchers() {
    let settings = Settings {
        watchers: 1,
        ..Settings::default()
    };
    let running = Running::with_ticks(settings, 1).await;
    let mut client = running.connect().await;
    let head = "GET /api/v1.3/events?stream=true HTTP/1.1\r\nHost: localhost\r\n\r\n";
    client.write(head).await;
    client.until("\r\n\r\n").await;
    let refused = running.get("/api/v2.0/events?stream=true").await;
    assert_eq!(refused.status, 503);
    assert_eq!(running.get("/api/v1/live").await.status, 503);
    assert_eq!(running.stop().await, 0);
}

#[tokio::test]
async fn hostile_names_break_no_answer() {
    let running = Running::start(Settings::default()).await;
    let named = HOSTILE.iter().zip(10..).map(|(name, cgroup)| {
        let mut container = container(cgroup, name);
        container.path = format!("/x/{name}");
        container
            .labels
            .insert((*name).to_owned(), (*name).to_owned());
        subject_of(
            container,
            vec![Sample::new(&catalog::CPU_USAGE, Value::Integer(1))],
        )
    });
    running.live.publish(tick_of(1, named.collect()));
    for path in [
        "/api/v1.1/subcontainers",
        "/api/v2.1/stats?recursive=true",
        "/api/v1.2/docker",
    ] {
        let answer = running.get(path).await;
        let json: Json = serde_json::from_str(&unchunked(&answer)).unwrap();
        let text = json.to_string();
        let shown = HOSTILE
            .iter()
            .filter(|name| text.contains(&json!(name).to_string()));
        assert_eq!(shown.count(), HOSTILE.len(), "{path}");
    }
    let validated = running.get("/validate/").await;
    let aliases = validated.body.lines().filter(|it| it.starts_with("\t\t\t"));
    assert_eq!(aliases.count(), 2 * HOSTILE.len(), "{}", validated.body);
}

/// The body of an answer that came in pieces.
fn unchunked(answer: &Answer) -> String {
    if answer.header("transfer-encoding") != Some("chunked") {
        return answer.body.clone();
    }
    let mut rest = answer.body.as_bytes();
    let mut whole = Vec::new();
    loop {
        let end = rest.windows(2).position(|it| it == b"\r\n").unwrap();
        let size = str::from_utf8(&rest[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        rest = &rest[end + 2..];
        if size == 0 {
            return String::from_utf8(whole).unwrap();
        }
        whole.extend_from_slice(&rest[..size]);
        rest = &rest[size + 2..];
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_holds_nobody_for_long() {
    let defaults = Settings::default();
    let settings = Settings {
        limits: Limits {
            silence: Silence::of(Duration::from_millis(50)),
            ..defaults.limits
        },
        ..defaults
    };
    let running = Running::with_ticks(settings, 3).await;
    let mut client = running.connect().await;
    client
        .write(
            "POST /api/v1.0/containers HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{",
        )
        .await;
    assert_eq!(Answer::parse(&client.rest().await).status, 408);
}
