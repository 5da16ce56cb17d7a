//! The guests: Debians with a systemd of their own, in which the tests install the packages, as archives.
//!
//! Made once by mmdebstrap and kept for a week. Archives, since the files in them are root's, and what lies in `target/`
//! is given back to the person.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};
use clap::ValueEnum;

use crate::{
    archive::{Archives, KEYS, is_fresh},
    command, elevate, guard,
    session::Session,
};

/// A Debian to install in.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Guest {
    /// Debian 12, with all that the packages are to measure.
    Bookworm,
    /// Debian 11: the oldest systemd that we name, and an older glibc.
    Bullseye,
}

impl Guest {
    fn release(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Bullseye => "bullseye",
        }
    }

    fn packages(self) -> Vec<&'static str> {
        let mut packages = vec![
            "systemd",
            "systemd-sysv",
            "dbus",
            "procps",
            "busybox-static",
        ];
        if self == Self::Bookworm {
            packages.extend(MEASURED);
        }
        packages
    }

    /// What it is made of, in a line.
    fn recipe(self) -> String {
        let packages = self.packages().join(" ");
        format!("{} {packages}\n{CUSTOMIZE}\n", self.release())
    }

    fn archive(self, session: &Session) -> PathBuf {
        let name = format!("{}.tar", self.release());
        session.tree.guest().join(name)
    }

    /// Written when it is whole: what it is made of.
    fn made_of(self, session: &Session) -> PathBuf {
        let name = format!("{}.made-of", self.release());
        session.tree.guest().join(name)
    }
}

/// Containers of root and of others, and a Redis for the counter.
const MEASURED: [&str; 9] = [
    "dbus-user-session",
    "libpam-systemd",
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

/// The guest's archive; made now, as root, if there is none, or an old one.
pub(crate) fn ensure(session: &Session, guest: Guest) -> Result<PathBuf> {
    let archive = guest.archive(session);
    let made_of = fs::read_to_string(guest.made_of(session)).unwrap_or_default();
    if made_of == guest.recipe() && is_fresh(&archive) {
        return Ok(archive);
    }
    let release = guest.release();
    session.output.step(&format!(
        "A Debian to install the packages in, {release} (once a week, some 1 min)"
    ));
    let mut make = elevate::as_root(session, ["guest", release])?;
    let status = guard::run_elevated(&mut make, |_| Ok(()))?;
    anyhow::ensure!(status.success(), "it cannot be made ({status})");
    Ok(archive)
}

/// Makes it, as root.
pub(crate) fn make(session: &Session, guest: Guest) -> Result<()> {
    fs::create_dir_all(session.tree.guest()).context("cannot make the guests' folder")?;
    let Archives { main, security } = Archives::found()?;
    let release = guest.release();
    let security = security.map(|address| format!("deb {address} {release}-security main"));
    let mut make = Command::new("mmdebstrap");
    make.args(["--variant=minbase", "--skip=check/empty"])
        .arg(format!("--keyring={KEYS}"))
        .arg(format!("--include={}", guest.packages().join(",")))
        .args([
            "--aptopt=Acquire::Languages \"none\"",
            // A release that is kept in the archive is not signed anew any more.
            "--aptopt=Acquire::Check-Valid-Until \"false\"",
            "--dpkgopt=force-unsafe-io",
        ])
        .args(
            ["doc", "man", "locale"].map(|it| format!("--dpkgopt=path-exclude=/usr/share/{it}/*")),
        )
        .arg(format!("--customize-hook={CUSTOMIZE}"))
        .arg(release)
        .arg(guest.archive(session))
        .arg(format!("deb {main} {release} main"))
        .args(security);
    command::run_hidden(&session.output, release, &mut make)?;
    fs::write(guest.made_of(session), guest.recipe())
        .context("cannot note what the guest is made of")
}
