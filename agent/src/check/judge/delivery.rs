//! Judges whether what is not delivered yet has a place to wait, and where others' points come in.

use bytesize::ByteSize;

use super::daemon::is_running;
use crate::check::{
    facts::{Facts, KeptFacts, SocketFacts, SpoolFacts, StateFolder},
    report::Item,
};

pub(super) fn items(facts: &Facts) -> Vec<Item> {
    let delivery = &facts.delivery;
    let mut items = Vec::new();
    for kept in &delivery.kept {
        items.push(spool(facts, kept));
        items.extend(refused(kept));
    }
    items.push(match &delivery.socket {
        Some(it) => socket(facts, it),
        None => Item::note("socket", "off: no other process hands in points"),
    });
    items.push(match &delivery.machine {
        Some(hash) => Item::pass("machine", hash).detail("machine", hash),
        None => Item::note(
            "machine",
            "without an id: a second machine under the same `host` is not noticed",
        ),
    });
    items
}

fn spool(facts: &Facts, kept: &KeptFacts) -> Item {
    let name = format!("{} spool", kept.name);
    let sink = section(kept);
    let Some(spool) = &kept.spool else {
        return Item::note(
            name,
            "none: what waits is in memory, and lost with the process",
        );
    };
    let SpoolFacts {
        path,
        folder,
        bytes,
        most_bytes,
        free_bytes,
    } = spool;
    let shown = path.display();
    let alone = "points wait in memory alone then: few of them, and lost with the process";
    let item = match folder {
        StateFolder::Forbidden(_) if is_running(facts) => {
            Item::note(name, format!("{shown} is not for this user to see"))
        }
        StateFolder::Forbidden(place) => {
            let finding = format!("{shown}: {} may not be written", place.display());
            Item::warn(name, finding).because(alone).fixed_by(
                "let this user write there, run with sudo, or choose another with --state-dir",
            )
        }
        StateFolder::Failed(reason) => Item::warn(name, format!("{shown}: {reason}"))
            .because(alone)
            .fixed_by("choose another folder with --state-dir"),
        StateFolder::Writable | StateFolder::CanBeMade => {
            let finding = format!(
                "{shown} takes {} of {} at the most",
                ByteSize(*bytes),
                ByteSize(*most_bytes)
            );
            let grows = most_bytes.saturating_sub(*bytes);
            match free_bytes {
                Some(free) if *free < grows => Item::warn(
                    name,
                    format!("{finding}; the disk has {} free", ByteSize(*free)),
                )
                .because(format!("the disk is full before the spool is; {alone}"))
                .fixed_by(format!(
                    "make room, or lower `spool_bytes` in [sinks.{sink}]"
                )),
                Some(free) => Item::pass(name, format!("{finding}; {} free", ByteSize(*free))),
                None => Item::pass(name, finding),
            }
        }
    };
    item.detail("path", shown.to_string())
        .detail("bytes", bytes.to_string())
        .detail("most_bytes", most_bytes.to_string())
}

fn refused(kept: &KeptFacts) -> Option<Item> {
    let (path, bytes) = kept.refused.as_ref()?;
    let path = path.display();
    let finding = format!("{path} holds {}", ByteSize(*bytes));
    let item = Item::warn(format!("{} quarantine", kept.name), finding)
        .because(
            "the server will never take these lines as they are; each stands behind its reason",
        )
        .fixed_by("mend them and write them again, then remove the file");
    Some(item.detail("path", path.to_string()))
}

fn socket(facts: &Facts, socket: &SocketFacts) -> Item {
    let name = "socket";
    let path = socket.path.display();
    let item = match &socket.folder {
        StateFolder::Writable | StateFolder::CanBeMade => {
            Item::pass(name, format!("{path}, mode {:04o}", socket.mode))
        }
        StateFolder::Forbidden(_) | StateFolder::Failed(_) if is_running(facts) => {
            Item::note(name, format!("{path} is not for this user to make"))
        }
        StateFolder::Forbidden(place) => {
            cannot_be_made(&format!("{path}: {} may not be written", place.display()))
        }
        StateFolder::Failed(reason) => cannot_be_made(&format!("{path}: {reason}")),
    };
    item.detail("path", path.to_string())
}

fn cannot_be_made(finding: &str) -> Item {
    Item::fail("socket", finding)
        .because("the daemon does not start without the socket that it is to have")
        .fixed_by("let this user write there, or choose another `path` in [socket]")
}

/// The sink's section of the configuration: the queue for the host alone has none of its own.
fn section(kept: &KeptFacts) -> &str {
    kept.name.strip_suffix(".host").unwrap_or(&kept.name)
}
