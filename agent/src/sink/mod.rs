//! Where payloads go: for each sink a store and a worker.
//!
//! ```text
//! Sink::offer ─► intake ─► kept: spool on disk, or memory ─► worker: isolation, retry ─► InfluxDB, file, socket
//!  collector      memory    store                            outcome ◄───────────────── what the other side says
//! ```
//!
//! The collector offers and never waits. What is offered is kept on disk before anything else becomes of it, and let go
//! of only when the other side has said that it is stored, line by line if need be. Nothing is dropped because the other
//! side is away, only because what waits has reached its bounds or because a line will never be taken, and all that is
//! dropped is counted, with the time it was of.

mod batch;
mod disk;
mod fresh;
mod health;
pub mod influxdb;
mod intake;
mod isolation;
mod kept;
mod lanes;
mod largest;
mod link;
mod loss_log;
mod memory;
mod outcome;
mod pacer;
mod quarantine;
mod rejection;
mod retry;
pub mod spool;
mod store;
mod stream;
mod words;
mod worker;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use crate::{config::Delivery, encode::Payload, loss::Losses, self_stats::SinkStats};
use disk::Place;
use intake::Intake;
use kept::Kept;
pub use link::TlsError;
pub use outcome::Fault;
use quarantine::Quarantine;
use spool::Limits;
pub use spool::SpoolError;
use store::Store;
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
    /// A Unix socket that takes lines.
    Unix(PathBuf),
    /// Datagrams.
    Udp(SocketAddr),
}

/// The collector's end of a sink.
#[derive(Clone, Debug)]
pub struct Sink {
    store: Arc<Store>,
    /// The latest time that an earlier run gave a point.
    newest_ns: Option<i64>,
}

/// A sink and its worker. The worker does nothing until it is run.
///
/// What waits on disk, and what was refused, stands below `folder`. `tell` makes the points that tell of losses, at a
/// time in nanoseconds since the Unix epoch. Fails only where another process has the spool: whatever else is wrong with
/// the disk is waited out.
pub fn open(
    target: Target,
    delivery: &Delivery,
    folder: &Path,
    tell: impl Fn(&Losses, i64) -> Option<Payload> + Send + 'static,
    stats: Arc<SinkStats>,
) -> Result<(Sink, Worker), SpoolError> {
    let name = stats.name.clone();
    let most = usize::try_from(delivery.memory_bytes).unwrap_or(usize::MAX);
    let mut kept = Kept::in_memory(&name, most, delivery.drain_lines, Box::new(tell));
    if let Some(spool) = delivery.spool {
        let place = Place {
            path: folder.join("spool").join(format!("{name}.db")),
            limits: Limits {
                bytes: spool.bytes,
                age: spool.age,
            },
        };
        kept = kept.on_disk(place, Instant::now())?;
    }
    let quarantine = match &target {
        // Nobody else refuses anything.
        Target::Influxdb(_) => {
            let path = folder.join("quarantine").join(format!("{name}.lp"));
            Some(Quarantine::at(&path))
        }
        Target::Stdout | Target::File(_) | Target::Unix(_) | Target::Udp(_) => None,
    };
    let newest_ns = kept.newest_ns();
    let store = Arc::new(Store::new(Intake::new(most), kept, Arc::clone(&stats)));
    let sink = Sink {
        store: Arc::clone(&store),
        newest_ns,
    };
    Ok((sink, Worker::new(target, store, stats, quarantine)))
}

impl Sink {
    /// Takes in a payload without waiting. What is dropped to make room is counted, and told once an episode.
    pub fn offer(&self, payload: Payload) {
        self.store.offer(payload);
    }

    /// The latest time at which an earlier run kept something, in nanoseconds since the Unix epoch.
    pub fn newest_ns(&self) -> Option<i64> {
        self.newest_ns
    }

    /// Takes in payloads and returns once they are kept: on disk, where the sink has one that works. May wait for that.
    pub fn keep(&self, payloads: impl IntoIterator<Item = Payload>) {
        for payload in payloads {
            self.store.offer(payload);
        }
        self.store.keep();
    }

    /// Whether these can be taken in without more than half of the room being taken, so that what others write never
    /// costs the agent's own points. May wait for the disk.
    pub fn has_room_for(&self, payloads: &[Payload]) -> bool {
        let bytes: usize = payloads.iter().map(|it| it.lines().len()).sum();
        self.store.has_half_for(bytes as u64)
    }
}

/// Now, in nanoseconds since the Unix epoch.
fn wall_ns() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| i64::try_from(now.as_nanos()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
