//! Which workloads are measured, and what is to be reached beside each.

use super::options::Options;

/// Containers of the workload that other collectors were measured with.
const ACTIVE: u32 = 200;

/// What runs beside the collectors.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Load {
    /// That many Docker containers.
    Containers(u32),
    /// That many cgroups without Docker.
    Cgroups(u32),
}

/// What is to be reached beside a workload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Target {
    /// Daemon and programs together, in percent of one core.
    pub(crate) cpu: f64,
    /// Resident memory.
    pub(crate) rss_mib: f64,
}

/// Those that were asked for, one after the other.
pub(crate) fn loads(options: &Options) -> Vec<Load> {
    if options.containers.is_empty() && options.cgroups.is_empty() {
        return vec![Load::Containers(ACTIVE)];
    }
    let containers = options.containers.iter().copied().map(Load::Containers);
    let cgroups = options.cgroups.iter().copied().map(Load::Cgroups);
    containers.chain(cgroups).collect()
}

impl Load {
    /// How many things it runs.
    pub(crate) fn count(self) -> u32 {
        match self {
            Self::Containers(count) | Self::Cgroups(count) => count,
        }
    }

    /// The target beside it, where there is one.
    pub(crate) fn target(self) -> Option<Target> {
        match self {
            Self::Containers(ACTIVE) => Some(Target {
                cpu: 0.5,
                rss_mib: 20.0,
            }),
            Self::Containers(1_000) | Self::Cgroups(1_000) => Some(Target {
                cpu: 2.0,
                rss_mib: 30.0,
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(containers: &[u32], cgroups: &[u32]) -> Vec<Load> {
        loads(&Options {
            containers: containers.to_vec(),
            cgroups: cgroups.to_vec(),
            ship_every: vec![10],
            warm_up: 20,
            seconds: 40,
            rounds: 0,
            round_seconds: 10,
            network: "none".to_owned(),
            no_cadvisor: true,
            no_spool: false,
        })
    }

    #[test]
    fn without_a_workload_it_is_the_one_others_were_measured_with() {
        assert_eq!(asked(&[], &[]), [Load::Containers(200)]);
        assert_eq!(
            asked(&[5], &[1_000]),
            [Load::Containers(5), Load::Cgroups(1_000)]
        );
    }
}
