//! Who is refused, who is cut, and how it ends.

use std::time::Duration;

use super::Running;
use crate::{
    encode::fixture::{container, every_sample, subject_of, tick_of},
    http::{Beyond, Limits, Settings, Silence},
    self_stats::Cut,
};

#[tokio::test]
async fn a_foreign_host_is_refused_with_the_reason() {
    let settings = Settings {
        hosts: vec!["metrics.example".to_owned()],
        ..Settings::default()
    };
    let server = Running::with_ticks(settings, 1).await;
    for path in [
        "/",
        "/metrics",
        "/api/v1/containers",
        "/api/v1/live",
        "/healthz",
    ] {
        let answer = server
            .send(&format!("GET {path} HTTP/1.1\r\nHost: evil.example\r\n"))
            .await;
        assert_eq!(answer.status, 403, "{path}");
        let reason = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(
            reason.contains("evil.example") && reason.contains("http.hosts"),
            "{reason}"
        );
    }
    for (host, status) in [
        ("Host: metrics.example:1\r\n", 200),
        ("Host: 127.0.0.1\r\n", 200),
        ("", 400),
        ("Host: localhost\r\nHost: localhost\r\n", 400),
    ] {
        let answer = server
            .send(&format!("GET /healthz HTTP/1.1\r\n{host}"))
            .await;
        assert_eq!(answer.status, status, "{host:?}");
    }
    let whole = "GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n";
    assert_eq!(server.send(whole).await.status, 403);
}

#[tokio::test]
async fn only_get_and_head_are_answered() {
    let server = Running::with_ticks(Settings::default(), 1).await;
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let request =
            format!("{method} /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n");
        let answer = server.send(&request).await;
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some("GET, HEAD")),
            "{method}"
        );
    }
    for path in [
        "/",
        "/metrics",
        "/api/v1/containers",
        "/api/v1/live",
        "/readyz",
    ] {
        let answer = server
            .send(&format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\n"))
            .await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{path}");
    }
}

#[tokio::test]
async fn oversized_headers_are_refused() {
    let server = Running::start(Settings::default()).await;
    let long = format!(
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n",
        "x".repeat(20_000)
    );
    assert_eq!(server.send(&long).await.status, 431);
    let many = format!(
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\n{}",
        "X: x\r\n".repeat(100)
    );
    assert_eq!(server.send(&many).await.status, 431);
}

/// Two clients at a time, each of which is cut where it says nothing for 50 ms.
async fn impatient() -> Running {
    let settings = Settings {
        limits: Limits {
            silence: Silence::of(Duration::from_millis(50)),
            ..Limits::of(2)
        },
        ..Settings::default()
    };
    Running::start(settings).await
}

#[tokio::test]
async fn slow_and_idle_clients_are_cut_and_make_room() {
    let server = impatient().await;
    let mut slow = server.connect().await;
    slow.write("GET /healthz HTTP/1.1\r\nHos").await;
    let idle = server.connect().await;
    assert_eq!(
        server.get("/healthz").await.status,
        200,
        "waited for its turn"
    );
    assert!(!slow.rest().await.contains("200 OK"));
    assert_eq!(idle.rest().await, "");
}

/// Room for so many, of whom nobody is cut for being slow.
async fn patient(connections: usize, per_client: usize) -> Running {
    let settings = Settings {
        limits: Limits {
            per_client,
            beyond: Beyond::MakesRoom,
            silence: Silence::of(Duration::from_hours(1)),
            write_timeout: Duration::from_hours(1),
            ..Limits::of(connections)
        },
        ..Settings::default()
    };
    Running::start(settings).await
}

#[tokio::test]
async fn who_is_waited_for_the_longest_makes_room_and_who_is_answered_stays() {
    let server = patient(3, usize::MAX).await;
    server.live.publish(tick_of(1, super::two()));
    let mut watcher = server.connect().await;
    watcher
        .write("GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    watcher.tick().await;
    let mut slow = server.connect().await;
    slow.write("GET /healthz HTTP/1.1\r\nHos").await;
    let mut idle = server.connect().await;
    idle.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    idle.until("\r\n\r\nok").await;
    assert_eq!(server.get("/healthz").await.status, 200);
    assert_eq!(slow.rest().await, "");
    // Its own connection has ended: there is room, and nobody goes for the next one.
    assert_eq!(server.get("/healthz").await.status, 200);
    idle.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    idle.until("\r\n\r\nok").await;
    server.live.publish(tick_of(2, super::two()));
    watcher.tick().await;
    assert_eq!(server.stats.http().cut(Cut::Room).get(), 1);
}

#[tokio::test]
async fn who_takes_nothing_of_an_answer_makes_room_too() {
    let server = patient(1, usize::MAX).await;
    let subjects = (1..3000).map(|at| subject_of(container(at, "same"), every_sample()));
    server.live.publish(tick_of(1, subjects.collect()));
    let mut deaf = server.connect().await;
    deaf.write("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    assert_eq!(server.get("/healthz").await.status, 200);
    assert!(!deaf.rest().await.ends_with("\r\n0\r\n\r\n"));
    assert_eq!(server.stats.http().cut(Cut::Room).get(), 1);
}

#[tokio::test]
async fn a_client_with_too_many_connections_is_told_so_and_keeps_those_it_has() {
    let server = patient(16, 2).await;
    let mut first = server.connect().await;
    let _second = server.connect().await;
    assert_eq!(server.get("/healthz").await.status, 429);
    first
        .write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    first.until("\r\n\r\nok").await;
    assert_eq!(server.stats.http().cut(Cut::Client).get(), 1);
    assert_eq!(server.stats.http().open(), 2);
}

#[tokio::test]
async fn what_is_cut_is_counted_by_its_reason() {
    let server = impatient().await;
    let cut = |why| server.stats.http().cut(why).get();
    let mut slow = server.connect().await;
    slow.write("GET /healthz HTTP/1.1\r\nHos").await;
    slow.rest().await;
    assert_eq!((cut(Cut::Slow), cut(Cut::Malformed)), (1, 0));
    let long = format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n",
        "x".repeat(20_000)
    );
    assert_eq!(server.send(&long).await.status, 431);
    server.connect().await.rest().await;
    // Who has asked nothing is cut and no matter of concern.
    assert_eq!((cut(Cut::Slow), cut(Cut::Malformed)), (1, 1));
    assert_eq!(cut(Cut::Room), 0);
}

#[tokio::test]
async fn a_client_that_asks_nothing_more_is_cut() {
    let server = impatient().await;
    for begun in ["", "GET"] {
        let mut client = server.connect().await;
        let request = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n{begun}");
        client.write(&request).await;
        assert!(client.rest().await.contains("200 OK"));
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut() {
    let settings = Settings {
        limits: Limits {
            write_timeout: Duration::from_millis(50),
            ..Limits::of(1)
        },
        ..Settings::default()
    };
    let server = Running::start(settings).await;
    let subjects = (1..3000).map(|at| subject_of(container(at, "same"), every_sample()));
    server.live.publish(tick_of(1, subjects.collect()));
    let mut deaf = server.connect().await;
    deaf.write("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    assert_eq!(
        server.get("/healthz").await.status,
        200,
        "served once the deaf one is cut"
    );
    let taken = deaf.rest().await;
    assert!(
        !taken.ends_with("\r\n0\r\n\r\n"),
        "all {} bytes were taken",
        taken.len()
    );
}

#[tokio::test]
async fn stopping_ends_streams_and_idle_connections_and_cuts_none() {
    let server = Running::with_ticks(Settings::default(), 1).await;
    let mut watcher = server.connect().await;
    watcher
        .write("GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    watcher.tick().await;
    let mut idle = server.connect().await;
    idle.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    idle.until("\r\n\r\nok").await;
    assert_eq!(server.stop().await, 0);
    assert!(
        watcher.rest().await.ends_with("0\r\n\r\n"),
        "the stream ends in good order"
    );
    assert_eq!(idle.rest().await, "");
}

#[tokio::test]
async fn stopping_cuts_who_takes_no_answer() {
    let settings = Settings {
        limits: Limits {
            drain: Duration::from_millis(50),
            ..Limits::of(8)
        },
        ..Settings::default()
    };
    let server = Running::start(settings).await;
    let subjects = (1..3000).map(|at| subject_of(container(at, "same"), every_sample()));
    server.live.publish(tick_of(1, subjects.collect()));
    let mut deaf = server.connect().await;
    deaf.write("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    deaf.until("# HELP").await;
    assert_eq!(server.stop().await, 1);
}
