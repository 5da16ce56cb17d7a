//! The host as a whole in InfluxDB: in a database of its own where one is named, else beside the containers.

use std::collections::{BTreeMap, BTreeSet};

use cgflux::metrics::catalog::{self, Unit};

use super::PATIENCE;
use crate::harness::{AgentProcess, Home, InfluxServer, eventually};

const DATABASE: &str = "containers";
const HOST_DATABASE: &str = "nodemetrics";

#[test]
fn the_host_stands_in_a_database_of_its_own_that_was_made_for_it() {
    let Some(server) = InfluxServer::start() else {
        return;
    };
    let home = quick();
    let agent = ship_to(&server, &home, &["--host-database", HOST_DATABASE]);
    has_arrived(&server, HOST_DATABASE);
    eventually(PATIENCE, "both halves were acknowledged", || {
        let batch = agent.batch();
        let sent =
            ["influxdb", "influxdb.host"].map(|it| batch.agent_with("points_sent", "sink", it));
        let facts = format!("{sent:?}");
        sent.iter().all(|it| *it > 0).then_some(()).ok_or(facts)
    });
    let [rest, host] = [DATABASE, HOST_DATABASE].map(|it| measurements(&server, it));
    println!("{DATABASE}: {rest:?}\n{HOST_DATABASE}: {host:?}");
    assert!(host.iter().all(|it| it.starts_with("host_")), "{host:?}");
    assert!(!rest.iter().any(|it| it.starts_with("host_")), "{rest:?}");
    for measurement in ["container_cpu", "agent_self"] {
        assert!(rest.contains(measurement), "{rest:?}");
    }
    // Both tell of the same host.
    let hosts = [DATABASE, HOST_DATABASE].map(|database| {
        let points = server.points(database);
        points
            .iter()
            .map(|it| it.tag("host").to_owned())
            .collect::<BTreeSet<_>>()
    });
    assert_eq!(hosts[0], hosts[1]);
    assert_eq!(hosts[0].len(), 1);
    drop(agent);
}

#[test]
fn without_a_database_of_its_own_the_host_stands_with_the_rest_and_each_field_has_its_type() {
    let Some(server) = InfluxServer::start() else {
        return;
    };
    let home = quick();
    let _agent = ship_to(&server, &home, &[]);
    has_arrived(&server, DATABASE);
    let measurements = measurements(&server, DATABASE);
    assert!(measurements.contains("container_cpu"), "{measurements:?}");
    let mut stored = BTreeMap::new();
    for series in server.query(DATABASE, "SHOW FIELD KEYS FROM /host_.*/") {
        for row in series["values"].as_array().into_iter().flatten() {
            let text = |at: usize| row[at].as_str().unwrap_or_default().to_owned();
            let measurement = series["name"].as_str().unwrap_or_default().to_owned();
            stored.insert((measurement, text(0)), text(1));
        }
    }
    for ((measurement, field), stored) in &stored {
        let metric = catalog::host()
            .find(|it| it.measurement == measurement && it.field == field)
            .unwrap_or_else(|| panic!("{measurement} {field} is not in the catalog"));
        let expected = match metric.unit {
            Unit::Cpus | Unit::Ratio => "float",
            _ => "integer",
        };
        assert_eq!(stored, expected, "{measurement} {field}");
    }
    println!("{} fields of {}", stored.len(), catalog::host().count());
}

fn quick() -> Home {
    Home::with("[collect]\nfile_interval = \"1s\"\n[sinks.influxdb]\ninterval = \"1s\"\n")
}

fn ship_to(server: &InfluxServer, home: &Home, more: &[&str]) -> AgentProcess {
    let url = server.url();
    let arguments = ["--influx", &url, "--database", DATABASE];
    home.start(&[&arguments, more].concat())
}

fn has_arrived(server: &InfluxServer, database: &str) {
    eventually(PATIENCE, "the host's lines are stored", || {
        let stored = measurements(server, database);
        let wanted = ["host_cpu", "host_load", "host_mem", "host_net", "host_fs"];
        let all = wanted.iter().all(|it| stored.contains(*it));
        all.then_some(()).ok_or(format!("{stored:?}"))
    });
}

/// The measurements of a database; none without it.
fn measurements(server: &InfluxServer, database: &str) -> BTreeSet<String> {
    let names = |database: &str, query: &str| -> BTreeSet<String> {
        let series = server.query(database, query);
        let rows = series
            .iter()
            .flat_map(|it| it["values"].as_array().into_iter().flatten());
        rows.filter_map(|row| row[0].as_str().map(str::to_owned))
            .collect()
    };
    if !names("", "SHOW DATABASES").contains(database) {
        return BTreeSet::new();
    }
    names(database, "SHOW MEASUREMENTS")
}
