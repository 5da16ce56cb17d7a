//! Judges what this process may do, capability by capability.

use super::{
    refusal::{
        FIRST_VERSION, FIRST_WITHOUT_MEMLOCK, MORE_MEMLOCK, NEEDED, OUT_OF_NAMESPACE, how_to_get,
        is_short_of_memlock,
    },
    sandbox,
};
use crate::check::{
    facts::{Capability, Facts},
    report::{Item, Level},
};

/// What a capability buys, and how bad it is to lack it.
struct Purchase {
    capability: Capability,
    buys: &'static str,
    without: &'static str,
    level: Level,
}

const PURCHASES: [Purchase; 5] = [
    Purchase {
        capability: Capability::BPF,
        buys: "kernel programs and their maps",
        without: "no counting program can be loaded; CPU time comes from cgroup files, and short-lived containers are \
                  missed",
        level: Level::Fail,
    },
    Purchase {
        capability: Capability::PERFMON,
        buys: "programs that trace the scheduler",
        without: "no counting program can be loaded; CPU time comes from cgroup files, and short-lived containers are \
                  missed",
        level: Level::Fail,
    },
    Purchase {
        capability: Capability::DAC_READ_SEARCH,
        buys: "names, images and labels from the runtimes' files",
        without: "containers whose runtime's files are root's alone go by their ids",
        level: Level::Warn,
    },
    Purchase {
        capability: Capability::SYS_PTRACE,
        buys: "disk space of containers; runtimes and the host's name, seen from within a container or past hidepid",
        without: "disk space of other users' containers is absent; else only of use within a container, or where \
                  /proc hides other users' processes",
        level: Level::Note,
    },
    Purchase {
        capability: Capability::NET_ADMIN,
        buys: "packets of sockets, by container",
        without: "packets are not counted by socket; only the interfaces of a container's own namespace tell",
        level: Level::Warn,
    },
];

pub(super) fn items(facts: &Facts) -> Vec<Item> {
    let mut items = vec![user(facts)];
    items.extend(PURCHASES.iter().map(|it| capability(facts, it)));
    if facts.privileges.seccomp == Some(true) {
        let why = "it may refuse `bpf` calls even where the capabilities are held; see `programs`";
        items.push(Item::note("seccomp", "a filter is in force").because(why));
    }
    items.extend(memlock(facts));
    items.extend(sandbox::item(facts));
    items
}

fn user(facts: &Facts) -> Item {
    let who = match facts.privileges.uid {
        0 => "root".to_owned(),
        uid => format!("uid {uid}"),
    };
    let item = if facts.privileges.first_user_namespace == Some(false) {
        Item::fail("user", format!("{who}, but only within a user namespace"))
            .because("what it may do there counts for nothing where kernel programs are concerned")
            .fixed_by(OUT_OF_NAMESPACE)
    } else {
        Item::pass("user", &who)
    };
    item.unless_unwanted(facts)
        .detail("uid", facts.privileges.uid.to_string())
}

fn capability(facts: &Facts, purchase: &Purchase) -> Item {
    let Purchase {
        capability,
        buys,
        without,
        level,
    } = purchase;
    match facts.privileges.holds(*capability) {
        Some(true) if facts.privileges.first_user_namespace == Some(false) => {
            let finding = format!("held, but only within a user namespace: {buys}");
            Item::note(capability.name, finding)
        }
        Some(true) => Item::pass(capability.name, format!("held: {buys}")),
        Some(false) if NEEDED.contains(capability) && is_unknown_to(facts) => {
            let finding = format!("not known to this kernel: {buys}");
            Item::new(*level, capability.name, finding)
                .because(*without)
                .fixed_by(
                    "boot Linux 5.8 or later; before, nothing else serves, CAP_SYS_ADMIN neither",
                )
                .unless_unwanted(facts)
        }
        Some(false) => {
            let item =
                Item::new(*level, capability.name, format!("lacking: {buys}")).because(*without);
            if *level == Level::Note {
                return item;
            }
            let item = item.fixed_by(how_to_get(facts, &all_missing(facts)));
            if NEEDED.contains(capability) {
                item.unless_unwanted(facts)
            } else {
                item
            }
        }
        None => Item::note(
            capability.name,
            format!("unknown, for /proc/self/status does not tell: {buys}"),
        ),
    }
}

/// Whether the kernel is from before `CAP_BPF` and `CAP_PERFMON`.
fn is_unknown_to(facts: &Facts) -> bool {
    facts.kernel.version().is_some_and(|it| it < FIRST_VERSION)
}

/// All that it should have and lacks: one fix for all of them.
fn all_missing(facts: &Facts) -> Vec<Capability> {
    let missing = PURCHASES.iter().filter(|it| {
        it.level > Level::Note && facts.privileges.holds(it.capability) == Some(false)
    });
    missing.map(|it| it.capability).collect()
}

/// Says something only where it matters.
fn memlock(facts: &Facts) -> Option<Item> {
    let version = facts.kernel.version()?;
    if version >= FIRST_WITHOUT_MEMLOCK || !is_short_of_memlock(facts) {
        return None;
    }
    let limit = facts.privileges.memlock_bytes?;
    let item = Item::warn("locked memory", format!("limited to {} KiB", limit / 1024));
    Some(
        item.because("before Linux 5.11 kernel maps count as locked memory")
            .fixed_by(MORE_MEMLOCK),
    )
}
