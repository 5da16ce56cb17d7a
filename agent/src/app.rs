//! The daemon: build it, then run it. Building can fail, running ends only by a signal or a fault.

use std::{
    io,
    net::SocketAddr,
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use nix::sys::eventfd::{EfdFlags, EventFd};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::{oneshot, watch},
    task::JoinSet,
};

use crate::{
    clock,
    collector::Collector,
    config::{Config, Http, SinkKind},
    encode::{LineEncoder, TagError, Tagging},
    host::{
        Runtimes,
        docker_api::{DEFAULT_SOCKET, DockerApi},
        process,
    },
    http::{self, Server},
    live::{Limits, Live},
    outlet::Outlet,
    self_stats::SelfStats,
    shipment::{Selection, Shipper},
    sink::{self, Bounds, Ended, Target, Worker, influxdb},
    source::{Source, SourceError},
    state::{Lock, LockError},
};

/// How long what is under way at the end may take.
const DRAIN: Duration = Duration::from_secs(10);

/// Why the daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Another one runs, or the state folder is unusable.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Nothing to measure with.
    #[error("nothing can be measured")]
    Source(#[from] SourceError),
    /// The page's address cannot be listened on.
    #[error("cannot listen on {address}: choose another with --listen, or stop what listens there")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A static tag or a label cannot be written.
    #[error("the tags cannot be used")]
    Tags(#[from] TagError),
    /// A sink's settings make no client.
    #[error("sink {name} cannot be used")]
    Sink {
        /// The sink.
        name: String,
        /// Why.
        source: influxdb::SettingsError,
    },
    /// The process lacks something basic.
    #[error("cannot set up {what}")]
    Process {
        /// What for.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// A daemon that is ready to run.
pub struct App {
    collector: Collector,
    stop_collector: Arc<EventFd>,
    workers: Vec<(String, Worker)>,
    server: Option<(TcpListener, Server)>,
    docker: DockerApi,
    signals: [Signal; 2],
    /// Held until the end.
    _lock: Lock,
}

impl App {
    /// Takes the lock, loads the programs, adopts what runs, binds the address. After this nothing is missing.
    pub async fn build(config: &Config) -> Result<Self, BuildError> {
        let lock = Lock::take(&config.state_dir)?;
        let process = |what| move |source| BuildError::Process { what, source };
        process::raise_open_files()
            .map_err(io::Error::from)
            .map_err(process("open files"))?;
        let signals = [SignalKind::terminate(), SignalKind::interrupt()]
            .map(|kind| signal(kind).map_err(process("signals")));
        let [terminate, interrupt] = signals;
        let stats = Arc::new(SelfStats::default());
        let (outlets, workers) = outlets(config, &stats)?;
        let live = Arc::new(Live::new(Limits::default()));
        let server = match &config.http {
            Some(http) => Some(server(http, config, &live).await?),
            None => None,
        };
        let source = Source::start(&config.collect, &config.state_dir, Runtimes::new("/"))?;
        process::trim_memory();
        let (docker, news) = DockerApi::new(Path::new(DEFAULT_SOCKET));
        let collector = Collector::new(source, config.collect.interval, stats, live, outlets, news);
        let stop_collector = EventFd::from_flags(EfdFlags::EFD_CLOEXEC)
            .map_err(io::Error::from)
            .map_err(process("an event"))?;
        Ok(Self {
            collector,
            stop_collector: Arc::new(stop_collector),
            workers,
            server,
            docker,
            signals: [terminate?, interrupt?],
            _lock: lock,
        })
    }

    /// Runs until a signal. Returns an error if a part ended that should not have.
    pub async fn run(self) -> anyhow::Result<()> {
        let [mut terminate, mut interrupt] = self.signals;
        let (stop, stopping) = watch::channel(false);
        let (collector, mut collector_ended) =
            start(self.collector, Arc::clone(&self.stop_collector))?;
        let mut tasks: JoinSet<(String, String)> = JoinSet::new();
        // The API of a runtime is of help where there is one; nothing waits for it, not even the end.
        let mut idle = JoinSet::new();
        let until = stopping.clone();
        idle.spawn(async move { self.docker.run(stopped(until)).await });
        for (name, worker) in self.workers {
            let until = stopping.clone();
            tasks.spawn(async move {
                let why = match worker.run(stopped(until)).await {
                    Ended::Stopped { points_lost } => format!("{points_lost} points were not sent"),
                    Ended::OutputClosed { points_lost } => {
                        format!("nobody reads its output any more; {points_lost} points are lost")
                    }
                };
                (format!("sink {name}"), why)
            });
        }
        if let Some((listener, server)) = self.server {
            let until = stopping.clone();
            tasks.spawn(async move {
                let cut = server.run(listener, until).await;
                ("http".to_owned(), format!("{cut} connections were cut off"))
            });
        }
        let fault = tokio::select! {
            _ = terminate.recv() => None,
            _ = interrupt.recv() => None,
            _ = &mut collector_ended => Some("the collector ended".to_owned()),
            Some(ended) = tasks.join_next() => Some(match ended {
                Ok((name, why)) => format!("{name} ended: {why}"),
                Err(error) => format!("a task failed: {error}"),
            }),
        };
        tracing::info!("stopping");
        // The collector first: its last tick still reaches the sinks.
        self.stop_collector.write(1)?;
        let collected = tokio::task::spawn_blocking(move || collector.join()).await?;
        stop.send_replace(true);
        if tokio::time::timeout(DRAIN, tasks.join_all()).await.is_err() {
            tracing::warn!("not everything under way could be finished in time");
        }
        match (fault, collected) {
            (Some(fault), _) => Err(anyhow::anyhow!(fault)),
            (None, Err(_)) => Err(anyhow::anyhow!("the collector panicked")),
            (None, Ok(ended)) => Ok(ended?),
        }
    }
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error is the sender's end, which is a stop too.
    drop(stop.wait_for(|stop| *stop).await);
}

type CollectorThread = JoinHandle<nix::Result<()>>;

/// Starts the collector's thread; the receiver tells its end.
fn start(
    collector: Collector,
    stop: Arc<EventFd>,
) -> io::Result<(CollectorThread, oneshot::Receiver<()>)> {
    let (ended, end) = oneshot::channel();
    let thread = thread::Builder::new()
        .name("collector".to_owned())
        .spawn(move || {
            // Dropped with the thread, however it ends.
            let _ended = ended;
            collector.run(&stop)
        })?;
    Ok((thread, end))
}

type Outlets = (Vec<Outlet>, Vec<(String, Worker)>);

fn outlets(config: &Config, stats: &SelfStats) -> Result<Outlets, BuildError> {
    let mut outlets = Vec::new();
    let mut workers = Vec::new();
    for settings in &config.sinks {
        let tagging = Tagging::new(&config.host, &config.tags, &config.labels.allow)?;
        let target = match &settings.kind {
            SinkKind::Influxdb(influxdb) => {
                Target::Influxdb(influxdb::Client::new(&client_settings(influxdb)).map_err(
                    |source| BuildError::Sink {
                        name: settings.name.clone(),
                        source,
                    },
                )?)
            }
            SinkKind::Stdout => Target::Stdout,
            SinkKind::File { path } => Target::File(path.clone()),
        };
        let bounds = Bounds {
            payloads: settings.queue,
            ..Bounds::default()
        };
        let (sink, worker) = sink::open(target, bounds, stats.sink(&settings.name));
        let selection = Selection {
            units: config.ship.units,
            cgroups: config.ship.cgroups,
        };
        let shipper = Shipper::new(settings.interval, selection);
        outlets.push(Outlet::new(shipper, LineEncoder::new(tagging), sink));
        workers.push((settings.name.clone(), worker));
    }
    Ok((outlets, workers))
}

async fn server(
    http: &Http,
    config: &Config,
    live: &Arc<Live>,
) -> Result<(TcpListener, Server), BuildError> {
    let failed = |source| BuildError::Listen {
        address: http.listen,
        source,
    };
    let listener = TcpListener::bind(http.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tracing::info!("the live page is at http://{address}/");
    let settings = http::Settings {
        host: config.host.clone(),
        cpus: thread::available_parallelism().map_or(1, usize::from),
        interval: config.collect.interval,
        hosts: http.hosts.clone(),
        labels: config.labels.allow.clone(),
        watchers: http.watchers,
        drain: DRAIN,
        ..http::Settings::default()
    };
    Ok((
        listener,
        Server::new(settings, Arc::clone(live), Arc::new(clock::boot_ns)),
    ))
}

fn client_settings(influxdb: &crate::config::Influxdb) -> influxdb::Settings {
    influxdb::Settings {
        url: influxdb.url.to_string(),
        database: influxdb.database.clone(),
        retention_policy: influxdb.retention_policy.clone(),
        credentials: influxdb
            .credentials
            .as_ref()
            .map(|it| influxdb::Credentials {
                username: it.username.clone(),
                password: it.password.expose().to_owned(),
            }),
        create_database: influxdb.create_database,
        timeout: influxdb.timeout,
    }
}
