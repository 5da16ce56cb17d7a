//! What the agent says of itself: late ticks, lost events, dropped points, failed writes.
//!
//! Counters are plain atomics that any part may raise; nothing reads them back but the tick that publishes them.

mod http;
mod sink;
mod socket;

use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use crate::metrics::{Metric, Sample, Value, catalog};
pub use http::{Cut, Denied, HttpStats};
pub use sink::{Account, Failing, SinkStats, Waiting};
pub use socket::SocketStats;

/// A counter that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `count`.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// What has been added so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What all parts did.
#[derive(Debug, Default)]
pub struct SelfStats {
    /// Collections left out because the one before was late.
    pub ticks_skipped: Counter,
    /// Each sink's counters; locked to add a sink and to read all.
    sinks: Mutex<Vec<Arc<SinkStats>>>,
    /// Set where there is such a socket.
    socket: OnceLock<Arc<SocketStats>>,
    /// Set where there is a page.
    http: OnceLock<Arc<HttpStats>>,
}

impl SelfStats {
    /// Registers a sink and returns its counters.
    pub fn sink(&self, name: &str) -> Arc<SinkStats> {
        let stats = Arc::new(SinkStats::new(name));
        self.sinks().push(Arc::clone(&stats));
        stats
    }

    /// The counters of the socket for other processes' points, told from now on.
    pub fn socket(&self) -> Arc<SocketStats> {
        Arc::clone(self.socket.get_or_init(Arc::default))
    }

    /// The counters of the page's server, told from now on.
    pub fn http(&self) -> Arc<HttpStats> {
        Arc::clone(self.http.get_or_init(Arc::default))
    }

    /// What is told of each sink and, where there is one, of the socket.
    pub fn deliveries(&self) -> (Vec<Arc<SinkStats>>, Option<Arc<SocketStats>>) {
        (self.sinks().clone(), self.socket.get().cloned())
    }

    /// All counters as samples.
    pub fn samples(&self) -> Vec<Sample> {
        let mut samples = vec![integer(
            &catalog::AGENT_TICKS_SKIPPED,
            self.ticks_skipped.get(),
        )];
        samples.extend(self.sinks().iter().flat_map(|sink| sink.samples()));
        samples.extend(self.socket.get().into_iter().flat_map(|it| it.samples()));
        samples.extend(self.http.get().into_iter().flat_map(|it| it.samples()));
        samples
    }

    fn sinks(&self) -> MutexGuard<'_, Vec<Arc<SinkStats>>> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn integer(metric: &'static Metric, value: u64) -> Sample {
    Sample::new(metric, Value::Integer(value))
}
