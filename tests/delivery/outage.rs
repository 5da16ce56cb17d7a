//! InfluxDB away and back: the agent goes on, says so, and what arrives is just what was collected.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use super::PATIENCE;
use crate::harness::{
    AgentProcess, Batch, Docker, Home, InfluxServer, Line, cgroup, eventually, parse,
};

const DATABASE: &str = "cgflux";
const SINK: &str = "influxdb";

/// How long the agent may take to notice that the server is back: attempts become rarer, down to one a minute.
const BACK: Duration = Duration::from_mins(3);

/// An agent whose shipments go to InfluxDB and to a file beside it, so that the file says what was collected.
struct Twins {
    agent: AgentProcess,
    server: InfluxServer,
    file: PathBuf,
    _home: Home,
}

#[test]
fn an_outage_that_the_queue_spans_costs_no_point_and_no_tick() {
    let (Some(docker), Some(mut twins)) = (Docker::here(), Twins::start(64)) else {
        return;
    };
    let before = twins.agent.batch();
    twins.server.kill();
    let name = cgroup::unique("during");
    docker.run_to_its_end(&["--rm", "--name", &name], "true");
    let mut last = twins.agent.next_batch();
    for _ in 0..5 {
        last = twins.agent.batch_after(&last);
    }
    twins.server.start_again();
    twins.is_back();
    eventually(PATIENCE, "the end of a container during the outage", || {
        let points = twins.server.points(DATABASE);
        let end = points
            .iter()
            .find(|it| it.tag("container") == name && it.tag("event") == "exit");
        end.is_some().then_some(()).ok_or(points.len())
    });
    let after = twins.agent.batch();
    assert_eq!(skipped(&after), skipped(&before));
    assert_eq!(dropped(&after), 0);
    twins.tells_once("cannot write; points are kept and tried again");
    twins.tells_once("writing works again");

    let (collected, stored) = twins.finish();
    println!("collected={} stored={}", collected.len(), stored.len());
    assert!(same(&collected, &stored));
    assert_eq!(stored.len(), collected.len());
}

#[test]
fn an_outage_beyond_the_queue_costs_the_oldest_points_and_they_are_counted() {
    let Some(mut twins) = Twins::start(3) else {
        return;
    };
    let skipped_before = skipped(&twins.agent.batch());
    twins.server.kill();
    let mut last = twins.agent.next_batch();
    for _ in 0..8 {
        last = twins.agent.batch_after(&last);
    }
    twins.server.start_again();
    twins.is_back();
    eventually(PATIENCE, "the queue is empty", || {
        let log = twins.agent.log();
        log.contains("the queue is empty again")
            .then_some(())
            .ok_or(log)
    });
    assert_eq!(skipped(&twins.agent.batch()), skipped_before);
    twins.tells_once("the queue is full: the oldest points are dropped from now on");
    twins.tells_once("writing works again");

    let counted = dropped(&twins.agent.next_batch());
    let (collected, stored) = twins.finish();
    let missing: Vec<&Line> = collected
        .iter()
        .filter(|(key, _)| !stored.contains_key(*key))
        .map(|(_, line)| line)
        .collect();
    println!(
        "collected={} stored={} counted as dropped={counted}",
        collected.len(),
        stored.len()
    );
    // The one shipment that was being written when the server was killed may be stored, though nobody said so.
    let missing_and_unconfirmed = missing.len()..=missing.len() + largest_tick(&collected);
    let counted = usize::try_from(counted).unwrap();
    assert!(
        missing_and_unconfirmed.contains(&counted),
        "missing={}",
        missing.len()
    );
    assert!(!missing.is_empty());
    assert_eq!(stored.len() + missing.len(), collected.len());
    assert!(same(&collected, &stored));
    // The oldest went each time: what is missing is one stretch, and what waited last stands after it.
    let from_ns = missing.iter().map(|line| line.wall_ns).min().unwrap();
    let to_ns = missing.iter().map(|line| line.wall_ns).max().unwrap();
    let times = || stored.values().map(|line| line.wall_ns);
    let within = times().filter(|at| (from_ns..=to_ns).contains(at));
    assert_eq!(within.count(), 0, "{from_ns} to {to_ns}");
    assert!(times().any(|at| at < from_ns) && times().any(|at| at > to_ns));
}

impl Twins {
    /// Both sinks ship every tick; at most `queue` shipments wait for InfluxDB.
    fn start(queue: u32) -> Option<Self> {
        let server = InfluxServer::start()?;
        let home = Home::with(&format!(
            "[sinks.influxdb]\ninterval = \"1s\"\nqueue = {queue}\n[sinks.file]\ninterval = \"1s\"\n"
        ));
        let file = home.path().join("points");
        let url = server.url();
        let agent = home.start(&["--influx", &url, "--file", file.to_str().unwrap()]);
        eventually(PATIENCE, "the first points are stored", || {
            let count = server.value(DATABASE, "SELECT count(usage_ns) FROM container_cpu");
            count.as_u64().ok_or(count)
        });
        Some(Self {
            agent,
            server,
            file,
            _home: home,
        })
    }

    #[track_caller]
    fn is_back(&self) {
        eventually(BACK, "the agent says that writing works again", || {
            let log = self.agent.log();
            log.contains("writing works again").then_some(()).ok_or(log)
        });
    }

    #[track_caller]
    fn tells_once(&self, message: &str) {
        let log = self.agent.log();
        assert_eq!(log.matches(message).count(), 1, "{message}");
    }

    /// Stops the agent; what it wrote to the file, and what stands in InfluxDB.
    #[track_caller]
    fn finish(mut self) -> (Points, Points) {
        assert!(self.agent.stop().success());
        let collected = parse(&fs::read_to_string(&self.file).unwrap());
        (by_key(collected), by_key(self.server.points(DATABASE)))
    }
}

type Points = BTreeMap<Key, Line>;

/// What InfluxDB knows a point by.
type Key = (String, BTreeMap<String, String>, i64);

#[track_caller]
fn by_key(lines: Vec<Line>) -> Points {
    let count = lines.len();
    let key = |line: &Line| (line.measurement.clone(), line.tags.clone(), line.wall_ns);
    let points: Points = lines.into_iter().map(|line| (key(&line), line)).collect();
    assert_eq!(
        points.len(),
        count,
        "two points of one series have one time"
    );
    points
}

/// How many points the largest shipment has.
fn largest_tick(collected: &Points) -> usize {
    let mut sizes = BTreeMap::<i64, usize>::new();
    for line in collected.values() {
        *sizes.entry(line.wall_ns).or_default() += 1;
    }
    sizes.into_values().max().unwrap_or(0)
}

/// Whether all that is stored is what was collected.
fn same(collected: &Points, stored: &Points) -> bool {
    stored.iter().all(|(key, stored)| {
        let collected = collected.get(key);
        let same = collected.is_some_and(|it| {
            it.fields.keys().eq(stored.fields.keys())
                && it
                    .fields
                    .iter()
                    .all(|(field, value)| equal(value, &stored.fields[field]))
        });
        if !same {
            println!("collected: {collected:?}\nstored: {stored:?}");
        }
        same
    })
}

/// Floats may have been rounded by the reader of the answer.
fn equal(one: &str, other: &str) -> bool {
    let float = |text: &str| {
        text.contains('.')
            .then(|| text.parse::<f64>().ok())
            .flatten()
    };
    one == other
        || matches!((float(one), float(other)), (Some(one), Some(other))
            if (one - other).abs() <= one.abs() * 1e-12)
}

fn skipped(batch: &Batch) -> u64 {
    batch.agent("ticks_skipped")
}

fn dropped(batch: &Batch) -> u64 {
    batch.agent_with("points_dropped", "sink", SINK)
}
