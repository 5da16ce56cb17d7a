//! When what is shipped: current values each interval; starts, exits and final values at once.
//!
//! What has no series of its own is shipped as a part of `_host` or of `_other`.

use std::{borrow::Cow, collections::HashMap, sync::Arc, time::Duration};

use super::{Description, Event, EventKind, Point, Shipment};
use crate::{
    container::{CgroupId, Container, Kind, Share},
    metrics::{Batch, Remainder, Sample, Subject, Value, catalog},
};

/// How old a container's description, and all else that seldom changes, may be before it is sent again.
const DESCRIBE_EVERY: Duration = Duration::from_hours(1);

/// Which parts of a batch one sink is sent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Parts {
    /// Entries, the host as a whole, and the agent.
    #[default]
    All,
    /// All but the host as a whole.
    ButHost,
    /// The host as a whole alone.
    HostAlone,
}

/// Folds ticks into the shipments of one sink.
#[derive(Debug)]
pub struct Shipper {
    interval: Duration,
    parts: Parts,
    /// What the agent said of itself that changes seldom, and when it was shipped, on the boot clock.
    hourly: Option<(Vec<Sample>, u64)>,
    tracked: HashMap<CgroupId, Tracked>,
    remainder: Remainder,
    /// The busiest tick of all that is shipped as the host since its point before, in CPUs.
    host_peak_cpus: Option<f64>,
    /// The same of all that the rules leave out.
    other_peak_cpus: Option<f64>,
    /// When everything was shipped last, on the boot clock.
    shipped_boot_ns: Option<u64>,
    /// The highest time given out.
    last_wall_ns: i64,
}

impl Shipper {
    /// A shipper that sends current values every `interval`, rounded to whole ticks.
    pub fn new(interval: Duration) -> Self {
        Self {
            interval,
            parts: Parts::All,
            hourly: None,
            tracked: HashMap::new(),
            remainder: Remainder::default(),
            host_peak_cpus: None,
            other_peak_cpus: None,
            shipped_boot_ns: None,
            last_wall_ns: i64::MIN,
        }
    }

    /// The same for these parts only.
    #[must_use]
    pub fn of(self, parts: Parts) -> Self {
        Self { parts, ..self }
    }

    /// Counts in what entries used that were shipped as the host's and ended before the first tick.
    pub fn begin_with(&mut self, ended: &[Sample]) {
        self.remainder.begin_with(ended);
    }

    /// The same after everything that was ever stored: no time that it gives out is at or before `wall_ns`.
    #[must_use]
    pub fn after(self, wall_ns: i64) -> Self {
        Self {
            last_wall_ns: self.last_wall_ns.max(wall_ns),
            ..self
        }
    }

    /// Takes in one tick that cannot be shipped, because nobody knows when it is. Totals lose nothing by it.
    pub fn hold(&mut self, batch: &Batch) {
        let ended = batch.subjects.iter().filter(|subject| !subject.alive);
        for subject in ended {
            if subject.container.share() == Share::Host {
                self.remainder.add(subject);
            }
            self.forget(subject.container.cgroup);
        }
    }

    /// Takes in one tick. Returns what is to be sent now, if anything is.
    pub fn fold<'a>(&mut self, batch: &'a Batch) -> Option<Shipment<'a>> {
        self.ship(batch, self.is_due(batch))
    }

    /// Takes in the last tick. All current values are sent, whenever they were sent before.
    pub fn flush<'a>(&mut self, batch: &'a Batch) -> Option<Shipment<'a>> {
        self.ship(batch, true)
    }

    fn ship<'a>(&mut self, batch: &'a Batch, complete: bool) -> Option<Shipment<'a>> {
        let mut times = Times::before(batch, self.last_wall_ns);
        let mut shipment = Shipment::empty(times.tick_wall_ns, complete, batch);
        if self.parts != Parts::HostAlone {
            self.ship_entries(batch, &mut times, &mut shipment);
        }
        if complete {
            if self.parts != Parts::ButHost {
                shipment.host = &batch.host;
            }
            if self.parts != Parts::HostAlone {
                shipment.agent = self.agent_samples(batch);
            }
            self.shipped_boot_ns = Some(batch.taken.boot_ns);
        }
        self.last_wall_ns = times.tick_wall_ns;
        (!shipment.is_empty()).then_some(shipment)
    }

    /// What the agent says of itself; what changes seldom only if it is due.
    fn agent_samples<'a>(&mut self, batch: &'a Batch) -> &'a [Sample] {
        let often = batch.agent_but_hourly();
        let hourly = &batch.agent[often.len()..];
        let boot_ns = batch.taken.boot_ns;
        if self.hourly.as_ref().is_some_and(|(told, told_boot_ns)| {
            told == hourly && !is_due_again(boot_ns, *told_boot_ns)
        }) {
            return often;
        }
        self.hourly = Some((hourly.to_vec(), boot_ns));
        &batch.agent
    }

    fn ship_entries<'a>(
        &mut self,
        batch: &'a Batch,
        times: &mut Times,
        shipment: &mut Shipment<'a>,
    ) {
        let mut rest_cpus = None;
        let mut subjects = batch.subjects.iter();
        let host = subjects.find(|subject| subject.container.kind() == Kind::Host);
        for subject in &batch.subjects {
            let share = subject.container.share();
            if share == Share::Own {
                self.fold_own(subject, batch, times, shipment);
            } else {
                let whole = match share {
                    Share::Other => batch.other.as_ref(),
                    Share::Own | Share::Host => host,
                };
                if let Some(whole) = whole {
                    tell_kills(batch, subject, whole, times, shipment);
                }
                self.fold_part(subject, share, times, shipment);
            }
            if share == Share::Host {
                let cpus = subject.cpus();
                rest_cpus = cpus
                    .map(|cpus| cpus + rest_cpus.unwrap_or(0.0))
                    .or(rest_cpus);
            }
            if !subject.alive {
                self.forget(subject.container.cgroup);
            }
        }
        raise(&mut self.host_peak_cpus, rest_cpus);
        let other = batch.other.as_ref();
        let other_cpus = other.and_then(Subject::cpus);
        raise(&mut self.other_peak_cpus, other_cpus);
        if shipment.complete {
            shipment
                .points
                .extend(self.host_point(batch, times.tick_wall_ns));
            shipment.points.extend(other.map(|other| Point {
                subject: Cow::Borrowed(other),
                wall_ns: times.tick_wall_ns,
                peak: peak(&mut self.other_peak_cpus),
                last: false,
            }));
            self.forget_unseen(times.tick_wall_ns);
        }
    }

    /// Half a tick early rather than half a tick late: ticks do not fall on the interval's end exactly.
    fn is_due(&self, batch: &Batch) -> bool {
        self.shipped_boot_ns.is_none_or(|shipped_boot_ns| {
            let since = batch.taken.boot_ns.saturating_sub(shipped_boot_ns);
            Duration::from_nanos(since) + batch.interval / 2 >= self.interval
        })
    }

    fn fold_own<'a>(
        &mut self,
        subject: &'a Subject,
        batch: &'a Batch,
        times: &mut Times,
        shipment: &mut Shipment<'a>,
    ) {
        let cgroup = subject.container.cgroup;
        let tracked = track(&mut self.tracked, cgroup, self.shipped_boot_ns, shipment);
        let series = tracked.series.get_or_insert_with(|| {
            self.remainder.release(subject);
            if tracked.born {
                shipment.events.push(Event {
                    container: &subject.container,
                    wall_ns: times.take(),
                    kind: EventKind::Start,
                });
            }
            Series::default()
        });
        tell_kills(batch, subject, subject, times, shipment);
        series.fold(subject, batch.taken.boot_ns, times, shipment);
    }

    /// An entry that is shipped as a part of the host or of `_other`. If it had a series of its own, that ends here:
    /// with the values from which on it counts elsewhere, so that nothing is lost between the two.
    fn fold_part<'a>(
        &mut self,
        subject: &'a Subject,
        share: Share,
        times: &mut Times,
        shipment: &mut Shipment<'a>,
    ) {
        let cgroup = subject.container.cgroup;
        let tracked = track(&mut self.tracked, cgroup, self.shipped_boot_ns, shipment);
        if let Some(mut series) = tracked.series.take() {
            tracked.is_counted = true;
            shipment.points.push(Point {
                subject: series.under_its_name(subject),
                wall_ns: times.take(),
                peak: peak(&mut series.peak_cpus),
                last: true,
            });
        }
        if share == Share::Other {
            tracked.is_counted = true;
            self.remainder.release(subject);
            return;
        }
        if std::mem::take(&mut tracked.is_counted) {
            self.remainder.skip(subject);
        }
        // Totals are only added up when they are shipped, and when their entry ends.
        if shipment.complete || !subject.alive {
            self.remainder.add(subject);
        }
    }

    /// The host's own samples, but with the totals and rates of all that has no series of its own.
    fn host_point<'a>(&mut self, batch: &'a Batch, wall_ns: i64) -> Option<Point<'a>> {
        let parts = || {
            let subjects = batch.subjects.iter();
            subjects.filter(|subject| subject.container.share() == Share::Host)
        };
        let host = parts().find(|subject| subject.container.kind() == Kind::Host)?;
        let samples = self.remainder.samples_with(host, parts());
        let host = Subject::new(Arc::clone(&host.container), host.alive, samples);
        Some(Point {
            subject: Cow::Owned(host),
            wall_ns,
            peak: peak(&mut self.host_peak_cpus),
            last: false,
        })
    }

    /// An entry that vanished without final values is a fault upstream; its state must not stay for ever.
    fn forget_unseen(&mut self, tick_wall_ns: i64) {
        let unseen: Vec<CgroupId> = self
            .tracked
            .iter()
            .filter(|(_, tracked)| tracked.seen_wall_ns != tick_wall_ns)
            .map(|(cgroup, _)| *cgroup)
            .collect();
        for cgroup in unseen {
            self.forget(cgroup);
        }
    }

    fn forget(&mut self, cgroup: CgroupId) {
        self.tracked.remove(&cgroup);
        self.remainder.forget(cgroup);
    }
}

/// One live entry between ticks.
#[derive(Debug)]
struct Tracked {
    /// Whether it appeared while the agent ran.
    born: bool,
    /// The tick it was last seen at.
    seen_wall_ns: i64,
    /// Where it has a series of its own.
    series: Option<Series>,
    /// Whether its totals so far are counted elsewhere than in the host's.
    is_counted: bool,
}

/// What an entry with a series of its own is owed.
#[derive(Debug, Default)]
struct Series {
    /// What was described last, and when, on the boot clock.
    described: Option<(Arc<Container>, u64)>,
    /// Its busiest tick since its point before, in CPUs.
    peak_cpus: Option<f64>,
}

impl Series {
    /// Values of an entry that may have got another name since, one too many for a series.
    fn under_its_name<'a>(&self, subject: &'a Subject) -> Cow<'a, Subject> {
        match &self.described {
            Some((described, _)) if described.name != subject.container.name => {
                let samples = subject.samples().into_owned();
                Cow::Owned(Subject::new(Arc::clone(described), subject.alive, samples))
            }
            _ => Cow::Borrowed(subject),
        }
    }

    fn fold<'a>(
        &mut self,
        subject: &'a Subject,
        boot_ns: u64,
        times: &mut Times,
        shipment: &mut Shipment<'a>,
    ) {
        let container = &subject.container;
        // Final values get a time of their own: within the same tick a successor may have taken over the name.
        let wall_ns = if subject.alive {
            times.tick_wall_ns
        } else {
            times.take()
        };
        if self.wants_description(container, boot_ns) {
            self.described = Some((Arc::clone(container), boot_ns));
            let description = Description { container, wall_ns };
            shipment.descriptions.push(description);
        }
        raise(&mut self.peak_cpus, subject.cpus());
        if shipment.complete || !subject.alive {
            shipment.points.push(Point {
                subject: Cow::Borrowed(subject),
                wall_ns,
                peak: peak(&mut self.peak_cpus),
                last: !subject.alive,
            });
        }
        if !subject.alive {
            let usage_ns = subject.integer(&catalog::CPU_USAGE);
            shipment.events.push(Event {
                container,
                wall_ns,
                kind: EventKind::Exit {
                    usage_ns,
                    exit: container.exit,
                },
            });
        }
    }

    fn wants_description(&self, container: &Arc<Container>, boot_ns: u64) -> bool {
        self.described
            .as_ref()
            .is_none_or(|(described, described_boot_ns)| {
                is_due_again(boot_ns, *described_boot_ns)
                    || (!Arc::ptr_eq(described, container) && described != container)
            })
    }
}

/// Whether what was told then is to be told again now.
fn is_due_again(boot_ns: u64, told_boot_ns: u64) -> bool {
    Duration::from_nanos(boot_ns.saturating_sub(told_boot_ns)) >= DESCRIBE_EVERY
}

/// Instants of one tick: some just before it, one each for what needs its own, and the tick's.
struct Times {
    next_wall_ns: i64,
    tick_wall_ns: i64,
}

impl Times {
    /// Room for two instants per subject and one per kill. They are nanoseconds, ticks are milliseconds apart; should the wall clock
    /// have been held all the same, the tick's time moves on rather than an instant being used twice.
    fn before(batch: &Batch, last_wall_ns: i64) -> Self {
        let room = batch.subjects.len() * 2 + batch.oom_kills.len();
        let room = i64::try_from(room).unwrap_or(i64::MAX);
        let earliest = last_wall_ns.saturating_add(1);
        let next_wall_ns = earliest.max(batch.taken.wall_ns.saturating_sub(room));
        Self {
            next_wall_ns,
            tick_wall_ns: next_wall_ns.saturating_add(room),
        }
    }

    fn take(&mut self) -> i64 {
        let wall_ns = self.next_wall_ns;
        self.next_wall_ns = wall_ns.saturating_add(1);
        wall_ns
    }
}

fn track<'a>(
    tracked: &'a mut HashMap<CgroupId, Tracked>,
    cgroup: CgroupId,
    shipped_boot_ns: Option<u64>,
    shipment: &Shipment<'_>,
) -> &'a mut Tracked {
    let tracked = tracked.entry(cgroup).or_insert_with(|| Tracked {
        born: shipped_boot_ns.is_some(),
        seen_wall_ns: shipment.wall_ns,
        series: None,
        is_counted: false,
    });
    tracked.seen_wall_ns = shipment.wall_ns;
    tracked
}

/// Tells of the processes of `subject` that were killed, under the name of `teller`: the subject itself, or what its
/// totals are summed into.
fn tell_kills<'a>(
    batch: &'a Batch,
    subject: &Subject,
    teller: &'a Subject,
    times: &mut Times,
    shipment: &mut Shipment<'a>,
) {
    let kills = batch.oom_kills.iter();
    for kill in kills.filter(|kill| kill.entry == subject.container.cgroup) {
        shipment.events.push(Event {
            container: &teller.container,
            wall_ns: times.take(),
            kind: EventKind::Oom(kill),
        });
    }
}

fn raise(highest: &mut Option<f64>, value: Option<f64>) {
    if let Some(value) = value {
        *highest = Some(highest.map_or(value, |highest| highest.max(value)));
    }
}

fn peak(highest_cpus: &mut Option<f64>) -> Option<Sample> {
    let highest_cpus = highest_cpus.take()?;
    Some(Sample::new(
        &catalog::CPU_RATE_MAX,
        Value::Float(highest_cpus),
    ))
}
