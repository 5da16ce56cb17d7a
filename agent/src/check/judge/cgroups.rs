//! Judges the cgroup hierarchies.

use crate::{
    check::{
        facts::{CgroupFacts, Facts},
        report::Item,
    },
    host::cgroup_tree::Mode,
};

/// What shows the machine's cgroups to a container.
const SHOW_TO_CONTAINER: &str = "`docker run --cgroupns=host -v /sys/fs/cgroup:/sys/fs/cgroup:ro`";

pub(super) fn items(facts: &Facts) -> Vec<Item> {
    match &facts.cgroups {
        Ok(cgroups) => {
            let mut items = vec![
                mode(cgroups),
                accounting(cgroups, facts.collect.slots),
                whole(cgroups),
                controllers(cgroups),
            ];
            items.extend(CONTROLLERS.iter().map(|it| controller(cgroups, it)));
            items.push(root_total(cgroups));
            items
        }
        Err(reason) => vec![
            Item::fail("hierarchy", reason)
                .because("nothing else tells containers apart: without cgroups there is nothing to measure")
                .fixed_by(format!(
                    "`mount -t cgroup2 none /sys/fs/cgroup`; in a container {SHOW_TO_CONTAINER}",
                )),
        ],
    }
}

fn mode(cgroups: &CgroupFacts) -> Item {
    let (word, text) = match cgroups.mode {
        Mode::V1 => ("v1", "v1: a hierarchy for each controller"),
        Mode::Hybrid => (
            "hybrid",
            "hybrid: v1 controllers beside the unified hierarchy",
        ),
        Mode::V2 => ("v2", "v2: the unified hierarchy alone"),
    };
    Item::pass("mode", text).detail("mode", word)
}

/// Each cgroup outside of containers takes a slot, each container one; so many cgroups are an upper bound.
fn accounting(cgroups: &CgroupFacts, slots: u32) -> Item {
    let name = "accounting";
    let kind = if cgroups.is_unified {
        "unified"
    } else {
        "cpuacct"
    };
    let mount = cgroups.mount.display();
    let item = match &cgroups.count {
        Err(error) => {
            let finding = format!("the {kind} hierarchy at {mount} cannot be listed: {error}");
            Item::fail(name, finding)
                .because("without it there is nothing to measure")
                .fixed_by(format!(
                    "let this process read {mount}; cgroup files are everybody's to read unless closed"
                ))
        }
        Ok(count) if *count >= slots as usize => {
            let finding = format!("{count} cgroups in the {kind} hierarchy at {mount}");
            Item::warn(name, finding)
                .because(format!(
                    "there are {slots} slots; cgroups beyond them count for the host, unless they are within containers"
                ))
                .fixed_by(format!(
                    "set `slots = {}` in [collect]",
                    count.next_power_of_two() * 2
                ))
                .detail("cgroups", count.to_string())
        }
        Ok(count) if cgroups.unreadable > 0 => Item::warn(
            name,
            format!(
                "{count} cgroups in the {kind} hierarchy at {mount}, and more that cannot be listed"
            ),
        )
        .because(
            "cgroups that were there before the daemon and cannot be listed count for the host",
        )
        .fixed_by("run with CAP_DAC_READ_SEARCH")
        .detail("cgroups", count.to_string()),
        Ok(count) => Item::pass(
            name,
            format!("{count} cgroups in the {kind} hierarchy at {mount}"),
        )
        .detail("cgroups", count.to_string()),
    };
    item.detail("mount", mount.to_string())
}

fn whole(cgroups: &CgroupFacts) -> Item {
    if cgroups.is_whole {
        return Item::pass("view", "the whole machine");
    }
    Item::warn("view", "only the part of the container this runs in")
        .because("other containers are not seen")
        .fixed_by(SHOW_TO_CONTAINER)
}

fn controllers(cgroups: &CgroupFacts) -> Item {
    let legacy: Vec<&str> = cgroups.legacy.iter().map(|(name, _)| &**name).collect();
    let parts = [("v1", legacy.join(" ")), ("v2", cgroups.unified.join(" "))];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(version, names)| format!("{version}: {names}"))
        .collect();
    if parts.is_empty() {
        return Item::note("controllers", "none is mounted");
    }
    Item::pass("controllers", parts.join("; "))
}

/// A controller whose files are read, what they are to tell, and what makes systemd enable it.
struct Controller {
    name: &'static str,
    why: &'static str,
    settings: &'static str,
}

const CONTROLLERS: [Controller; 3] = [
    Controller {
        name: "cpu",
        why: "limits and throttling of containers are its to tell",
        settings: "CPUWeight= or CPUQuota=",
    },
    Controller {
        name: "memory",
        why: "what containers hold in memory is its to tell",
        settings: "MemoryAccounting=",
    },
    Controller {
        name: "pids",
        why: "how many tasks containers have, and may have, is its to tell",
        settings: "TasksAccounting=",
    },
];

fn controller(cgroups: &CgroupFacts, controller: &Controller) -> Item {
    let Controller {
        name,
        why,
        settings,
    } = controller;
    let item = format!("{name} controller");
    let has = |list: &[String]| list.iter().any(|it| it == name);
    if let Some((_, mount)) = cgroups.legacy.iter().find(|(it, _)| it == name) {
        Item::pass(item, format!("at {}", mount.display()))
    } else if has(&cgroups.enabled) {
        Item::pass(item, "enabled in the unified hierarchy")
    } else if has(&cgroups.unified) {
        let control = cgroups.mount.join("cgroup.subtree_control");
        Item::warn(item, "not enabled for any cgroup")
            .because(*why)
            .fixed_by(format!(
                "`echo +{name} > {}`; systemd does it for units with {settings}",
                control.display(),
            ))
    } else {
        Item::warn(item, "not there").because(*why).fixed_by(format!(
            "mount it, or boot with `systemd.unified_cgroup_hierarchy=1` and without `cgroup_disable={name}`"
        ))
    }
}

fn root_total(cgroups: &CgroupFacts) -> Item {
    let name = "root total";
    if cgroups.root_total {
        return Item::pass(name, "the root tells the machine's CPU time");
    }
    Item::note(name, "the root does not tell the machine's CPU time")
        .because("without kernel programs the host's own share is unknown then")
}

/// Whether the files of a controller are there, of either version.
pub(super) fn has_controller(facts: &Facts, name: &str) -> bool {
    facts.cgroups.as_ref().is_ok_and(|cgroups| {
        cgroups.legacy.iter().any(|(it, _)| it == name)
            || cgroups.enabled.iter().any(|it| it == name)
    })
}

/// Whether block I/O can be read.
pub(super) fn has_io_files(facts: &Facts) -> bool {
    facts.cgroups.as_ref().is_ok_and(|cgroups| {
        cgroups.legacy.iter().any(|(name, _)| name == "blkio")
            || cgroups.enabled.iter().any(|name| name == "io")
    })
}
