//! Keeps the moments of every entry while somebody asks for them: a task beside the collector, which it neither holds up nor
//! waits for longer than for its next tick.

use std::sync::Arc;

use tokio::sync::watch;

use super::{
    around::Around,
    tree::{Tree, host_key},
};
use crate::{
    container::CgroupId,
    encode::cadvisor::{self, Moment, has_own_network},
    http::BootClock,
    live::Live,
    metrics::Batch,
    recent::Recent,
};

/// The task.
pub struct Recorder {
    live: Arc<Live>,
    recent: Arc<Recent>,
    around: Arc<dyn Around>,
    clock: BootClock,
}

impl Recorder {
    /// One that records what `live` shows into `recent`.
    pub fn new(
        live: Arc<Live>,
        recent: Arc<Recent>,
        around: Arc<dyn Around>,
        clock: BootClock,
    ) -> Self {
        Self {
            live,
            recent,
            around,
            clock,
        }
    }

    /// Records each tick until `stop` says true or its sender, or the collector, is gone.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut batches = self.live.subscribe();
        loop {
            tokio::select! {
                changed = batches.changed() => if changed.is_err() { return },
                _ = stop.wait_for(|stop| *stop) => return,
            }
            let batch = batches.borrow_and_update().clone();
            let Some(batch) = batch else { continue };
            if !self.recent.is_wanted((self.clock)()) {
                self.recent.forget();
                continue;
            }
            let (recent, around) = (Arc::clone(&self.recent), Arc::clone(&self.around));
            // It reads a file of each container. A failure leaves out a tick.
            let recorded =
                tokio::task::spawn_blocking(move || recent.record(&moments(&batch, &*around)));
            if recorded.await.is_err() {
                tracing::warn!(
                    "a tick is missing in what cAdvisor's API tells of the last minutes"
                );
            }
        }
    }
}

/// All that a batch says, in cAdvisor's way: of each entry, and of the host as a whole.
fn moments(batch: &Arc<Batch>, around: &dyn Around) -> Vec<(CgroupId, Moment)> {
    let wall_ns = batch.taken.wall_ns;
    let host = (host_key(batch), Moment::of_host(&batch.host, wall_ns));
    let tree = Tree::of(Arc::clone(batch));
    let shown = batch
        .subjects
        .iter()
        .filter(|it| it.alive && cadvisor::shows(&it.container));
    let entries = shown.map(|subject| {
        let container = &subject.container;
        let interfaces = if has_own_network(subject) {
            around.interfaces(container)
        } else {
            Vec::new()
        };
        let is_above_others = tree.is_above_others(&container.path);
        let moment = Moment::of_entry(subject, wall_ns, interfaces, is_above_others);
        (container.cgroup, moment)
    });
    std::iter::once(host).chain(entries).collect()
}
