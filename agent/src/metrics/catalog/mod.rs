//! The one table of what is published: names, units, meaning, sources, resolution.
//!
//! The README's metric table, the HELP texts of `/metrics` and the field types of the line protocol all come from
//! here: one file per subject. A field's type never changes once released: InfluxDB fixes it per shard.

mod agent;
mod block_io;
mod cpu;
mod family;
mod host;
mod memory;
mod network;
mod oom;
mod pids;
mod preemption;
mod pressure;
mod sched;
mod space;

pub use agent::*;
pub use block_io::*;
pub use cpu::*;
pub use family::{Families, Family};
pub use host::*;
pub use memory::*;
pub use network::*;
pub use oom::*;
pub use pids::*;
pub use preemption::*;
pub use pressure::*;
pub use sched::*;
pub use space::*;

/// Every metric of a container, in the order of publication.
pub fn container() -> impl Iterator<Item = &'static Metric> {
    [
        CPU_METRICS,
        SCHED_METRICS,
        PREEMPTION_METRICS,
        BLOCK_IO_METRICS,
        NETWORK_METRICS,
        MEMORY_METRICS,
        OOM_METRICS,
        PRESSURE_METRICS,
        PIDS_METRICS,
        SPACE_METRICS,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// Every metric of the agent itself, in the order of publication.
pub fn agent() -> impl Iterator<Item = &'static Metric> {
    AGENT_METRICS.iter().copied()
}

/// Every metric of the host as a whole, in the order of publication.
pub fn host() -> impl Iterator<Item = &'static Metric> {
    HOST_METRICS
        .iter()
        .flat_map(|metrics| metrics.iter().copied())
}

/// Every metric there is, in the order of the README.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    container().chain(host()).chain(agent())
}

/// One published metric.
#[derive(Debug, Eq, PartialEq)]
pub struct Metric {
    /// Measurement in line protocol.
    pub measurement: &'static str,
    /// Field within the measurement; a histogram's buckets append `_le_<bound>ns`.
    pub field: &'static str,
    /// Name on `/metrics`.
    pub prometheus: &'static str,
    /// Unit of the value and of the field; `/metrics` converts to base units.
    pub unit: Unit,
    /// How it behaves over time.
    pub kind: Kind,
    /// Whether the values of a gauge that is no rate add up over entries, as memory in use does and a limit does not.
    pub adds_up: bool,
    /// How often it is read.
    pub resolution: Resolution,
    /// Where it can come from, best first.
    pub sources: &'static [Source],
    /// From which Linux on its best source tells it, where that is not all that cgflux can run on.
    pub since: Option<&'static str>,
    /// What it means, in one sentence.
    pub help: &'static str,
}

/// Unit of a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unit {
    /// Nanoseconds.
    Nanoseconds,
    /// Microseconds.
    Microseconds,
    /// A plain number of things.
    Count,
    /// CPUs: 1.0 is one CPU fully used.
    Cpus,
    /// A share without unit; 1.0 is all.
    Ratio,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
}

/// How a metric behaves over time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Only grows, while its cgroup lives or the host is up.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Distribution of durations, lifetime totals.
    Histogram,
}

/// How often a metric is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Resolution {
    /// Every tick.
    Tick,
    /// From files, at the slower cadence of `collect.file_interval`, and at once when the entry ends.
    Files,
    /// Every tick, but shipped once an hour and when it changes.
    Hourly,
}

/// Where a metric comes from.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Source {
    /// The kernel's own charge: `tp_btf/sched_stat_runtime`.
    SchedStatRuntime,
    /// `tp_btf/sched_switch`.
    SchedSwitch,
    /// `tp_btf/sched_switch`, with a look at the turns before.
    SchedSwitchTurns,
    /// `tp_btf/sched_migrate_task`.
    SchedMigrateTask,
    /// `tp_btf/sched_process_fork`.
    SchedProcessFork,
    /// `tp_btf/sched_process_exec`.
    SchedProcessExec,
    /// `tp_btf/sched_process_exit`.
    SchedProcessExit,
    /// `tp_btf/block_rq_complete`.
    BlockRqComplete,
    /// The packets of sockets: `cgroup_skb`, both ways.
    CgroupSkb,
    /// `tp_btf/inet_sock_set_state`.
    InetSockSetState,
    /// `tp_btf/tcp_retransmit_skb`.
    TcpRetransmitSkb,
    /// `tp_btf/mark_victim`.
    MarkVictim,
    /// A file of the cgroup.
    CgroupFile,
    /// A file of `/proc`.
    ProcFile,
    /// `statfs(2)` of a container's root, or of a mount point of the host.
    Statfs,
    /// The agent itself.
    Agent,
}

impl Metric {
    /// On which versions of Linux its best source tells it.
    pub fn kernels(&self) -> &'static str {
        let is_counted = self.sources.first().is_some_and(|best| best.is_program());
        match self.since {
            Some(since) => since,
            None if is_counted => "5.8",
            None => "any",
        }
    }
}

impl Source {
    /// Whether kernel programs tell it, which need Linux 5.8.
    fn is_program(self) -> bool {
        !matches!(
            self,
            Self::CgroupFile | Self::ProcFile | Self::Statfs | Self::Agent
        )
    }

    /// The word used in `cgflux check`, labels and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SchedStatRuntime => "sched_stat_runtime",
            Self::SchedSwitch => "sched_switch",
            Self::SchedSwitchTurns => "sched_switch_turns",
            Self::SchedMigrateTask => "sched_migrate_task",
            Self::SchedProcessFork => "sched_process_fork",
            Self::SchedProcessExec => "sched_process_exec",
            Self::SchedProcessExit => "sched_process_exit",
            Self::BlockRqComplete => "block_rq_complete",
            Self::CgroupSkb => "cgroup_skb",
            Self::InetSockSetState => "inet_sock_set_state",
            Self::TcpRetransmitSkb => "tcp_retransmit_skb",
            Self::MarkVictim => "mark_victim",
            Self::CgroupFile => "cgroup_file",
            Self::ProcFile => "proc_file",
            Self::Statfs => "statfs",
            Self::Agent => "agent",
        }
    }
}

/// What most metrics share.
const NO_METRIC: Metric = Metric {
    measurement: "",
    field: "",
    prometheus: "",
    unit: Unit::Count,
    kind: Kind::Counter,
    adds_up: false,
    resolution: Resolution::Tick,
    sources: &[],
    since: None,
    help: "",
};

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, fmt::Write as _};

    use super::*;

    const README: &str = include_str!("../../../../README.md");

    #[test]
    fn the_readme_has_this_table() {
        let mut table = String::new();
        for metric in all() {
            let sources: Vec<&str> = metric
                .sources
                .iter()
                .map(|source| source.as_str())
                .collect();
            let exposed = match metric.prometheus {
                "" => "–".to_owned(),
                name => format!("`{name}`"),
            };
            writeln!(
                table,
                "| `{}` | `{}` | {exposed} | {:?}, {:?} | {} | {} | {:?} | {} |",
                metric.measurement,
                metric.field,
                metric.unit,
                metric.kind,
                sources.join(", "),
                metric.kernels(),
                metric.resolution,
                metric.help
            )
            .unwrap();
        }
        assert!(
            README.contains(&table),
            "README.md lacks this table:\n{table}"
        );
    }

    #[test]
    fn no_two_metrics_share_a_field_or_a_name() {
        let (mut fields, mut names) = (HashSet::new(), HashSet::new());
        for metric in all() {
            assert!(
                fields.insert((metric.measurement, metric.field)),
                "{}",
                metric.field
            );
            assert!(
                metric.prometheus.is_empty() || names.insert(metric.prometheus),
                "{}",
                metric.prometheus
            );
        }
    }
}
