//! cAdvisor's metrics, told by ours: how the rules of `table` are applied to an entry's samples.
//!
//! A part of a rule applies wherever its metrics are: those of an entry, or those of the host as a whole, which is what
//! cAdvisor means by `/`. What we do not measure has no rule, and is absent.

mod table;
#[cfg(test)]
mod tests;

pub(super) use crate::encode::cadvisor::{ROOT, shows};
use crate::{
    encode::cadvisor::shows_interface,
    metrics::{
        Metric, Sample, Value,
        catalog::{self, Families, Family, Kind, Unit},
        network,
    },
    snapshot::{SECTOR_BYTES, Timestamp},
};
pub(super) use table::RULES;

/// One metric of cAdvisor's.
#[derive(Debug)]
pub(super) struct Rule {
    /// Its name.
    pub(super) name: &'static str,
    /// Its type.
    pub(super) kind: Kind,
    /// What it means here.
    pub(super) help: &'static str,
    /// Whether it is about the machine or the agent: without the labels of an entry.
    pub(super) is_global: bool,
    parts: &'static [Part],
}

/// Series of a metric.
#[derive(Debug)]
struct Part {
    term: Term,
    /// Labels with fixed values.
    labels: &'static [(&'static str, &'static str)],
    by: By,
}

/// What a value is made of.
#[derive(Debug)]
enum Term {
    /// A metric of ours, in base units.
    Of(&'static Metric),
    /// In the unit that ours has: limits of CPU time are in microseconds.
    AsIs(&'static Metric),
    /// In sectors.
    Sectors(&'static Metric),
    /// The first, only where the second is known.
    Where(&'static Metric, &'static Metric),
    /// The first, or zero for no limit where the second is known, which is read along with it.
    OrZero(&'static Metric, &'static Metric),
    /// The first and what is known of the others.
    Sum(&'static [&'static Metric]),
    /// The first less the second.
    Difference(&'static Metric, &'static Metric),
    /// All peers but what stays within the container.
    Peers(&'static Metric),
    /// When the counters were read.
    Taken,
    /// This number.
    Constant(u64),
}

/// By what label of ours the series are told apart.
#[derive(Clone, Copy, Debug)]
enum By {
    /// There is one.
    Nothing,
    /// `device` is a disk's name; cAdvisor has that of its node.
    Disk,
    /// `device` as it is.
    Filesystem,
    /// `interface`.
    Interface,
}

/// What an entry gives the rules to work on.
pub(super) struct Facts<'a> {
    pub(super) samples: &'a [Sample],
    pub(super) alive: bool,
    /// Whether other entries are below it, whose CPU time, I/O and packets are then counted apart.
    pub(super) is_above_others: bool,
    pub(super) taken: Timestamp,
}

/// One series with its value.
pub(super) struct Series<'a> {
    /// Labels with fixed values.
    pub(super) labels: &'static [(&'static str, &'static str)],
    /// What tells it apart from others of the entry; the value consists of two pieces.
    pub(super) by: Option<(&'static str, [&'a str; 2])>,
    pub(super) value: u64,
    pub(super) unit: Unit,
}

impl Rule {
    const fn counter(name: &'static str, help: &'static str, parts: &'static [Part]) -> Self {
        Self {
            name,
            kind: Kind::Counter,
            help,
            is_global: false,
            parts,
        }
    }

    const fn gauge(name: &'static str, help: &'static str, parts: &'static [Part]) -> Self {
        Self {
            kind: Kind::Gauge,
            ..Self::counter(name, help, parts)
        }
    }

    /// Its series for one entry, as far as `families` has them. A gauge of what ended has none.
    pub(super) fn series<'a>(
        &'static self,
        facts: &'a Facts<'a>,
        families: Families,
    ) -> impl Iterator<Item = Series<'a>> {
        let shown = facts.alive || self.kind != Kind::Gauge;
        let parts = self.parts.iter().filter(move |_| shown);
        parts
            .filter(move |part| part.term.metric().is_none_or(|it| families.cover(it)))
            .filter(|part| !facts.is_above_others || !part.is_counted_apart())
            .flat_map(|part| part.series(facts))
    }
}

impl Part {
    const fn of(term: Term) -> Self {
        Self {
            term,
            labels: &[],
            by: By::Nothing,
        }
    }

    const fn labelled(mut self, labels: &'static [(&'static str, &'static str)]) -> Self {
        self.labels = labels;
        self
    }

    const fn by(mut self, by: By) -> Self {
        self.by = by;
        self
    }

    fn series<'a>(&'static self, facts: &'a Facts<'a>) -> impl Iterator<Item = Series<'a>> {
        // What every entry has once stands for itself; else there is one for each sample of the first metric.
        let (once, each) = match &self.term {
            Term::Taken | Term::Constant(_) | Term::OrZero(..) | Term::Peers(_) => {
                (self.term.once(facts), None)
            }
            term => (None, term.metric()),
        };
        let once = once.map(|value| self.with(value, None));
        let each = each.into_iter().flat_map(move |metric| {
            let of_metric = facts.samples.iter().filter(move |it| is(it, metric));
            let shown = of_metric.enumerate().filter(|(_, it)| self.by.shows(it));
            shown.filter_map(move |(at, sample)| {
                let label = self.by.label(sample);
                let mut before = facts.samples.iter().filter(|it| is(it, metric)).take(at);
                // Two mounts may be of one device, as with subvolumes.
                if before.any(|it| self.by.label(it) == label) {
                    return None;
                }
                Some(self.with(self.term.of(sample, facts.samples)?, label))
            })
        });
        once.into_iter().chain(each)
    }

    fn with<'a>(&'static self, value: u64, by: Option<(&'static str, [&'a str; 2])>) -> Series<'a> {
        let unit = match &self.term {
            Term::AsIs(_) | Term::Sectors(_) | Term::Constant(_) => Unit::Count,
            Term::Taken => Unit::Nanoseconds,
            term => term.metric().map_or(Unit::Count, |it| it.unit),
        };
        Series {
            labels: self.labels,
            by,
            value,
            unit,
        }
    }

    /// Whether what is below a cgroup is not in it. What files say of a cgroup is said of all below it, too.
    fn is_counted_apart(&self) -> bool {
        let cpu = [
            &catalog::CPU_USAGE,
            &catalog::CPU_USER,
            &catalog::CPU_SYSTEM,
        ];
        let families = [
            Some(Family::BlockIo),
            Some(Family::Network),
            Some(Family::Oom),
        ];
        let of_container_scope = self.labels.contains(&("scope", "container"));
        of_container_scope
            || self
                .term
                .metric()
                .is_some_and(|it| cpu.contains(&it) || families.contains(&it.family()))
    }
}

impl By {
    /// Whether a sample is to have a series.
    fn shows(self, sample: &Sample) -> bool {
        match self {
            Self::Interface => label_of(sample, "interface").is_none_or(shows_interface),
            Self::Nothing | Self::Disk | Self::Filesystem => true,
        }
    }

    /// The label that the series of a sample gets.
    fn label(self, sample: &Sample) -> Option<(&'static str, [&str; 2])> {
        match self {
            Self::Nothing => None,
            Self::Disk => label_of(sample, "device").map(|device| {
                // A disk without a name has its number.
                let folder = if device.contains(':') { "" } else { "/dev/" };
                ("device", [folder, device])
            }),
            Self::Filesystem => label_of(sample, "device").map(|it| ("device", ["", it])),
            Self::Interface => label_of(sample, "interface").map(|it| ("interface", ["", it])),
        }
    }
}

impl Term {
    /// The metric of ours that decides whether there is a series, and of which family it is.
    fn metric(&self) -> Option<&'static Metric> {
        match self {
            Self::Of(metric)
            | Self::AsIs(metric)
            | Self::Sectors(metric)
            | Self::Where(metric, _)
            | Self::OrZero(metric, _)
            | Self::Difference(metric, _)
            | Self::Peers(metric) => Some(metric),
            Self::Sum(metrics) => metrics.first().copied(),
            Self::Taken | Self::Constant(_) => None,
        }
    }

    /// The value of what an entry has once.
    fn once(&self, facts: &Facts<'_>) -> Option<u64> {
        match self {
            Self::Taken => u64::try_from(facts.taken.wall_ns).ok(),
            Self::Constant(value) => Some(*value),
            Self::OrZero(metric, witness) => {
                find(facts.samples, witness)?;
                Some(find(facts.samples, metric).unwrap_or(0))
            }
            Self::Peers(metric) => {
                let loopback = ("peer", network::LOOPBACK.into());
                let others = facts
                    .samples
                    .iter()
                    .filter(|it| is(it, metric) && !it.labels.contains(&loopback));
                others.filter_map(integer).reduce(u64::saturating_add)
            }
            _ => None,
        }
    }

    /// The value of the series of `sample`.
    fn of(&self, sample: &Sample, all: &[Sample]) -> Option<u64> {
        let value = integer(sample)?;
        let beside = |metric: &Metric| {
            let beside = all
                .iter()
                .find(|it| is(it, metric) && it.labels == sample.labels);
            beside.and_then(integer)
        };
        match self {
            Self::Sectors(_) => Some(value / SECTOR_BYTES),
            Self::Where(_, needed) => beside(needed).map(|_| value),
            Self::Sum(metrics) => Some(
                metrics
                    .iter()
                    .skip(1)
                    .filter_map(|it| beside(it))
                    .fold(value, u64::saturating_add),
            ),
            Self::Difference(_, less) => beside(less).map(|less| value.saturating_sub(less)),
            _ => Some(value),
        }
    }
}

fn label_of<'a>(sample: &'a Sample, name: &str) -> Option<&'a str> {
    let label = sample.labels.iter().find(|(key, _)| *key == name);
    label.map(|(_, value)| value.as_ref())
}

fn is(sample: &Sample, metric: &Metric) -> bool {
    std::ptr::eq(sample.metric, metric)
}

fn integer(sample: &Sample) -> Option<u64> {
    match sample.value {
        Value::Integer(value) => Some(value),
        Value::Float(_) | Value::Histogram(_) => None,
    }
}

fn find(samples: &[Sample], metric: &Metric) -> Option<u64> {
    samples.iter().find(|it| is(it, metric)).and_then(integer)
}
