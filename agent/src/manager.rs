//! What the service manager is told, and when: ready with the first tick, then how it stands whenever that changes.

use std::{io, sync::Arc, time::Duration};

use tokio::time::sleep;

use crate::{
    clock, container::Kind, live::Live, metrics::Batch, notify::Manager, self_stats::SelfStats,
    status::Status,
};

/// It is told at most so often.
const EVERY: Duration = Duration::from_secs(5);

/// Tells one service manager.
#[derive(Clone, Debug)]
pub struct Told {
    manager: Arc<Manager>,
    live: Arc<Live>,
    stats: Arc<SelfStats>,
    /// What counts, for people.
    counts: String,
}

impl Told {
    /// Tells `manager` of these; `counts` says what counts, of which the first part is enough here.
    pub fn new(manager: Manager, live: Arc<Live>, stats: Arc<SelfStats>, counts: &str) -> Self {
        Self {
            manager: Arc::new(manager),
            live,
            stats,
            counts: counts.split(',').next().unwrap_or_default().to_owned(),
        }
    }

    /// Goes on until there are no more ticks.
    pub async fn run(self) {
        let mut ticks = self.live.subscribe();
        if ticks.wait_for(Option::is_some).await.is_err() {
            return;
        }
        let mut told = None;
        loop {
            let status = self.status();
            if told.as_ref() != Some(&status) {
                let telling = match &told {
                    None => self.manager.ready(&status),
                    Some(_) => self.manager.status(&status),
                };
                // What did not arrive is told again.
                if is_told(telling) {
                    told = Some(status);
                }
            }
            sleep(EVERY).await;
            if ticks.changed().await.is_err() {
                return;
            }
        }
    }

    /// The configuration is read again by `reload`. Before the first tick nothing is said of that: the end of it would
    /// say that the agent is ready.
    pub fn around(&self, reload: impl FnOnce()) {
        let is_ready = self.live.latest().is_some();
        if is_ready {
            is_told(self.manager.reloading());
        }
        reload();
        if is_ready {
            is_told(self.manager.reloaded());
        }
    }

    /// The agent begins to end.
    pub fn stopping(&self) {
        is_told(self.manager.stopping());
    }

    fn status(&self) -> String {
        let containers = self.live.latest().map_or(0, |it| containers(&it));
        let sinks = Status::of(&self.stats, clock::now().wall_ns).line();
        let counts = &self.counts;
        format!("{containers} containers by {counts}; {sinks}")
    }
}

fn containers(batch: &Batch) -> usize {
    let is_container = |alive, kind| alive && kind == Kind::Container;
    let subjects = batch.subjects.iter();
    subjects
        .filter(|it| is_container(it.alive, it.container.kind()))
        .count()
}

/// The service manager that wants to be told. One that cannot be is no reason not to start.
pub(crate) fn found() -> Option<Manager> {
    Manager::of_this_process().unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot tell the service manager how it stands");
        None
    })
}

/// That it is not told costs nothing but what a person sees.
pub(crate) fn is_told(telling: io::Result<()>) -> bool {
    telling
        .inspect_err(|error| tracing::debug!(%error, "cannot tell the service manager"))
        .is_ok()
}
