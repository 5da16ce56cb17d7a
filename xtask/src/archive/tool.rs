//! cAdvisor to compare with: Debian 11's package, unpacked below `target/tools` and never installed.
//!
//! Apt fetches it with lists, cache and state of its own, so that the machine's apt learns of no other release.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::{apt, command, session::Session};

/// The last release of Debian that has the package.
const RELEASE: &str = "bullseye";
const PACKAGE: &str = "cadvisor";
const PROGRAM: &str = "usr/bin/cadvisor";

/// Where Debian is when the machine's own apt knows no mirror of it, and where its old releases go in the end.
const USUAL_MIRRORS: [&str; 2] = [
    "http://deb.debian.org/debian",
    "http://archive.debian.org/debian",
];

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The tests that need it have this in their names.
const TESTS: &str = "cadvisor_api";

/// Has the program lie where the tests look for it, unless `filter` leaves them out. Without it they skip themselves.
pub(crate) fn offer(session: &Session, filter: Option<&str>) {
    if filter.is_some_and(|filter| !filter.contains(TESTS) && !TESTS.contains(filter)) {
        return;
    }
    if let Err(error) = ensure(session) {
        let warning = format!("no cAdvisor to compare with: {error:#}");
        session.output.warn(&warning);
    }
}

/// The program, fetched now if it must be.
pub(crate) fn ensure(session: &Session) -> Result<PathBuf> {
    let folder = session.tree.tools().join("cadvisor-debian-11");
    let program = folder.join("root").join(PROGRAM);
    if runs(&program) {
        return Ok(program);
    }
    ensure!(apt::is_here(), "this system has no apt to fetch it with");
    session.output.step("cAdvisor, to compare with");
    let mut refused = None;
    for mirror in mirrors() {
        match fetch(session, &folder, &mirror) {
            Ok(()) => {
                ensure!(runs(&program), "Debian 11's cAdvisor does not run here");
                return Ok(program);
            }
            Err(error) => refused = Some(error),
        }
    }
    Err(refused.context("no mirror of Debian is known")?)
}

fn runs(program: &Path) -> bool {
    command::read(Command::new(program).arg("--version")).is_some()
}

/// The machine's own first.
fn mirrors() -> Vec<String> {
    let known = command::read(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(ORIGIN) $(REPO_URI)",
        "Created-By: Packages",
    ]));
    with_usual(own_mirrors(&known.unwrap_or_default()))
}

/// Reads lines of origin and address.
fn own_mirrors(targets: &str) -> Vec<String> {
    let own = targets
        .lines()
        .filter_map(|line| line.strip_prefix("Debian "))
        // The security archive has no release but its own.
        .filter(|address| !address.contains("security"));
    own.map(|address| address.trim_end_matches('/').to_owned())
        .collect()
}

fn with_usual(mut mirrors: Vec<String>) -> Vec<String> {
    mirrors.extend(USUAL_MIRRORS.map(str::to_owned));
    let mut seen = Vec::new();
    mirrors.retain(|mirror| {
        let is_new = !seen.contains(mirror);
        seen.push(mirror.clone());
        is_new
    });
    mirrors
}

fn fetch(session: &Session, folder: &Path, mirror: &str) -> Result<()> {
    for part in ["state/lists/partial", "cache/archives/partial", "root"] {
        fs::create_dir_all(folder.join(part)).context("cannot make apt's folders")?;
    }
    fs::write(folder.join("state/status"), "")?;
    let signed = if Path::new(KEYRING).exists() {
        format!("[signed-by={KEYRING}] ")
    } else {
        String::new()
    };
    let source = format!("deb {signed}{mirror} {RELEASE} main\n");
    fs::write(folder.join("sources.list"), source)?;
    // By whoever asked: nothing here needs root.
    let apt_get = || {
        let mut apt_get = session.person.command("apt-get");
        apt_get.current_dir(folder);
        for (setting, value) in [
            ("Dir::Etc::sourcelist", folder.join("sources.list")),
            ("Dir::Etc::sourceparts", "/dev/null".into()),
            ("Dir::State", folder.join("state")),
            ("Dir::State::status", folder.join("state/status")),
            ("Dir::Cache", folder.join("cache")),
        ] {
            apt_get
                .arg("-o")
                .arg(format!("{setting}={}", value.display()));
        }
        // Root's apt would hand the fetching to a user who cannot write here.
        apt_get.args(["-o", "APT::Sandbox::User=", "-o", "Acquire::Languages=none"]);
        apt_get
    };
    let output = &session.output;
    session.reclaim_target()?;
    command::run_hidden(output, "package list of Debian 11", apt_get().arg("update"))?;
    let mut download = apt_get();
    download.args(["download", PACKAGE]);
    command::run_hidden(output, PACKAGE, &mut download)?;
    let package = fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|it| it == "deb"))
        .context("apt fetched no package")?;
    let mut unpack = session.person.command("dpkg-deb");
    unpack
        .arg("--extract")
        .arg(package)
        .arg(folder.join("root"));
    command::run_hidden(output, "unpacking", &mut unpack)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_own_mirror_is_asked_first() {
        let targets = "\
Debian http://mirror.example/debian/
Debian http://mirror.example/debian-security/
Debian http://mirror.example/debian/
Ubuntu http://archive.ubuntu.com/ubuntu/
";
        let expected = [
            "http://mirror.example/debian",
            USUAL_MIRRORS[0],
            USUAL_MIRRORS[1],
        ];
        assert_eq!(with_usual(own_mirrors(targets)), expected);
    }

    #[test]
    fn a_usual_mirror_is_asked_once() {
        let targets = "Debian http://deb.debian.org/debian/\n";
        assert_eq!(with_usual(own_mirrors(targets)), USUAL_MIRRORS);
    }
}
