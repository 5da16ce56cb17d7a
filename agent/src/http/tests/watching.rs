//! The live stream.

use serde_json::{Value as Json, json};
use tokio::time::timeout;

use super::{DEADLINE, Running, two};
use crate::{
    encode::fixture::{container, counted, tick_of},
    http::Settings,
    snapshot::{MemoryTotals, Totals},
};

#[tokio::test]
async fn a_watcher_is_told_the_past_then_each_tick() {
    let settings = Settings {
        host: "box".to_owned(),
        cpus: 4,
        ..Settings::default()
    };
    let server = Running::with_ticks(settings, 2).await;
    let mut watcher = server.connect().await;
    watcher
        .write("GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    let head = watcher.until("\r\n\r\n").await;
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    watcher.until("event: hello\n").await;
    let hello: Json = serde_json::from_str(&watcher.until("\n").await["data: ".len()..]).unwrap();
    assert_eq!((&hello["host"], &hello["cpus"]), (&json!("box"), &json!(4)));
    assert_eq!(hello["ticks"], 600);
    let first = watcher.tick().await;
    assert_eq!(first["t"], 1000);
    assert_eq!(first["new"].as_array().map(Vec::len), Some(2));
    assert_eq!(first["v"], json!([[7, 0.5, 0.25], [8, 1.5, 0.0]]));
    assert!(
        first.get("agent").is_none(),
        "the past has no agent samples"
    );
    let second = watcher.tick().await;
    assert_eq!((&second["t"], &second["new"]), (&json!(2000), &json!([])));
    assert!(second["agent"].is_object());

    let mut db_only = two();
    db_only.remove(0);
    server.live.publish(tick_of(3, db_only));
    let third = watcher.tick().await;
    assert_eq!(
        (&third["t"], &third["v"]),
        (&json!(3000), &json!([[8, 1.5, 0.0]]))
    );
}

#[tokio::test]
async fn a_watcher_that_comes_back_is_told_what_it_missed() {
    let server = Running::with_ticks(Settings::default(), 5).await;
    for (request, first) in [
        ("/api/v1/live HTTP/1.1\r\nLast-Event-ID: 3000000000", 4000),
        ("/api/v1/live?since=2000000000 HTTP/1.1", 3000),
        (
            "/api/v1/live?since=1000000000 HTTP/1.1\r\nLast-Event-ID: 4000000000",
            5000,
        ),
        ("/api/v1/live?since=99000000000 HTTP/1.1", 1000),
        ("/api/v1/live?since=nonsense HTTP/1.1", 1000),
    ] {
        let mut watcher = server.connect().await;
        watcher
            .write(&format!("GET {request}\r\nHost: localhost\r\n\r\n"))
            .await;
        assert_eq!(watcher.tick().await["t"], first, "{request}");
    }
}

#[tokio::test]
async fn details_are_told_to_who_asks_for_them_of_the_past_too() {
    let server = Running::start(Settings::default()).await;
    for second in 1..=3 {
        let held = |cgroup| {
            let memory = MemoryTotals {
                usage_bytes: Some(u64::from(second) * 10 + cgroup),
                ..MemoryTotals::default()
            };
            let totals = Totals {
                memory,
                ..Totals::default()
            };
            counted(container(cgroup, "c"), totals)
        };
        server.live.publish(tick_of(second, vec![held(7), held(8)]));
    }
    let memory = |cgroup, bytes| json!({"cgroup": cgroup, "memory": bytes});
    let whole = json!({"cgroup": 0});
    for (query, details) in [
        ("", Json::Null),
        ("&detail=8", json!([memory(8, 28)])),
        ("&detail=0,7,99", json!([memory(7, 27), whole])),
        ("&detail=all", json!([memory(7, 27), memory(8, 28), whole])),
    ] {
        let mut watcher = server.connect().await;
        let path = format!("/api/v1/live?since=1000000000{query}");
        watcher
            .write(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
            .await;
        assert_eq!(watcher.tick().await["d"], details, "{query}");
    }
    assert_eq!(server.get("/api/v1/live?detail=web").await.status, 400);
    let history = server.get("/api/v1/containers/8").await.json()["history"].clone();
    assert_eq!(history["memory"], json!([null, 28, 38]), "{history}");
    assert!(history.get("wait").is_none(), "{history}");
}

#[tokio::test]
async fn one_watcher_too_many_is_refused_until_another_leaves() {
    let settings = Settings {
        watchers: 1,
        ..Settings::default()
    };
    let server = Running::with_ticks(settings, 1).await;
    let mut watcher = server.connect().await;
    watcher
        .write("GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    watcher.tick().await;
    let refused = server.get("/api/v1/live").await;
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (503, Some("10"))
    );
    assert!(
        refused.json()["error"]
            .as_str()
            .unwrap()
            .contains("1 watchers")
    );
    assert_eq!(
        server.get("/api/v1/containers").await.status,
        200,
        "others are served"
    );

    drop(watcher);
    let comes_in = async {
        // The server notices the end of a connection on its own time.
        loop {
            let mut next = server.connect().await;
            next.write("GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
                .await;
            if next.until("\r\n").await.contains("200") {
                break;
            }
        }
    };
    timeout(DEADLINE, comes_in).await.unwrap();
}
