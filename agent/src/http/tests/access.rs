//! Who is asked who they are, and what becomes of those who say it wrong.

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use tokio::{net::UnixListener, sync::watch};

use super::{Answer, Client, Running};
use crate::{
    accounts::{Account, Accounts, Role, token},
    encode::fixture::tick_of,
    http::{Allowed, Door, SettingNames, Settings, SocketFile, Wanted},
    self_stats::Denied,
};

/// A scraper and a viewer, and their tokens.
fn two_accounts() -> (Arc<Accounts>, [String; 2]) {
    let tokens = [1, 2].map(|byte| token([byte; 32]));
    let roles = [("prometheus", Role::Scrape), ("alice", Role::View)];
    let lines = roles.iter().zip(&tokens).map(|((name, role), token)| {
        let account = Account::new(name, *role, token).unwrap();
        format!("{account}\n")
    });
    let accounts = Accounts::parse(&lines.collect::<String>()).unwrap();
    (Arc::new(accounts), tokens)
}

async fn asking(accounts: Arc<Accounts>) -> (Running, watch::Sender<Option<Arc<Accounts>>>) {
    let (allow, allowed): (_, Allowed) = watch::channel(Some(accounts));
    let server = Running::for_whom(Settings::default(), allowed).await;
    server.live.publish(tick_of(1, super::two()));
    (server, allow)
}

async fn ask(server: &Running, path: &str, authorization: &str) -> Answer {
    let authorization = match authorization {
        "" => String::new(),
        some => format!("Authorization: {some}\r\n"),
    };
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}");
    server.send(&head).await
}

#[tokio::test]
async fn each_role_gets_its_routes_and_a_stranger_is_told_how_to_ask() {
    let (accounts, [scraper, viewer]) = two_accounts();
    let (server, _allow) = asking(accounts).await;
    let scraper = format!("Bearer {scraper}");
    let viewer = format!(
        "Basic {}",
        BASE64_STANDARD.encode(format!("alice:{viewer}"))
    );
    let wrong = format!("Bearer {}", "x".repeat(50));
    let unready = 503;
    for (path, expected) in [
        ("/healthz", [200, 200, 200, 200]),
        ("/readyz", [401, 401, unready, unready]),
        ("/metrics", [401, 401, 200, 200]),
        ("/", [401, 401, 403, 200]),
        ("/assets/main.js", [401, 401, 403, 200]),
        ("/api/v1/containers", [401, 401, 403, 200]),
        ("/api/v1/containers/web", [401, 401, 403, 200]),
        ("/nothing", [401, 401, 403, 404]),
    ] {
        server
            .now_ns
            .store(u64::MAX, std::sync::atomic::Ordering::Relaxed);
        let mut seen = Vec::new();
        for authorization in ["", &wrong, &scraper, &viewer] {
            seen.push(ask(&server, path, authorization).await.status);
        }
        assert_eq!(seen, expected, "{path}");
    }
    let stranger = ask(&server, "/metrics", "").await;
    let ways = stranger.head.matches("www-authenticate: ").count();
    assert_eq!(ways, 2, "{}", stranger.head);
    // No browser sends a token to another name than the one it was given for.
    let renamed =
        format!("GET /metrics HTTP/1.1\r\nHost: node.example\r\nAuthorization: {scraper}\r\n");
    assert_eq!(server.send(&renamed).await.status, 200);
    let denied = |why| server.stats.http().denied(why).get();
    assert_eq!(denied(Denied::NoToken), 8);
    assert_eq!(denied(Denied::WrongToken), 7);
    assert_eq!(denied(Denied::Role), 5);
}

#[tokio::test]
async fn who_guesses_is_told_to_come_later_and_who_knows_is_served_all_the_same() {
    let (accounts, [scraper, _]) = two_accounts();
    let (server, _allow) = asking(accounts).await;
    let mut seen = Vec::new();
    for number in 0..12 {
        let guess = format!("Bearer {}", format!("{number:02}").repeat(20));
        seen.push(ask(&server, "/metrics", &guess).await.status);
    }
    assert_eq!(seen[..10], [401; 10]);
    assert_eq!(seen[10..], [429; 2]);
    let right = ask(&server, "/metrics", &format!("Bearer {scraper}")).await;
    assert_eq!(right.status, 200);
    assert_eq!(server.stats.http().denied(Denied::Attempts).get(), 2);
}

#[tokio::test]
async fn who_may_ask_changes_from_one_request_to_the_next_of_a_connection() {
    let (accounts, [scraper, _]) = two_accounts();
    let (server, allow) = asking(accounts).await;
    let mut client = server.connect().await;
    let request = format!(
        "GET /readyz HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {scraper}\r\n\r\n"
    );
    client.write(&request).await;
    assert!(client.until("ready\n").await.contains("200 OK"));
    let other = Account::new("prometheus", Role::Scrape, &token([9; 32])).unwrap();
    allow.send_replace(Some(Arc::new(Accounts::parse(&other.to_string()).unwrap())));
    client.write(&request).await;
    assert!(client.until("\r\n\r\n").await.contains("401 Unauthorized"));
}

#[tokio::test]
async fn whoever_watches_asks_again_when_the_accounts_have_changed() {
    let (accounts, [_, viewer]) = two_accounts();
    let (server, allow) = asking(accounts).await;
    let paths = ["/api/v1/live", "/api/v1.3/events?stream=true"];
    let mut watchers = Vec::new();
    for path in paths {
        let mut watcher = server.connect().await;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {viewer}\r\nConnection: close\r\n\r\n"
        );
        watcher.write(&request).await;
        assert!(watcher.until("\r\n\r\n").await.contains("200 OK"), "{path}");
        watchers.push(watcher);
    }
    let other = Account::new("bob", Role::View, &token([9; 32])).unwrap();
    allow.send_replace(Some(Arc::new(Accounts::parse(&other.to_string()).unwrap())));
    for watcher in watchers {
        watcher.rest().await;
    }
    for path in paths {
        let again = ask(&server, path, &format!("Bearer {viewer}")).await;
        assert_eq!(again.status, 401, "{path}");
    }
}

#[tokio::test]
async fn a_socket_asks_nobody_and_takes_every_name() {
    let (accounts, _) = two_accounts();
    let (_allow, allowed): (_, Allowed) = watch::channel(Some(accounts));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("http.sock");
    let door = socket(&path);
    let server = Running::behind(vec![door], Settings::default(), allowed);
    server.live.publish(tick_of(1, super::two()));
    let mut client = Client::to(tokio::net::UnixStream::connect(&path).await.unwrap());
    client
        .write("GET /api/v1/containers HTTP/1.1\r\nHost: any.name\r\nConnection: close\r\n\r\n")
        .await;
    assert_eq!(Answer::parse(&client.rest().await).status, 200);
    server.stop().await;
    assert!(!path.exists());
}

fn socket(path: &std::path::Path) -> Door {
    let (file, listener): (_, UnixListener) = SocketFile::bind(Wanted {
        path,
        mode: 0o660,
        group: None,
        settings: SettingNames {
            path: "http.listen",
            group: "http.socket_group",
        },
    })
    .unwrap();
    Door::Unix { listener, file }
}

#[tokio::test]
async fn a_prefix_is_before_everything() {
    let settings = Settings {
        prefix: "/cgflux".to_owned(),
        ..Settings::default()
    };
    let server = Running::with_ticks(settings, 1).await;
    for (path, status) in [
        ("/cgflux/", 200),
        ("/cgflux/assets/main.js", 200),
        ("/cgflux/metrics", 200),
        ("/cgflux/api/v1/containers/web", 200),
        ("/cgflux/healthz", 200),
        ("/cgflux", 308),
        ("/", 404),
        ("/metrics", 404),
        ("/cgfluxmetrics", 404),
        ("/cgflux/cgflux/", 404),
    ] {
        assert_eq!(server.get(path).await.status, status, "{path}");
    }
    let moved = server.get("/cgflux").await;
    assert_eq!(moved.header("location"), Some("/cgflux/"));
}
