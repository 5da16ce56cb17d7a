//! Judges whether the daemon runs, or could be started.

use crate::check::{
    facts::{Facts, Page, StateFolder},
    report::Item,
};

pub(super) fn items(facts: &Facts) -> Vec<Item> {
    vec![instance(facts), state(facts), page(facts)]
}

/// Whether a daemon with this configuration would not get as far as measuring.
pub(super) fn cannot_start(facts: &Facts) -> bool {
    let no_folder = matches!(
        facts.daemon.state,
        StateFolder::Forbidden(_) | StateFolder::Failed(_)
    );
    let no_address = matches!(
        facts.daemon.page,
        Some((_, Page::Taken(_) | Page::Unusable(..)))
    );
    let no_socket = facts.delivery.socket.as_ref().is_some_and(|socket| {
        matches!(
            socket.folder,
            StateFolder::Forbidden(_) | StateFolder::Failed(_)
        )
    });
    !is_running(facts) && (no_folder || no_address || no_socket)
}

pub(super) fn is_running(facts: &Facts) -> bool {
    facts.daemon.holder.is_some() || matches!(facts.daemon.page, Some((_, Page::Daemon)))
}

fn instance(facts: &Facts) -> Item {
    let name = "instance";
    let aside = "what is said here is what this process could do; the running one says at /metrics what it does";
    match (facts.daemon.holder, &facts.daemon.page) {
        (Some(holder), _) => {
            let pid = holder.pid.map(|pid| pid.to_string());
            let who = pid.as_deref().unwrap_or("of another namespace");
            Item::pass(name, format!("running: process {who}")).because(aside)
        }
        (None, Some((address, Page::Daemon))) => {
            Item::pass(name, format!("running: it answers at {address}")).because(aside)
        }
        (None, _) => Item::note(name, "not running"),
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

fn page(facts: &Facts) -> Item {
    let name = "address";
    let why = "the daemon does not start without its address";
    let Some((address, page)) = &facts.daemon.page else {
        return Item::note(name, "none: the configuration says http.enabled = false");
    };
    let elsewhere =
        "stop what listens there, or choose another with --listen or `listen` in [http]";
    let item = match page {
        Page::Daemon => Item::pass(name, format!("the page is at http://{address}/")),
        Page::Free => Item::pass(name, format!("{address} is free")),
        Page::Taken(_) | Page::Unusable(..) if is_running(facts) => Item::note(
            name,
            format!("the running daemon does not answer at {address}"),
        ),
        Page::Taken(who) => Item::fail(
            name,
            format!("{address} is taken by another program: {who}"),
        )
        .because(why)
        .fixed_by(elsewhere),
        Page::Unusable(Some(libc::EACCES), _) => {
            Item::fail(name, format!("{address} may not be listened on"))
                .because("ports below 1024 are for root, or for CAP_NET_BIND_SERVICE")
                .fixed_by("choose a higher port with --listen or `listen` in [http]")
        }
        Page::Unusable(Some(libc::EADDRNOTAVAIL), _) => {
            Item::fail(name, format!("{address} is no address of this machine"))
                .because(why)
                .fixed_by("choose one that `ip address` shows, with --listen or `listen` in [http]")
        }
        Page::Unusable(_, error) => Item::fail(name, format!("{address}: {error}"))
            .because(why)
            .fixed_by(elsewhere),
    };
    item.detail("listen", address.to_string())
}
