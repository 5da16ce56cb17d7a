//! The guest: a Debian 12 with a systemd of its own, in which the tests install the packages, as an archive.
//!
//! Made once by mmdebstrap and kept for a week. An archive, since the files in it are root's, and what lies in `target/`
//! is given back to the person.

use std::{
    fs,
    path::PathBuf,
    process::Command,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result};

use crate::{
    archive::{Archives, KEYS},
    command, elevate, guard,
    session::Session,
};

const RELEASE: &str = "bookworm";

/// What the packages need, and what they are to measure: containers of root and of others, and a Redis for the counter.
const PACKAGES: [&str; 14] = [
    "systemd",
    "systemd-sysv",
    "dbus",
    "dbus-user-session",
    "libpam-systemd",
    "procps",
    "busybox-static",
    "docker.io",
    "podman",
    "crun",
    "uidmap",
    "slirp4netns",
    "fuse-overlayfs",
    "redis-server",
];

/// Its disk is an overlay on this machine's, on which Docker and Podman can lay none of their own: they copy. What makes
/// the archive small is not for the packages that the tests install.
const CUSTOMIZE: &str = r#"mkdir -p "$1/etc/docker" "$1/etc/containers"
echo '{ "storage-driver": "vfs" }' >"$1/etc/docker/daemon.json"
printf '[storage]\ndriver = "vfs"\n' >"$1/etc/containers/storage.conf"
rm "$1/etc/dpkg/dpkg.cfg.d/99mmdebstrap""#;

/// After that a newer one is made.
const IS_FRESH: Duration = Duration::from_hours(7 * 24);

/// The guest's archive; made now, as root, if there is none, or an old one.
pub(crate) fn ensure(session: &Session) -> Result<PathBuf> {
    let archive = archive(session);
    let is_made_of = fs::read_to_string(made_of(session)).unwrap_or_default();
    let age = fs::metadata(&archive)
        .and_then(|it| it.modified())
        .map(|at| SystemTime::now().duration_since(at).unwrap_or_default());
    if is_made_of == listing() && age.is_ok_and(|age| age < IS_FRESH) {
        return Ok(archive);
    }
    session
        .output
        .step("A Debian to install the packages in (once a week, some 1 min)");
    let mut make = elevate::as_root(session, ["guest"])?;
    let status = guard::run_elevated(&mut make, |_| Ok(()))?;
    anyhow::ensure!(status.success(), "it cannot be made ({status})");
    Ok(archive)
}

/// Makes it, as root.
pub(crate) fn make(session: &Session) -> Result<()> {
    let archive = archive(session);
    fs::create_dir_all(session.tree.guest()).context("cannot make the guest's folder")?;
    let Archives { main, security } = Archives::found()?;
    let security = security.map(|address| format!("deb {address} {RELEASE}-security main"));
    let mut make = Command::new("mmdebstrap");
    make.args(["--variant=minbase", "--skip=check/empty"])
        .arg(format!("--keyring={KEYS}"))
        .arg(format!("--include={}", PACKAGES.join(",")))
        .args([
            "--aptopt=Acquire::Languages \"none\"",
            "--dpkgopt=force-unsafe-io",
        ])
        .args(
            ["doc", "man", "locale"].map(|it| format!("--dpkgopt=path-exclude=/usr/share/{it}/*")),
        )
        .arg(format!("--customize-hook={CUSTOMIZE}"))
        .arg(RELEASE)
        .arg(&archive)
        .arg(format!("deb {main} {RELEASE} main"))
        .args(security);
    command::run_hidden(&session.output, "the guest", &mut make)?;
    fs::write(made_of(session), listing()).context("cannot note what the guest is made of")
}

fn archive(session: &Session) -> PathBuf {
    session.tree.guest().join("root.tar")
}

/// Written when it is whole: what it is made of.
fn made_of(session: &Session) -> PathBuf {
    session.tree.guest().join("made-of")
}

fn listing() -> String {
    format!("{RELEASE} {}\n{CUSTOMIZE}\n", PACKAGES.join(" "))
}
