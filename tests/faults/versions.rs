//! InfluxDB 2, by a script and itself; 3 as its source has it, by a script; and VictoriaMetrics.

use std::{sync::Arc, time::Duration};

use super::{
    delivery::{Place, Told},
    quarantined,
};
use crate::harness::{
    InfluxServer2, Ledger, VictoriaMetrics,
    scripted::{PointStore, Received, Reply, ScriptedServer},
    wall_ns,
};

/// 2.x stores nothing of a batch with a line that is none, and names the first.
#[test]
fn of_an_influxdb_2_the_good_lines_of_a_refused_batch_are_all_stored() {
    let (server, store) = checking(|store, request| {
        let trial = PointStore::default().take(&request.body);
        if let Some(bad) = trial.first() {
            let message = format!("unable to parse '{}': {}", bad.line, bad.reason);
            return Reply::v2(400, "invalid", &message);
        }
        store.take(&request.body);
        Reply::stored()
    });
    let secret = file("secret\n");
    let settings = format!(
        "[sinks.influxdb]\nversion = \"2\"\nurl = \"{}\"\norg = \"o\"\nbucket = \"b\"\ntoken_file = \"{}\"\n",
        server.url(),
        secret.path().display()
    );
    delivers_all_but_bad_lines(&settings, &store);
    let first = &server.requests()[0];
    assert!(
        first.line.starts_with("POST /api/v2/write?"),
        "{}",
        first.line
    );
    assert!(first.line.contains("org=o") && first.line.contains("bucket=b"));
    assert_eq!(first.header("authorization"), "Token secret");
}

#[test]
fn an_influxdb_2_has_each_good_point_once_and_each_other_is_counted_with_its_reason() {
    let Some(mut server) = InfluxServer2::start() else {
        return;
    };
    server.make_bucket("d", Duration::from_hours(48));
    let secret = file(InfluxServer2::TOKEN);
    let place = Place::with(&format!(
        "[sinks.influxdb]\nversion = \"2\"\nurl = \"{}\"\norg = \"home\"\nbucket = \"d\"\ntoken_file = \"{}\"\n",
        server.url(),
        secret.path().display()
    ));
    let mut delivery = place.start();
    let mut ledger = Ledger::new();
    delivery.offer(&ledger.lines(1000));
    delivery.settle();

    let now_ns = wall_ns();
    let old_ns = now_ns - 3 * 24 * 3_600_000_000_000;
    // A field has one type in each shard.
    let known_ns = *ledger.range(0..=0).start() + 1;
    let long = "x".repeat(1 << 20);
    let bad = [
        ("garbage".to_owned(), "refused"),
        (format!("m v=NaN {now_ns}"), "refused"),
        (format!("ledger,series=s1 n=1.5 {known_ns}"), "refused"),
        (format!("m s=\"{long}x\" {now_ns}"), "refused"),
        (format!("m v=1i {old_ns}"), "expired"),
    ];
    let mut lost = 0;
    for (line, reason) in &bad {
        let [before, after] = [500, 499].map(|count| ledger.lines(count));
        let of_reason = |told: &Told| told.lost.get(*reason).copied().unwrap_or(0);
        let before_it = of_reason(&delivery.told());
        delivery.offer(&format!("{before}{line}\n{after}"));
        let told = delivery.settle();
        lost += 1;
        assert_eq!(told.all_lost(), lost, "{line:.40}: {told:?}");
        assert_eq!(of_reason(&told), before_it + 1, "{line:.40}: {told:?}");
    }
    for reason in ["field type conflict", "missing fields", "too long"] {
        assert!(quarantined(&place).contains(reason), "{reason}");
    }

    server.kill();
    for _ in 0..10 {
        delivery.offer(&ledger.lines(1000));
    }
    delivery.until("it fails", |sinks| sinks["influxdb"].errors > 0);
    server.start_again();
    let told = delivery.settle();
    assert_eq!(told.all_lost(), lost, "{told:?}");
    ledger.compare(&server.points("d")).assert_whole();
}

/// 3.x stores the good lines and names each of the others.
#[test]
fn of_an_influxdb_3_exactly_the_named_lines_are_given_up() {
    let (server, store) = checking(|store, request| match store.take(&request.body)[..] {
        [] => Reply::stored(),
        ref bad => Reply::v3(bad),
    });
    let secret = file("secret\n");
    let settings = format!(
        "[sinks.influxdb]\nversion = \"3\"\nurl = \"{}\"\ndatabase = \"d\"\ntoken_file = \"{}\"\n",
        server.url(),
        secret.path().display()
    );
    delivers_all_but_bad_lines(&settings, &store);
    let requests = server.requests();
    let first = &requests[0];
    assert!(
        first.line.starts_with("POST /api/v3/write_lp?"),
        "{}",
        first.line
    );
    assert!(
        first.line.contains("precision=nanosecond"),
        "{}",
        first.line
    );
    assert_eq!(first.header("authorization"), "Token secret");
    assert!(!requests.iter().any(|it| it.line.contains("no_sync=true")));
}

#[test]
fn victoriametrics_has_each_point_once() {
    let Some(mut server) = VictoriaMetrics::keeping(1) else {
        return;
    };
    let place = Place::with(&super::sink("influxdb", &server.url(), ""));
    let mut delivery = place.start();
    let mut ledger = Ledger::new();
    for _ in 0..10 {
        delivery.offer(&ledger.lines(1000));
    }
    delivery.settle();
    ledger.compare_fields(&server.points()).assert_whole();
    // Not killed: what it has said it has is in its memory for a while, and lost with that (seen).
    server.stop();
    for _ in 0..10 {
        delivery.offer(&ledger.lines(1000));
    }
    delivery.until("it fails", |sinks| sinks["influxdb"].errors > 0);
    server.start_again();
    let told = delivery.settle();
    assert_eq!((told.sent, told.all_lost()), (20_000, 0), "{told:?}");
    ledger.compare_fields(&server.points()).assert_whole();
}

fn delivers_all_but_bad_lines(settings: &str, store: &PointStore) {
    let place = Place::with(settings);
    let mut delivery = place.start();
    let mut ledger = Ledger::new();
    let [one, two, three] = [300, 400, 300].map(|count| ledger.lines(count));
    delivery.offer(&format!("{one}garbage\n{two}m v=NaN 1\n{three}"));
    delivery.offer(&ledger.lines(1000));
    let told = delivery.settle();
    assert_eq!((told.sent, told.all_lost()), (2000, 2), "{told:?}");
    for bad in ["garbage", "m v=NaN 1"] {
        assert!(quarantined(&place).contains(bad), "{bad}");
    }
    ledger.compare(&store.points()).assert_whole();
}

fn checking(
    script: impl Fn(&PointStore, &Received) -> Reply + Send + Sync + 'static,
) -> (ScriptedServer, Arc<PointStore>) {
    let store = Arc::new(PointStore::default());
    let stored = Arc::clone(&store);
    let server = ScriptedServer::answering(move |request| script(&stored, request));
    (server, store)
}

/// A token's file, which only its owner may read.
fn file(token: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, token).unwrap();
    file
}
