//! Judges the kernel programs, by what became of each when it was tried.

use super::refusal::{explain, how_to_get};
use crate::{
    check::{
        facts::{Capability, Facts, Programs, Refusal},
        report::Item,
    },
    kernel::{Obstacle, ProgramReport, ProgramState, Role, StorageKind},
    metrics::catalog::Source,
};

/// The first version with storage that belongs to a cgroup.
const FIRST_WITH_CGRP_STORAGE: (u32, u32) = (6, 2);

pub(super) fn items(facts: &Facts) -> Vec<Item> {
    let all = "all programs";
    match &facts.programs {
        Programs::NotWanted => vec![
            Item::note(all, "not wanted")
                .because("the configuration says collect.source = \"files\""),
        ],
        Programs::NoHierarchy => vec![
            Item::fail(all, "not tried")
                .because("they count by cgroup, and no cgroup hierarchy is there")
                .fixed_by("see `cgroups` above"),
        ],
        Programs::Refused(refusal) => {
            let explanation = explain(facts, refusal);
            vec![
                Item::fail(all, format!("refused: {}", refusal.text))
                    .because(explanation.why)
                    .fixed_by(explanation.fix),
            ]
        }
        Programs::Attached {
            storage,
            passed_over,
            reports,
        } => {
            let mut items = vec![slots(facts, *storage, passed_over.as_ref())];
            items.extend(reports.iter().map(|report| program(facts, report)));
            items
        }
    }
}

fn slots(facts: &Facts, storage: StorageKind, passed_over: Option<&Refusal>) -> Item {
    let name = "slots";
    let is_old = facts
        .kernel
        .version()
        .is_some_and(|it| it < FIRST_WITH_CGRP_STORAGE);
    let item = match (storage, passed_over) {
        (StorageKind::CgrpStorage, _) | (StorageKind::Hash, None) => {
            Item::pass(name, "kept with each cgroup")
        }
        (StorageKind::Hash, Some(_)) if is_old => Item::pass(name, "found by a hash").because(
            "storage that belongs to a cgroup came with Linux 6.2; the hash costs a little more a switch",
        ),
        (StorageKind::Hash, Some(refusal)) => Item::warn(name, "found by a hash")
            .because(format!(
                "the better place, with each cgroup itself, was refused: {}",
                refusal.text
            ))
            .fixed_by(explain(facts, refusal).fix),
    };
    item.detail("storage", storage.as_str())
}

fn program(facts: &Facts, report: &ProgramReport) -> Item {
    let name = report.spec.name;
    let refusal = match &report.state {
        ProgramState::Loaded => {
            let finding = format!("attached: {}", gives(report.spec.role));
            return Item::pass(name, finding).detail("state", "attached");
        }
        ProgramState::NotNeeded(reason) => {
            let finding = format!("not needed: {reason}");
            return Item::pass(name, finding).detail("state", "not_needed");
        }
        ProgramState::Skipped => {
            return Item::note(name, "skipped: collect.skip_programs names it")
                .because(without(report))
                .detail("state", "skipped");
        }
        ProgramState::Unsupported(reason) => {
            return Item::warn(name, format!("not for this kernel: {reason}"))
                .because(without(report))
                .fixed_by("none but another kernel")
                .detail("state", "unsupported");
        }
        ProgramState::Refused(text) => Refusal {
            text: text.clone(),
            obstacle: if report.forbidden {
                Obstacle::Privileges
            } else {
                Obstacle::Feature
            },
        },
    };
    let item = Item::warn(name, format!("refused: {}", refusal.text)).detail("state", "refused");
    let copies = [Role::Path, Role::Metric(Source::BlockRqComplete)];
    let is_locked_down = facts.kernel.lockdown.as_deref() == Some("confidentiality");
    if is_locked_down && copies.contains(&report.spec.role) {
        return item
            .because(format!(
                "lockdown forbids programs to copy kernel memory; {}",
                without(report)
            ))
            .fixed_by("boot without lockdown=confidentiality, or live with it");
    }
    let packets = Capability::NET_ADMIN;
    let lacks_it = facts.privileges.holds(packets) == Some(false);
    if report.forbidden && lacks_it && report.spec.role.counts_packets() {
        return item
            .because(format!(
                "it is attached to all sockets, which takes {}; {}",
                packets.name,
                without(report)
            ))
            .fixed_by(how_to_get(facts, &[packets]));
    }
    let explanation = explain(facts, &refusal);
    item.because(format!("{}; {}", explanation.why, without(report)))
        .fixed_by(explanation.fix)
}

fn gives(role: Role) -> &'static str {
    match role {
        Role::Lifecycle => "births and ends of cgroups",
        Role::Path => "births of cgroups, with their paths",
        Role::Metric(Source::SchedStatRuntime) => "run time, as the kernel charges it",
        Role::Metric(Source::SchedSwitch) => "switches and run-queue waits",
        Role::Metric(Source::SchedMigrateTask) => "moves to another CPU",
        Role::Metric(Source::SchedProcessFork) => "tasks created",
        Role::Metric(Source::SchedProcessExec) => "programs started",
        Role::Metric(Source::SchedProcessExit) => "tasks that ended",
        Role::Metric(Source::CgroupSkb) => "packets of sockets",
        Role::Metric(Source::InetSockSetState) => "TCP connections opened and failed",
        Role::Metric(Source::TcpRetransmitSkb) => "TCP segments sent again",
        Role::Metric(Source::BlockRqComplete) => "block I/O, write-back for its writer",
        Role::Instead(Source::BlockRqComplete) => "block I/O, write-back for the host",
        Role::Metric(Source::MarkVictim) => "processes killed for want of memory",
        Role::Metric(_) | Role::Instead(_) => "counts",
    }
}

fn without(report: &ProgramReport) -> &'static str {
    match report.spec.role {
        Role::Lifecycle => "without it none of the programs is used",
        Role::Path => {
            "paths come from the tree, and a container gone within milliseconds stays nameless"
        }
        Role::Metric(Source::BlockRqComplete) => {
            "without it write-back counts for the host where its bio names no other cgroup"
        }
        Role::Metric(_) | Role::Instead(_) => "see `metrics` for what that takes away",
    }
}
