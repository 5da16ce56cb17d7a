//! The tick: snapshot → interval → containers → batch → live watchers and sinks.
//!
//! Runs on a thread of its own and waits for nothing but the next tick and the kernel's events: neither a database
//! nor a browser nor a runtime can hold it up.

use std::{
    os::fd::AsFd as _,
    sync::Arc,
    time::{Duration, Instant},
};

use nix::{
    poll::{PollFd, PollFlags, ppoll},
    sys::{eventfd::EventFd, time::TimeSpec},
};
use tokio::sync::mpsc;

use crate::{
    clock::{self, Clock},
    container::Kind,
    host::{docker_api::DockerMessage, process},
    live::Live,
    metrics::{Batch, Sample, Value, catalog},
    outlet::Outlet,
    self_stats::SelfStats,
    snapshot::{Interval, Snapshot},
    source::Source,
};

/// How often what is costly to read is read: the skipped calls of each kernel program.
const SLOW_READING_NS: u64 = 60_000_000_000;

/// Runs the ticks.
pub struct Collector {
    source: Source,
    interval: Duration,
    stats: Arc<SelfStats>,
    live: Arc<Live>,
    outlets: Vec<Outlet>,
    news: mpsc::Receiver<DockerMessage>,
    clock: Clock,
    before: Option<Snapshot>,
    slow_reading_due_ns: u64,
    last_tick: Duration,
    regressions: u64,
    nameless: u64,
}

impl Collector {
    /// A collector that ticks every `interval` and hands each batch to `live` and all `outlets`. What runtimes' APIs
    /// say comes through `news`.
    pub fn new(
        source: Source,
        interval: Duration,
        stats: Arc<SelfStats>,
        live: Arc<Live>,
        outlets: Vec<Outlet>,
        news: mpsc::Receiver<DockerMessage>,
    ) -> Self {
        Self {
            source,
            interval,
            stats,
            live,
            outlets,
            news,
            clock: Clock::default(),
            before: None,
            slow_reading_due_ns: 0,
            last_tick: Duration::ZERO,
            regressions: 0,
            nameless: 0,
        }
    }

    /// Ticks until `stop` is written to, then once more, so that the last values are published. Fails if it can no
    /// longer wait.
    pub fn run(mut self, stop: &EventFd) -> nix::Result<()> {
        let interval_ns = u64::try_from(self.interval.as_nanos()).unwrap_or(u64::MAX);
        let mut due_ns = clock::boot_ns();
        loop {
            let now_ns = clock::boot_ns();
            if now_ns >= due_ns {
                self.tick();
                let late = now_ns.saturating_sub(due_ns) / interval_ns;
                self.stats.ticks_skipped.add(late);
                due_ns += (late + 1) * interval_ns;
                continue;
            }
            match self.wait(stop, Duration::from_nanos(due_ns - now_ns))? {
                Woken::Stop => break,
                Woken::Event => self.source.take_events(),
                Woken::Time => {}
            }
            self.take_news();
        }
        self.tick();
        Ok(())
    }

    /// One tick.
    fn tick(&mut self) {
        let began = Instant::now();
        self.take_news();
        let taken = self.clock.now();
        if taken.boot_ns >= self.slow_reading_due_ns {
            self.source.read_slowly();
            self.slow_reading_due_ns = taken.boot_ns + SLOW_READING_NS;
        }
        let snapshot = self.source.snapshot(taken);
        let interval = Interval::between(self.before.as_ref(), &snapshot);
        self.regressions += interval.regressions;
        let (mut batch, nameless) = Batch::assemble(&interval, |id| self.source.entry(id));
        self.nameless += nameless;
        batch.agent = self.samples(&batch);
        for outlet in &mut self.outlets {
            outlet.take(&batch);
        }
        self.live.publish(batch);
        self.source.forget_finished();
        self.before = Some(snapshot);
        self.last_tick = began.elapsed();
    }

    fn take_news(&mut self) {
        while let Ok(news) = self.news.try_recv() {
            match news {
                DockerMessage::DataRoot(path) => self.source.set_docker_root(&path),
                DockerMessage::Container { id, info } => self.source.describe(&id, info),
                DockerMessage::Ended { id, exit_code } => self.source.exited(&id, exit_code),
            }
        }
    }

    fn wait(&self, stop: &EventFd, at_most: Duration) -> nix::Result<Woken> {
        let mut fds = vec![PollFd::new(stop.as_fd(), PollFlags::POLLIN)];
        fds.extend(
            self.source
                .events_fd()
                .map(|fd| PollFd::new(fd, PollFlags::POLLIN)),
        );
        match ppoll(&mut fds, Some(TimeSpec::from_duration(at_most)), None) {
            Ok(0) | Err(nix::errno::Errno::EINTR) => Ok(Woken::Time),
            Ok(_) if fds[0].any().unwrap_or(false) => Ok(Woken::Stop),
            Ok(_) => Ok(Woken::Event),
            Err(error) => Err(error),
        }
    }

    /// What the agent says of itself.
    fn samples(&self, batch: &Batch) -> Vec<Sample> {
        let integer = |metric, value| Sample::new(metric, Value::Integer(value));
        let mut samples = Vec::new();
        samples.extend(process::cpu_ns().map(|ns| integer(&catalog::AGENT_CPU, ns)));
        samples.extend(process::rss_bytes().map(|bytes| integer(&catalog::AGENT_RSS, bytes)));
        let tick_ns = u64::try_from(self.last_tick.as_nanos()).unwrap_or(u64::MAX);
        samples.push(integer(&catalog::AGENT_TICK, tick_ns));
        for (kind, word) in [
            (Kind::Container, "container"),
            (Kind::Unit, "unit"),
            (Kind::Cgroup, "cgroup"),
        ] {
            let of_kind = batch
                .subjects
                .iter()
                .filter(|it| it.alive && it.container.kind() == kind)
                .count();
            samples.push(integer(&catalog::AGENT_ENTRIES, of_kind as u64).labelled("kind", word));
        }
        for (reason, count) in [
            ("regressions", self.regressions),
            ("nameless", self.nameless),
        ] {
            samples.push(integer(&catalog::AGENT_LOSSES, count).labelled("reason", reason));
        }
        samples.extend(self.source.samples());
        samples.extend(self.stats.samples());
        samples
    }
}

enum Woken {
    Stop,
    Event,
    Time,
}
