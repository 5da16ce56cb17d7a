//! Where payloads go: one queue and one worker a sink.
//!
//! The collector offers and never waits. A worker takes one payload at a time, writes it, and keeps it until it is
//! acknowledged: nothing is dropped because the other side is away, only because the queue's bounds or the other side
//! say so, and all that is dropped is counted.

pub mod influxdb;
mod outcome;
pub mod queue;
mod retry;
pub mod spool;
mod stream;
mod worker;

use std::{path::PathBuf, sync::Arc};

use tracing::error;

use crate::{encode::Payload, self_stats::SinkStats};
pub use queue::{Backlog, Bounds};
use queue::{Dropped, Queue};
pub use worker::{Ended, Worker};

/// What a sink writes to.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one for each sink")]
pub enum Target {
    /// An InfluxDB.
    Influxdb(influxdb::Client),
    /// Standard output.
    Stdout,
    /// A file, appended to.
    File(PathBuf),
}

/// The collector's end of a sink.
#[derive(Clone, Debug)]
pub struct Sink {
    queue: Arc<Queue>,
    stats: Arc<SinkStats>,
}

/// A sink and its worker. The worker does nothing until it is run.
pub fn open(target: Target, bounds: Bounds, stats: Arc<SinkStats>) -> (Sink, Worker) {
    let queue = Arc::new(Queue::new(bounds));
    let sink = Sink {
        queue: Arc::clone(&queue),
        stats: Arc::clone(&stats),
    };
    (sink, Worker::new(target, queue, stats))
}

impl Sink {
    /// Queues a payload without waiting. What is dropped to make room is counted, and told once an episode.
    pub fn offer(&self, payload: Payload) {
        count_dropped(&self.stats, self.queue.push(payload));
    }

    /// What waits.
    pub fn backlog(&self) -> Backlog {
        self.queue.backlog()
    }
}

fn count_dropped(stats: &SinkStats, dropped: Dropped) {
    stats.points_dropped.add(dropped.points as u64);
    if dropped.first {
        error!(
            sink = stats.name,
            points_lost = dropped.points,
            "the queue is full: the oldest points are dropped from now on"
        );
    }
}

#[cfg(test)]
mod tests;
