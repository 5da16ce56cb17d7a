//! SIGTERM: what was counted last arrives, within a bound.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use super::PATIENCE;
use crate::harness::{Docker, Home, InfluxServer, Line, cgroup, eventually, written};

const USAGE: &str = "SELECT last(usage_ns) FROM container_cpu WHERE container = '_host'";

/// Time for what still waits when the database is away, and for what is under way otherwise.
const BOUND: Duration = Duration::from_secs(15);

#[test]
fn the_last_tick_before_an_end_is_stored() {
    let (Some(docker), Some(server)) = (Docker::here(), InfluxServer::start()) else {
        return;
    };
    let home = Home::new();
    let mut agent = home.start(&["--influx", &server.url()]);
    let name = cgroup::unique("busy");
    let container = docker.run(&["--name", &name], "while :; do :; done");
    let stored = || {
        let query = format!("SELECT max(usage_ns) FROM container_cpu WHERE container = '{name}'");
        server.value("cgflux", &query).as_u64().unwrap_or(0)
    };
    // Long before the sink's interval of ten seconds has passed.
    let shown = agent.next_batch();
    let shown_ns = shown.container(&container.id).unwrap().usage_ns();
    let began = Instant::now();
    let status = agent.stop();
    let took = began.elapsed();
    println!(
        "stopped in {took:?}, shown={shown_ns}ns stored={}ns",
        stored()
    );
    assert!(status.success(), "{status}");
    assert!(took < BOUND, "{took:?}");
    assert!(stored() >= shown_ns, "shown={shown_ns} stored={}", stored());
    assert!(!agent.log().contains("ERROR"), "{}", agent.log());
}

#[test]
fn a_file_gets_the_last_tick_too_and_no_line_twice() {
    let home = Home::new();
    let file = home.path().join("points");
    let mut agent = home.start(&["--source", "files", "--file", file.to_str().unwrap()]);
    let written = || {
        let lines = written(&file).into_iter();
        let of_host =
            |line: &Line| line.measurement == "container_cpu" && line.tag("container") == "_host";
        lines
            .filter(of_host)
            .map(|line| line.wall_ns)
            .collect::<Vec<_>>()
    };
    eventually(
        PATIENCE,
        "the first shipment is written",
        || match written().len() {
            0 => Err("nothing"),
            _ => Ok(()),
        },
    );
    // That was a moment ago; the next would be due in ten seconds.
    assert!(agent.stop().success());
    let times = written();
    assert_eq!(times.len(), 2, "{times:?}");
    assert!(times[0] < times[1], "{times:?}");
}

#[test]
fn an_output_that_nobody_reads_ends_the_agent_with_the_reason() {
    let home = Home::with("[sinks.stdout]\ninterval = \"1s\"\n");
    let mut command = home.command("run");
    let command = command.args(["--listen", "127.0.0.1:0", "--stdout"]);
    let mut agent = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(agent.stdout.take());
    eventually(PATIENCE, "the agent ends", || {
        agent.try_wait().unwrap().ok_or("it runs")
    });
    let ended = agent.wait_with_output().unwrap();
    let told = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{told}");
    let reason = "cgflux: sink stdout ended: nobody reads its output any more";
    assert!(told.lines().any(|line| line.starts_with(reason)), "{told}");
    assert!(!told.contains("the queue is full"), "{told}");
}

#[test]
fn an_interrupt_is_an_end_too() {
    let home = Home::new();
    let mut agent = home.start::<&str>(&[]);
    agent.signal(Signal::SIGINT);
    let status = agent.ended();
    assert!(status.success(), "{status}");
}

#[test]
fn an_end_without_the_database_comes_in_time_and_what_is_not_stored_is_with_the_next_start() {
    let Some(mut server) = InfluxServer::start() else {
        return;
    };
    let home = Home::new();
    let mut agent = home.start(&["--influx", &server.url()]);
    eventually(PATIENCE, "the first points are stored", || {
        let stored = server.value("cgflux", USAGE);
        stored.as_u64().ok_or(stored)
    });
    server.kill();
    let began = Instant::now();
    let status = agent.stop();
    let took = began.elapsed();
    let log = agent.log();
    println!("stopped in {took:?}");
    assert!(status.success(), "{status}");
    assert!(took < BOUND, "{took:?}");
    let kept = "what is not written yet is on disk, for the next start";
    assert!(log.contains(kept) && !log.contains("points_lost="), "{log}");

    let stored_before = server_points(&mut server);
    let mut agent = home.start(&["--influx", &server.url()]);
    eventually(PATIENCE, "what was kept is stored", || {
        let stored = server.points("cgflux").len();
        let is_settled = agent
            .batch()
            .agent_with("waiting_points", "sink", "influxdb")
            == 0;
        (is_settled && stored > stored_before)
            .then_some(())
            .ok_or(stored)
    });
    assert!(agent.stop().success());
}

/// Starts it again, and counts what it has.
fn server_points(server: &mut InfluxServer) -> usize {
    server.start_again();
    server.points("cgflux").len()
}
