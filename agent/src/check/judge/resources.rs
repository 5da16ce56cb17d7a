//! Judges what only files tell: memory, pressure, tasks and disk space.

use super::cgroups::has_controller;
use crate::{
    check::{
        facts::{Access, Capability, Facts},
        report::Item,
    },
    metrics::{
        self, Metric,
        catalog::{self, Source},
    },
};

/// Limits: that there is none is no lack.
static LIMITS: [&Metric; 4] = [
    &catalog::MEMORY_LIMIT,
    &catalog::MEMORY_HIGH,
    &catalog::SWAP_LIMIT,
    &catalog::PIDS_LIMIT,
];

/// What is to be said of a metric that is absent here; `None` if it is not, or is none of these.
pub(super) fn absent(facts: &Facts, metric: &Metric) -> Option<Item> {
    let cgroups = facts.cgroups.as_ref().ok()?;
    let name = metric.field;
    let controller = match (metric.measurement, metric.sources) {
        ("container_fs", [Source::Statfs]) => return no_space(facts, name),
        ("container_psi", [Source::CgroupFile]) => return no_pressure(facts, metric),
        ("container_mem", [Source::CgroupFile]) => "memory",
        ("container_pids", [Source::CgroupFile]) => "pids",
        _ => return None,
    };
    if !has_controller(facts, controller) {
        let item = Item::warn(name, "absent")
            .because(format!("no {controller} controller tells it"))
            .fixed_by(format!("see `{controller} controller` above"));
        return Some(item);
    }
    let is_v1 = cgroups.legacy.iter().any(|(name, _)| name == controller);
    let is_limit = LIMITS.contains(&metric) && !(is_v1 && *metric == catalog::MEMORY_HIGH);
    let is_told_of = match controller {
        "memory" => cgroups.told.memory.usage_bytes.is_some(),
        _ => cgroups.told.pids.tasks.is_some(),
    };
    (is_told_of && !is_limit && !is_told(facts, metric)).then(|| {
        let version = if is_v1 { "v1" } else { "v2" };
        Item::note(name, "absent").because(format!(
            "the {controller} controller of this kernel ({version}) does not tell it"
        ))
    })
}

fn no_space(facts: &Facts, name: &'static str) -> Option<Item> {
    let is_kept_out = facts.privileges.holds(Capability::SYS_PTRACE) == Some(false);
    is_kept_out.then(|| {
        Item::note(name, "absent")
            .because("the roots of others' processes are not for this process to look at; see `CAP_SYS_PTRACE` above")
    })
}

fn no_pressure(facts: &Facts, metric: &Metric) -> Option<Item> {
    let cgroups = facts.cgroups.as_ref().ok()?;
    let name = metric.field;
    if !cgroups.is_unified {
        let item = Item::warn(name, "absent")
            .because("its files are in the unified hierarchy")
            .fixed_by("`mount -t cgroup2 none /sys/fs/cgroup/unified`");
        return Some(item);
    }
    if cgroups.pressure != Access::Open {
        let item = Item::warn(name, "absent")
            .because("the kernel does not account pressure")
            .fixed_by("boot with `psi=1`, with a kernel that has CONFIG_PSI");
        return Some(item);
    }
    let is_told_of = cgroups.told.pressure.cpu.some_ns.is_some();
    (is_told_of && !is_told(facts, metric))
        .then(|| Item::note(name, "absent").because("this kernel does not account it for cgroups"))
}

fn is_told(facts: &Facts, metric: &Metric) -> bool {
    let told = facts.cgroups.as_ref().map(|it| it.told.clone());
    let samples = metrics::totals(told.unwrap_or_default());
    samples.iter().any(|sample| *sample.metric == *metric)
}
