//! Debian's archive: where the machine's own apt has it from, the keys it is signed with, and what is taken out of its
//! packages without installing them.

mod tool;
mod unpacking;

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, SystemTime},
};

use anyhow::Result;

use crate::{command, failure::Failure};

pub(crate) use tool::{CADVISOR, COMPOSE, KUSTOMIZE};
pub(crate) use unpacking::Apt;

/// What comes from the archive serves that long before it is fetched anew.
const IS_FRESH: Duration = Duration::from_hours(7 * 24);

/// Whether a file is there that was written within the last week.
pub(crate) fn is_fresh(file: &Path) -> bool {
    let written = fs::metadata(file).and_then(|it| it.modified());
    let age = written.map(|at| SystemTime::now().duration_since(at).unwrap_or_default());
    age.is_ok_and(|age| age < IS_FRESH)
}

/// Names an archive of Debian where apt's own sources have none.
const ARCHIVE: &str = "CGFLUX_DEBIAN_ARCHIVE";

/// The key ring of the package `debian-archive-keyring`, which has the keys of past releases too.
pub(crate) const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Releases by which an archive of Debian is known.
const RELEASES: [&str; 9] = [
    "bullseye",
    "bookworm",
    "trixie",
    "trixie-backports",
    "buster",
    "forky",
    "stable",
    "testing",
    "sid",
];

/// Where Debian is to be had.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Archives {
    pub(crate) main: String,
    pub(crate) security: Option<String>,
}

impl Archives {
    /// Those that the machine's own apt uses.
    pub(crate) fn found() -> Result<Self> {
        if let Ok(main) = std::env::var(ARCHIVE) {
            let security = None;
            return Ok(Self { main, security });
        }
        let format = "$(REPO_URI) $(RELEASE)";
        let mut targets = Command::new("apt-get");
        targets.args(["indextargets", "--format", format, "Created-By: Packages"]);
        let targets = command::read(&mut targets).unwrap_or_default();
        Self::among(&targets).ok_or_else(|| {
            let missing =
                format!("apt's sources name no archive of Debian; {ARCHIVE} may name one");
            Failure::Unavailable(missing).into()
        })
    }

    /// Out of lines of an address and a release.
    fn among(targets: &str) -> Option<Self> {
        let lines = || targets.lines().filter_map(|line| line.split_once(' '));
        let is_debian = |release: &str| RELEASES.contains(&release);
        let of = |wanted: &dyn Fn(&str) -> bool| {
            lines()
                .find(|(_, release)| wanted(release))
                .map(|(address, _)| address.trim_end_matches('/').to_owned())
        };
        let main = of(&is_debian)?;
        let security = of(&|release| release.strip_suffix("-security").is_some_and(is_debian));
        Some(Self { main, security })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archives_are_those_of_the_machines_own_sources() {
        let targets = "https://mirror/tools/ nodistro\n\
                       http://mirror/debian-security/ bookworm-security\n\
                       http://mirror/debian/ bookworm-updates\n\
                       http://mirror/debian/ bookworm\n";
        let archives = Archives::among(targets).unwrap();
        assert_eq!(archives.main, "http://mirror/debian");
        let security = "http://mirror/debian-security".to_owned();
        assert_eq!(archives.security, Some(security));
    }

    #[test]
    fn a_machine_of_another_distribution_has_no_archive() {
        assert_eq!(Archives::among("http://mirror/ubuntu noble\n"), None);
    }
}
