//! Our Debian package in a Debian 13 of its own: its kernel, its systemd, its Docker, and a database outside.
//!
//! The package and the claims lie on a second disk, as an archive. The machine reaches one address, behind which is the
//! database.

use std::fs;

use anyhow::{Context as _, Result, ensure};

use super::{
    database::Database,
    debian,
    machine::{self, Hardware},
    matrix::QEMU,
};
use crate::{command, dist, libtest::Tally, session::Session};

/// The claims, in `tests/vm`, and what tells how they went.
pub(super) const FILES: [&str; 2] = ["packages.sh", "claims.sh"];

/// QEMU 7.2's cmpxchg16b spoils the flags; see `series`.
const HARDWARE: Hardware = Hardware {
    qemu: QEMU,
    board: "q35",
    processor: super::series::WITHOUT_CX16,
    results: &["-serial", "stdio"],
};

/// Debian's own kernel forbids who has no capability to trace from 3 on.
const COMMAND_LINE: &str = "console=ttyS0 panic=-1 quiet root=/dev/nvme0n1 rw systemd.firstboot=no \
                            sysctl.kernel.perf_event_paranoid=3";

/// Boots it, and reads how its claims went.
pub(super) fn boot(session: &Session, tally: &mut Tally) -> Result<()> {
    for program in [QEMU, "busybox"] {
        ensure!(
            command::find_program(program).is_some(),
            "there is no {program}"
        );
    }
    let database = Database::start(session)?;
    let payload = payload(session)?;
    let debian = debian::ensure(session)?;
    session.output.step("Debian 13, and our package in it");
    let boot = || {
        machine::boot(session, HARDWARE, "packages", |qemu| {
            qemu.arg("-kernel")
                .arg(&debian.kernel)
                .args(["-append", COMMAND_LINE]);
            machine::add_disk(qemu, &debian.disk, "system");
            machine::add_disk(qemu, &payload, "payload");
            // Each connection of the machine's is a netcat of its own.
            qemu.arg("-netdev")
            .arg(format!(
                "user,id=net,restrict=on,guestfwd=tcp:10.0.2.100:8086-cmd:busybox nc 127.0.0.1 {}",
                database.port
            ))
            .args(["-device", "virtio-net-pci,netdev=net"]);
        })
    };
    machine::counted(session, "packages", tally, boot)?;
    Ok(())
}

/// The package and the claims.
fn payload(session: &Session) -> Result<std::path::PathBuf> {
    let options = dist::Options {
        format: vec![dist::Format::Deb],
        debug: true,
        arch: None,
    };
    let packages = dist::folder(session, &options);
    let made = dist::make(session, &options, &packages)?;
    let package = made.first().context("no package was made")?;
    let name = package.file_name().context("a package has a name")?;
    let folder = session.tree.vm();
    fs::create_dir_all(&folder)?;
    let archive = folder.join("payload.tar");
    let mut tar = session.person.command("tar");
    tar.arg("--create")
        .arg("--file")
        .arg(&archive)
        .arg("--directory")
        .arg(packages)
        .arg(name)
        .arg("--directory")
        .arg(session.tree.root().join("tests/vm"))
        .args(FILES);
    command::run_hidden(&session.output, "what the machine gets", &mut tar)?;
    Ok(archive)
}
