//! Judges whether the daemon runs, or could be started.

use crate::{
    check::{
        facts::{Facts, Page, StateFolder},
        report::Item,
    },
    config::Listen,
};

pub(super) fn items(facts: &Facts) -> Vec<Item> {
    let mut items = vec![instance(facts), state(facts)];
    items.extend(pages(facts));
    items
}

/// Whether a daemon with this configuration would not get as far as measuring.
pub(super) fn cannot_start(facts: &Facts) -> bool {
    let no_folder = matches!(
        facts.daemon.state,
        StateFolder::Forbidden(_) | StateFolder::Failed(_)
    );
    let mut pages = facts.daemon.pages.iter();
    let no_address = pages.any(|(_, page)| matches!(page, Page::Taken(_) | Page::Unusable(..)));
    let no_socket = facts.delivery.socket.as_ref().is_some_and(|socket| {
        matches!(
            socket.folder,
            StateFolder::Forbidden(_) | StateFolder::Failed(_)
        )
    });
    !is_running(facts) && (no_folder || no_address || no_socket)
}

pub(super) fn is_running(facts: &Facts) -> bool {
    facts.daemon.holder.is_some() || answers_at(facts).is_some()
}

/// Where a daemon answers.
fn answers_at(facts: &Facts) -> Option<&Listen> {
    let mut pages = facts.daemon.pages.iter();
    let found = pages.find(|(_, page)| *page == Page::Daemon);
    found.map(|(listen, _)| listen)
}

fn instance(facts: &Facts) -> Item {
    let name = "instance";
    let aside = "what is said here is what this process could do; the running one says at /metrics what it does";
    match (facts.daemon.holder, answers_at(facts)) {
        (Some(holder), _) => {
            let pid = holder.pid.map(|pid| pid.to_string());
            let who = pid.as_deref().unwrap_or("of another namespace");
            Item::pass(name, format!("running: process {who}")).because(aside)
        }
        (None, Some(listen)) => {
            Item::pass(name, format!("running: it answers at {listen}")).because(aside)
        }
        (None, None) => Item::note(name, "not running"),
    }
}

fn state(facts: &Facts) -> Item {
    let name = "state folder";
    let path = facts.daemon.state_dir.display();
    let fix = "let this user write there, run with sudo, or choose another with --state-dir";
    let item = match &facts.daemon.state {
        StateFolder::Writable => Item::pass(name, path.to_string()),
        StateFolder::CanBeMade => Item::pass(name, format!("{path} will be made")),
        StateFolder::Forbidden(_) | StateFolder::Failed(_) if is_running(facts) => {
            Item::note(name, format!("{path} is not for this user to write"))
        }
        StateFolder::Forbidden(place) => {
            let finding = format!("{path}: {} may not be written", place.display());
            Item::fail(name, finding)
                .because("the daemon does not start without: totals that go on after a restart are kept there")
                .fixed_by(fix)
        }
        StateFolder::Failed(reason) => Item::fail(name, format!("{path}: {reason}"))
            .because("the daemon does not start without: totals that go on after a restart are kept there")
            .fixed_by(fix),
    };
    item.detail("path", path.to_string())
}

fn pages(facts: &Facts) -> Vec<Item> {
    let name = "address";
    if facts.daemon.pages.is_empty() {
        let finding = "none: the configuration says http.enabled = false";
        return vec![Item::note(name, finding)];
    }
    let pages = facts.daemon.pages.iter().enumerate();
    let numbered = pages.map(|(number, (listen, page))| {
        let name = match number {
            0 => name.to_owned(),
            _ => format!("{name} {}", number + 1),
        };
        let item = judge_page(name, listen, page, is_running(facts));
        item.detail("listen", listen.to_string())
    });
    numbered.collect()
}

fn judge_page(name: String, listen: &Listen, page: &Page, is_running: bool) -> Item {
    let why = "the daemon does not start without its address";
    let elsewhere =
        "stop what listens there, or choose another with --listen or `listen` in [http]";
    match page {
        Page::Daemon => Item::pass(name, format!("the page is at {listen}")),
        Page::Free => Item::pass(name, format!("{listen} is free")),
        Page::Taken(_) | Page::Unusable(..) if is_running => Item::note(
            name,
            format!("the running daemon does not answer us at {listen}"),
        ),
        Page::Taken(who) => Item::fail(name, format!("{listen} is taken by another program: {who}"))
            .because(why)
            .fixed_by(elsewhere),
        Page::Unusable(Some(libc::EACCES), _) => {
            Item::fail(name, format!("{listen} may not be listened on"))
                .because("ports below 1024 are for root, or for CAP_NET_BIND_SERVICE; a socket needs a folder that may be written")
                .fixed_by("choose a higher port, or another folder, with --listen or `listen` in [http]")
        }
        Page::Unusable(Some(libc::EADDRNOTAVAIL), _) => {
            Item::fail(name, format!("{listen} is no address of this machine"))
                .because(why)
                .fixed_by("choose one that `ip address` shows, with --listen or `listen` in [http]")
        }
        Page::Unusable(_, error) => Item::fail(name, format!("{listen}: {error}"))
            .because(why)
            .fixed_by(elsewhere),
    }
}
