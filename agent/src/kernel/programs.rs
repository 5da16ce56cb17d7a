//! The table of kernel programs: which hook each needs, what each gives.

use crate::metrics::catalog::Source;

/// One kernel program.
#[derive(Debug)]
pub struct ProgramSpec {
    /// Its name in the object.
    pub name: &'static str,
    /// The tracepoint it attaches to.
    pub tracepoint: &'static str,
    /// The structures its arguments must point to, by place; `None` where any type does.
    pub arguments: &'static [Option<&'static str>],
    /// What it is for.
    pub role: Role,
}

/// What a program is for; decides what its absence means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// Births and deaths of cgroups. Without them the kernel source is not used.
    Lifecycle,
    /// Makes [`Role::Lifecycle`]'s births carry their path. Without it paths come from the tree.
    Path,
    /// Counts for metrics of that source. Without it they come from the next source, or are absent.
    Metric(Source),
}

impl Role {
    /// Whether it counts, and so must not run before cgroups get slots.
    pub fn counts(self) -> bool {
        matches!(self, Self::Metric(_))
    }
}

const TASK: Option<&str> = Some("task_struct");
const CGROUP: Option<&str> = Some("cgroup");

/// Births, with the path.
pub(super) const MKDIR: &str = "cgroup_mkdir";
/// Births, without the path.
pub(super) const MKDIR_PATHLESS: &str = "cgroup_mkdir_pathless";

/// Every program, lifecycle first: that is the order of attachment.
pub const PROGRAMS: [ProgramSpec; 12] = [
    spec(MKDIR, "cgroup_mkdir", &[CGROUP, None], Role::Path),
    spec(
        MKDIR_PATHLESS,
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
        tracepoint,
        arguments,
        role,
    }
}
