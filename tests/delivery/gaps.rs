//! What the agent did not see, because it did not run, stands in the database; and what it counted goes on.

use std::time::Duration;

use super::{PATIENCE, command_line::ended};
use crate::harness::{AgentProcess, Docker, Home, InfluxServer, Line, cgroup, eventually, pause};

const DATABASE: &str = "cgflux";

/// Totals that must never go backwards.
const TOTALS: [&str; 3] = ["usage_ns", "user_ns", "system_ns"];

#[test]
fn each_restart_leaves_a_gap_from_the_last_tick_to_the_first_and_no_total_goes_back() {
    let Some(docker) = Docker::here() else { return };
    let Some(server) = InfluxServer::start() else {
        return;
    };
    let home = Home::with("[sinks.influxdb]\ninterval = \"1s\"\n");
    let url = server.url();
    let start = || home.start(&["--influx", &url]);
    let name = cgroup::unique("gap");
    let _load = docker.run(&["--name", &name], "while :; do (true); done");
    let mut agent = start();
    assert_eq!(gaps(&server), [], "nothing ran before it");

    let mut last = Vec::new();
    for end in [AgentProcess::kill, |agent: &mut AgentProcess| {
        agent.stop();
    }] {
        pause(Duration::from_secs(3));
        let before = agent.batch().taken;
        end(&mut agent);
        last.push(before);
        pause(Duration::from_secs(2));
        agent = start();
    }
    let told = eventually(PATIENCE, "both gaps are told", || {
        let told = gaps(&server);
        let facts = format!("{told:?}");
        (told.len() == 2).then_some(told).ok_or(facts)
    });
    for ((from_ns, to_ns), last_ns) in told.iter().zip(&last) {
        let (after_ns, length_ns) = (from_ns - last_ns, to_ns - from_ns);
        println!(
            "a gap of {length_ns}ns that begins {after_ns}ns after the tick that was seen last"
        );
        // A tick may have come between the look and the end, and the last one at the end.
        assert!((0..2_000_000_000).contains(&after_ns), "{after_ns}ns");
        assert!(length_ns > 2_000_000_000, "{length_ns}ns");
    }

    let asked = ended(
        home.command("query gaps --format csv")
            .args(["--influx", &url]),
    );
    let asked = String::from_utf8(asked.stdout).unwrap();
    println!("{asked}");
    assert_eq!(asked.lines().count(), 1 + told.len(), "{asked}");

    let points = server.points(DATABASE);
    let of_load = |it: &&Line| it.measurement == "container_cpu" && it.tag("container") == name;
    let mut of_load: Vec<&Line> = points.iter().filter(of_load).collect();
    of_load.sort_by_key(|it| it.wall_ns);
    for total in TOTALS {
        let values: Vec<u64> = of_load.iter().filter_map(|it| it.integer(total)).collect();
        println!(
            "{total}: {} points, {:?} to {:?}",
            values.len(),
            values.first(),
            values.last()
        );
        assert!(values.len() > 6, "{values:?}");
        assert!(values.is_sorted(), "{total}: {values:?}");
    }
}

/// The gaps that the database tells of, oldest first: from when to when.
fn gaps(server: &InfluxServer) -> Vec<(i64, i64)> {
    let points = server.points(DATABASE);
    let gaps = points.iter().filter(|it| it.measurement == "agent_gap");
    let mut gaps: Vec<(i64, i64)> = gaps
        .map(|it| {
            assert_eq!(it.tag("reason"), "restart", "{it:?}");
            let ns = |field| it.integer(field).unwrap().cast_signed();
            assert_eq!(it.wall_ns, ns("to_ns"), "{it:?}");
            (ns("from_ns"), ns("to_ns"))
        })
        .collect();
    gaps.sort_unstable();
    gaps
}
