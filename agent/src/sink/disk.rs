//! A spool that may be away for a while: a disk that is full, read-only or failing is waited out, and tried again now
//! and then.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use tracing::{error, info, warn};

use super::spool::{Limits, Spool, SpoolError, Why};
use crate::text::chain;

/// How often a disk that is away is tried again.
const TRY_EVERY: Duration = Duration::from_secs(10);

/// Where batches are kept on disk.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) limits: Limits,
}

/// A sink's spool, there or away.
#[derive(Debug)]
pub(super) struct Disk {
    /// For the log.
    sink: String,
    place: Place,
    /// Absent until it could be opened.
    spool: Option<Spool>,
    /// It cannot be used, and is tried again from then on.
    away: Option<Instant>,
}

impl Disk {
    /// Opens the spool, or waits for its disk. Fails only where another process has it.
    pub(super) fn open(sink: &str, place: Place, now: Instant) -> Result<Self, SpoolError> {
        let mut disk = Self {
            sink: sink.to_owned(),
            spool: None,
            away: None,
            place,
        };
        match Spool::open(&disk.place.path, disk.place.limits) {
            Ok(spool) => disk.opened(spool),
            Err(error @ SpoolError::Held { .. }) => return Err(error),
            Err(error) => disk.is_away(&error, now),
        }
        Ok(disk)
    }

    /// The spool, as far as it is known; it may be away.
    pub(super) fn spool(&self) -> Option<&Spool> {
        self.spool.as_ref()
    }

    /// The same, for what needs no disk.
    pub(super) fn spool_mut(&mut self) -> Option<&mut Spool> {
        self.spool.as_mut()
    }

    /// Bytes that wait, and the most that may; `None` while it is away.
    pub(super) fn room(&self) -> Option<(u64, u64)> {
        let spool = self.spool.as_ref().filter(|_| self.away.is_none())?;
        Some((spool.depth().bytes, self.place.limits.bytes))
    }

    /// Whether it is away and to be tried again now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.away.is_some_and(|again| now >= again)
    }

    /// Takes something out, which a full disk does not hinder. That it works says nothing of whether it can be written.
    pub(super) fn read<T>(
        &mut self,
        now: Instant,
        work: impl FnOnce(&mut Spool) -> Result<T, SpoolError>,
    ) -> Option<T> {
        let Some(spool) = &mut self.spool else {
            return self.with(now, work);
        };
        let done = work(spool);
        self.tell_set_aside();
        done.map_err(|error| self.is_away(&error, now)).ok()
    }

    /// Does `work` unless the disk is away, and opens the spool before, if that was not possible yet.
    pub(super) fn with<T>(
        &mut self,
        now: Instant,
        work: impl FnOnce(&mut Spool) -> Result<T, SpoolError>,
    ) -> Option<T> {
        if self.away.is_some_and(|again| now < again) {
            return None;
        }
        if self.spool.is_none() {
            match Spool::open(&self.place.path, self.place.limits) {
                Ok(spool) => self.opened(spool),
                Err(error) => {
                    self.is_away(&error, now);
                    return None;
                }
            }
        }
        let done = work(self.spool.as_mut()?);
        self.tell_set_aside();
        match done {
            Ok(done) => {
                if self.away.take().is_some() {
                    info!(sink = self.sink, "the disk can be written again");
                }
                Some(done)
            }
            Err(error) => {
                self.is_away(&error, now);
                None
            }
        }
    }

    fn opened(&mut self, spool: Spool) {
        self.spool = Some(spool);
        self.tell_set_aside();
        let waiting = self.spool.as_ref().map(Spool::depth).unwrap_or_default();
        if waiting.batches > 0 {
            info!(
                sink = self.sink,
                points_waiting = waiting.points,
                "points of an earlier run are still to be written"
            );
        }
    }

    /// Told once, until it is there again.
    fn is_away(&mut self, error: &SpoolError, now: Instant) {
        let before = self.away.replace(now + TRY_EVERY);
        if before.is_none() {
            error!(
                sink = self.sink,
                error = chain(error),
                "what is to be sent cannot be kept on disk; it waits in memory while there is room"
            );
        }
    }

    fn tell_set_aside(&mut self) {
        for aside in self.spool.iter_mut().flat_map(Spool::take_set_aside) {
            let path = aside.path.display();
            match aside.why {
                Why::Corrupt => warn!(
                    sink = self.sink,
                    set_aside = %path,
                    points_saved = aside.points_saved,
                    account_lost = aside.is_account_lost,
                    "the spool was damaged; what could be read of it is in a new one"
                ),
                Why::NewerFormat => warn!(
                    sink = self.sink,
                    set_aside = %path,
                    "the spool is of a newer version of this program; it is kept for that, and a new one is begun"
                ),
            }
        }
    }
}
