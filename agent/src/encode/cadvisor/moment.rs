//! All that cAdvisor's stats have of one entry at one time, as plain numbers: what is kept of it while somebody asks, and
//! what the API's JSON is made of.

use std::sync::Arc;

use super::{host, numbers::Number};
use crate::{
    encode::readings::{Readings, label},
    metrics::{Metric, Sample, Subject, catalog},
};

/// One entry, or the host as a whole, at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// In nanoseconds since the Unix epoch.
    pub wall_ns: i64,
    /// By [`Number`]; `None` for what is not known.
    pub numbers: [Option<u64>; Number::ALL.len()],
    /// What there is several of, those of one kind together.
    pub parts: Vec<Part>,
}

/// A disk, an interface or a filesystem of an entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Which of them.
    pub kind: PartKind,
    /// Its name: of a disk that of the device without its folder, of a filesystem the device.
    pub name: Arc<str>,
    /// Its values, in the order of the kind's constants below.
    pub values: Vec<Option<u64>>,
}

/// What there may be several of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PartKind {
    /// A disk: bytes read and written, reads and writes.
    Disk,
    /// An interface: bytes, packets, errors and drops received, and the same sent.
    Interface,
    /// A filesystem: size, use, what is available, inodes, inodes free, then eleven numbers of its disk in the order of
    /// `/proc/diskstats`, times in nanoseconds.
    Filesystem,
}

/// What [`PartKind::Disk`] has of an entry.
const DISK: [&Metric; 4] = [
    &catalog::READ_BYTES,
    &catalog::WRITE_BYTES,
    &catalog::READS,
    &catalog::WRITES,
];

/// The same of the host as a whole.
const HOST_DISK: [&Metric; 4] = [
    &catalog::HOST_DISK_READ_BYTES,
    &catalog::HOST_DISK_WRITE_BYTES,
    &catalog::HOST_DISK_READS,
    &catalog::HOST_DISK_WRITES,
];

/// What [`PartKind::Interface`] has of the host as a whole.
const HOST_INTERFACE: [&Metric; 8] = [
    &catalog::HOST_NET_RX_BYTES,
    &catalog::HOST_NET_RX_PACKETS,
    &catalog::HOST_NET_RX_ERRORS,
    &catalog::HOST_NET_RX_DROPS,
    &catalog::HOST_NET_TX_BYTES,
    &catalog::HOST_NET_TX_PACKETS,
    &catalog::HOST_NET_TX_ERRORS,
    &catalog::HOST_NET_TX_DROPS,
];

/// What [`PartKind::Filesystem`] has of a whole disk; sectors are told in bytes here.
const HOST_FILESYSTEM_DISK: [&Metric; 11] = [
    &catalog::HOST_DISK_READS,
    &catalog::HOST_DISK_READS_MERGED,
    &catalog::HOST_DISK_READ_BYTES,
    &catalog::HOST_DISK_READ_TIME,
    &catalog::HOST_DISK_WRITES,
    &catalog::HOST_DISK_WRITES_MERGED,
    &catalog::HOST_DISK_WRITE_BYTES,
    &catalog::HOST_DISK_WRITE_TIME,
    &catalog::HOST_DISK_IN_FLIGHT,
    &catalog::HOST_DISK_IO_TIME,
    &catalog::HOST_DISK_WEIGHTED_TIME,
];

/// The name that stands for all interfaces of an entry that has none of its own: what its sockets sent and received.
pub(in crate::encode) const ALL_INTERFACES: &str = "_all";

impl PartKind {
    /// How many values one has.
    pub fn width(self) -> usize {
        match self {
            Self::Disk => DISK.len(),
            Self::Interface => HOST_INTERFACE.len(),
            Self::Filesystem => 5 + HOST_FILESYSTEM_DISK.len(),
        }
    }
}

impl Moment {
    /// A moment of an entry. `interfaces` are those of its own network namespace. Where other entries are below it, what
    /// is counted for each entry apart is left out: it would tell of a part only.
    pub fn of_entry(
        subject: &Subject,
        wall_ns: i64,
        interfaces: Vec<Part>,
        is_above_others: bool,
    ) -> Self {
        let samples = subject.samples();
        let readings = Readings(&samples);
        let numbers = Number::ALL.map(|number| {
            let is_whole = !(is_above_others && number.is_counted_apart());
            is_whole.then(|| number.of_entry(readings)).flatten()
        });
        let mut parts = Vec::new();
        if !is_above_others {
            parts = devices(readings, PartKind::Disk, "device", &DISK, |_| true);
            if interfaces.is_empty() {
                parts.extend(by_sockets(readings));
            } else {
                parts.extend(interfaces);
            }
        }
        Self {
            wall_ns,
            numbers,
            parts,
        }
    }

    /// A moment of the host as a whole.
    pub fn of_host(samples: &[Sample], wall_ns: i64) -> Self {
        let readings = Readings(samples);
        let mut parts = devices(readings, PartKind::Disk, "device", &HOST_DISK, |_| true);
        parts.extend(devices(
            readings,
            PartKind::Interface,
            "interface",
            &HOST_INTERFACE,
            host::shows_interface,
        ));
        parts.extend(host::filesystems(samples).map(|it| filesystem(readings, &it)));
        Self {
            wall_ns,
            numbers: Number::ALL.map(|number| number.of_host(readings)),
            parts,
        }
    }

    /// One of its numbers.
    pub fn number(&self, number: Number) -> Option<u64> {
        self.numbers[number as usize]
    }

    /// Its parts of one kind.
    pub fn parts(&self, kind: PartKind) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(move |it| it.kind == kind)
    }
}

/// Whether an entry has a network namespace of its own: only of such a one it is known what others' sockets did in it.
pub fn has_own_network(subject: &Subject) -> bool {
    subject.integer(&catalog::UNOWNED_RX_BYTES).is_some()
}

/// What there is one of for each value of a label, in the order of the first metric's samples.
fn devices(
    readings: Readings<'_>,
    kind: PartKind,
    by: &str,
    metrics: &[&'static Metric],
    shows: impl Fn(&str) -> bool,
) -> Vec<Part> {
    let Some(first) = metrics.first() else {
        return Vec::new();
    };
    let names = readings
        .each(first)
        .filter_map(|(labels, _)| label(labels, by));
    names
        .filter(|name| shows(name))
        .map(|name| Part {
            kind,
            name: name.into(),
            values: metrics
                .iter()
                .map(|it| of_device(readings, it, by, name))
                .collect(),
        })
        .collect()
}

fn of_device(readings: Readings<'_>, metric: &Metric, by: &str, name: &str) -> Option<u64> {
    let mut all = readings.each(metric);
    all.find(|(labels, _)| label(labels, by) == Some(name))
        .map(|(_, value)| value)
}

/// What the sockets of an entry sent and received over all interfaces but the loopback; they know of no errors.
fn by_sockets(readings: Readings<'_>) -> Option<Part> {
    let of = |metric| readings.on_networks(metric);
    let rx_bytes = of(&catalog::NET_RX_BYTES)?;
    Some(Part {
        kind: PartKind::Interface,
        name: ALL_INTERFACES.into(),
        values: vec![
            Some(rx_bytes),
            of(&catalog::NET_RX_PACKETS),
            None,
            None,
            of(&catalog::NET_TX_BYTES),
            of(&catalog::NET_TX_PACKETS),
            None,
            None,
        ],
    })
}

fn filesystem(readings: Readings<'_>, filesystem: &host::Filesystem<'_>) -> Part {
    let mut values = vec![
        Some(filesystem.limit_bytes),
        filesystem.usage_bytes,
        filesystem.available_bytes,
        filesystem.inodes,
        filesystem.inodes_free,
    ];
    let disk = filesystem.device.strip_prefix("/dev/");
    values.extend(HOST_FILESYSTEM_DISK.map(|metric| of_device(readings, metric, "device", disk?)));
    Part {
        kind: PartKind::Filesystem,
        name: filesystem.device.into(),
        values,
    }
}
