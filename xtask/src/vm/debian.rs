//! A Debian 13 to boot: the files of its disk, and its kernel.
//!
//! Made once by mmdebstrap, as root since the files in it are root's, and kept for a week. Kernel and modules are those of
//! its own package; nothing loads before them, since what the disk needs is in the kernel.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    archive::{Archives, KEYS, is_fresh},
    command, elevate,
    failure::Failure,
    guard,
    session::Session,
};

const RELEASE: &str = "trixie";

/// What our package needs, what it measures, and what the claims are made with.
const PACKAGES: [&str; 14] = [
    "linux-image-cloud-amd64",
    "systemd",
    "systemd-sysv",
    "udev",
    "kmod",
    "dbus",
    "iproute2",
    "procps",
    "busybox-static",
    "jq",
    "docker.io",
    "docker-cli",
    "iptables",
    "redis-server",
];

/// Runs the claims; see there.
const SERVICE: &str = include_str!("../../../tests/vm/machine.service");

/// So large is the disk; the file has holes.
const DISK_BYTES: u64 = 2 << 30;

/// One that is ready.
#[derive(Debug)]
pub(super) struct Debian {
    pub(super) disk: PathBuf,
    pub(super) kernel: PathBuf,
}

/// The one there is; made now if there is none, or an old one.
pub(super) fn ensure(session: &Session) -> Result<Debian> {
    for program in ["mmdebstrap", "mke2fs"] {
        if command::find_program(program).is_none() {
            return Err(Failure::Unavailable(format!("there is no {program}")).into());
        }
    }
    let folder = folder(session);
    let note = folder.join("made-of");
    let made_of = fs::read_to_string(&note).unwrap_or_default();
    if made_of != listing() || !is_fresh(&note) {
        session
            .output
            .step("A Debian 13 to boot (once a week, some 1 min)");
        let mut make = elevate::as_root(session, ["debian"])?;
        let status = guard::run_elevated(&mut make, |_| Ok(()))?;
        ensure!(status.success(), "it cannot be made ({status})");
    }
    Ok(Debian {
        disk: folder.join("disk.ext4"),
        kernel: folder.join("vmlinuz"),
    })
}

/// Makes it, as root.
pub(crate) fn make(session: &Session) -> Result<()> {
    let folder = folder(session);
    let root = folder.join("root");
    if folder.exists() {
        fs::remove_dir_all(&folder).context("cannot remove the last one")?;
    }
    fs::create_dir_all(&folder).context("cannot make its folder")?;
    let Archives { main, .. } = Archives::found()?;
    let mut make = Command::new("mmdebstrap");
    make.args(["--variant=minbase"])
        .arg(format!("--keyring={KEYS}"))
        .arg(format!("--include={}", PACKAGES.join(",")))
        .args([
            "--aptopt=Acquire::Languages \"none\"",
            "--dpkgopt=force-unsafe-io",
        ])
        .args(
            ["doc", "man", "locale"].map(|it| format!("--dpkgopt=path-exclude=/usr/share/{it}/*")),
        )
        .args([RELEASE.as_ref(), root.as_os_str()])
        .arg(format!("deb {main} {RELEASE} main"))
        // The kernel's package makes no initramfs then.
        .env("INITRD", "No");
    command::run_hidden(&session.output, "Debian 13", &mut make)?;
    take_kernel(&root, &folder.join("vmlinuz"))?;
    furnish(&root)?;
    let disk = folder.join("disk.ext4");
    fs::File::create(&disk)?.set_len(DISK_BYTES)?;
    let mut format = Command::new("mke2fs");
    format.args(["-q", "-t", "ext4", "-d"]).arg(&root).arg(disk);
    command::run_hidden(&session.output, "its disk", &mut format)?;
    fs::remove_dir_all(&root).context("cannot remove what the disk was made of")?;
    fs::write(folder.join("made-of"), listing()).context("cannot note what it is made of")
}

fn take_kernel(root: &Path, kernel: &Path) -> Result<()> {
    let boot = root.join("boot");
    let mut files = fs::read_dir(&boot)?.filter_map(Result::ok);
    let image = files.find(|file| file.file_name().to_string_lossy().starts_with("vmlinuz-"));
    let image = image.context("there is no kernel in it")?.path();
    fs::copy(image, kernel).context("cannot copy its kernel")?;
    fs::remove_dir_all(&boot)?;
    Ok(fs::create_dir(&boot)?)
}

/// What is to be otherwise than mmdebstrap, which takes from this machine, has made it.
fn furnish(root: &Path) -> Result<()> {
    let units = root.join("etc/systemd/system");
    let wanted = units.join("multi-user.target.wants");
    fs::create_dir_all(&wanted)?;
    fs::write(units.join("machine.service"), SERVICE)?;
    std::os::unix::fs::symlink("../machine.service", wanted.join("machine.service"))?;
    fs::write(root.join("etc/hostname"), "machine\n")?;
    fs::write(root.join("etc/resolv.conf"), "")?;
    // One that has no id yet would enable units at its first boot.
    let id = fs::read_to_string("/proc/sys/kernel/random/uuid")?.replace('-', "");
    fs::write(root.join("etc/machine-id"), id).context("cannot furnish it")
}

fn folder(session: &Session) -> PathBuf {
    session.tree.vm().join("debian")
}

fn listing() -> String {
    format!("{RELEASE} {}\n{SERVICE}", PACKAGES.join(" "))
}
