//! `cgflux web`: a counter in Redis over HTTP.
//!
//! ```text
//! client ─► answer ─► Counter::hit ─► queue ─► lane: one batch at a time ─► store: Redis, or this process
//!            port      counter          ▲       connects again by itself      │
//!                                       └────────────── numbers ◄─────────────┘
//!           └───────────────────────── each in one of the workers ────────────┘
//! ```
//!
//! It is a process of its own, without any privilege. Each second it tells what it did: at the second port, and in
//! points.

mod address;
mod admin;
mod answer;
mod counter;
mod lane;
mod linger;
mod listen;
mod refusal;
mod report;
mod settings;
mod standing;
mod stats;
mod store;
mod ticker;
mod workers;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hyper::{Request, body::Incoming};
use tokio::{
    net::TcpListener,
    select,
    signal::unix::{Signal, SignalKind, signal},
    sync::{Notify, watch},
    task::JoinSet,
};

pub use address::{Address, AddressError};
pub use listen::Handed;
pub use settings::{Settings, SettingsError};
pub use store::Mode;

use crate::{
    host::process,
    http::serving::{self, Bodies, Limits, Silence},
    manager::{self, is_told},
    notify::Manager,
    telemetry::{Mark, Telemetry},
    text::printable,
};
use admin::Admin;
use answer::Port;
use counter::{Counter, Queue};
use lane::Lane;
use listen::Part;
use standing::Standing;
use stats::Stats;
use ticker::Ticker;
use workers::Workers;

/// How long answers under way at the end may take.
const DRAIN: Duration = Duration::from_secs(10);

/// Connections are kept for the next request, and headers come soon or never.
const SILENCE: Silence = Silence {
    idle: Duration::from_secs(75),
    headers: Duration::from_secs(10),
};

/// Descriptors for everything but connections.
const SPARE_DESCRIPTORS: u64 = 64;

/// Why `web` cannot start.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// An address cannot be listened at.
    #[error("cannot listen at {address}; {fix}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What to do about it.
        fix: String,
        /// Why.
        source: io::Error,
    },
    /// What the service manager has handed over cannot be listened at.
    #[error(
        "the service manager's socket {number} is no TCP socket that listens; give its unit ListenStream=HOST:PORT"
    )]
    Handed {
        /// Which, from 1.
        number: usize,
        /// Why.
        source: io::Error,
    },
    /// The counter cannot be made 0.
    #[error("cannot --reset the counter in {address}: {reason}")]
    Reset {
        /// Where it is.
        address: String,
        /// Why.
        reason: String,
    },
    /// The process lacks something basic.
    #[error("cannot set up what it needs")]
    Process(#[from] io::Error),
}

/// Counts until a signal, then lets answers under way finish; at once on a second signal. `points` says where its points
/// go. What was handed over is listened at in the place of the addresses.
pub async fn run(
    settings: Settings,
    mut handed: Handed,
    telemetry: &Telemetry,
    points: &str,
) -> Result<(), WebError> {
    let mut ends = Ends::watch()?;
    if let Err(error) = process::raise_open_files() {
        tracing::debug!(%error, "the number of open files stays as it is");
    }
    let mut listen = |part, address, flag| match handed.take(part)? {
        Some(listener) => Ok(listener),
        None => listen::at(address, flag, settings.reuse_port),
    };
    let listener = listen(Part::Counter, settings.listen, "--listen")?;
    let admin_listener = listen(Part::Probes, settings.admin, "--admin")?;
    let (address, admin) = (listener.local_addr()?, admin_listener.local_addr()?);
    if settings.reset {
        let reset = settings.place.reset().await;
        reset.map_err(|reason| WebError::Reset {
            address: settings.place.address.to_string(),
            reason,
        })?;
    }
    let web = Web::start(&settings)?;
    let (stop, stopping) = watch::channel(false);
    let mut servers = web.serve(listener, admin_listener, &stopping);
    let manager = manager::found();
    let watchdog = manager.as_ref().filter(|_| Manager::watchdog().is_some());
    let mut ticker = Ticker::new(Arc::clone(&web.admin), &settings, telemetry, watchdog);
    let redis = settings.place.address.to_string();
    let redis = printable(&redis);
    tracing::info!(%address, %admin, %redis, points, "listening");
    listen::tell_of_clients(address);
    telemetry.mark(&Mark {
        event: "web_start",
        title: "web starts",
        text: &format!("at {address}, counting in {redis}"),
        run: None,
    });
    if let Some(manager) = &manager {
        is_told(manager.ready("counting"));
    }
    ends.next_with(&mut ticker).await;
    tracing::info!("stopping");
    if let Some(manager) = &manager {
        is_told(manager.stopping());
    }
    web.admin.draining.store(true, Ordering::Relaxed);
    stop.send_replace(true);
    let ended = async {
        while let Some(cut) = servers.join_next().await {
            if let Ok(cut @ 1..) = cut {
                tracing::warn!("{cut} connections were cut off");
            }
        }
    };
    select! {
        () = ended => {}
        () = ends.next_with(&mut ticker) => tracing::warn!("told twice: connections are cut off"),
    }
    ticker.tick();
    telemetry.mark(&Mark {
        event: "web_stop",
        title: "web stops",
        text: "it was told to",
        run: None,
    });
    Ok(())
}

/// The parts that run.
struct Web {
    port: Arc<Port>,
    admin: Arc<Admin>,
    workers: Workers,
}

impl Web {
    /// Begins to connect.
    fn start(settings: &Settings) -> io::Result<Self> {
        let stats = Arc::new(Stats::new());
        let counter = Counter::new(
            settings.threads,
            settings.lanes,
            settings.most_waiting,
            Arc::clone(&stats),
        );
        let counter = Arc::new(counter);
        let poke = Arc::new(Notify::new());
        let lane = |queue: &Arc<Queue>| Lane {
            place: settings.place.clone(),
            mode: settings.mode,
            inflight: settings.inflight,
            linger: settings.linger,
            deadline: settings.deadline,
            queue: Arc::clone(queue),
            stats: Arc::clone(&stats),
            poke: Arc::clone(&poke),
        };
        let lanes = counter.queues().iter();
        let lanes = lanes.map(|of_thread| of_thread.iter().map(lane).collect());
        Ok(Self {
            workers: Workers::start(lanes.collect())?,
            port: Arc::new(Port {
                counter: Arc::clone(&counter),
                stats: Arc::clone(&stats),
                any_path: settings.any_path,
            }),
            admin: Arc::new(Admin {
                counter,
                stats,
                standing: Arc::new(Standing::default()).into(),
                draining: AtomicBool::new(false),
                poke,
            }),
        })
    }

    /// Serves both ports until told; each gives how many connections had to be cut.
    fn serve(
        &self,
        listener: TcpListener,
        admin_listener: TcpListener,
        stopping: &watch::Receiver<bool>,
    ) -> JoinSet<usize> {
        let mut servers = JoinSet::new();
        let port = Arc::clone(&self.port);
        let answer = move |request: Request<Incoming>, thread| {
            let port = Arc::clone(&port);
            let asked = port.read(&request);
            async move { port.answer(asked, thread).await }
        };
        servers.spawn(serving::run(
            self.workers.serve(listener),
            limits(),
            Bodies::Small,
            stopping.clone(),
            answer,
        ));
        let admin = Arc::clone(&self.admin);
        let answer = move |request: Request<Incoming>, _local| {
            let answer = admin.answer(&request);
            async move { answer }
        };
        let few = Limits::of(64);
        servers.spawn(serving::run(
            admin_listener,
            few,
            Bodies::Small,
            stopping.clone(),
            answer,
        ));
        servers
    }
}

/// As many connections as there are descriptors for.
fn limits() -> Limits {
    let most = process::most_descriptors().saturating_sub(SPARE_DESCRIPTORS);
    Limits {
        silence: SILENCE,
        drain: DRAIN,
        ..Limits::of(usize::try_from(most.clamp(16, 100_000)).unwrap_or(16))
    }
}

/// What ends the program.
struct Ends {
    terminate: Signal,
    interrupt: Signal,
}

impl Ends {
    fn watch() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next signal, telling of each second meanwhile.
    async fn next_with(&mut self, ticker: &mut Ticker<'_>) {
        loop {
            select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                () = ticker.next() => {}
            }
        }
    }
}
