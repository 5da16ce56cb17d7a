//! What is told of a sink's writing, in the log and in its stats: that it fails, why and since when, that it works
//! again, and what was refused. Each once an episode.

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::Instant;
use tracing::{error, info, warn};

use super::{isolation::Refused, outcome::Fault, wall_ns};
use crate::self_stats::{Failing, SinkStats};

/// How often refused points are told of, while there are any.
const TELL_REFUSALS_EVERY: Duration = Duration::from_mins(10);

/// How one sink fares.
#[derive(Debug)]
pub(super) struct Health {
    stats: Arc<SinkStats>,
    outage: Option<Outage>,
    refusals: Refusals,
}

/// Writes have failed since.
#[derive(Debug)]
struct Outage {
    since: Instant,
    /// The fault that was told, if one stays until somebody acts.
    fault: Option<Fault>,
}

/// Points refused and not yet told of.
#[derive(Debug, Default)]
struct Refusals {
    points: usize,
    told: Option<Instant>,
}

impl Health {
    pub(super) fn new(stats: Arc<SinkStats>) -> Self {
        Self {
            stats,
            outage: None,
            refusals: Refusals::default(),
        }
    }

    /// Whether writing has failed and not worked since.
    pub(super) fn is_failing(&self) -> bool {
        self.outage.is_some()
    }

    /// The fault that stays until somebody acts, if there is one.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.outage.as_ref().and_then(|outage| outage.fault)
    }

    /// The other side has taken something.
    pub(super) fn acknowledged(&self) {
        let now_ns = wall_ns();
        self.stats.last_ack_wall_ns.store(now_ns, Ordering::Relaxed);
    }

    /// A batch is done with, so writing works. Told if it did not.
    pub(super) fn works(&mut self) {
        let Some(outage) = self.outage.take() else {
            return;
        };
        self.stats.fails(None);
        info!(
            sink = self.stats.name,
            outage_s = outage.since.elapsed().as_secs_f64(),
            points_waiting = self.stats.waiting().points,
            "writing works again"
        );
    }

    /// A write failed. Told when writing begins to fail, and again when the fault changes to or from one that stays.
    pub(super) fn failed(&mut self, fault: Option<Fault>, reason: &str) {
        self.stats.write_errors.add(1);
        self.stats.fails(Some(Failing {
            since_ns: wall_ns(),
            reason: reason.to_owned(),
        }));
        let known = self.outage.as_ref().map(|outage| outage.fault);
        if known == Some(fault) {
            return;
        }
        let before = self.outage.take();
        self.outage = Some(Outage {
            since: before.map_or_else(Instant::now, |outage| outage.since),
            fault,
        });
        let sink = self.stats.name.as_str();
        if fault.is_none() {
            warn!(
                sink,
                reason, "cannot write; points are kept and tried again"
            );
        } else {
            error!(
                sink,
                reason, "cannot write until somebody acts; points are kept while there is room"
            );
        }
    }

    /// Lines were refused for good; those that were not merely too old are kept in `quarantine`, if there is one.
    pub(super) fn refused(&mut self, refused: &[Refused], quarantine: Option<&Path>) {
        let faulty = || refused.iter().filter(|it| !it.is_expired);
        let Some(first) = faulty().next() else {
            return;
        };
        let refusals = &mut self.refusals;
        refusals.points += faulty().count();
        let is_told = |told: Instant| told.elapsed() < TELL_REFUSALS_EVERY;
        if refusals.told.is_some_and(is_told) {
            return;
        }
        error!(
            sink = self.stats.name,
            points_lost = refusals.points,
            reason = first.reason,
            quarantine = quarantine.map(|path| path.display().to_string()),
            "points were refused for good"
        );
        *refusals = Refusals {
            points: 0,
            told: Some(Instant::now()),
        };
    }
}
