//! Ticks → what one sink is sent, and when.
//!
//! The collector reads each second, a sink is usually sent every tenth. Totals lose nothing by that; the busiest tick
//! is carried along, and what ends between two shipments ships at once. Knows no encoding and no sink.

mod shipper;

use std::{borrow::Cow, sync::Arc};

use crate::{
    container::{Container, Exit},
    metrics::{Batch, Sample, Subject},
    snapshot::OomKill,
};
pub use shipper::{Parts, Shipper};

/// What a sink is sent after one tick.
///
/// All times are nanoseconds since the Unix epoch. They never decrease from shipment to shipment, and no two events
/// share one, so no point takes the place of another of its series.
#[derive(Debug)]
pub struct Shipment<'a> {
    /// The time of the current values.
    pub wall_ns: i64,
    /// Whether the current values of all live containers are in it, or only what could not wait.
    pub complete: bool,
    /// Current and final values.
    pub points: Vec<Point<'a>>,
    /// Starts, exits and kills since the shipment before.
    pub events: Vec<Event<'a>>,
    /// Containers to be described: new ones, changed ones, and each one hourly.
    pub descriptions: Vec<Description<'a>>,
    /// What the host as a whole uses and has; nothing unless complete.
    pub host: &'a [Sample],
    /// What the agent says of itself; nothing unless complete.
    pub agent: &'a [Sample],
}

/// One container's values.
#[derive(Debug)]
pub struct Point<'a> {
    /// Whose, and its samples.
    pub subject: Cow<'a, Subject>,
    /// When.
    pub wall_ns: i64,
    /// `catalog::CPU_RATE_MAX` since its point before.
    pub peak: Option<Sample>,
    /// Whether these are its last.
    pub last: bool,
}

/// A container started or ended, or a process in it was killed.
#[derive(Debug)]
pub struct Event<'a> {
    /// Which.
    pub container: &'a Arc<Container>,
    /// When it was seen, a little before the tick; not shared with another event.
    pub wall_ns: i64,
    /// What happened.
    pub kind: EventKind<'a>,
}

/// What happened to a container.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EventKind<'a> {
    /// It was seen for the first time, and not because the agent itself had just started.
    Start,
    /// Its cgroup is gone.
    Exit {
        /// All CPU time it ever used, in nanoseconds.
        usage_ns: Option<u64>,
        /// How its main process ended.
        exit: Exit,
    },
    /// The kernel killed a process in it because memory ran out.
    Oom(&'a OomKill),
}

/// A container's names as they are now.
#[derive(Debug)]
pub struct Description<'a> {
    /// Whose.
    pub container: &'a Arc<Container>,
    /// When.
    pub wall_ns: i64,
}

impl<'a> Shipment<'a> {
    fn empty(wall_ns: i64, complete: bool, batch: &'a Batch) -> Self {
        Self {
            wall_ns,
            complete,
            points: Vec::with_capacity(if complete { batch.subjects.len() } else { 0 }),
            events: Vec::new(),
            descriptions: Vec::new(),
            host: &[],
            agent: &[],
        }
    }

    fn is_empty(&self) -> bool {
        self.points.is_empty()
            && self.events.is_empty()
            && self.descriptions.is_empty()
            && self.host.is_empty()
            && self.agent.is_empty()
    }
}

#[cfg(test)]
mod churn;
#[cfg(test)]
mod closing;
#[cfg(test)]
mod tests;
