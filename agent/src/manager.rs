//! What the service manager is told, and when: ready with the first tick, then how it stands whenever that changes, and
//! that the collector still ticks.

use std::{io, sync::Arc, time::Duration};

use tokio::time::sleep;

use crate::{
    clock,
    container::Kind,
    live::Live,
    metrics::{Batch, Value, catalog},
    notify::Manager,
    self_stats::SelfStats,
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
    watchdog: Option<Watchdog>,
}

/// The service manager's patience with an agent that no longer ticks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Watchdog {
    /// How long it waits.
    time: Duration,
    /// Whether that is longer than its own setting.
    is_extended: bool,
}

impl Watchdog {
    /// One that would wait for `time`, of an agent that ticks each `interval`. Three ticks may be late or missing, else a
    /// slow agent would be killed in good health.
    pub fn of(time: Duration, interval: Duration) -> Self {
        let least = interval.saturating_mul(3);
        Self {
            time: time.max(least),
            is_extended: time < least,
        }
    }

    /// How long it need not be fed, so that as much again may pass until the next tick.
    fn pause(self) -> Duration {
        self.time / 3
    }
}

impl Told {
    /// Tells `manager` of these, and feeds its watchdog.
    pub fn new(
        manager: Manager,
        live: Arc<Live>,
        stats: Arc<SelfStats>,
        watchdog: Option<Watchdog>,
    ) -> Self {
        Self {
            manager: Arc::new(manager),
            live,
            stats,
            watchdog,
        }
    }

    /// Goes on until there are no more ticks. The watchdog is fed with ticks: when they stay away, so does its food.
    pub async fn run(self) {
        let mut ticks = self.live.subscribe();
        if ticks.wait_for(Option::is_some).await.is_err() {
            return;
        }
        let pause = self.watchdog.map_or(EVERY, |it| it.pause().min(EVERY));
        let mut told = None;
        loop {
            let status = self.status();
            if told.as_ref() != Some(&status) {
                let telling = match &told {
                    None => self.ready(&status),
                    Some(_) => self.manager.status(&status),
                };
                // What did not arrive is told again.
                if is_told(telling) {
                    told = Some(status);
                }
            }
            if self.watchdog.is_some() {
                is_told(self.manager.is_alive());
            }
            sleep(pause).await;
            if ticks.changed().await.is_err() {
                return;
            }
        }
    }

    fn ready(&self, status: &str) -> io::Result<()> {
        if let Some(watchdog) = self.watchdog.filter(|it| it.is_extended) {
            self.manager.wait_for(watchdog.time)?;
        }
        self.manager.ready(status)
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

    /// `12 containers; 14 kernel programs; influxdb: ok`
    fn status(&self) -> String {
        let latest = self.live.latest();
        let containers = latest.as_deref().map_or(0, containers);
        let programs = latest.as_deref().and_then(programs);
        let programs = programs.map_or_else(
            || "cgroup files".to_owned(),
            |it| format!("{it} kernel programs"),
        );
        let sinks = Status::of(&self.stats, clock::now().wall_ns).line();
        let plural = if containers == 1 { "" } else { "s" };
        format!("{containers} container{plural}; {programs}; {sinks}")
    }
}

/// Kernel programs that run; `None` where cgroup files serve.
fn programs(batch: &Batch) -> Option<u64> {
    let mut samples = batch.agent.iter();
    let sample = samples.find(|it| *it.metric == catalog::AGENT_PROGRAM_COUNT)?;
    match sample.value {
        Value::Integer(count) => Some(count),
        _ => None,
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

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use tokio::{task::JoinSet, time::advance};

    use super::*;
    use crate::{encode::fixture::tick_of, live::Limits, metrics::Sample};

    const SECOND: Duration = Duration::from_secs(1);

    /// What was told since the last call.
    fn heard(listener: &UnixDatagram) -> Vec<String> {
        let mut told = Vec::new();
        let mut datagram = [0; 256];
        while let Ok(length) = listener.recv(&mut datagram) {
            told.push(String::from_utf8_lossy(&datagram[..length]).into_owned());
        }
        told
    }

    /// The manager's end, and the agent's with this watchdog.
    fn told(folder: &tempfile::TempDir, watchdog: Watchdog) -> (UnixDatagram, Told) {
        let path = folder.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let manager = Manager::at(path.as_os_str()).unwrap();
        let live = Arc::new(Live::new(Limits::default()));
        let stats = Arc::new(SelfStats::default());
        (listener, Told::new(manager, live, stats, Some(watchdog)))
    }

    /// Lets time go by as the ticks would see it.
    async fn pass(seconds: u32, mut each: impl FnMut()) {
        for _ in 0..seconds {
            each();
            advance(SECOND).await;
            // The agent's end sees the tick, feeds, and sleeps again.
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_is_fed_with_ticks_and_starves_without() {
        let folder = tempfile::tempdir().unwrap();
        let (listener, told) = told(&folder, Watchdog::of(6 * SECOND, SECOND));
        let live = Arc::clone(&told.live);
        let mut running = JoinSet::new();
        running.spawn(told.run());
        let mut at = 0;
        pass(12, || {
            at += 1;
            let mut tick = tick_of(at, Vec::new());
            let programs = Value::Integer(14);
            tick.agent = vec![Sample::new(&catalog::AGENT_PROGRAM_COUNT, programs)];
            live.publish(tick);
        })
        .await;
        let fed = heard(&listener);
        assert_eq!(
            fed[0],
            "READY=1\nSTATUS=0 containers; 14 kernel programs; no sinks"
        );
        let meals = fed.iter().filter(|it| *it == "WATCHDOG=1").count();
        assert!((4..=7).contains(&meals), "{fed:?}");
        pass(60, || {}).await;
        // The last tick may have come while it slept.
        assert!(heard(&listener).len() <= 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_watchdog_that_is_too_short_for_the_interval_is_told_to_wait() {
        let folder = tempfile::tempdir().unwrap();
        let (listener, told) = told(&folder, Watchdog::of(30 * SECOND, 20 * SECOND));
        told.live.publish(tick_of(1, Vec::new()));
        let mut running = JoinSet::new();
        running.spawn(told.run());
        pass(1, || {}).await;
        let told = heard(&listener);
        assert_eq!(told[0], "WATCHDOG_USEC=60000000", "{told:?}");
        assert!(told[1].starts_with("READY=1\n"), "{told:?}");
        let enough = Watchdog::of(30 * SECOND, 10 * SECOND);
        assert!(!enough.is_extended);
    }
}
