//! A moment as cAdvisor's JSON has it: `info/v1/container.go` and `info/v2/container.go` of google/cadvisor, v0.38 to v0.60.
//!
//! What is not known is absent. cAdvisor writes zero there, which a client that reads into a fixed structure gets from
//! what is absent, too.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    super::{
        moment::{Moment, Part, PartKind},
        numbers::Number,
    },
    Disks,
    filesystem::Filesystem,
    time::Time,
};

const US_IN_NS: u64 = 1_000;

/// What is known of one moment, of those resources that a container has.
#[derive(Clone, Debug)]
pub(super) struct Resources {
    pub(super) cpu: Option<Cpu>,
    pub(super) diskio: Option<DiskIo>,
    pub(super) memory: Option<Memory>,
    pub(super) interfaces: Vec<Interface>,
    pub(super) filesystems: Vec<Filesystem>,
    pub(super) processes: Option<Processes>,
    pub(super) oom_events: Option<u64>,
}

impl Resources {
    pub(super) fn of(moment: &Moment, disks: &dyn Disks) -> Self {
        let interfaces = moment.parts(PartKind::Interface);
        let filesystems = moment.parts(PartKind::Filesystem);
        Self {
            cpu: Cpu::of(moment),
            diskio: DiskIo::of(moment, disks),
            memory: Memory::of(moment),
            interfaces: interfaces.map(Interface::of).collect(),
            filesystems: filesystems.map(Filesystem::of).collect(),
            processes: Processes::of(moment),
            oom_events: moment.number(Number::OomEvents).filter(|it| *it > 0),
        }
    }
}

/// `stats` of v1.
#[derive(Clone, Debug, Serialize)]
pub struct Stats {
    timestamp: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu: Option<Cpu>,
    #[serde(skip_serializing_if = "Option::is_none")]
    diskio: Option<DiskIo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<Memory>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<NetworkV1>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    filesystem: Vec<Filesystem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    processes: Option<Processes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oom_events: Option<u64>,
}

impl Stats {
    pub(super) fn of(moment: &Moment, disks: &dyn Disks) -> Self {
        let known = Resources::of(moment, disks);
        Self {
            timestamp: Time(moment.wall_ns),
            cpu: known.cpu,
            diskio: known.diskio,
            memory: known.memory,
            network: NetworkV1::of(known.interfaces),
            filesystem: known.filesystems,
            processes: known.processes,
            oom_events: known.oom_events,
        }
    }
}

/// CPU time in nanoseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Cpu {
    usage: Usage,
    #[serde(skip_serializing_if = "Option::is_none")]
    cfs: Option<Cfs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedstat: Option<Schedstat>,
    #[serde(skip_serializing_if = "Option::is_none")]
    psi: Option<Psi>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Usage {
    total: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<u64>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Cfs {
    periods: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    throttled_periods: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    throttled_time: Option<u64>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Schedstat {
    run_time: u64,
    runqueue_time: u64,
}

/// Pressure, in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
struct Psi {
    full: Stall,
    some: Stall,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Stall {
    total: u64,
}

impl Psi {
    fn of(moment: &Moment, some: Number, full: Number) -> Option<Self> {
        let of = |number| {
            let total = moment.number(number)? / US_IN_NS;
            Some(Stall { total })
        };
        Some(Self {
            full: of(full)?,
            some: of(some)?,
        })
    }
}

impl Cpu {
    fn of(moment: &Moment) -> Option<Self> {
        let of = |number| moment.number(number);
        let total = of(Number::CpuTotal)?;
        let cfs = of(Number::CfsPeriods).map(|periods| Cfs {
            periods,
            throttled_periods: of(Number::CfsThrottledPeriods),
            throttled_time: of(Number::CfsThrottledTime),
        });
        let schedstat = of(Number::RunqueueTime).map(|runqueue_time| Schedstat {
            run_time: total,
            runqueue_time,
        });
        Some(Self {
            usage: Usage {
                total,
                user: of(Number::CpuUser),
                system: of(Number::CpuSystem),
            },
            cfs,
            schedstat,
            psi: Psi::of(moment, Number::CpuSome, Number::CpuFull),
        })
    }
}

/// `cpu_inst` of v2: nanoseconds of CPU time a second.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct CpuInst {
    usage: Usage,
}

impl CpuInst {
    /// Between two moments; `None` if no time passed, or a counter went back.
    pub(super) fn between(before: &Moment, after: &Moment) -> Option<Self> {
        let elapsed_ns = u64::try_from(after.wall_ns.checked_sub(before.wall_ns)?).ok()?;
        let rate = |number| {
            let used_ns = after.number(number)?.checked_sub(before.number(number)?)?;
            let rate = u128::from(used_ns) * 1_000_000_000 / u128::from(elapsed_ns).max(1);
            u64::try_from(rate).ok()
        };
        (elapsed_ns > 0).then_some(())?;
        Some(Self {
            usage: Usage {
                total: rate(Number::CpuTotal)?,
                user: rate(Number::CpuUser),
                system: rate(Number::CpuSystem),
            },
        })
    }
}

/// Bytes and requests by disk.
#[derive(Clone, Debug, Serialize)]
pub(super) struct DiskIo {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    io_service_bytes: Vec<PerDisk>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    io_serviced: Vec<PerDisk>,
    #[serde(skip_serializing_if = "Option::is_none")]
    psi: Option<Psi>,
}

#[derive(Clone, Debug, Serialize)]
struct PerDisk {
    device: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    major: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    minor: Option<u32>,
    stats: BTreeMap<&'static str, u64>,
}

impl DiskIo {
    fn of(moment: &Moment, disks: &dyn Disks) -> Option<Self> {
        let mut io = Self {
            io_service_bytes: Vec::new(),
            io_serviced: Vec::new(),
            psi: Psi::of(moment, Number::IoSome, Number::IoFull),
        };
        let mut is_known = false;
        for disk in moment.parts(PartKind::Disk) {
            is_known = true;
            let [read_bytes, write_bytes, reads, writes] = *disk.values.as_slice() else {
                continue;
            };
            io.io_service_bytes
                .extend(PerDisk::of(disk, disks, read_bytes, write_bytes));
            io.io_serviced
                .extend(PerDisk::of(disk, disks, reads, writes));
        }
        (is_known || io.psi.is_some()).then_some(io)
    }
}

impl PerDisk {
    fn of(disk: &Part, disks: &dyn Disks, read: Option<u64>, write: Option<u64>) -> Option<Self> {
        let (read, write) = (read?, write?);
        // A disk without a name goes by its number.
        let number = match disk.name.split_once(':') {
            Some((major, minor)) => major.parse().ok().zip(minor.parse().ok()),
            None => disks.number(&disk.name),
        };
        let device = if disk.name.contains(':') {
            disk.name.to_string()
        } else {
            format!("/dev/{}", disk.name)
        };
        let total = read.saturating_add(write);
        Some(Self {
            device,
            major: number.map(|(major, _)| major),
            minor: number.map(|(_, minor)| minor),
            stats: BTreeMap::from([("Read", read), ("Total", total), ("Write", write)]),
        })
    }
}

/// Memory in bytes.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Memory {
    usage: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_usage: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rss: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    swap: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mapped_file: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    working_set: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failcnt: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kernel: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container_data: Option<Faults>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hierarchical_data: Option<Faults>,
    #[serde(skip_serializing_if = "Option::is_none")]
    psi: Option<Psi>,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<MemoryEvents>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Faults {
    pgfault: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pgmajfault: Option<u64>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct MemoryEvents {
    high: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<u64>,
}

impl Memory {
    fn of(moment: &Moment) -> Option<Self> {
        let of = |number| moment.number(number);
        // Both scopes have the number of the cgroup and all below it, as cAdvisor's have on cgroup v2.
        let faults = of(Number::PageFaults).map(|pgfault| Faults {
            pgfault,
            pgmajfault: of(Number::MajorFaults),
        });
        Some(Self {
            usage: of(Number::MemoryUsage)?,
            max_usage: of(Number::MemoryMaxUsage),
            cache: of(Number::MemoryCache),
            rss: of(Number::MemoryRss),
            swap: of(Number::MemorySwap),
            mapped_file: of(Number::MemoryMappedFile),
            working_set: of(Number::MemoryWorkingSet),
            failcnt: of(Number::MemoryFailcnt),
            kernel: of(Number::MemoryKernel),
            container_data: faults,
            hierarchical_data: faults,
            psi: Psi::of(moment, Number::MemorySome, Number::MemoryFull),
            events: of(Number::MemoryHighEvents).map(|high| MemoryEvents {
                high,
                max: of(Number::MemoryFailcnt),
            }),
        })
    }
}

/// `network` of v1: the first interface, and then all.
#[derive(Clone, Debug, Serialize)]
struct NetworkV1 {
    #[serde(flatten)]
    first: Interface,
    interfaces: Vec<Interface>,
}

impl NetworkV1 {
    fn of(interfaces: Vec<Interface>) -> Option<Self> {
        let first = interfaces.first()?.clone();
        Some(Self { first, interfaces })
    }
}

/// `network` of v2.
#[derive(Clone, Debug, Serialize)]
pub(super) struct NetworkV2 {
    interfaces: Vec<Interface>,
}

impl NetworkV2 {
    pub(super) fn of(interfaces: Vec<Interface>) -> Option<Self> {
        (!interfaces.is_empty()).then_some(Self { interfaces })
    }
}

/// What an interface counted.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Interface {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rx_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rx_packets: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rx_errors: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rx_dropped: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tx_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tx_packets: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tx_errors: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tx_dropped: Option<u64>,
}

impl Interface {
    fn of(part: &Part) -> Self {
        let value = |at: usize| part.values.get(at).copied().flatten();
        Self {
            name: part.name.to_string(),
            rx_bytes: value(0),
            rx_packets: value(1),
            rx_errors: value(2),
            rx_dropped: value(3),
            tx_bytes: value(4),
            tx_packets: value(5),
            tx_errors: value(6),
            tx_dropped: value(7),
        }
    }
}

/// Tasks.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Processes {
    threads_current: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    threads_max: Option<u64>,
}

impl Processes {
    fn of(moment: &Moment) -> Option<Self> {
        Some(Self {
            threads_current: moment.number(Number::Threads)?,
            threads_max: moment.number(Number::ThreadsMax),
        })
    }
}
