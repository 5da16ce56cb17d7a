//! What the rules leave out is in no series of its own, and all of it is in `_other`, over a restart of the agent too.

use std::collections::BTreeSet;

use super::PATIENCE;
use crate::harness::{Docker, Home, InfluxServer, Line, cgroup, eventually};

const DATABASE: &str = "selected";

/// About 150 ms of CPU time on the machines of 2024.
const SHORT: &str = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done";

#[test]
fn an_excluded_container_is_no_series_and_all_its_cpu_is_in_other() {
    let Some(docker) = Docker::here() else { return };
    let Some(server) = InfluxServer::start() else {
        return;
    };
    let team = cgroup::unique("team");
    let home = Home::with(&format!(
        "[select]\nexclude = [\"label:team={team}\"]\n[sinks.influxdb]\ninterval = \"1s\"\n"
    ));
    let arguments = ["--influx", &server.url(), "--database", DATABASE];
    let mut agent = home.start(&arguments);
    let label = format!("team={team}");
    let (kept, parent) = (cgroup::unique("kept"), docker.parent());
    let beneath = ["--rm", "--cgroup-parent", &parent.name];
    docker.run_to_its_end(&["--rm", "--name", &kept], SHORT);
    let mut left_out = BTreeSet::new();
    for _ in 0..3 {
        let name = cgroup::unique("left-out");
        let options = [&beneath[..], &["--name", &name, "--label", &label]].concat();
        docker.run_to_its_end(&options, SHORT);
        left_out.insert(name);
    }
    told_in_full(&server, parent.usage_us());
    let scraped = agent.metrics();
    let names = stored(&server)
        .into_iter()
        .map(|it| it.tag("container").to_owned());
    let names: BTreeSet<String> = names.collect();
    assert!(
        names.contains(&kept) && names.contains("_other"),
        "{names:?}"
    );
    assert!(names.is_disjoint(&left_out), "{names:?}");
    assert!(left_out.iter().all(|name| !scraped.contains(name)));
    let events =
        |it: &Line| it.measurement == "container_event" && left_out.contains(it.tag("container"));
    assert!(!stored(&server).iter().any(events));
    // The page shows all.
    docker.run_to_its_end(&[&beneath[..], &["--label", &label]].concat(), SHORT);
    let running = docker.run(
        &[&beneath[1..], &["--label", &label]].concat(),
        "while :; do sleep 1; done",
    );
    eventually(PATIENCE, "it is shown", || {
        let shown = agent.get("/api/v1/containers").unwrap();
        shown.contains(&running.id).then_some(()).ok_or("not yet")
    });

    let checked = home.command("config check").args(arguments).output();
    let checked = String::from_utf8(checked.unwrap().stdout).unwrap();
    assert!(checked.contains("published as _other: 1 ("), "{checked}");

    agent.kill();
    let _agent = home.start(&arguments);
    drop(running);
    docker.run_to_its_end(&[&beneath[..], &["--label", &label]].concat(), SHORT);
    told_in_full(&server, parent.usage_us());
    let totals = of_other(&server);
    assert!(totals.is_sorted(), "{totals:?}");
}

/// The kernel of some virtual machines leaves out a call of a program now and then (README, what falls short): then it
/// is not known how a container ended, and nothing is told of it. What is told is never wrong.
#[test]
fn what_happens_to_containers_stands_in_influxdb() {
    const ROUNDS: usize = 3;
    let Some(docker) = Docker::here() else { return };
    let Some(server) = InfluxServer::start() else {
        return;
    };
    let home = Home::new();
    let _agent = home.start(&["--influx", &server.url(), "--database", DATABASE]);
    let is_known = (0..ROUNDS).any(|_| killed_twice(&docker, &server));
    assert!(is_known, "of no round it was known how the container ended");
}

/// Runs a container out of memory twice; whether it is told how it ended.
fn killed_twice(docker: &Docker, server: &InfluxServer) -> bool {
    let name = cgroup::unique("greedy");
    let options = [
        "--rm",
        "--name",
        &name,
        "--memory",
        "16m",
        "--memory-swap",
        "16m",
    ];
    docker.run_to_any_end(&options, "tail /dev/zero; exec tail /dev/zero");
    // A batch becomes readable series by series.
    let events = eventually(PATIENCE, "all that happened is stored", || {
        let mut events = stored(server);
        events.retain(|it| it.measurement == "container_event" && it.tag("container") == name);
        events.sort_by_key(|it| it.wall_ns);
        let words: Vec<&str> = events.iter().map(|it| it.tag("event")).collect();
        let told = format!("{words:?} {:?}", events.last());
        let is_whole = words == ["start", "oom", "oom", "exit"];
        is_whole.then_some(events).ok_or(told)
    });
    println!("{events:?}");
    assert_eq!(events[1].fields["comm"], "tail");
    assert_ne!(events[1].integer("pid"), events[2].integer("pid"));
    let query = format!("SELECT last(oom_kills) FROM container_mem WHERE container = '{name}'");
    eventually(PATIENCE, "its last values are stored", || {
        let kills = server.value(DATABASE, &query);
        (kills == 2).then_some(()).ok_or(kills)
    });
    let exit = &events[3].fields;
    let told = ["oom", "exit_code", "signal"].map(|field| exit.get(field).map(String::as_str));
    if told == [None; 3] {
        return false;
    }
    assert_eq!(told, [Some("true"), Some("137"), Some("9")]);
    true
}

/// Waits until `_other` has all that the kernel counted, but what cannot be more than a part in 500.
#[track_caller]
fn told_in_full(server: &InfluxServer, used_us: u64) {
    let told_ns = eventually(PATIENCE, "all that was used is told", || {
        let told_ns = of_other(server).last().copied().unwrap_or_default();
        let whole = told_ns / 1_000 >= used_us * 998 / 1_000;
        whole
            .then_some(told_ns)
            .ok_or(format!("told={told_ns}ns kernel={used_us}us"))
    });
    println!("kernel={used_us}us _other={told_ns}ns");
    assert!(
        told_ns / 1_000 <= used_us,
        "told={told_ns}ns kernel={used_us}us"
    );
}

/// The totals of `_other`, oldest first.
fn of_other(server: &InfluxServer) -> Vec<u64> {
    let mut points = stored(server);
    points.retain(|it| it.measurement == "container_cpu" && it.tag("container") == "_other");
    points.sort_by_key(|it| it.wall_ns);
    points
        .iter()
        .filter_map(|it| it.integer("usage_ns"))
        .collect()
}

/// All points; none before the agent has made the database.
fn stored(server: &InfluxServer) -> Vec<Line> {
    let count = server.value(DATABASE, "SELECT count(usage_ns) FROM container_cpu");
    if count.is_null() {
        return Vec::new();
    }
    server.points(DATABASE)
}
