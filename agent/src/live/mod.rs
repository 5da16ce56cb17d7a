//! What watchers see: the latest batch, a bounded history of every entry, the details of the last ticks, and the last
//! events.
//!
//! A store and nothing else: the collector publishes into it, the HTTP server and the command line read from it. It
//! asks no clock and does no I/O.
//!
//! Memory: `ticks × 8 + (live + ended) × (ticks × 8 + 1,500)` bytes at most, names and labels not counted. With the
//! default 600 ticks that is 6.3 kB an entry; an entry that lived for one tick takes a fourth of that. Details take
//! [`Limits::detail_bytes`] in all, however many entries there are: some 35 bytes an entry and tick where little happens,
//! so that the default of 2.5 MiB holds ten minutes of 120 entries, one of 1,000.

mod detail;
mod details;
mod events;
mod history;
mod packed;
mod step;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::{
    container::{CgroupId, Container},
    metrics::{Batch, Subject},
};

pub use detail::{Counts, Detail, Flow, Preemptor, WHOLE_HOST};
use details::Details;
use events::Events;
pub use events::{Event, EventKind};
use history::History;

/// How much history is kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Points per entry: the last so many ticks. At least 1.
    pub ticks: usize,
    /// Entries that ended and still have points. Beyond it the one that ended first is forgotten.
    pub ended: usize,
    /// The last so many events.
    pub events: usize,
    /// Details of the last ticks take so many bytes at most.
    pub detail_bytes: usize,
}

impl Default for Limits {
    /// Ten minutes at one tick a second; 1,024 ended entries, 1,024 events, 2.5 MiB of details.
    fn default() -> Self {
        Self {
            ticks: 600,
            ended: 1024,
            events: 1024,
            detail_bytes: 5 << 19,
        }
    }
}

/// The latest batch and the history.
#[derive(Debug)]
pub struct Live {
    /// Taken for the time of one tick's or one entry's copy, never across an await.
    history: Mutex<History>,
    /// Taken for the time of one tick's copy or of one of all events, never across an await.
    events: Mutex<Events>,
    /// Taken for the time of one tick's or one entry's copy, never across an await.
    details: Mutex<Details>,
    latest: watch::Sender<Option<Arc<Batch>>>,
}

/// One entry at one tick.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The tick's time, in nanoseconds since the Unix epoch.
    pub wall_ns: i64,
    /// CPUs used since the tick before.
    pub cpus: Option<f32>,
    /// Tasks waiting for a CPU on average since the tick before.
    pub waiting: Option<f32>,
}

/// All entries at one tick.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// The tick's time, in nanoseconds since the Unix epoch.
    pub wall_ns: i64,
    /// Its entries, in order of cgroup id.
    pub entries: Vec<TickEntry>,
}

/// One of a tick's entries.
#[derive(Clone, Debug, PartialEq)]
pub struct TickEntry {
    /// Who it is, by the newest name known.
    pub container: Arc<Container>,
    /// See [`Point::cpus`].
    pub cpus: Option<f32>,
    /// See [`Point::waiting`].
    pub waiting: Option<f32>,
}

/// An entry that ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// When its last word was taken, in nanoseconds since the Unix epoch.
    pub wall_ns: i64,
    /// Its final values.
    pub last: Arc<Subject>,
}

impl Live {
    /// An empty store.
    pub fn new(limits: Limits) -> Self {
        Self {
            history: Mutex::new(History::new(limits)),
            events: Mutex::new(Events::new(limits.events)),
            details: Mutex::new(Details::new(limits.ticks, limits.detail_bytes)),
            latest: watch::Sender::new(None),
        }
    }

    /// Makes `batch` the latest and adds it to the history. For the collector, once a tick; it waits for no watcher,
    /// only for the copy a reader may be making.
    pub fn publish(&self, batch: Batch) {
        let before = self.latest();
        // The latest is set last: a watcher that is woken finds its tick in the history, with details.
        self.kept_details().record(before.as_deref(), &batch);
        self.history().record(&batch);
        self.log().record(&batch);
        self.latest.send_replace(Some(Arc::new(batch)));
    }

    /// The latest batch; `None` before the first.
    pub fn latest(&self) -> Option<Arc<Batch>> {
        self.latest.borrow().clone()
    }

    /// Tells of each new batch. A watcher that falls behind sees the newest only; [`Self::tick_after`] has the rest.
    pub fn subscribe(&self) -> watch::Receiver<Option<Arc<Batch>>> {
        self.latest.subscribe()
    }

    /// How many ticks the history holds at most.
    pub fn ticks(&self) -> usize {
        self.history().limits.ticks
    }

    /// The points of one entry, oldest first; empty when it is unknown.
    pub fn points(&self, cgroup: CgroupId) -> Vec<Point> {
        self.history().points(cgroup)
    }

    /// The first tick after `wall_ns` that is still in the history.
    pub fn tick_after(&self, wall_ns: i64) -> Option<Tick> {
        self.history().tick_after(wall_ns)
    }

    /// The details of the tick at `wall_ns` of the entries that `is_wanted`, in order of cgroup id, the whole host last.
    /// Empty where they are not kept any more, and at the first tick, which has nothing before it.
    pub fn details(&self, wall_ns: i64, is_wanted: impl Fn(CgroupId) -> bool) -> Vec<Detail> {
        self.kept_details().at(wall_ns, is_wanted)
    }

    /// All that is kept of the details of one entry, or of [`WHOLE_HOST`], oldest first, with the times of their ticks.
    pub fn details_of(&self, cgroup: CgroupId) -> Vec<(i64, Detail)> {
        self.kept_details().of(cgroup)
    }

    /// From which time a newcomer is told the past, so that it is told about `points` points: the last half minute
    /// for many entries, all there is for few. To be given to [`Self::tick_after`].
    pub fn replay_start(&self, points: usize) -> i64 {
        self.history().replay_start(points)
    }

    /// The entries that ended and still have points, the one that ended last coming last.
    pub fn ended(&self) -> Vec<Ended> {
        self.history().ended.iter().cloned().collect()
    }

    /// The last events after `wall_ns`, oldest first.
    pub fn events_after(&self, wall_ns: i64) -> Vec<Event> {
        self.log().after(wall_ns)
    }

    fn kept_details(&self) -> MutexGuard<'_, Details> {
        self.details.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self) -> MutexGuard<'_, Events> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
