//! The machine as a whole → samples. Those of one line stand together: the encoder relies on it.

use std::borrow::Cow;

use super::{
    Metric, Sample, Value,
    catalog::{self, Unit},
};
use crate::snapshot::{
    CpuTimes, Disk, Filesystem, Interface, Load, Machine, Memory, Paging, Pressure, Reconciliation,
    Scheduler,
};

/// All samples of the machine, in catalog order; what could not be read is not among them.
pub fn samples(machine: &Machine) -> Vec<Sample> {
    let mut lines = Lines::default();
    cpu(&mut lines, machine);
    load(&mut lines, machine);
    if let Some(memory) = &machine.memory {
        self::memory(&mut lines, memory);
    }
    paging(&mut lines, &machine.paging);
    for disk in &machine.disks {
        self::disk(lines.of(&[("device", &disk.name)]), disk);
    }
    for interface in &machine.interfaces {
        self::interface(lines.of(&[("interface", &interface.name)]), interface);
    }
    for filesystem in &machine.filesystems {
        self::filesystem(
            lines.of(&[
                ("mount", &filesystem.mount),
                ("device", &filesystem.device),
                ("fstype", &filesystem.fstype),
            ]),
            filesystem,
        );
    }
    pressure(lines.of(&[]), &machine.pressure);
    lines.samples
}

/// Whether all entries together are what the root's own counter says.
pub fn reconciliation(sums: &Reconciliation) -> impl Iterator<Item = Sample> {
    let sample = |metric, value: Option<Value>| Some(Sample::new(metric, value?));
    let integer = |value: Option<u64>| value.map(Value::Integer);
    [
        sample(&catalog::ACCOUNTED_CPU, integer(Some(sums.accounted_ns))),
        sample(&catalog::ROOT_CPU, integer(sums.root_ns)),
        sample(
            &catalog::UNACCOUNTED_CPU,
            sums.unaccounted().map(Value::Float),
        ),
    ]
    .into_iter()
    .flatten()
}

/// Samples being gathered, each with the labels of the line it belongs to.
#[derive(Default)]
struct Lines {
    samples: Vec<Sample>,
    labels: Vec<(&'static str, Cow<'static, str>)>,
}

impl Lines {
    /// From here on samples have these labels.
    fn of(&mut self, labels: &[(&'static str, &String)]) -> &mut Self {
        let labels = labels
            .iter()
            .map(|(name, value)| (*name, (*value).clone().into()));
        self.labels = labels.collect();
        self
    }

    fn integer(&mut self, metric: &'static Metric, value: impl Into<Option<u64>>) {
        if let Some(value) = value.into() {
            self.push(metric, Value::Integer(value));
        }
    }

    fn push(&mut self, metric: &'static Metric, value: Value) {
        debug_assert_eq!(
            matches!(metric.unit, Unit::Ratio | Unit::Cpus),
            matches!(value, Value::Float(_)),
            "a field has one type: {}",
            metric.field
        );
        self.samples.push(Sample {
            metric,
            value,
            labels: self.labels.clone(),
        });
    }
}

fn cpu(lines: &mut Lines, machine: &Machine) {
    if let Some(CpuTimes {
        user_ns,
        nice_ns,
        system_ns,
        idle_ns,
        iowait_ns,
        irq_ns,
        softirq_ns,
        steal_ns,
        guest_ns,
        guest_nice_ns,
    }) = machine.cpu
    {
        lines.integer(&catalog::HOST_CPU_USER, user_ns);
        lines.integer(&catalog::HOST_CPU_NICE, nice_ns);
        lines.integer(&catalog::HOST_CPU_SYSTEM, system_ns);
        lines.integer(&catalog::HOST_CPU_IDLE, idle_ns);
        lines.integer(&catalog::HOST_CPU_IOWAIT, iowait_ns);
        lines.integer(&catalog::HOST_CPU_IRQ, irq_ns);
        lines.integer(&catalog::HOST_CPU_SOFTIRQ, softirq_ns);
        lines.integer(&catalog::HOST_CPU_STEAL, steal_ns);
        lines.integer(&catalog::HOST_CPU_GUEST, guest_ns);
        lines.integer(&catalog::HOST_CPU_GUEST_NICE, guest_nice_ns);
    }
    if let Some(Scheduler {
        cpus,
        context_switches,
        forks,
        boot_wall_ns,
        ..
    }) = machine.scheduler
    {
        lines.integer(&catalog::HOST_CPUS, cpus);
        lines.integer(&catalog::HOST_CONTEXT_SWITCHES, context_switches);
        lines.integer(&catalog::HOST_FORKS, forks);
        lines.integer(&catalog::HOST_BOOT_TIME, boot_wall_ns);
    }
}

fn load(lines: &mut Lines, machine: &Machine) {
    if let Some(Load { averages, .. }) = machine.load {
        let metrics = [
            &catalog::HOST_LOAD_1,
            &catalog::HOST_LOAD_5,
            &catalog::HOST_LOAD_15,
        ];
        for (metric, average) in metrics.into_iter().zip(averages) {
            lines.push(metric, Value::Float(average));
        }
    }
    let scheduler = machine.scheduler.as_ref();
    lines.integer(&catalog::HOST_RUNNING, scheduler.and_then(|it| it.running));
    lines.integer(&catalog::HOST_BLOCKED, scheduler.and_then(|it| it.blocked));
    lines.integer(&catalog::HOST_TASKS, machine.load.map(|it| it.tasks));
    lines.integer(&catalog::HOST_UPTIME, machine.uptime_ns);
}

fn memory(lines: &mut Lines, memory: &Memory) {
    for (metric, bytes) in [
        (&catalog::HOST_MEM_TOTAL, memory.total),
        (&catalog::HOST_MEM_FREE, memory.free),
        (&catalog::HOST_MEM_AVAILABLE, memory.available),
        (&catalog::HOST_MEM_BUFFERS, memory.buffers),
        (&catalog::HOST_MEM_CACHED, memory.cached),
        (&catalog::HOST_MEM_ACTIVE, memory.active),
        (&catalog::HOST_MEM_INACTIVE, memory.inactive),
        (&catalog::HOST_MEM_ANON, memory.anon),
        (&catalog::HOST_MEM_MAPPED, memory.mapped),
        (&catalog::HOST_MEM_SHMEM, memory.shmem),
        (&catalog::HOST_MEM_SLAB_RECLAIMABLE, memory.slab_reclaimable),
        (
            &catalog::HOST_MEM_SLAB_UNRECLAIMABLE,
            memory.slab_unreclaimable,
        ),
        (&catalog::HOST_MEM_KERNEL_STACK, memory.kernel_stack),
        (&catalog::HOST_MEM_PAGE_TABLES, memory.page_tables),
        (&catalog::HOST_MEM_DIRTY, memory.dirty),
        (&catalog::HOST_MEM_WRITEBACK, memory.writeback),
        (&catalog::HOST_MEM_COMMITTED, memory.committed),
        (&catalog::HOST_MEM_COMMIT_LIMIT, memory.commit_limit),
        (&catalog::HOST_MEM_HUGETLB, memory.hugetlb),
        (&catalog::HOST_SWAP_TOTAL, memory.swap_total),
        (&catalog::HOST_SWAP_FREE, memory.swap_free),
        (&catalog::HOST_SWAP_CACHED, memory.swap_cached),
    ] {
        lines.integer(metric, bytes);
    }
}

fn paging(lines: &mut Lines, paging: &Paging) {
    lines.integer(&catalog::HOST_SWAPPED_IN, paging.swapped_in_bytes);
    lines.integer(&catalog::HOST_SWAPPED_OUT, paging.swapped_out_bytes);
    lines.integer(&catalog::HOST_PAGE_FAULTS, paging.faults);
    lines.integer(&catalog::HOST_MAJOR_FAULTS, paging.major_faults);
    lines.integer(&catalog::HOST_OOM_KILLS, paging.oom_kills);
}

fn disk(lines: &mut Lines, disk: &Disk) {
    let Disk { reads, writes, .. } = disk;
    lines.integer(&catalog::HOST_DISK_READS, reads.count);
    lines.integer(&catalog::HOST_DISK_READS_MERGED, reads.merged);
    lines.integer(&catalog::HOST_DISK_READ_BYTES, reads.bytes);
    lines.integer(&catalog::HOST_DISK_READ_TIME, reads.time_ns);
    lines.integer(&catalog::HOST_DISK_WRITES, writes.count);
    lines.integer(&catalog::HOST_DISK_WRITES_MERGED, writes.merged);
    lines.integer(&catalog::HOST_DISK_WRITE_BYTES, writes.bytes);
    lines.integer(&catalog::HOST_DISK_WRITE_TIME, writes.time_ns);
    if let Some(discards) = disk.discards {
        lines.integer(&catalog::HOST_DISK_DISCARDS, discards.count);
        lines.integer(&catalog::HOST_DISK_DISCARD_BYTES, discards.bytes);
        lines.integer(&catalog::HOST_DISK_DISCARD_TIME, discards.time_ns);
    }
    lines.integer(&catalog::HOST_DISK_FLUSHES, disk.flushes);
    lines.integer(&catalog::HOST_DISK_FLUSH_TIME, disk.flush_ns);
    lines.integer(&catalog::HOST_DISK_IN_FLIGHT, disk.in_flight);
    lines.integer(&catalog::HOST_DISK_IO_TIME, disk.io_ns);
    lines.integer(&catalog::HOST_DISK_WEIGHTED_TIME, disk.weighted_io_ns);
}

fn interface(lines: &mut Lines, interface: &Interface) {
    let Interface { received, sent, .. } = interface;
    lines.integer(&catalog::HOST_NET_RX_BYTES, received.bytes);
    lines.integer(&catalog::HOST_NET_RX_PACKETS, received.packets);
    lines.integer(&catalog::HOST_NET_RX_ERRORS, received.errors);
    lines.integer(&catalog::HOST_NET_RX_DROPS, received.drops);
    lines.integer(&catalog::HOST_NET_TX_BYTES, sent.bytes);
    lines.integer(&catalog::HOST_NET_TX_PACKETS, sent.packets);
    lines.integer(&catalog::HOST_NET_TX_ERRORS, sent.errors);
    lines.integer(&catalog::HOST_NET_TX_DROPS, sent.drops);
}

fn filesystem(lines: &mut Lines, filesystem: &Filesystem) {
    lines.integer(&catalog::HOST_FS_SIZE, filesystem.size_bytes);
    lines.integer(&catalog::HOST_FS_FREE, filesystem.free_bytes);
    lines.integer(&catalog::HOST_FS_AVAILABLE, filesystem.available_bytes);
    lines.integer(
        &catalog::HOST_FS_INODES,
        filesystem.inodes.map(|it| it.total),
    );
    lines.integer(
        &catalog::HOST_FS_INODES_FREE,
        filesystem.inodes.map(|it| it.free),
    );
}

fn pressure(lines: &mut Lines, pressure: &Pressure) {
    lines.integer(&catalog::HOST_PSI_CPU_SOME, pressure.cpu_some_ns);
    lines.integer(&catalog::HOST_PSI_MEMORY_SOME, pressure.memory_some_ns);
    lines.integer(&catalog::HOST_PSI_MEMORY_FULL, pressure.memory_full_ns);
    lines.integer(&catalog::HOST_PSI_IO_SOME, pressure.io_some_ns);
    lines.integer(&catalog::HOST_PSI_IO_FULL, pressure.io_full_ns);
    lines.integer(&catalog::HOST_PSI_IRQ_FULL, pressure.irq_full_ns);
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::snapshot::{Inodes, Requests, Traffic};

    /// A machine of which everything is known, with devices of these names.
    pub(crate) fn everything(names: &[&str]) -> Machine {
        let some = Some(7);
        let requests = Requests {
            count: 1,
            ..Requests::default()
        };
        let names = || names.iter().map(|name| (*name).to_owned());
        Machine {
            cpu: Some(CpuTimes {
                iowait_ns: some,
                irq_ns: some,
                softirq_ns: some,
                steal_ns: some,
                guest_ns: some,
                guest_nice_ns: some,
                ..CpuTimes::default()
            }),
            scheduler: Some(Scheduler {
                cpus: 2,
                context_switches: 3,
                forks: 4,
                boot_wall_ns: 5,
                running: some,
                blocked: some,
            }),
            load: Some(Load {
                averages: [0.5, 0.25, 1.0],
                tasks: 9,
            }),
            uptime_ns: some,
            memory: Some(Memory {
                total: some,
                free: some,
                available: some,
                buffers: some,
                cached: some,
                active: some,
                inactive: some,
                anon: some,
                mapped: some,
                shmem: some,
                slab_reclaimable: some,
                slab_unreclaimable: some,
                kernel_stack: some,
                page_tables: some,
                dirty: some,
                writeback: some,
                committed: some,
                commit_limit: some,
                hugetlb: some,
                swap_total: some,
                swap_free: some,
                swap_cached: some,
            }),
            paging: Paging {
                swapped_in_bytes: some,
                swapped_out_bytes: some,
                faults: some,
                major_faults: some,
                oom_kills: some,
            },
            pressure: Pressure {
                cpu_some_ns: some,
                memory_some_ns: some,
                memory_full_ns: some,
                io_some_ns: some,
                io_full_ns: some,
                irq_full_ns: some,
            },
            disks: names()
                .map(|name| Disk {
                    name,
                    discards: Some(requests),
                    flushes: some,
                    flush_ns: some,
                    ..Disk::default()
                })
                .collect(),
            interfaces: names()
                .map(|name| Interface {
                    name,
                    received: Traffic::default(),
                    sent: Traffic::default(),
                })
                .collect(),
            filesystems: names()
                .map(|mount| Filesystem {
                    device: mount.clone(),
                    fstype: mount.clone(),
                    mount,
                    inodes: Some(Inodes::default()),
                    ..Filesystem::default()
                })
                .collect(),
        }
    }

    #[test]
    fn every_metric_is_told_in_catalog_order() {
        let samples = samples(&everything(&["a"]));
        let given: Vec<_> = samples.iter().map(|it| it.metric.prometheus).collect();
        let catalog: Vec<_> = catalog::host().map(|metric| metric.prometheus).collect();
        assert_eq!(given, catalog);
    }

    #[test]
    fn what_could_not_be_read_is_absent() {
        assert_eq!(samples(&Machine::default()), []);
    }

    #[test]
    fn each_device_has_a_line_of_its_own() {
        let samples = samples(&everything(&["a", "b"]));
        let labels = |field: &str| -> Vec<_> {
            let of_field = samples.iter().filter(|it| it.metric.field == field);
            of_field.map(|it| it.labels.clone()).collect()
        };
        let one = |name, value: &str| vec![(name, value.to_owned().into())];
        assert_eq!(labels("reads"), [one("device", "a"), one("device", "b")]);
        assert_eq!(
            labels("rx_bytes"),
            [one("interface", "a"), one("interface", "b")]
        );
        assert_eq!(labels("inodes").len(), 2);
        assert_eq!(labels("user_ns"), [vec![]]);
    }

    proptest! {
        /// The encoder writes a line for each run of samples that share one.
        #[test]
        fn samples_of_one_line_stand_together(names in prop::collection::hash_set(".{0,4}", 0..5)) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let samples = samples(&everything(&names));
            let mut lines: Vec<_> = samples
                .chunk_by(|one, other| {
                    one.metric.measurement == other.metric.measurement && one.labels == other.labels
                })
                .map(|line| (line[0].metric.measurement, &line[0].labels))
                .collect();
            let all = lines.len();
            lines.sort();
            lines.dedup();
            prop_assert_eq!(lines.len(), all);
        }
    }
}
