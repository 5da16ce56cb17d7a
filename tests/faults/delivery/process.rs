//! The process itself: sinks by a configuration, fed by standard input.

use std::{
    collections::BTreeMap,
    env,
    io::{self, BufRead as _},
    path::Path,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use cgflux::{
    config::{self, Config, Predecessor, SinkKind},
    encode::{Payload, Tagging, losses},
    logging,
    loss::Losses,
    metrics::Value,
    self_stats::{SelfStats, SinkStats},
    sink::{self, Ended, Sink, SpoolError, Target, influxdb::Client},
    surroundings,
    times::Times,
};
use tokio::{runtime::Runtime, sync::watch, task::JoinHandle};

use super::{HOME, Sinks, Told};
use crate::harness::eventually;

/// The name of the test below.
pub(super) const TEST: &str =
    "faults::delivery::process::is_a_delivery_where_a_test_starts_it_as_one";

/// How long a disk may hang.
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn is_a_delivery_where_a_test_starts_it_as_one() {
    let Some(home) = env::var_os(HOME) else {
        return;
    };
    let file = Path::new(&home).join("cgflux.toml");
    let config = surroundings::resolve(Some(&file), Vec::new(), Predecessor::default())
        .unwrap()
        .config;
    logging::start(config.log, false).unwrap();
    let runtime = Runtime::new().unwrap();
    match Sending::open(&config, &runtime) {
        Ok(sending) => serve(sending, &runtime),
        Err(error) => println!("> {error}"),
    }
}

fn serve(mut sending: Sending, runtime: &Runtime) {
    let mut batch = String::new();
    for line in io::stdin().lock().lines().map(Result::unwrap) {
        match line.as_str() {
            "" => sending.offer(&std::mem::take(&mut batch)),
            "!ready" => println!("> {}", super::READY),
            "!keep" => {
                sending.keep();
                println!("> kept");
            }
            "!sinks" => println!("> {}", text(&sending.sinks())),
            line => {
                batch.push_str(line);
                batch.push('\n');
            }
        }
    }
    println!("> {}", text(&sending.end(runtime)));
}

fn text(sinks: &Sinks) -> String {
    serde_json::to_string(sinks).unwrap()
}

/// All sinks of a configuration, open.
struct Sending {
    sinks: Vec<One>,
    stats: Arc<SelfStats>,
    stop: watch::Sender<bool>,
}

struct One {
    sink: Sink,
    stats: Arc<SinkStats>,
    worker: JoinHandle<Ended>,
    /// Points that it is to know of: what earlier processes told it, and what it was offered.
    known: u64,
}

impl Sending {
    fn open(config: &Config, runtime: &Runtime) -> Result<Self, SpoolError> {
        let (stop, stopped) = watch::channel(false);
        let sinks = config.sinks.iter();
        let stats = Arc::new(SelfStats::default());
        let open = |sink| One::open(sink, &stats, &config.state_dir, runtime, stopped.clone());
        let sinks = sinks.map(open);
        Ok(Self {
            sinks: sinks.collect::<Result<_, _>>()?,
            stats,
            stop,
        })
    }

    fn offer(&mut self, lines: &str) {
        let payload = Payload::new(Bytes::copy_from_slice(lines.as_bytes()), times(lines));
        for one in &mut self.sinks {
            one.known += payload.points() as u64;
            one.sink.offer(payload.clone());
        }
    }

    /// Returns once each sink has taken in all that it was offered.
    fn keep(&self) {
        for one in &self.sinks {
            one.sink.keep([]);
            eventually(PATIENCE, "all is kept", || {
                let accounted = accounted(&told(&one.stats, &self.stats));
                (accounted >= one.known).then_some(()).ok_or(accounted)
            });
        }
    }

    fn sinks(&self) -> Sinks {
        let sinks = self.sinks.iter();
        sinks
            .map(|one| (one.stats.name.clone(), told(&one.stats, &self.stats)))
            .collect()
    }

    fn end(mut self, runtime: &Runtime) -> Sinks {
        self.stop.send(true).unwrap();
        for one in &mut self.sinks {
            runtime.block_on(&mut one.worker).unwrap();
        }
        self.sinks()
    }
}

impl One {
    fn open(
        settings: &config::Sink,
        all: &SelfStats,
        folder: &Path,
        runtime: &Runtime,
        mut stopped: watch::Receiver<bool>,
    ) -> Result<Self, SpoolError> {
        let SinkKind::Influxdb(influxdb) = &settings.kind else {
            panic!("{settings:?}")
        };
        let name = settings.name.clone();
        let stats = all.sink(&name);
        let client = Client::new(influxdb, surroundings::read_secret).unwrap();
        let tagging = Tagging::new("box", &BTreeMap::new(), &[]).unwrap();
        let tell = move |lost: &Losses, wall_ns| losses(&tagging, &name, lost, wall_ns);
        let target = Target::Influxdb(client);
        let (sink, worker) =
            sink::open(target, &settings.delivery, folder, tell, Arc::clone(&stats))?;
        let stop = async move { drop(stopped.wait_for(|stop| *stop).await) };
        Ok(Self {
            sink,
            worker: runtime.spawn(worker.run(stop)),
            known: accounted(&told(&stats, all)),
            stats,
        })
    }
}

/// By its counters as they are published.
fn told(own: &SinkStats, all: &SelfStats) -> Told {
    let mut told = Told {
        failing: own.failing().map(|failing| failing.reason),
        ..Told::default()
    };
    for sample in all.samples() {
        let label = |name: &str| sample.labels.iter().find(|(it, _)| *it == name);
        if label("sink").is_none_or(|(_, sink)| *sink != own.name) {
            continue;
        }
        let Value::Integer(value) = sample.value else {
            panic!("{sample:?}")
        };
        match sample.metric.field {
            "points_sent" => told.sent = value,
            "points_lost" => {
                let (_, reason) = label("reason").unwrap();
                told.lost.insert(reason.to_string(), value);
            }
            "waiting_points" => told.waiting = value,
            "spool_bytes" => told.file_bytes = value,
            "write_errors" => told.errors = value,
            _ => {}
        }
    }
    told
}

fn accounted(told: &Told) -> u64 {
    told.sent + told.all_lost() + told.waiting
}

/// The last word of a line is its time, if it has one.
fn times(lines: &str) -> Times {
    let times = lines
        .lines()
        .filter_map(|line| line.rsplit(' ').next()?.parse().ok());
    times
        .map(Times::at)
        .reduce(Times::and)
        .unwrap_or(Times::at(0))
}
