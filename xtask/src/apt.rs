//! Asks apt and dpkg what there is. Changes nothing; see `install.rs` for that.

use std::{
    collections::BTreeSet,
    fs,
    process::Command,
    time::{Duration, SystemTime},
};

use crate::command;

/// Package lists older than this are fetched again: a mirror no longer has what they name.
const LISTS_ARE_OLD: Duration = Duration::from_hours(24);

/// Whether this system has apt at all.
pub(crate) fn is_here() -> bool {
    command::find_program("apt-get").is_some() && command::find_program("dpkg-query").is_some()
}

/// Those of `names` that are installed.
pub(crate) fn installed<'a>(names: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    // It fails for a name it does not know, after it has printed all the others.
    let result = Command::new("dpkg-query")
        .args(["--show", "--showformat=${Package} ${db:Status-Status}\n"])
        .args(names)
        .output();
    let Ok(result) = result else {
        return BTreeSet::new();
    };
    String::from_utf8_lossy(&result.stdout)
        .lines()
        .filter_map(|line| line.strip_suffix(" installed"))
        .map(str::to_owned)
        .collect()
}

/// Those of `names` that apt cannot install, as far as its lists go.
pub(crate) fn without_candidate(names: &[String]) -> Vec<String> {
    names
        .iter()
        .filter(|name| !has_candidate(name))
        .cloned()
        .collect()
}

fn has_candidate(name: &str) -> bool {
    // In English whatever the person's language: the word `none` is looked for.
    command::read(
        Command::new("apt-cache")
            .env("LC_ALL", "C")
            .args(["policy", name]),
    )
    .is_some_and(|policy| {
        policy
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Candidate:"))
            .any(|candidate| candidate.trim() != "(none)")
    })
}

/// Whether apt's lists are absent or old.
pub(crate) fn lists_are_old() -> bool {
    // Each `apt-get update` works in this folder; the lists themselves carry the server's dates.
    let fetched = fs::metadata("/var/lib/apt/lists/partial").and_then(|partial| partial.modified());
    let Ok(fetched) = fetched else { return true };
    SystemTime::now()
        .duration_since(fetched)
        .is_ok_and(|age| age > LISTS_ARE_OLD)
}

/// How many packages installing `names` would bring, where apt can tell.
pub(crate) fn count_with_dependencies(names: &[&str]) -> Option<usize> {
    let plan = command::read(
        Command::new("apt-get")
            .args([
                "install",
                "--simulate",
                "--no-remove",
                "--no-install-recommends",
            ])
            .args(names),
    )?;
    Some(
        plan.lines()
            .filter(|line| line.starts_with("Inst "))
            .count(),
    )
}
