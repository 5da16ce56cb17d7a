//! A collector of our own, for where no daemon runs: the daemon's, without sinks and without a port.

use std::{
    io,
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use nix::sys::eventfd::{EfdFlags, EventFd};
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot, watch};

use super::{super::TopError, News};
use crate::{
    collector::{Collector, Inputs, Outputs},
    config::Config,
    encode::json,
    host::docker_api::{DEFAULT_SOCKET, DockerApi},
    http::live::{Telling, hello},
    live::{Limits, Live},
    metrics::Other,
    self_stats::SelfStats,
    source::{Beside, BesideError},
    state::{LastTick, LockError},
};

/// Ticks that are kept for whoever reads late.
const TICKS: usize = 60;

/// Why nothing can be measured here.
#[derive(Debug, thiserror::Error)]
pub enum HereError {
    /// Nothing to measure with, or no place for what it writes.
    #[error(transparent)]
    Source(#[from] BesideError),
    /// The same.
    #[error(transparent)]
    State(#[from] LockError),
    /// The process lacks something basic.
    #[error("cannot set up the collector")]
    Process(#[source] io::Error),
}

/// A collector that runs until this goes.
pub(super) struct Here {
    pub(super) hello: String,
    /// Whether kernel programs count.
    pub(super) has_programs: bool,
    stop: Arc<EventFd>,
    thread: Option<JoinHandle<nix::Result<()>>>,
    // Goes after the thread's end.
    _state: TempDir,
}

impl Here {
    /// Loads programs, adopts what runs, and begins to tick.
    pub(super) fn start(config: &Config, interval: Duration) -> Result<(Self, Ticks), HereError> {
        let Beside { source, state } = Beside::start(config, "top")?;
        let live = Arc::new(Live::new(Limits {
            ticks: TICKS,
            ended: 0,
            ..Limits::default()
        }));
        let has_programs = !source.programs().is_empty();
        // Nobody gives another order, nor tells what a runtime's API says: its files tell the names.
        let (_, orders) = watch::channel(config.order());
        let (_, news) = DockerApi::new(Path::new(DEFAULT_SOCKET));
        let inputs = Inputs {
            source,
            orders,
            news,
        };
        let outputs = Outputs {
            other: Other::default(),
            live: Arc::clone(&live),
            outlets: Vec::new(),
            last_tick: LastTick::open(state.path())?,
        };
        let stats = Arc::new(SelfStats::default());
        let file_interval = config.collect.file_interval;
        let collector = Collector::new(inputs, outputs, interval, file_interval, stats);
        let stop = EventFd::from_flags(EfdFlags::EFD_CLOEXEC);
        let stop = Arc::new(stop.map_err(|error| HereError::Process(error.into()))?);
        let until = Arc::clone(&stop);
        let (ended, end) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("collector".to_owned())
            .spawn(move || {
                // Dropped with the thread, however it ends.
                let _ended = ended;
                collector.run(&until)
            })
            .map_err(HereError::Process)?;
        let cpus = thread::available_parallelism().map_or(1, usize::from);
        let here = Self {
            hello: hello(&config.host, cpus, interval, TICKS),
            has_programs,
            stop,
            thread: Some(thread),
            _state: state,
        };
        Ok((here, Ticks { live, end }))
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        // It cannot fail: nobody else writes, and once.
        self.stop.write(1).unwrap_or_default();
        // What it panicked of was told when it did.
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// What a collector publishes, and when it ends.
pub(super) struct Ticks {
    live: Arc<Live>,
    end: oneshot::Receiver<()>,
}

/// Tells what the collector publishes, until it ends or nobody listens.
pub(super) async fn tell(ticks: Ticks, hello: String, news: mpsc::Sender<News>) {
    let Ticks { live, mut end } = ticks;
    let mut batches = live.subscribe();
    let mut telling = Telling::of_everything();
    let mut events_since_ns = 0;
    if news.send(News::Hello(hello)).await.is_err() {
        return;
    }
    loop {
        while let Some((_, tick)) = telling.next(&live) {
            if news.send(News::Tick(tick)).await.is_err() {
                return;
            }
        }
        let events = live.events_after(events_since_ns);
        if let Some(newest) = events.last() {
            events_since_ns = newest.wall_ns;
            if news
                .send(News::Events(json::events(&events)))
                .await
                .is_err()
            {
                return;
            }
        }
        let has_ended = tokio::select! {
            changed = batches.changed() => changed.is_err(),
            _ = &mut end => true,
        };
        if has_ended {
            // Nobody listens, or it is told.
            news.send(News::Ended(TopError::Collector))
                .await
                .unwrap_or_default();
            return;
        }
    }
}
