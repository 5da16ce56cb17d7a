//! What the rules make of what runs now, before anything is published by them.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{
    container::{Container, Directory, Kind, Selection, Share, identify},
    host::{Runtimes, cgroup_tree::Layout, outside::machine_root},
    text::printable,
};

/// Cgroups looked at; far beyond what a machine runs.
const MAX_CGROUPS: usize = 100_000;

/// Names told of each series; of the others the number.
const NAMES: usize = 20;

/// A line for each series that containers and selected entries go to; empty where no cgroup can be read.
pub fn selection(selection: Selection) -> String {
    let directory = look(selection);
    directory.map_or_else(String::new, |directory| {
        text(directory.iter().map(|entry| &**entry))
    })
}

/// All entries, named by their runtimes' files as far as these can be read.
fn look(selection: Selection) -> Option<Directory> {
    let layout = Layout::find().ok()?;
    let hierarchy = layout.accounting();
    let mut directory = Directory::new(hierarchy.id_of("/").ok()?, selection);
    let mut runtimes = Runtimes::new(machine_root());
    for (cgroup, path) in hierarchy.walk(MAX_CGROUPS).ok()?.cgroups {
        let info = runtimes.lookup(&identify(&path));
        directory.insert(cgroup, &path, info);
    }
    Some(directory)
}

fn text<'a>(entries: impl Iterator<Item = &'a Container>) -> String {
    let mut series: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for entry in entries {
        let series_of = match (entry.share(), entry.kind()) {
            (_, Kind::Host) | (Share::Host, _) => continue,
            (Share::Own, _) => "one by one",
            (Share::Other, _) => "as _other",
        };
        let names = series.entry(series_of).or_default();
        names.push(printable(&entry.name).into_owned());
    }
    let mut text = String::new();
    for (share, mut names) in series.into_iter().rev() {
        names.sort_unstable();
        let more = match names.len().saturating_sub(NAMES) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let count = names.len();
        names.truncate(NAMES);
        let names = names.join(", ");
        // Writing to a string does not fail.
        writeln!(
            text,
            "Now running, published {share}: {count} ({names}{more})."
        )
        .unwrap_or_default();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::{CgroupId, Runtime};

    fn container(name: &str, share: Share) -> Container {
        Container {
            runtime: Runtime::Docker,
            name: name.to_owned(),
            share,
            ..Container::host(CgroupId(7))
        }
    }

    #[test]
    fn names_stand_under_their_series_and_the_hosts_part_is_left_out() {
        let entries = [
            Container::host(CgroupId(1)),
            container("web", Share::Own),
            container("ci\n2", Share::Other),
            container("db", Share::Own),
            container("ssh.service", Share::Host),
        ];
        assert_eq!(
            text(entries.iter()),
            "Now running, published one by one: 2 (db, web).\n\
             Now running, published as _other: 1 (ci\\n2).\n"
        );
    }

    #[test]
    fn of_many_names_some_are_told() {
        let entries: Vec<_> = (0..50)
            .map(|number| container(&format!("c{number:02}"), Share::Own))
            .collect();
        let text = text(entries.iter());
        assert!(text.starts_with("Now running, published one by one: 50 (c00, c01, "));
        assert!(text.ends_with(", c19 and 30 more).\n"), "{text}");
    }
}
