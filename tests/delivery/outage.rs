//! InfluxDB away and back: the agent goes on, says so, and what arrives is just what was collected.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use super::PATIENCE;
use crate::harness::{
    AgentProcess, Batch, Docker, Home, InfluxServer, Line, cgroup, eventually, written,
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
fn an_outage_that_the_spool_spans_costs_no_point_and_no_tick() {
    let (Some(docker), Some(mut twins)) = (Docker::here(), Twins::start()) else {
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

    eventually(PATIENCE, "all that waited is written", || {
        match twins
            .agent
            .batch()
            .agent_with("waiting_points", "sink", SINK)
        {
            0 => Ok(()),
            waiting => Err(waiting),
        }
    });
    let (collected, stored) = twins.finish();
    println!("collected={} stored={}", collected.len(), stored.len());
    assert!(same(&collected, &stored));
    assert_eq!(stored.len(), collected.len());
}

impl Twins {
    /// Both sinks ship every tick.
    fn start() -> Option<Self> {
        let server = InfluxServer::start()?;
        let home =
            Home::with("[sinks.influxdb]\ninterval = \"1s\"\n[sinks.file]\ninterval = \"1s\"\n");
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
        let collected = written(&self.file);
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
