//! Judges what the sandbox of a unit, or a container, hides of the machine's files, and which setting does it.

use std::path::Path;

use crate::check::{facts::Facts, report::Item};

/// Folders in which nothing stands that is wanted.
const UNIMPORTANT: [&str; 7] = [
    "/dev",
    "/etc",
    "/lib/modules",
    "/proc",
    "/run",
    "/sys",
    "/usr",
];

/// Folders that a setting of systemd.exec(5) covers: which, and the value with which it does not.
const SETTINGS: [(&str, &str, &str); 5] = [
    ("/home", "ProtectHome=", "ProtectHome=read-only"),
    ("/root", "ProtectHome=", "ProtectHome=read-only"),
    ("/run/user", "ProtectHome=", "ProtectHome=read-only"),
    ("/tmp", "PrivateTmp=", "PrivateTmp=no"),
    ("/var/tmp", "PrivateTmp=", "PrivateTmp=no"),
];

/// Nothing where nothing is hidden that matters.
pub(super) fn item(facts: &Facts) -> Option<Item> {
    let covered = facts.sandbox.covered.iter();
    let (mut hidden, mut fixes) = (Vec::new(), Vec::new());
    for folder in covered.filter(|it| matters(it)) {
        let (setting, fix) = setting(folder);
        hidden.push(format!("{} ({setting})", folder.display()));
        if !fixes.contains(&fix) {
            fixes.push(fix);
        }
    }
    if hidden.is_empty() {
        return None;
    }
    let finding = format!("other files than the machine's: {}", hidden.join(", "));
    Some(if facts.sandbox.is_open {
        let why = "the machine's are opened through process 1: filesystems there are told, and containers whose \
                   runtime keeps its files there have their names; only a link to an absolute path leads astray";
        Item::note("sandbox", finding).because(why)
    } else {
        let why = "filesystems mounted there are not told, and containers whose runtime keeps its files there go by \
                   their ids";
        let fix = format!(
            "{}; or have CAP_SYS_PTRACE, which opens them through process 1",
            fixes.join(" and ")
        );
        Item::warn("sandbox", finding).because(why).fixed_by(fix)
    })
}

fn matters(folder: &Path) -> bool {
    let is_within = |of: &str| folder.starts_with(of);
    SETTINGS.iter().any(|(of, ..)| is_within(of)) || !UNIMPORTANT.into_iter().any(is_within)
}

/// What covers a folder, in the words of a unit, and what to do about it.
fn setting(folder: &Path) -> (&'static str, &'static str) {
    if folder == Path::new("/") {
        return (
            "a container, or RootDirectory=",
            "share the host's process ids: `docker run --pid=host`",
        );
    }
    let found = SETTINGS.iter().find(|(of, ..)| folder == Path::new(of));
    found.map_or(
        (
            "InaccessiblePaths=, TemporaryFileSystem= or a mount that came later",
            "`systemctl cat` shows the unit's settings: take it out there, or start the unit again",
        ),
        |(_, setting, fix)| (*setting, *fix),
    )
}
