//! What the API, `/metrics` and the probes answer.

use std::sync::atomic::Ordering;

use serde_json::json;

use super::{Answer, Running, two};
use crate::{
    encode::fixture::{alive_or_not, container, every_sample, rates, subject_of, tick_of},
    http::Settings,
};

#[tokio::test]
async fn ready_means_a_batch_younger_than_three_intervals() {
    let server = Running::start(Settings::default()).await;
    assert_eq!(server.get("/healthz").await.body, "ok");
    for path in [
        "/readyz",
        "/metrics",
        "/api/v1/containers",
        "/api/v1/containers/web",
    ] {
        assert_eq!(
            server.get(path).await.status,
            503,
            "{path} before the first tick"
        );
    }
    server.live.publish(tick_of(10, two()));
    for (now_ns, status) in [
        (10_000_000_000, 200),
        (12_999_999_999, 200),
        (13_000_000_000, 503),
    ] {
        server.now_ns.store(now_ns, Ordering::Relaxed);
        let answer = server.get("/readyz").await;
        assert_eq!(answer.status, status, "at {now_ns}: {}", answer.body);
    }
    assert_eq!(server.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn what_happened_is_told_from_any_time_on() {
    let server = Running::start(Settings::default()).await;
    assert_eq!(server.get("/api/v1/events").await.body, r#"{"events":[]}"#);
    for second in 1..4 {
        let there = (1..=second).map(|cgroup| subject_of(container(cgroup, "c"), Vec::new()));
        let second = u32::try_from(second).unwrap();
        server.live.publish(tick_of(second, there.collect()));
    }
    for (path, starts) in [
        ("/api/v1/events", 2),
        ("/api/v1/events?since=2000000000", 1),
        ("/api/v1/events?since=3000000000", 0),
        ("/api/v1/events?since=x", 2),
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.body.matches(r#""event":"start""#).count(),
            starts,
            "{path}"
        );
    }
}

#[tokio::test]
async fn an_entry_is_found_by_name_id_start_of_id_and_cgroup() {
    let server = Running::start(Settings::default()).await;
    let named = |cgroup, name: &str, id: &str| {
        let mut container = container(cgroup, name);
        container.id = Some(id.to_owned());
        subject_of(container, rates(0.5, 0.25))
    };
    let mut gone = named(9, "gone", "ddd");
    gone.alive = false;
    let live = vec![
        named(7, "web", "aabb"),
        named(8, "a/b c", "aacc"),
        named(10, "7", "eee"),
    ];
    server
        .live
        .publish(tick_of(1, [live.clone(), vec![gone]].concat()));
    server.live.publish(tick_of(2, live));
    for (wanted, cgroup) in [
        ("web", 7),
        ("aabb", 7),
        ("aab", 7),
        ("aacc", 8),
        ("a%2Fb%20c", 8),
        ("a/b%20c", 8),
        ("8", 8),
        ("7", 10),
        ("gone", 9),
        ("d", 9),
        ("9", 9),
    ] {
        let answer = server.get(&format!("/api/v1/containers/{wanted}")).await;
        assert_eq!(answer.status, 200, "{wanted}");
        assert_eq!(answer.json()["cgroup"], cgroup, "{wanted}");
        assert_eq!(answer.json()["alive"], cgroup != 9, "{wanted}");
    }
    for unknown in ["nobody", "", "11", "aabbcc"] {
        let answer = server.get(&format!("/api/v1/containers/{unknown}")).await;
        assert_eq!(answer.status, 404, "{unknown:?}");
        assert!(answer.json()["error"].is_string(), "{unknown:?}");
    }
    let ambiguous = server.get("/api/v1/containers/aa").await;
    assert_eq!(ambiguous.status, 409);
    let names: Vec<_> = ambiguous.json()["matches"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|it| it["name"].clone())
        .collect();
    assert_eq!(names, ["web", "a/b c"]);
}

#[tokio::test]
async fn an_entry_comes_with_its_history() {
    let server = Running::with_ticks(Settings::default(), 3).await;
    let history = server.get("/api/v1/containers/web").await.json()["history"].clone();
    assert_eq!(
        history["taken"],
        json!([1_000_000_000_u64, 2_000_000_000_u64, 3_000_000_000_u64])
    );
    assert_eq!(history["usage_cpus"], json!([0.5, 0.5, 0.5]));
    assert_eq!(history["runq_waiting"], json!([0.25, 0.25, 0.25]));
}

#[tokio::test]
async fn final_totals_stay_on_metrics_for_a_while() {
    let server = Running::start(Settings::default()).await;
    let brief = |alive| {
        let subject = subject_of(container(9, "brief"), every_sample());
        alive_or_not(alive, subject)
    };
    server.live.publish(tick_of(1, vec![brief(true)]));
    server.live.publish(tick_of(2, vec![brief(false)]));
    let has_brief = |answer: Answer| answer.body.contains("name=\"brief\"");
    assert!(has_brief(server.get("/metrics").await));
    server.live.publish(tick_of(62, Vec::new()));
    assert!(has_brief(server.get("/metrics").await), "a minute later");
    server.live.publish(tick_of(63, Vec::new()));
    assert!(
        !has_brief(server.get("/metrics").await),
        "more than a minute later"
    );
}

#[tokio::test]
async fn a_scrape_chooses_names_families_and_the_format() {
    let server = Running::start(Settings::default()).await;
    let web = subject_of(container(7, "web"), every_sample());
    server.live.publish(tick_of(1, vec![web]));
    let all = server.get("/metrics").await;
    let text = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(all.header("content-type"), Some(text));
    assert_eq!(all.header("vary"), Some("accept"));
    for (query, there, absent) in [
        ("", "\ncontainer_memory_rss{", "\n# EOF"),
        ("", "\ncgflux_container_memory_anon_bytes{", "\n# EOF"),
        ("?names=cadvisor", "\ncontainer_memory_rss{", "cgflux_c"),
        (
            "?names=cgflux",
            "\ncgflux_container_memory_anon_bytes{",
            "\ncontainer_",
        ),
        (
            "?families=memory&type=docker",
            "\ncontainer_memory_rss{",
            "cpu_usage",
        ),
    ] {
        let body = server.get(&format!("/metrics{query}")).await.body;
        assert!(body.contains(there) && !body.contains(absent), "{query}");
    }
    let refused = server.get("/metrics?names=telegraf").await;
    assert_eq!(refused.status, 400);
    let reason = refused.json()["error"].to_string();
    assert!(reason.contains("cgflux, cadvisor"), "{reason}");
    let accept = "Accept: application/openmetrics-text;version=1.0.0\r\n";
    let head = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{accept}");
    let open = server.send(&head).await;
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(open.header("content-type"), Some(media_type));
    assert!(open.body.contains("\n# EOF\n"), "{}", open.body);
}
