//! The points that `web` and `load` tell of themselves, and their way out: an agent's socket, or sinks of their own.
//!
//! Delivery runs on a thread of its own, so that no disk and no server holds up what is told of.

mod origin;

use std::{
    fs, io,
    path::Path,
    sync::{Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use tokio::{sync::watch, task::JoinSet};

use crate::{
    cli::{Global, PointsTo, TelemetryArgs},
    clock::Clock,
    config::{Complaints, Resolved, ServerUrl},
    delivery::{self, Delivery, DeliveryError},
    encode::{Field, Tagging, point},
    self_stats::SelfStats,
    sink::{Ended, Sink, Worker},
    surroundings,
};

/// Where an agent's unit has its socket for other processes' points.
pub const AGENT_SOCKET: &str = "/run/cgflux/points.sock";

/// The measurement of [`Mark`]s: what Grafana calls annotations.
pub const MARKS: &str = "events";

/// Something that happened, as people are to read it in a chart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mark<'a> {
    /// What kind of thing, one of few words: the tag `event`.
    pub event: &'a str,
    /// In some words.
    pub title: &'a str,
    /// In more.
    pub text: &'a str,
    /// Of which run of a load it is a part: the tag `run`.
    pub run: Option<&'a str>,
}

/// Why points cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The flags or the file that is named do not hold.
    #[error("what its points need does not hold")]
    Settings(#[from] Complaints),
    /// A sink cannot be opened.
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    /// There is no thread for it.
    #[error("cannot start the delivery of points")]
    Thread(#[from] io::Error),
}

/// The settings that hold for `web` or `load`, and where their points go, in words.
///
/// No installed configuration is read: that is the agent's, which may be for its eyes only.
pub fn resolve(
    global: &Global,
    arguments: &TelemetryArgs,
) -> Result<(Resolved, String), TelemetryError> {
    let server = match &arguments.points {
        PointsTo::Nowhere => None,
        PointsTo::Server(server) => Some(server.clone()),
        PointsTo::Auto if global.config.is_some() => None,
        PointsTo::Auto => Path::new(AGENT_SOCKET)
            .exists()
            .then(|| ServerUrl::Unix(AGENT_SOCKET.into())),
    };
    let flags = arguments.settings(global, server.as_ref())?;
    let files = global.config.clone().into_iter().collect();
    let mut resolved = surroundings::resolve_files(files, flags)?;
    if arguments.points == PointsTo::Nowhere {
        resolved.config.sinks.clear();
    }
    let names: Vec<&str> = resolved
        .config
        .sinks
        .iter()
        .map(|it| it.name.as_str())
        .collect();
    let place = match (server, names.as_slice()) {
        (Some(server), _) => server.to_string(),
        (None, []) => "nowhere".to_owned(),
        (None, names) => format!("sinks {}", names.join(", ")),
    };
    Ok((resolved, place))
}

/// The way out of one process's points.
#[derive(Debug)]
pub struct Telemetry {
    tagging: Tagging,
    container: Option<String>,
    sinks: Vec<Sink>,
    clock: Mutex<Clock>,
    stop: watch::Sender<bool>,
    worker: Option<JoinHandle<Left>>,
}

/// What became of the points that had not been written at the end.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Left {
    /// Nobody will see them.
    pub lost: u64,
    /// They wait on disk for the next start.
    pub kept: u64,
}

impl Telemetry {
    /// Opens the sinks of `resolved` for the points of `program`, which has a spool folder of that name.
    pub fn open(
        program: &str,
        resolved: &Resolved,
        container: Option<&str>,
    ) -> Result<Self, TelemetryError> {
        let tagging = Tagging::of(resolved)?;
        let mut config = resolved.config.clone();
        config.state_dir = config.state_dir.join(program);
        if config
            .sinks
            .iter()
            .any(|sink| sink.delivery.spool.is_some())
            && let Err(error) = fs::create_dir_all(&config.state_dir)
        {
            let folder = config.state_dir.display();
            tracing::warn!(%folder, %error, "there is no folder for the spool: points wait in memory; --state-dir names another");
        }
        let stats = SelfStats::default();
        let opened = match delivery::open(&config, &tagging, &stats) {
            Err(DeliveryError::Spool { name, source }) => {
                tracing::warn!(
                    sink = name,
                    error = %source,
                    "the spool is in use or cannot be had: points wait in memory alone"
                );
                for sink in &mut config.sinks {
                    sink.delivery.spool = None;
                }
                delivery::open(&config, &tagging, &stats)
            }
            opened => opened,
        };
        let Delivery {
            workers, takers, ..
        } = opened?;
        let (stop, stopping) = watch::channel(false);
        let worker = (!workers.is_empty())
            .then(|| start(workers, stopping))
            .transpose()?;
        Ok(Self {
            tagging,
            container: container.map(str::to_owned).or_else(origin::container),
            sinks: takers,
            clock: Mutex::default(),
            stop,
            worker,
        })
    }

    /// The container that this process runs in, as the agent calls it, if that can be told.
    pub fn container(&self) -> Option<&str> {
        self.container.as_deref()
    }

    /// Whether points go anywhere.
    pub fn is_on(&self) -> bool {
        self.worker.is_some()
    }

    /// Hands on a point of now; never waits. What finds no room is counted and told by the sink.
    pub fn offer<'a, 'f>(
        &'a self,
        measurement: &str,
        tags: impl IntoIterator<Item = (&'a str, &'a str)>,
        fields: impl IntoIterator<Item = (impl AsRef<str>, Field<'f>)>,
    ) {
        if self.sinks.is_empty() {
            return;
        }
        let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        let wall_ns = clock.now().wall_ns;
        drop(clock);
        let container = self.container.as_deref();
        let payload = point(&self.tagging, container, measurement, tags, fields, wall_ns);
        for sink in &self.sinks {
            sink.offer(payload.clone());
        }
    }

    /// Marks this moment in every chart.
    pub fn mark(&self, mark: &Mark<'_>) {
        let run = mark.run.unwrap_or_default();
        let fields = [
            ("text", Field::Text(mark.text)),
            ("title", Field::Text(mark.title)),
        ];
        self.offer(MARKS, [("event", mark.event), ("run", run)], fields);
    }

    /// Writes what is left, within the sinks' own deadline. Waits for that.
    pub fn close(mut self) -> Left {
        self.stop.send_replace(true);
        let ended = self.worker.take().map(JoinHandle::join);
        let left = ended.and_then(Result::ok).unwrap_or_default();
        if left.lost > 0 {
            tracing::warn!(points_lost = left.lost, "its last points were not written");
        }
        left
    }
}

/// Runs all workers on one thread until `stopping`.
fn start(
    workers: Vec<(String, Worker)>,
    stopping: watch::Receiver<bool>,
) -> io::Result<JoinHandle<Left>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let work = async move {
        let mut tasks = JoinSet::new();
        for (_, worker) in workers {
            let mut stopping = stopping.clone();
            tasks.spawn(worker.run(async move {
                // An error is the sender's end, which is a stop too.
                drop(stopping.wait_for(|stop| *stop).await);
            }));
        }
        let mut left = Left::default();
        while let Some(ended) = tasks.join_next().await {
            match ended {
                Ok(Ended::Stopped {
                    points_lost,
                    points_kept,
                }) => {
                    left.lost += points_lost;
                    left.kept += points_kept;
                }
                Ok(Ended::OutputClosed { points_lost }) => left.lost += points_lost,
                Err(error) => tracing::error!(%error, "a task failed"),
            }
        }
        left
    };
    thread::Builder::new()
        .name("points".to_owned())
        .spawn(move || runtime.block_on(work))
}

#[cfg(test)]
mod tests;
