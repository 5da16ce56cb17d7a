//! Those who watch: answers without an end, told more as it happens. There may be so many of all kinds together.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, watch};

use super::{Allowed, Context};
use crate::{live::Live, metrics::Batch};

/// One of them.
pub(super) struct Watcher {
    live: Arc<Live>,
    batches: watch::Receiver<Option<Arc<Batch>>>,
    allowed: Allowed,
    stop: watch::Receiver<bool>,
    _permit: OwnedSemaphorePermit,
}

impl Watcher {
    /// One more, or why not.
    pub(super) fn admit(context: &Context, stop: watch::Receiver<bool>) -> Result<Self, String> {
        let Ok(permit) = Arc::clone(&context.watchers).try_acquire_owned() else {
            let limit = context.settings.watchers;
            return Err(format!(
                "there are {limit} watchers already (http.watchers)"
            ));
        };
        let mut allowed = context.allowed.clone();
        allowed.mark_unchanged();
        Ok(Self {
            live: Arc::clone(&context.live),
            batches: context.live.subscribe(),
            allowed,
            stop,
            _permit: permit,
        })
    }

    /// Waits until `news` finds something to tell. `None` when the server or the collector stops, and when others may ask
    /// than before: whoever still may comes again.
    pub(super) async fn next<T>(&mut self, mut news: impl FnMut(&Live) -> Option<T>) -> Option<T> {
        loop {
            if *self.stop.borrow() {
                return None;
            }
            // Marked as seen before looking, so that a tick published in between wakes us again.
            self.batches.mark_unchanged();
            if let Some(told) = news(&self.live) {
                return Some(told);
            }
            tokio::select! {
                changed = self.batches.changed() => changed.ok()?,
                stopped = self.stop.changed() => stopped.ok()?,
                Ok(()) = self.allowed.changed() => return None,
            }
        }
    }
}
