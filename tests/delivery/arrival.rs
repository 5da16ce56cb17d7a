//! Containers in InfluxDB: by name, with all their CPU, in the schema that the catalog tells.

use std::collections::{BTreeMap, BTreeSet};

use cgflux::metrics::catalog::{self, Kind, Metric, Unit};

use super::PATIENCE;
use crate::harness::{AgentProcess, Docker, Home, InfluxServer, Line, cgroup, eventually};

/// About 150 ms of CPU time on the machines of 2024.
const SHORT: &str = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done";

const DATABASE: &str = "my stats";

#[test]
fn forty_short_containers_stand_in_influxdb_by_name_with_all_their_cpu() {
    let Some((docker, server)) = needs() else {
        return;
    };
    let home = Home::new();
    let _agent = ship_to(&server, &home, &[]);
    // Each under a parent of its own, whose counter keeps what the container used.
    let containers: Vec<_> = (0..40)
        .map(|_| {
            let (name, parent) = (cgroup::unique("short"), docker.parent());
            let options = ["--rm", "--name", &name, "--cgroup-parent", &parent.name];
            docker.run_to_its_end(&options, SHORT);
            (name, parent)
        })
        .collect();
    let told: BTreeMap<&str, u64> = eventually(PATIENCE, "all forty stand in InfluxDB", || {
        let points = server.points(DATABASE);
        let told = containers
            .iter()
            .map(|(name, _)| Some((name.as_str(), told_at_the_end(&points, name)?)));
        told.collect::<Option<_>>().ok_or("not all of them")
    });
    let (mut least, mut all_told_us, mut all_used_us) = (f64::INFINITY, 0, 0);
    for (name, parent) in &containers {
        let (told_us, used_us) = (told[name.as_str()] / 1_000, parent.usage_us());
        let facts = format!("{name}: kernel={used_us}us stored={told_us}us");
        assert!(told_us * 1_000 >= used_us * 998, "{facts}");
        assert!(told_us <= used_us, "{facts}");
        least = least.min(told_us as f64 / used_us as f64);
        all_told_us += told_us;
        all_used_us += used_us;
    }
    println!("kernel={all_used_us}us stored={all_told_us}us least={least:.5}");
}

#[test]
fn a_container_is_told_from_its_start_to_its_end_in_a_database_made_for_it() {
    let Some((docker, server)) = needs() else {
        return;
    };
    let home = Home::with("[sinks.influxdb]\ninterval = \"2s\"\n");
    let agent = ship_to(&server, &home, &[]);
    let name = cgroup::unique("told");
    let container = docker.run(&["--name", &name, "--cpus", "0.2"], "while :; do :; done");
    let stored = |measurement: &str| -> Vec<Line> {
        let points = server.points(DATABASE).into_iter();
        let of_ours = |it: &Line| it.measurement == measurement && it.tag("container") == name;
        points.filter(of_ours).collect()
    };
    eventually(PATIENCE, "three points of it", || {
        match stored("container_cpu").len() {
            3.. => Ok(()),
            points => Err(points),
        }
    });
    let (id, short_id) = (container.id.clone(), container.id[..12].to_owned());
    drop(container);
    let events = eventually(PATIENCE, "its end is stored", || {
        let events = stored("container_event");
        let kinds: Vec<&str> = events.iter().map(|it| it.tag("event")).collect();
        let facts = format!("{kinds:?}");
        (events.len() >= 2).then_some(events).ok_or(facts)
    });

    let tags = [
        ("container", name.as_str()),
        ("host", &agent_host(&agent)),
        ("image", "cgflux-test"),
        ("runtime", "docker"),
    ];
    let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let cpu = stored("container_cpu");
    for point in cpu.iter().chain(&stored("container_sched")) {
        assert_eq!(point.tags, BTreeMap::from(tags.clone()), "{point:?}");
    }
    for point in &cpu {
        let float = |field| point.fields[field].parse::<f64>().unwrap();
        assert!(float("usage_cpus_max") >= float("usage_cpus"), "{point:?}");
    }
    let usage_ns: Vec<u64> = cpu.iter().filter_map(|it| it.integer("usage_ns")).collect();
    assert!(usage_ns.is_sorted(), "{usage_ns:?}");
    assert_eq!(usage_ns.len(), cpu.len());

    let of_kind = |kind| events.iter().find(|event| event.tag("event") == kind);
    let (start, exit) = (of_kind("start").unwrap(), of_kind("exit").unwrap());
    assert_eq!(events.len(), 2, "{events:?}");
    for event in &events {
        assert_eq!(event.fields["id"], short_id);
    }
    let last = cpu.last().unwrap();
    assert_eq!(exit.integer("usage_ns"), last.integer("usage_ns"));
    assert_eq!(exit.wall_ns, last.wall_ns);
    assert!(start.wall_ns <= cpu[0].wall_ns, "{start:?} {:?}", cpu[0]);
    let info = &stored("container_info")[0];
    assert_eq!(info.fields["image_ref"], "cgflux-test:busybox");
    assert!(info.fields["cgroup"].contains(&id), "{info:?}");
}

#[test]
fn a_fields_type_is_the_catalogs_whatever_the_source_of_the_numbers() {
    let Some((docker, server)) = needs() else {
        return;
    };
    let _container = docker.run(&["--cpus", "0.2"], "while :; do :; done");
    for source in ["kernel", "files"] {
        let home = Home::with("[sinks.influxdb]\ninterval = \"1s\"\n");
        let agent = ship_to(&server, &home, &["--source", source]);
        let first = agent.next_batch();
        agent.batch_after(&first);
        eventually(PATIENCE, "its points are stored", || {
            let sent = agent.batch().agent_with("points_sent", "sink", "influxdb");
            (sent > 0).then_some(()).ok_or("none sent")
        });
        let dropped = agent
            .batch()
            .agent_with("points_dropped", "sink", "influxdb");
        assert_eq!(dropped, 0, "source={source}");
    }
    let mut stored = BTreeSet::new();
    for series in server.query(
        DATABASE,
        "SHOW FIELD KEYS FROM container_cpu, container_sched",
    ) {
        for row in series["values"].as_array().into_iter().flatten() {
            let text = |at: usize| row[at].as_str().unwrap_or_default().to_owned();
            stored.insert((text(0), text(1)));
        }
    }
    let types: BTreeMap<_, _> = stored.iter().cloned().collect();
    assert_eq!(
        types.len(),
        stored.len(),
        "a field of two types: {stored:?}"
    );
    for (field, kind) in &types {
        assert_eq!(*kind, type_of(field), "{field}");
    }
    for expected in ["usage_ns", "usage_cpus", "usage_cpus_max", "runq_wait_ns"] {
        assert!(types.contains_key(expected), "{expected} in {types:?}");
    }
}

fn needs() -> Option<(Docker, InfluxServer)> {
    Some((Docker::here()?, InfluxServer::start()?))
}

fn ship_to(server: &InfluxServer, home: &Home, more: &[&str]) -> AgentProcess {
    let arguments = ["--influx", &server.url(), "--database", DATABASE];
    home.start(&[&arguments, more].concat())
}

/// CPU time of a container that has ended: what its exit event says and its last point, which must be equal.
#[track_caller]
fn told_at_the_end(points: &[Line], name: &str) -> Option<u64> {
    let of = |measurement: &'static str| {
        let of_it = points.iter().filter(|it| it.tag("container") == name);
        of_it.filter(move |it| it.measurement == measurement)
    };
    let exit = of("container_event").find(|it| it.tag("event") == "exit")?;
    let last = of("container_cpu").max_by_key(|it| it.wall_ns)?;
    assert_eq!(exit.integer("usage_ns"), last.integer("usage_ns"), "{name}");
    exit.integer("usage_ns")
}

fn agent_host(agent: &AgentProcess) -> String {
    let batch: serde_json::Value =
        serde_json::from_str(&agent.get("/api/v1/containers").unwrap()).unwrap();
    batch["host"].as_str().unwrap().to_owned()
}

/// The type of a container's field, as `SHOW FIELD KEYS` says it.
fn type_of(field: &str) -> &'static str {
    let is_field = |metric: &&Metric| {
        metric.field == field
            || metric.kind == Kind::Histogram
                && field
                    .strip_prefix(metric.field)
                    .is_some_and(|rest| rest.starts_with('_'))
    };
    let metric = catalog::container().find(|metric| metric.field == field);
    let metric = metric.or_else(|| catalog::container().find(is_field));
    match metric.map(|metric| metric.unit) {
        Some(Unit::Cpus | Unit::Ratio) => "float",
        Some(_) => "integer",
        None => "not in the catalog",
    }
}
