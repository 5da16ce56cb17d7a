//! The tick: snapshot → interval → containers → batch → live watchers and sinks.
//!
//! Runs on a thread of its own and waits for nothing but the next tick and the kernel's events: neither a database
//! nor a browser nor a runtime can hold it up.

use std::{
    os::fd::AsFd as _,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use nix::{
    poll::{PollFd, PollFlags, ppoll},
    sys::{eventfd::EventFd, time::TimeSpec},
};
use tokio::sync::{mpsc, watch};

use crate::{
    clock::{self, Clock},
    config::Order,
    container::Kind,
    gap::Gap,
    host::{docker_api::DockerMessage, machine::MachineReader, machine_id, privileges, process},
    live::Live,
    measured::Measured,
    metrics::{
        self, Batch, Other, Sample, Value,
        catalog::{self, Families, Family, Resolution},
    },
    outlet::Outlet,
    self_stats::SelfStats,
    snapshot::{Interval, Reconciliation, Snapshot},
    source::Source,
    state::LastTick,
    text::chain,
};

/// How often what is costly is done: reading the skipped calls of each kernel program, giving freed memory back.
const SLOW_WORK: Duration = Duration::from_mins(1);

/// Runs the ticks.
pub struct Collector {
    source: Source,
    machine: Option<MachineReader>,
    measured: Measured,
    /// Where another order comes in.
    orders: watch::Receiver<Order>,
    /// The families that are measured now.
    families: Families,
    file_interval: Duration,
    interval: Duration,
    stats: Arc<SelfStats>,
    live: Arc<Live>,
    outlets: Vec<Outlet>,
    other: Other,
    news: mpsc::Receiver<DockerMessage>,
    clock: Clock,
    last_tick_at: LastTick,
    before: Option<Snapshot>,
    slow_due_ns: u64,
    last_tick: Duration,
    sums: Reconciliation,
    regressions: u64,
    nameless: u64,
    ticks_without_clock: u64,
    /// A hash of the machine's id.
    machine_id: Option<String>,
}

/// What a collector reads.
pub struct Inputs {
    /// All entries.
    pub source: Source,
    /// What is to be measured; the source measures that already.
    pub orders: watch::Receiver<Order>,
    /// What runtimes' APIs say.
    pub news: mpsc::Receiver<DockerMessage>,
}

/// Whom a collector hands each batch to.
pub struct Outputs {
    /// Adds up what the rules leave out.
    pub other: Other,
    /// The page and the API.
    pub live: Arc<Live>,
    /// One for each sink.
    pub outlets: Vec<Outlet>,
    /// The next run of the agent.
    pub last_tick: LastTick,
}

impl Collector {
    /// A collector that ticks every `interval`; the host's slow files are read every `file_interval`.
    pub fn new(
        inputs: Inputs,
        outputs: Outputs,
        interval: Duration,
        file_interval: Duration,
        stats: Arc<SelfStats>,
    ) -> Self {
        let mut orders = inputs.orders;
        let measured = Measured::new(*orders.borrow_and_update());
        let families = measured.families();
        let is_measured = families.has(Family::Host);
        Self {
            source: inputs.source,
            machine: is_measured.then(|| MachineReader::new(file_interval)),
            measured,
            orders,
            families,
            file_interval,
            news: inputs.news,
            other: outputs.other,
            live: outputs.live,
            outlets: outputs.outlets,
            interval,
            stats,
            clock: Clock::default(),
            last_tick_at: outputs.last_tick,
            before: None,
            slow_due_ns: 0,
            last_tick: Duration::ZERO,
            sums: Reconciliation::default(),
            regressions: 0,
            nameless: 0,
            ticks_without_clock: 0,
            machine_id: machine_id::hashed(Path::new("/etc/machine-id")),
        }
    }

    /// Ticks until `stop` is written to, then once more, so that the last values are published and sent. Fails if it
    /// can no longer wait.
    pub fn run(mut self, stop: &EventFd) -> nix::Result<()> {
        if let Err(error) = privileges::keep_to_collect(|| self.source.reads_maps()) {
            tracing::warn!(
                error = chain(&error),
                "the collector keeps more capabilities than it needs"
            );
        }
        let mut cadence = Cadence::new(self.interval, clock::boot_ns());
        loop {
            let now_ns = clock::boot_ns();
            let wait = cadence.until_due(now_ns);
            if wait.is_zero() {
                self.tick(Outlet::take);
                self.stats.ticks_skipped.add(cadence.advance(now_ns));
                continue;
            }
            match self.wait(stop, wait)? {
                Woken::Stop => break,
                Woken::Event => self.source.take_events(),
                Woken::Time => {}
            }
            self.take_news();
        }
        self.tick(Outlet::finish);
        Ok(())
    }

    /// One tick; `ship` hands its batch to an outlet.
    fn tick(&mut self, ship: impl Fn(&mut Outlet, &Batch)) {
        let began = Instant::now();
        self.take_news();
        let taken = self.clock.now();
        let slow = taken.boot_ns >= self.slow_due_ns;
        if slow {
            // What the programs cost, the kernel tells only a privileged reader.
            privileges::raised(|| self.source.read_slowly(taken));
            self.slow_due_ns = taken.boot_ns + nanoseconds(self.measured.slow_work(SLOW_WORK));
        }
        let snapshot = self.source.snapshot(taken);
        let root_ns = self.source.root_ns();
        let mut interval = Interval::between(self.before.as_ref(), &snapshot);
        self.sums.advance(&interval, root_ns);
        self.regressions += interval.regressions;
        // Besides the first, which has none anyway, only the last tick can come so soon.
        if interval.length < self.interval / 2 {
            interval = interval.without_rates();
        }
        let (mut batch, nameless) = Batch::assemble(interval, |id| self.source.entry(id));
        self.nameless += nameless;
        let machine = self.machine.as_mut().map(|reader| reader.read(taken));
        batch.host = machine
            .as_ref()
            .map(metrics::host::samples)
            .unwrap_or_default();
        batch.agent = self.samples(&batch);
        batch.oom_kills = self.source.oom_kills();
        self.other.fold(&mut batch, self.families);
        if self.clock.is_set() {
            self.tell_of_gap(taken.wall_ns);
            self.outlets.iter_mut().for_each(|it| ship(it, &batch));
        } else {
            self.ticks_without_clock += 1;
            self.outlets.iter_mut().for_each(|it| it.hold(&batch));
        }
        self.live.publish(batch);
        if self.clock.is_set() {
            self.last_tick_at.save(taken.wall_ns);
        }
        self.source.forget_finished();
        self.before = Some(snapshot);
        self.last_tick = began.elapsed();
        if slow {
            process::trim_memory();
        }
        if let Some(agent_ns) = process::cpu_ns() {
            let programs_cpus = self.source.programs_cpus();
            self.measured.tick(taken.boot_ns, agent_ns, programs_cpus);
        }
        if self.orders.has_changed().unwrap_or(false) {
            self.measured.take(*self.orders.borrow_and_update());
        }
        self.switch();
    }

    /// At the first tick that has a time: since when nothing was seen.
    fn tell_of_gap(&mut self, wall_ns: i64) {
        let Some(gap) = self.last_tick_at.gap_until(wall_ns) else {
            return;
        };
        let Gap {
            from_ns,
            to_ns,
            reason,
        } = gap;
        let reason = reason.as_str();
        tracing::info!(from_ns, to_ns, reason, "no agent ran: nothing was seen");
        self.outlets.iter().for_each(|it| it.tell_of(&gap));
    }

    /// Measures what is to be measured now. After a tick: what is switched off has told its last values.
    fn switch(&mut self) {
        let families = self.measured.families();
        if families == self.families {
            return;
        }
        self.families = families;
        privileges::raised(|| self.source.switch(families));
        if !families.has(Family::Host) {
            self.machine = None;
        } else if self.machine.is_none() {
            self.machine = Some(MachineReader::new(self.file_interval));
        }
        // What the programs cost is another thing now, and so is how much memory is free.
        self.slow_due_ns = 0;
    }

    fn take_news(&mut self) {
        while let Ok(news) = self.news.try_recv() {
            match news {
                DockerMessage::DataRoot(path) => self.source.set_docker_root(&path),
                DockerMessage::Container { id, info } => self.source.describe(&id, info),
                DockerMessage::OutOfMemory { id } => self.source.out_of_memory(&id),
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
        samples.push(integer(&catalog::AGENT_TICK, nanoseconds(self.last_tick)));
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
        samples.push(integer(&catalog::AGENT_CLOCK_STEPS, self.clock.steps()));
        if let Some(step_ns) = self.clock.last_step_ns() {
            let of = |sign: i64| step_ns.saturating_mul(sign).max(0).unsigned_abs();
            samples.push(integer(&catalog::AGENT_CLOCK_AHEAD, of(1)));
            samples.push(integer(&catalog::AGENT_CLOCK_BACK, of(-1)));
        }
        samples.push(integer(
            &catalog::AGENT_TICKS_WITHOUT_CLOCK,
            self.ticks_without_clock,
        ));
        samples.push(Sample::lost("regressions", self.regressions));
        samples.push(Sample::lost("nameless", self.nameless));
        samples.extend(self.measured.samples());
        samples.extend(metrics::host::reconciliation(&self.sums));
        let machine = self.machine_id.iter();
        samples.extend(
            machine.map(|id| integer(&catalog::AGENT_MACHINE, 1).labelled("machine", id.clone())),
        );
        samples.extend(self.source.samples());
        samples.extend(self.stats.samples());
        // As a shipper wants them.
        samples.sort_by_key(|sample| sample.metric.resolution == Resolution::Hourly);
        samples
    }
}

enum Woken {
    Stop,
    Event,
    Time,
}

/// When the ticks are due: at whole intervals from the first one.
#[derive(Debug)]
struct Cadence {
    interval_ns: u64,
    due_ns: u64,
}

impl Cadence {
    fn new(interval: Duration, first_ns: u64) -> Self {
        Self {
            interval_ns: nanoseconds(interval).max(1),
            due_ns: first_ns,
        }
    }

    /// How long to wait for the next tick; zero when it is due.
    fn until_due(&self, now_ns: u64) -> Duration {
        Duration::from_nanos(self.due_ns.saturating_sub(now_ns))
    }

    /// Goes on after a tick that began at `now_ns`, and returns how many ticks are left out because it was late. The
    /// next one is at least half an interval away: over less, a rate tells more of when the kernel charges than of
    /// what was used.
    fn advance(&mut self, now_ns: u64) -> u64 {
        let late_ns = now_ns.saturating_sub(self.due_ns);
        let skipped = (late_ns + self.interval_ns / 2) / self.interval_ns;
        self.due_ns += (skipped + 1) * self.interval_ns;
        skipped
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    #[test]
    fn ticks_stay_on_whole_intervals_and_are_never_close_together() {
        let mut cadence = Cadence::new(Duration::from_secs(1), 0);
        for (began_ns, skipped, next_s) in [
            (1_000, 0, 1),
            (SECOND_NS + SECOND_NS / 2 - 1, 0, 2),
            (2 * SECOND_NS + SECOND_NS / 2, 1, 4),
            (7 * SECOND_NS + 1, 3, 8),
            (8 * SECOND_NS, 0, 9),
        ] {
            assert_eq!(cadence.until_due(began_ns), Duration::ZERO);
            assert_eq!(cadence.advance(began_ns), skipped, "began_ns={began_ns}");
            assert_eq!(cadence.due_ns, next_s * SECOND_NS);
            assert!(cadence.until_due(began_ns) >= Duration::from_millis(500));
        }
    }
}
