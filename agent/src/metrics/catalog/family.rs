//! Families: what is measured together, and can be left out together.

use super::{Metric, Source};

/// Metrics of one subject. All but CPU time can be switched off in `[families]`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Family {
    /// CPU time and its limits. Never off: it is what entries are known by.
    Cpu,
    /// Run-queue wait, switches, tasks that come and go.
    Sched,
    /// Who ran while tasks waited for a CPU. Off unless asked for: it costs something at each switch.
    Preemption,
    /// Block I/O.
    BlockIo,
    /// Packets and TCP connections.
    Network,
    /// Memory.
    Memory,
    /// Time lost in waiting for CPU, memory and I/O.
    Pressure,
    /// Tasks.
    Pids,
    /// Disk space.
    Space,
    /// Processes killed for want of memory.
    Oom,
    /// The host as a whole.
    Host,
}

/// A set of families.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Families(u16);

impl Family {
    /// All of them: CPU time, then those that can be switched off.
    pub const ALL: [Self; 11] = {
        let [
            sched,
            preemption,
            block_io,
            network,
            memory,
            pressure,
            pids,
            space,
            oom,
            host,
        ] = Self::SWITCHABLE;
        [
            Self::Cpu,
            sched,
            preemption,
            block_io,
            network,
            memory,
            pressure,
            pids,
            space,
            oom,
            host,
        ]
    };

    /// Those that can be switched off, in the order of the configuration.
    pub const SWITCHABLE: [Self; 10] = [
        Self::Sched,
        Self::Preemption,
        Self::BlockIo,
        Self::Network,
        Self::Memory,
        Self::Pressure,
        Self::Pids,
        Self::Space,
        Self::Oom,
        Self::Host,
    ];

    /// The word in the configuration, labels and `cgflux check`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Sched => "sched",
            Self::Preemption => "preemption",
            Self::BlockIo => "block_io",
            Self::Network => "network",
            Self::Memory => "memory",
            Self::Pressure => "pressure",
            Self::Pids => "pids",
            Self::Space => "space",
            Self::Oom => "oom",
            Self::Host => "host",
        }
    }

    /// How it is switched off, as a reason.
    pub fn when_off(self) -> &'static str {
        match self {
            Self::Cpu => "",
            Self::Sched => "[families.sched] is off",
            Self::Preemption => "[families.preemption] is off",
            Self::BlockIo => "[families.block_io] is off",
            Self::Network => "[families.network] is off",
            Self::Memory => "[families.memory] is off",
            Self::Pressure => "[families.pressure] is off",
            Self::Pids => "[families.pids] is off",
            Self::Space => "[families.space] is off",
            Self::Oom => "[families.oom] is off",
            Self::Host => "[families.host] is off",
        }
    }
}

impl Metric {
    /// The family it belongs to; `None` for what the agent says of itself.
    pub fn family(&self) -> Option<Family> {
        Some(match self.measurement {
            "container_cpu" => Family::Cpu,
            "container_sched" => Family::Sched,
            "container_preemption" => Family::Preemption,
            "container_io" => Family::BlockIo,
            "container_net" => Family::Network,
            "container_mem" if self.sources.contains(&Source::MarkVictim) => Family::Oom,
            "container_mem" => Family::Memory,
            "container_psi" => Family::Pressure,
            "container_pids" => Family::Pids,
            "container_fs" => Family::Space,
            "agent_self" => return None,
            _ => Family::Host,
        })
    }
}

impl Source {
    /// The family that alone needs it; `None` for what several need, or all. Ends of tasks tell how a container ended,
    /// too.
    pub fn family(self) -> Option<Family> {
        match self {
            Self::SchedSwitch
            | Self::SchedMigrateTask
            | Self::SchedProcessFork
            | Self::SchedProcessExec => Some(Family::Sched),
            Self::SchedSwitchTurns => Some(Family::Preemption),
            Self::BlockRqComplete => Some(Family::BlockIo),
            Self::CgroupSkb | Self::InetSockSetState | Self::TcpRetransmitSkb => {
                Some(Family::Network)
            }
            Self::MarkVictim => Some(Family::Oom),
            Self::SchedStatRuntime
            | Self::SchedProcessExit
            | Self::CgroupFile
            | Self::ProcFile
            | Self::Statfs
            | Self::Agent => None,
        }
    }
}

impl Families {
    /// Every family.
    pub const ALL: Self = Self((1 << Family::ALL.len()) - 1);
    /// What is measured where nobody says otherwise.
    pub const DEFAULT: Self = Self(Self::ALL.0 & !bit(Family::Preemption));
    /// No family.
    pub const NONE: Self = Self(0);

    /// Whether `family` is among them.
    pub fn has(self, family: Family) -> bool {
        self.0 & bit(family) != 0
    }

    /// The same without `family`.
    #[must_use]
    pub fn without(self, family: Family) -> Self {
        Self(self.0 & !bit(family))
    }

    /// The same and `family`.
    #[must_use]
    pub fn with(self, family: Family) -> Self {
        Self(self.0 | bit(family))
    }

    /// Those that are not among `others`.
    #[must_use]
    pub fn minus(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Whether `metric` is of one of them; what the agent says of itself always is.
    pub fn cover(self, metric: &Metric) -> bool {
        metric.family().is_none_or(|family| self.has(family))
    }
}

impl Default for Families {
    fn default() -> Self {
        Self::ALL
    }
}

const fn bit(family: Family) -> u16 {
    1 << family as u16
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{super::*, *};

    #[test]
    fn every_metric_but_the_agents_own_has_a_family_and_every_family_a_metric() {
        let families: BTreeSet<Family> = container()
            .chain(host())
            .filter_map(Metric::family)
            .collect();
        let known = BTreeSet::from(Family::ALL);
        assert_eq!(families, known);
        assert!(
            container()
                .chain(host())
                .all(|metric| metric.family().is_some())
        );
        assert!(host().all(|metric| metric.family() == Some(Family::Host)));
        assert!(agent().all(|metric| metric.family().is_none()));
        assert_eq!(OOM_KILLS.family(), Some(Family::Oom));
    }

    #[test]
    fn a_program_of_a_family_counts_for_no_metric_of_another_but_switches_do() {
        for metric in container() {
            for source in metric
                .sources
                .iter()
                .filter(|it| **it != Source::SchedSwitch)
            {
                let of = source.family();
                assert!(
                    of.is_none() || of == metric.family(),
                    "{} of {source:?}",
                    metric.field
                );
            }
        }
    }

    #[test]
    fn a_set_of_families_is_a_set() {
        let none = Families::NONE;
        assert!(!none.has(Family::Host) && none.with(Family::Host).has(Family::Host));
        let all = Families::ALL.without(Family::Cpu);
        assert!(!all.has(Family::Cpu) && all.has(Family::Sched));
        assert_eq!(all.minus(none.with(Family::Oom)), all.without(Family::Oom));
        assert!(all.cover(&AGENT_CPU) && !all.cover(&CPU_USAGE) && all.cover(&OOM_KILLS));
    }
}
