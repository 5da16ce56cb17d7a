//! Lines that no server takes: they cost themselves, and no others.

use std::collections::BTreeMap;

use super::{delivery::Place, quarantined, sink};
use crate::harness::{InfluxServer, Influxd, Ledger, wall_ns};

/// Requests that finding one bad line in a thousand may take.
const REQUESTS: u64 = 30;

#[test]
fn a_bad_line_of_each_kind_costs_itself_and_is_kept_with_its_reason() {
    let limited = |server: Influxd| server.engine("max-values-per-tag = 8").start();
    if let Some(server) = limited(Influxd::packaged()) {
        bad_lines_cost_themselves(&server, &sink("influxdb", &server.url(), ""));
    }
    let v2 = Influxd::with_v2().auth();
    if let Some(server) = limited(v2) {
        server.execute("CREATE DATABASE d");
        let secret = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&secret, "admin:admins-own").unwrap();
        let settings = format!(
            "[sinks.influxdb]\nversion = \"2\"\nurl = \"{}\"\norg = \"o\"\nbucket = \"d/autogen\"\n\
             token_file = \"{}\"\n",
            server.url(),
            secret.path().display()
        );
        bad_lines_cost_themselves(&server, &settings);
    }
}

fn bad_lines_cost_themselves(server: &InfluxServer, settings: &str) {
    let place = Place::with(settings);
    let mut delivery = place.start();
    let mut ledger = Ledger::new();
    delivery.offer(&ledger.lines(100));
    delivery.settle();
    // The eighth value of a tag is the last one there may be; the limit is looked at between batches.
    let now_ns = wall_ns();
    delivery.offer(&format!(
        "other,series=s7 v=1i {now_ns}\nledger,series=s7 n=0i,half=0 1\n"
    ));
    delivery.settle();
    let long_key = "x".repeat(70_000);
    let bad = BTreeMap::from([
        ("no line", "garbage".to_owned()),
        ("type", format!("ledger,series=s1 n=1.5 {now_ns}")),
        ("no number", format!("other v=NaN {now_ns}")),
        ("infinity", format!("other v=Inf {now_ns}")),
        ("trailing backslash", format!("other,t=a\\ v=1i {now_ns}")),
        ("long key", format!("other,t={long_key} v=1i {now_ns}")),
        (
            "too large",
            format!("other v=9223372036854775808i {now_ns}"),
        ),
        ("no tag value", format!("other,t= v=1i {now_ns}")),
        ("tag twice", format!("other,t=a,t=b v=1i {now_ns}")),
        ("only a time", format!("other time=1i {now_ns}")),
        (
            "tag limit",
            format!("ledger,series=x n=1i,half=0.5 {now_ns}"),
        ),
    ]);
    for (at, (kind, line)) in bad.iter().enumerate() {
        let [before, after] = [500, 499].map(|count| ledger.lines(count));
        let requests = writes(server);
        delivery.offer(&format!("{before}{line}\n{after}"));
        let told = delivery.settle();
        let requests = writes(server) - requests;
        println!("{kind}: {requests} requests");
        assert_eq!(told.all_lost(), at as u64 + 1, "{kind}: {told:?}");
        assert!(requests <= REQUESTS, "{kind}: {requests}");
        // Of a line too long to be looked at, its beginning is enough.
        let beginning = &line[..line.len().min(4096)];
        assert!(quarantined(&place).contains(beginning), "{kind}");
    }
    let reasons = quarantined(&place);
    for reason in [
        "field type conflict",
        "max-values-per-tag",
        "unable to parse",
    ] {
        assert!(reasons.contains(reason), "{reason}");
    }
    let mut stored = server.points("d");
    stored.retain(|line| line.tag("series") != "s7");
    ledger.compare(&stored).assert_whole();
}

/// Of a batch with two types for a new field in a new shard InfluxDB stores nothing, and says neither which nor how many.
#[test]
fn good_lines_beside_a_conflict_in_a_new_shard_are_all_stored() {
    let Some(server) = InfluxServer::start() else {
        return;
    };
    let place = Place::with(&sink("influxdb", &server.url(), ""));
    let mut delivery = place.start();
    let week_ns = 7 * 24 * 3_600_000_000_000;
    let now_ns = wall_ns();
    let mut ledger = Ledger::at(now_ns - 10 * week_ns);
    // One shard, then two in one batch.
    for weeks in [20, 30] {
        let at_ns = now_ns - weeks * week_ns;
        let before = ledger.lines(200);
        if weeks == 30 {
            ledger.go_to(now_ns - 35 * week_ns);
        }
        let after = ledger.lines(200);
        ledger.go_to(now_ns - 40 * week_ns);
        let two_types = [
            format!("m f=1i {at_ns}\n"),
            format!("m f=1.5 {}\n", at_ns + 1),
        ];
        delivery.offer(&format!("{}{before}{}{after}", two_types[0], two_types[1]));
        let told = delivery.settle();
        println!("{told:?}");
    }
    let told = delivery.told();
    assert_eq!(told.all_lost(), 2, "{told:?}");
    ledger.compare(&server.points("d")).assert_whole();
}

/// How many writes the server has been asked for.
fn writes(server: &InfluxServer) -> u64 {
    let stats = server.query("", "SHOW STATS FOR 'httpd'");
    let columns = stats[0]["columns"].as_array().unwrap();
    let at = columns.iter().position(|name| name == "writeReq").unwrap();
    stats[0]["values"][0][at].as_u64().unwrap()
}
