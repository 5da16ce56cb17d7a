//! The daemon: build it, then run it. Building can fail, running ends only by a signal or a fault.

mod around;
mod listeners;

use std::{
    env, io,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use nix::sys::eventfd::{EfdFlags, EventFd};
use tokio::{
    net::UnixListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::{oneshot, watch},
    task::JoinSet,
};

use crate::{
    collector::{Collector, Inputs, Outputs},
    config::{Collect, Config, Key, Order, Resolved, Setting},
    container::Share,
    delivery::{self, Delivery, DeliveryError},
    encode::Tagging,
    host::{
        Runtimes,
        docker_api::{DEFAULT_SOCKET, DockerApi},
        outside::machine_root,
        privileges, process,
    },
    http::{Place, SocketError, SocketFile, points},
    live::Live,
    manager::{self, Told, Watchdog},
    metrics::{self, Other},
    notify::Manager,
    reload::{self, Changes},
    self_stats::SelfStats,
    sink::{Ended, Worker},
    source::{Source, SourceError},
    state::{LastTick, Lock, LockError},
    text::{chain, printable},
    tls::ServerTlsError,
};

use listeners::{Keys, Page};

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
    #[error("cannot listen on {address}; {}", way_out(source))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A socket, that of the page or of other processes' points, cannot be had.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The page's certificate is of no use.
    #[error("the files of http.tls_certificate and http.tls_key are of no use")]
    Tls(#[from] ServerTlsError),
    /// A sink cannot be opened.
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    /// The process lacks something basic.
    #[error("cannot set up {what}")]
    Process {
        /// What for.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// What to do about an address that cannot be listened on.
fn way_out(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "choose another address with --listen, or stop what listens there"
        }
        io::ErrorKind::PermissionDenied => {
            "choose a port above 1023 with --listen: the lower ones are for root"
        }
        _ => "choose another address with --listen",
    }
}

/// A daemon that is ready to run.
pub struct App {
    collector: Collector,
    stop_collector: Arc<EventFd>,
    workers: Vec<(String, Worker)>,
    page: Option<Page>,
    points: Option<Points>,
    docker: DockerApi,
    /// Where a service manager wants to be told.
    told: Option<Told>,
    signals: Signals,
    /// What the collector is to measure.
    order: watch::Sender<Order>,
    /// Held until the end.
    _lock: Lock,
}

/// The server for other processes' points, and where it listens.
struct Points {
    file: SocketFile,
    listener: UnixListener,
    server: points::Server,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// Asks to read the configuration again.
    hangup: Signal,
}

/// The configuration in force, and how to read it again.
pub struct Settings<F> {
    /// What the daemon was built from.
    pub in_force: Vec<Setting>,
    /// Reads it again.
    pub read: F,
}

impl App {
    /// Takes the lock, loads the programs, adopts what runs, binds the addresses. After this nothing is missing. Within a
    /// runtime, which is to know of what is bound.
    pub fn build(config: &Config, tagging: &Tagging) -> Result<Self, BuildError> {
        let lock = Lock::take(&config.state_dir)?;
        let last_tick = LastTick::open(&config.state_dir)?;
        process::raise_open_files().map_err(lacks("open files"))?;
        let on = |kind| signal(kind).map_err(lacks("signals"));
        let signals = Signals {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
            hangup: on(SignalKind::hangup())?,
        };
        let stop_collector =
            EventFd::from_flags(EfdFlags::EFD_CLOEXEC).map_err(lacks("an event"))?;
        let stats = Arc::new(SelfStats::default());
        let Delivery {
            mut outlets,
            workers,
            takers,
        } = delivery::open(config, tagging, &stats)?;
        let live = Arc::new(Live::new(listeners::limits(config)));
        let page = match &config.http {
            Some(http) => Some(listeners::page(http, config, &live, &stats)?),
            None => None,
        };
        let points = match &config.socket {
            Some(socket) => Some(listeners::points(socket, tagging, takers, &stats)?),
            None => None,
        };
        let source = privileges::raised(|| {
            Source::start(
                &config.collect,
                config.selection(),
                &config.state_dir,
                Runtimes::new(machine_root()),
            )
        })?;
        tracing::info!(
            containers = source.containers(),
            "what counts: {}",
            source.counts()
        );
        let mut other = Other::default();
        for (share, ended) in source.ended() {
            let ended = metrics::totals(ended);
            match share {
                Share::Host => outlets.iter_mut().for_each(|it| it.begin_with(&ended)),
                Share::Other => other.begin_with(&ended),
                Share::Own => {}
            }
        }
        let told = manager::found().map(|manager| {
            Told::new(
                manager,
                Arc::clone(&live),
                Arc::clone(&stats),
                Manager::watchdog().map(|it| Watchdog::of(it, config.collect.interval)),
            )
        });
        let (docker, news) = DockerApi::new(&docker_socket());
        let (order, orders) = watch::channel(config.order());
        let inputs = Inputs {
            source,
            orders,
            news,
        };
        let outputs = Outputs {
            other,
            live,
            outlets,
            last_tick,
        };
        let Collect {
            interval,
            file_interval,
            ..
        } = config.collect;
        let collector = Collector::new(inputs, outputs, interval, file_interval, stats);
        Ok(Self {
            collector,
            order,
            stop_collector: Arc::new(stop_collector),
            workers,
            page,
            points,
            docker,
            told,
            signals,
            _lock: lock,
        })
    }

    /// Runs until a signal. Returns an error if a part ended that should not have.
    pub async fn run<F>(self, mut settings: Settings<F>) -> anyhow::Result<()>
    where
        F: Fn() -> anyhow::Result<Resolved>,
    {
        let mut keys = None;
        if let Some(page) = &self.page {
            for door in &page.doors {
                tell_of(&door.place()?, &page.prefix);
            }
        }
        let Signals {
            mut terminate,
            mut interrupt,
            mut hangup,
        } = self.signals;
        let (stop, stopping) = watch::channel(false);
        let (collector, mut collector_ended) =
            start(self.collector, Arc::clone(&self.stop_collector))?;
        privileges::drop_all()?;
        let mut tasks: JoinSet<(String, String)> = JoinSet::new();
        // The API of a runtime and a service manager are of help where there is one; nothing waits for them, not even
        // the end.
        let mut idle = JoinSet::new();
        let until = stopping.clone();
        idle.spawn(async move {
            self.docker.run(stopped(until)).await;
        });
        if let Some(told) = self.told.clone() {
            idle.spawn(told.run());
        }
        for (name, worker) in self.workers {
            let until = stopping.clone();
            tasks.spawn(async move {
                let why = match worker.run(stopped(until)).await {
                    Ended::Stopped {
                        points_lost,
                        points_kept,
                    } => format!("{points_lost} points were not sent, {points_kept} wait on disk"),
                    Ended::OutputClosed { points_lost } => {
                        format!("nobody reads its output any more; {points_lost} points are lost")
                    }
                };
                (format!("sink {name}"), why)
            });
        }
        if let Some(page) = self.page {
            let until = stopping.clone();
            keys = Some(page.keys);
            let (server, doors) = (page.server, page.doors);
            // What it keeps is nothing to finish.
            idle.spawn(page.recorder.run(stopping.clone()));
            tasks.spawn(async move {
                let cut = server.run(doors, until).await;
                ("http".to_owned(), format!("{cut} connections were cut off"))
            });
        }
        // The other processes' points end before the sinks: what was taken is still sent.
        let (stop_points, until) = watch::channel(false);
        let mut points: JoinSet<usize> = JoinSet::new();
        if let Some(Points {
            file,
            listener,
            server,
        }) = self.points
        {
            tracing::info!(path = %file.path().display(), "points are taken from other processes");
            points.spawn(async move {
                let _file = file;
                server.run(listener, until).await
            });
        }
        let fault = loop {
            break tokio::select! {
                _ = terminate.recv() => None,
                _ = interrupt.recv() => None,
                Some(()) = hangup.recv() => {
                    let mut reload = || settings.reload(&self.order, keys.as_ref());
                    match &self.told {
                        Some(told) => told.around(reload),
                        None => reload(),
                    }
                    continue;
                }
                _ = &mut collector_ended => Some("the collector ended".to_owned()),
                Some(ended) = tasks.join_next() => Some(match ended {
                    Ok((name, why)) => format!("{name} ended: {why}"),
                    Err(error) => format!("a task failed: {error}"),
                }),
                Some(_) = points.join_next() => {
                    Some("the server for other processes' points ended".to_owned())
                }
            };
        };
        tracing::info!("stopping");
        if let Some(told) = &self.told {
            told.stopping();
        }
        // The collector first: its last tick still reaches the sinks.
        self.stop_collector.write(1)?;
        let joined = tokio::task::spawn_blocking(move || collector.join());
        let Ok(collected) = tokio::time::timeout(DRAIN, joined).await else {
            anyhow::bail!("the collector does not end; what it held is not shipped");
        };
        let collected = collected?;
        stop_points.send_replace(true);
        if let Ok(Some(Ok(cut @ 1..))) = tokio::time::timeout(DRAIN, points.join_next()).await {
            tracing::warn!("{cut} connections of other processes were cut off");
        }
        stop.send_replace(true);
        if tokio::time::timeout(DRAIN, all_ended(tasks)).await.is_err() {
            tracing::warn!("not everything under way could be finished in time");
        }
        match (collected, fault) {
            (Err(_), _) => Err(anyhow::anyhow!("the collector panicked")),
            (Ok(Err(error)), _) => Err(error.into()),
            (Ok(Ok(())), Some(fault)) => Err(anyhow::anyhow!(fault)),
            (Ok(Ok(())), None) => Ok(()),
        }
    }
}

impl<F> Settings<F>
where
    F: Fn() -> anyhow::Result<Resolved>,
{
    /// Reads the configuration again, puts in force what can be, and says what cannot. One that does not hold changes
    /// nothing.
    fn reload(&mut self, order: &watch::Sender<Order>, keys: Option<&Keys>) {
        let resolved = match (self.read)() {
            Ok(resolved) => resolved,
            Err(error) => {
                let complaints = printable(&chain(error.as_ref())).into_owned();
                tracing::error!(
                    complaints,
                    "the configuration does not hold; what was in force goes on"
                );
                return;
            }
        };
        for warning in &resolved.warnings {
            tracing::warn!("{warning}");
        }
        let Changes { now, later } = Changes::between(&self.in_force, &resolved.settings);
        let listed = |keys: &[Key]| {
            keys.iter()
                .map(Key::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        };
        if !later.is_empty() {
            tracing::warn!(
                settings = listed(&later),
                "these take effect at the next start"
            );
        }
        tracing::info!(
            settings = listed(&now),
            "the configuration is read again; these take effect now"
        );
        if let (Some(keys), Some(http)) = (keys, &resolved.config.http) {
            // Another file than the one in use has to wait for the next start.
            let is_same = |name: &str| !later.contains(&Key::of("http").child(name));
            if is_same("tls_certificate") && is_same("tls_key") {
                keys.renew_certificate(http);
            }
            if is_same("auth_file") {
                keys.renew_accounts(http);
            }
        }
        self.in_force = reload::in_force(&self.in_force, &resolved.settings);
        order.send_replace(resolved.config.order());
    }
}

fn tell_of(place: &Place, prefix: &str) {
    match place {
        Place::Tcp(address, is_tls) => {
            let scheme = if *is_tls { "https" } else { "http" };
            tracing::info!("the live page is at {scheme}://{address}{prefix}/");
        }
        Place::Unix(path) => {
            tracing::info!(path = %path.display(), "the live page is at a socket, too");
        }
    }
}

/// The socket that `DOCKER_HOST` names, as for Docker's own programs, else the usual one. A daemon elsewhere runs no
/// containers here.
fn docker_socket() -> PathBuf {
    let host = env::var("DOCKER_HOST").unwrap_or_default();
    PathBuf::from(host.strip_prefix("unix://").unwrap_or(DEFAULT_SOCKET))
}

/// What the process lacks when an operation for `what` fails.
fn lacks<E: Into<io::Error>>(what: &'static str) -> impl Fn(E) -> BuildError {
    move |source| BuildError::Process {
        what,
        source: source.into(),
    }
}

/// Waits for the end of all tasks.
async fn all_ended(mut tasks: JoinSet<(String, String)>) {
    while let Some(ended) = tasks.join_next().await {
        match ended {
            Ok((name, why)) => tracing::debug!(name, why, "ended"),
            Err(error) => tracing::error!(%error, "a task failed"),
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
