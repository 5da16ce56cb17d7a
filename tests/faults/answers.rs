//! Answers that are late, cut, odd, or a refusal that passes: nothing is lost by them and nobody is overrun.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{delivery::Place, influxdb, quarantined, scale::scaled, sink};
use crate::harness::{
    InfluxServer, Influxd, Ledger, pause,
    scripted::{PointStore, Received, Reply, ScriptedServer},
};

/// A proxy in front of the server.
const HTML: &str = "<html><body><h1>Go away</h1></body></html>";

#[test]
fn a_connection_that_is_cut_costs_one_more_request_wherever_it_is_cut() {
    let store = Arc::new(PointStore::default());
    let stored = Arc::clone(&store);
    let server = ScriptedServer::cutting(
        |number| match number % 7 {
            0 => Some(0),
            1 => Some(1000),
            _ => None,
        },
        move |request| {
            stored.take(&request.body);
            match request.number % 7 {
                2 => Reply::reset(),
                3 => Reply::half_close(),
                4 => Reply::stored().then_close(),
                _ => Reply::stored(),
            }
        },
    );
    let place = Place::with(&sink("influxdb", &server.url(), ""));
    let mut delivery = place.start();
    let mut ledger = Ledger::new();
    for _ in 0..scaled(9, 90) {
        delivery.offer(&ledger.lines(1000));
        delivery.settle();
    }
    let told = delivery.told();
    assert_eq!((told.sent, told.all_lost()), (ledger.len() as u64, 0));
    assert_eq!(quarantined(&place), "");
    ledger.compare(&store.points()).assert_whole();
}

#[test]
fn a_refusal_that_passes_is_asked_again_and_costs_no_point() {
    let refusals: [fn() -> Reply; 14] = [
        || Reply::v1(500, "timeout"),
        || {
            Reply::v1(
                500,
                "engine: error writing WAL entry: no space left on device",
            )
        },
        || Reply::v1(500, "engine: cache-max-memory-size exceeded: (9/8)"),
        || Reply::v1(400, "unexpected EOF"),
        || Reply::v1(400, "gzip: invalid checksum"),
        || Reply::status(503).body("text/plain", "request throttled, queue full"),
        || Reply::status(408),
        || Reply::status(425),
        || Reply::status(429),
        || Reply::status(499),
        || Reply::status(502).body("text/html", HTML),
        || Reply::status(400).body("text/html", HTML),
        || Reply::v2(503, "unavailable", "service unavailable"),
        || Reply::v2(500, "internal error", "an internal error has occurred"),
    ];
    let (server, store) = storing(move |request| {
        (request.number % 2 == 0).then(|| refusals[request.number / 2 % refusals.len()]())
    });
    let place = Place::with(&sink("influxdb", &server.url(), ""));
    let mut delivery = place.start();
    let mut ledger = Ledger::new();
    for batch in 1..=refusals.len() as u64 {
        delivery.offer(&ledger.lines(10));
        let told = delivery.settle();
        assert_eq!((told.sent, told.errors), (10 * batch, batch), "{told:?}");
    }
    assert_eq!(delivery.told().all_lost(), 0);
    ledger.compare(&store.points()).assert_whole();
}

#[test]
fn a_wait_that_is_asked_for_is_kept_and_meanwhile_nothing_is_asked() {
    let waits: [fn() -> String; 3] = [
        || "2".to_owned(),
        || httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(4)),
        || "soon".to_owned(),
    ];
    let (server, store) = storing(move |request| {
        let wait = waits.get(request.number / 2);
        let wait = wait.filter(|_| request.number % 2 == 0)?;
        Some(Reply::status(503).header("Retry-After", &wait()))
    });
    let place = Place::with(&sink("influxdb", &server.url(), ""));
    let mut delivery = place.start();
    let mut ledger = Ledger::new();
    for _ in waits {
        delivery.offer(&ledger.lines(10));
        delivery.until("it is refused", |sinks| sinks["influxdb"].errors > 0);
        delivery.offer(&ledger.lines(10));
        delivery.settle();
    }
    let at: Vec<_> = server.requests().iter().map(|it| it.at).collect();
    let waited = |refused: usize| at[refused + 1] - at[refused];
    println!("waited: {:?}", [0, 2].map(waited));
    assert!(waited(0) >= Duration::from_secs(2));
    // A date has no smaller part than a second.
    let later = at.windows(2).skip(1).map(|pair| pair[1] - pair[0]).max();
    assert!(later.unwrap() >= Duration::from_secs(2));
    assert_eq!(delivery.told().all_lost(), 0);
    ledger.compare(&store.points()).assert_whole();
}

#[test]
fn a_server_that_never_answers_or_dawdles_holds_one_request_and_no_memory() {
    let (server, store) = storing(|request| match request.number {
        0 | 1 => Some(Reply::never()),
        2 => Some(Reply::v1(503, &"slow".repeat(20)).slowly(Duration::from_secs(1))),
        3 => Some(Reply::status(503).body("text/plain", &"x".repeat(8 << 20))),
        4 => Some(Reply::status(503).header("X-Long", &"x".repeat(100_000))),
        _ => None,
    });
    let place = Place::with(&sink("influxdb", &server.url(), "timeout = \"1s\""));
    let mut delivery = place.start();
    let mut ledger = Ledger::new();
    let memory_before = delivery.own_memory_bytes();
    for _ in 0..20 {
        delivery.offer(&ledger.lines(100));
        pause(Duration::from_millis(50));
    }
    let told = delivery.settle();
    assert!(told.errors >= 5, "{told:?}");
    assert_eq!((told.sent, told.all_lost()), (ledger.len() as u64, 0));
    // One that was given up may not have been seen to end.
    assert!(server.most_open() <= 2, "{}", server.most_open());
    let grown = delivery.own_memory_bytes().saturating_sub(memory_before);
    assert!(grown < 8 << 20, "{grown} bytes");
    ledger.compare(&store.points()).assert_whole();
}

#[test]
fn an_influxdb_that_hangs_gets_it_all_once_it_goes_on() {
    let Some(server) = InfluxServer::start() else {
        return;
    };
    let place = Place::with(&influxdb(&server, "timeout = \"1s\""));
    let mut delivery = place.start();
    let mut ledger = Ledger::new();
    delivery.offer(&ledger.lines(1000));
    delivery.settle();
    server.freeze();
    for _ in 0..10 {
        delivery.offer(&ledger.lines(1000));
        pause(scaled(Duration::from_millis(300), Duration::from_secs(6)));
    }
    delivery.until("it fails", |sinks| sinks["influxdb"].errors > 0);
    server.thaw();
    let told = delivery.settle();
    assert_eq!((told.sent, told.all_lost()), (ledger.len() as u64, 0));
    ledger.compare(&server.points("d")).assert_whole();
}

#[test]
fn what_was_stored_in_spite_of_a_timeout_is_there_once() {
    let hasty = Influxd::packaged().coordinator("write-timeout = \"1ms\"");
    let Some(mut server) = hasty.start() else {
        return;
    };
    let place = Place::with(&influxdb(&server, ""));
    let mut delivery = place.start();
    let mut ledger = Ledger::new();
    for _ in 0..10 {
        delivery.offer(&ledger.lines(5000));
    }
    delivery.until("it fails", |sinks| sinks["influxdb"].errors > 0);
    server.kill();
    server.start_again_as(Influxd::packaged());
    let told = delivery.settle();
    assert_eq!((told.sent, told.all_lost()), (ledger.len() as u64, 0));
    ledger.compare(&server.points("d")).assert_whole();
}

#[test]
fn a_body_that_is_too_large_is_split_and_the_size_is_remembered() {
    let Some(strict) = Influxd::packaged().http("max-body-size = 20000").start() else {
        return;
    };
    let (proxy, store) = storing(|request| {
        (request.body.len() > 20_000).then(|| Reply::status(413).body("text/html", HTML))
    });
    let [one, other] = [
        sink("strict", &strict.url(), ""),
        sink("proxy", &proxy.url(), ""),
    ];
    let place = Place::with(&format!("{one}{other}"));
    let mut delivery = place.start();
    let mut ledger = Ledger::new();
    delivery.offer(&ledger.lines(4000));
    delivery.settle();
    let learnt = proxy.requests().len();
    for _ in 0..4 {
        delivery.offer(&ledger.lines(4000));
    }
    delivery.settle();
    let requests = proxy.requests();
    let refused = requests[learnt..]
        .iter()
        .filter(|it| it.body.len() > 20_000);
    let (refused, later) = (refused.count(), requests.len() - learnt);
    println!("requests: {learnt} for the first batch, {later} for four more, {refused} too large");
    assert!(refused <= 2, "{refused}");
    for (name, sink) in delivery.sinks() {
        assert_eq!((sink.sent, sink.all_lost()), (20_000, 0), "{name}");
    }
    ledger.compare(&strict.points("d")).assert_whole();
    ledger.compare(&store.points()).assert_whole();
}

/// A cluster wraps a refusal of some lines into an error of its own.
#[test]
fn a_500_that_tells_of_refused_lines_has_no_endless_loop() {
    let (server, store) = storing(|request| {
        let conflicts = request.body.contains("n=1.5");
        let refusal = "partial write: field type conflict: input field \"n\" on measurement \"ledger\" is type float, \
                       already exists as type integer dropped=1";
        conflicts.then(|| Reply::v1(500, refusal))
    });
    let place = Place::with(&sink("influxdb", &server.url(), ""));
    let mut delivery = place.start();
    let mut ledger = Ledger::new();
    let lines = [ledger.lines(2000), ledger.lines(3000)];
    let [before, after] = lines;
    delivery.offer(&format!(
        "{before}ledger,series=s0 n=1.5 1700000000000000000\n{after}"
    ));
    let told = delivery.settle();
    assert_eq!((told.sent, told.all_lost()), (5000, 1), "{told:?}");
    assert!(server.requests().len() <= 31, "{}", server.requests().len());
    ledger.compare(&store.points()).assert_whole();
}

/// A server that stores what the script has no answer to, and those points.
pub(super) fn storing(
    script: impl Fn(&Received) -> Option<Reply> + Send + Sync + 'static,
) -> (ScriptedServer, Arc<PointStore>) {
    let store = Arc::new(PointStore::default());
    let stored = Arc::clone(&store);
    let server = ScriptedServer::answering(move |request| {
        script(request).unwrap_or_else(|| {
            stored.take(&request.body);
            Reply::stored()
        })
    });
    (server, store)
}
