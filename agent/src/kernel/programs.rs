//! The table of kernel programs: which hook each needs, what each gives.

use crate::{
    config::{Complaints, Key, Resolved},
    metrics::catalog::Source,
    text::printable,
};

/// One kernel program.
#[derive(Debug)]
pub struct ProgramSpec {
    /// Its name in the object.
    pub name: &'static str,
    /// What calls it.
    pub hook: Hook,
    /// What it is for.
    pub role: Role,
}

/// What calls a program.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hook {
    /// A tracepoint, typed.
    Tracepoint {
        /// Its name.
        name: &'static str,
        /// The structures its arguments must point to, by place; `None` where any type does.
        arguments: &'static [Option<&'static str>],
    },
    /// The packets of all sockets that were made in the unified hierarchy.
    Packets(Direction),
}

/// Which way packets go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// To a socket.
    Ingress,
    /// From a socket.
    Egress,
}

/// What a program is for; decides what its absence means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// Births and deaths of cgroups. Without them the kernel source is not used.
    Lifecycle,
    /// Makes [`Role::Lifecycle`]'s births carry their path. Without it paths come from the tree.
    Path,
    /// Counts for metrics of that source, some of which have several programs. Without one of them they come from the
    /// next source, or are absent.
    Metric(Source),
    /// Counts alone for metrics of that source where the [`Role::Metric`] one cannot.
    Instead(Source),
}

impl Role {
    /// What it counts for.
    pub fn source(self) -> Option<Source> {
        match self {
            Self::Metric(source) | Self::Instead(source) => Some(source),
            Self::Lifecycle | Self::Path => None,
        }
    }

    /// Whether it counts, and so must not run before cgroups get slots.
    pub fn counts(self) -> bool {
        self.source().is_some()
    }

    /// Whether it counts packets.
    pub fn counts_packets(self) -> bool {
        self == Self::Metric(Source::CgroupSkb)
    }
}

const TASK: Option<&str> = Some("task_struct");
const CGROUP: Option<&str> = Some("cgroup");
const REQUEST: Option<&str> = Some("request");
const SOCKET: Option<&str> = Some("sock");

/// Programs that do the same as another one, which does more but is not for every kernel or wish: each with the better one,
/// which stands before it in the table.
const COPIES: [(&str, &str); 3] = [
    // Births without their paths, which take a `probe_read` that lockdown forbids.
    ("cgroup_mkdir_pathless", "cgroup_mkdir"),
    // Switches without a look at the turns before, which costs more.
    ("sched_switch", "sched_switch_turns"),
    // Block I/O without a look at the pages for whom a buffered write is of.
    ("block_rq_complete_by_bio", "block_rq_complete"),
];

impl ProgramSpec {
    /// The program beside which this one is not needed.
    pub(super) fn better(&self) -> Option<&'static str> {
        let (_, better) = COPIES.iter().find(|(copy, _)| *copy == self.name)?;
        Some(better)
    }
}

/// Every program, lifecycle first: that is the order of attachment.
pub const PROGRAMS: [ProgramSpec; 20] = [
    spec("cgroup_mkdir", "cgroup_mkdir", &[CGROUP, None], Role::Path),
    spec(
        "cgroup_mkdir_pathless",
        "cgroup_mkdir",
        &[CGROUP, None],
        Role::Lifecycle,
    ),
    spec("cgroup_rmdir", "cgroup_rmdir", &[CGROUP], Role::Lifecycle),
    spec(
        "cgroup_release",
        "cgroup_release",
        &[CGROUP],
        Role::Lifecycle,
    ),
    spec(
        "cgroup_attach_task",
        "cgroup_attach_task",
        &[CGROUP, None, TASK],
        Role::Lifecycle,
    ),
    spec(
        "sched_stat_runtime",
        "sched_stat_runtime",
        &[TASK, None],
        Role::Metric(Source::SchedStatRuntime),
    ),
    spec(
        "sched_switch_turns",
        "sched_switch",
        &[None, TASK, TASK],
        Role::Metric(Source::SchedSwitchTurns),
    ),
    spec(
        "sched_switch",
        "sched_switch",
        &[None, TASK, TASK],
        Role::Metric(Source::SchedSwitch),
    ),
    spec(
        "sched_migrate_task",
        "sched_migrate_task",
        &[TASK],
        Role::Metric(Source::SchedMigrateTask),
    ),
    spec(
        "sched_process_fork",
        "sched_process_fork",
        &[TASK, TASK],
        Role::Metric(Source::SchedProcessFork),
    ),
    spec(
        "sched_process_exec",
        "sched_process_exec",
        &[TASK],
        Role::Metric(Source::SchedProcessExec),
    ),
    spec(
        "sched_process_exit",
        "sched_process_exit",
        &[TASK],
        Role::Metric(Source::SchedProcessExit),
    ),
    spec(
        "block_rq_complete",
        "block_rq_complete",
        &[REQUEST, None, None],
        Role::Metric(Source::BlockRqComplete),
    ),
    spec(
        "block_rq_complete_by_bio",
        "block_rq_complete",
        &[REQUEST, None, None],
        Role::Instead(Source::BlockRqComplete),
    ),
    packets("network_ingress", Direction::Ingress),
    packets("network_egress", Direction::Egress),
    spec(
        "inet_sock_set_state",
        "inet_sock_set_state",
        &[SOCKET, None, None],
        Role::Metric(Source::InetSockSetState),
    ),
    spec(
        "tcp_retransmit_skb",
        "tcp_retransmit_skb",
        &[SOCKET, Some("sk_buff")],
        Role::Metric(Source::TcpRetransmitSkb),
    ),
    spec(
        "tcp_retransmit_synack",
        "tcp_retransmit_synack",
        &[SOCKET],
        Role::Metric(Source::TcpRetransmitSkb),
    ),
    spec(
        "mark_victim",
        "mark_victim",
        &[TASK],
        Role::Metric(Source::MarkVictim),
    ),
];

const fn spec(
    name: &'static str,
    tracepoint: &'static str,
    arguments: &'static [Option<&'static str>],
    role: Role,
) -> ProgramSpec {
    ProgramSpec {
        name,
        hook: Hook::Tracepoint {
            name: tracepoint,
            arguments,
        },
        role,
    }
}

const fn packets(name: &'static str, direction: Direction) -> ProgramSpec {
    ProgramSpec {
        name,
        hook: Hook::Packets(direction),
        role: Role::Metric(Source::CgroupSkb),
    }
}

/// Complains about a name in `collect.skip_programs` that no program has.
pub fn check_skipped(resolved: &Resolved) -> Result<(), Complaints> {
    let known = PROGRAMS.each_ref().map(|program| program.name);
    let mut names = resolved.config.collect.skip_programs.iter();
    let Some(unknown) = names.find(|name| !known.contains(&name.as_str())) else {
        return Ok(());
    };
    let problem = format!(
        "holds \"{}\", and there is no such program; there are: {}",
        printable(unknown),
        known.join(", ")
    );
    Err(resolved.complaint(&Key::of("collect.skip_programs"), problem))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::fixture::resolved;

    #[test]
    fn only_programs_there_are_can_be_skipped() {
        let skip = |name: &str| resolved(&format!("[collect]\nskip_programs = [{name:?}]"));
        assert!(check_skipped(&skip("sched_switch")).is_ok());
        let complaint = check_skipped(&skip("x")).unwrap_err().to_string();
        assert!(
            complaint.contains("collect.skip_programs (cgflux.toml:2): holds \"x\"")
                && complaint.contains("block_rq_complete"),
            "{complaint}"
        );
    }
}
