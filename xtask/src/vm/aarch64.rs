//! The agent on a 64-bit ARM: Debian's kernel for it, a small tree in memory, and what `dist --arch aarch64` packs.
//!
//! Kernel and busybox are Debian's packages, unpacked; nothing of this machine's runs in it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};

use super::{
    image, kernels,
    machine::{self, Hardware},
    series,
};
use crate::{
    archive::{Apt, is_fresh},
    command,
    failure::Failure,
    foreign::{self, Processor},
    libtest::Tally,
    session::Session,
};

/// As Debian calls it.
const ARCHITECTURE: &str = "arm64";

const RELEASE: &str = "trixie";

/// The series of that release.
const SERIES: &str = "6.12";

/// The emulator is of the package `qemu-system-arm`. The board has one serial port; the other is a PCI card.
const HARDWARE: Hardware = Hardware {
    qemu: "qemu-system-aarch64",
    board: "virt",
    processor: "neoverse-n1",
    results: &[
        "-chardev",
        "stdio,id=results",
        "-device",
        "pci-serial,chardev=results",
    ],
};

/// Where the machine's block I/O goes.
const DISK_BYTES: u64 = 16 << 20;

/// The claims, in `tests/vm`: the first process, and what tells how they went.
const FILES: [(&str, &str); 2] = [("aarch64.sh", "init"), ("claims.sh", "claims.sh")];

/// Boots it, and reads how its claims went.
pub(super) fn boot(session: &Session, tally: &mut Tally) -> Result<()> {
    ensure!(
        command::find_program(HARDWARE.qemu).is_some(),
        "there is no {}",
        HARDWARE.qemu
    );
    session.output.step("The agent for 64-bit ARM, unoptimized");
    let agent = foreign::build(session, Processor::Aarch64, true)?;
    let parts = parts(session)?;
    let archive = pack(session, &parts, &agent)?;
    let disk = session.tree.vm().join("disk-aarch64");
    fs::File::create(&disk)?.set_len(DISK_BYTES)?;
    session.output.step("A 64-bit ARM, and the agent on it");
    let boot = || {
        machine::boot(session, HARDWARE, "aarch64", |qemu| {
            qemu.arg("-kernel")
                .arg(parts.join("vmlinuz"))
                .arg("-initrd")
                .arg(&archive)
                .args(["-append", "console=ttyAMA0 panic=-1 quiet"]);
            machine::add_disk(qemu, &disk, "disk");
        })
    };
    machine::counted(session, "aarch64", tally, boot)?;
    Ok(())
}

/// The folder with kernel and busybox, fetched where there are none or old ones.
fn parts(session: &Session) -> Result<PathBuf> {
    let folder = session.tree.vm().join(Processor::Aarch64.machine());
    if is_fresh(&folder.join("release")) {
        return Ok(folder);
    }
    fs::create_dir_all(&folder).context("cannot make the folder of the ARM's parts")?;
    let apt = Apt::with_fresh_lists(session, ARCHITECTURE, &[RELEASE])?;
    let listed = kernels::listed(&apt, ARCHITECTURE)?;
    let series = series::ALL.iter().find(|it| it.name == SERIES);
    let newest = series.and_then(|series| series::newest(series, &listed));
    let kernel = newest.ok_or_else(|| {
        Failure::Unavailable(format!(
            "the archive has no kernel {SERIES} for {ARCHITECTURE}"
        ))
    })?;
    let unpacked = apt.unpack(&kernel.name)?;
    kernels::take_image(&unpacked, &kernel, &folder.join("vmlinuz"))?;
    let unpacked = apt.unpack("busybox-static")?;
    let busybox = ["usr/bin/busybox", "bin/busybox"].map(|it| unpacked.join(it));
    let busybox = busybox.iter().find(|it| it.is_file());
    let busybox = busybox.context("busybox-static has no busybox")?;
    fs::rename(busybox, folder.join("busybox"))?;
    fs::remove_dir_all(&unpacked)?;
    fs::write(folder.join("release"), kernel.release).context("cannot note the release")?;
    Ok(folder)
}

/// What it starts with; gives the archive.
fn pack(session: &Session, parts: &Path, agent: &Path) -> Result<PathBuf> {
    let busybox = command::find_program("busybox")
        .ok_or_else(|| Failure::Unavailable("there is no busybox".to_owned()))?;
    let root = parts.join("root");
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    image::lay(&parts.join("busybox"), &root.join("bin/busybox"))?;
    for (file, place) in FILES {
        let file = session.tree.root().join("tests/vm").join(file);
        image::lay(&file, &root.join(place))?;
    }
    let strip = Processor::Aarch64.tool("strip");
    image::strip(session, &strip, agent, &root.join("bin/cgflux"))?;
    image::pack(session, &busybox, &root, "root-aarch64.cpio")
}
