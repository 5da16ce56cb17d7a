//! The matrix: the same claims on five kernels, and in machines that lack something.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};

use super::{
    boots::{self, Boot, Case},
    image,
    kernels::{self, Kernel},
    machine::{self, CutShort, Hardware},
};
use crate::{
    cli::Machines,
    command,
    libtest::{self, Tally},
    session::Session,
};

/// The emulator, of the package `qemu-system-x86`.
pub(super) const QEMU: &str = "qemu-system-x86_64";

/// Room for the file system that the loads write to.
const DISK_BYTES: u64 = 256 << 20;

/// The cases that were asked for.
pub(super) fn chosen(machines: &Machines) -> Result<Vec<Case>> {
    let kernel = machines.machine.as_deref();
    if kernel.is_none() && machines.boot.is_none() {
        return Ok(boots::default());
    }
    let is_chosen = |(series, boot): &Case| {
        kernel.is_none_or(|kernel| kernel == "all" || kernel == series.name)
            && machines
                .boot
                .as_deref()
                .is_none_or(|name| name == boot.name)
    };
    let cases: Vec<_> = boots::all().into_iter().filter(is_chosen).collect();
    if cases.is_empty() {
        let all: Vec<_> = boots::all()
            .iter()
            .map(|(series, boot)| format!("{} {}", series.name, boot.name))
            .collect();
        bail!(
            "there is no such boot; there are: {}; and `packages` and `aarch64`, which boot in one way",
            all.join(", ")
        );
    }
    Ok(cases)
}

/// Boots them, one after the other.
pub(super) fn boot_all(session: &Session, cases: &[Case], tally: &mut Tally) -> Result<()> {
    if command::find_program(QEMU).is_none() {
        bail!("there is no {QEMU}");
    }
    session.output.step("Machines: the agent and its tests");
    let archive = image::build(session)?;
    for case in cases {
        boot(session, *case, &archive, tally)?;
    }
    Ok(())
}

fn boot(session: &Session, (series, boot): Case, archive: &Path, tally: &mut Tally) -> Result<()> {
    let name = format!("{}/{}", series.name, boot.name);
    let kernel = match kernels::kernel(session, series) {
        Ok(kernel) => kernel,
        Err(error) => {
            tally.leave_out(&format!("vm/{name}"), &format!("{error:#}"));
            return Ok(());
        }
    };
    let release = &kernel.release;
    session
        .output
        .step(&format!("Linux {release}, boot `{}`", boot.name));
    let run = |claims: &str| start(session, &kernel, boot, claims, archive);
    let failed = machine::counted(session, &name, tally, || run(&boot.claims.join(",")))?;
    if libtest::is_tried_again(&failed) {
        session.output.step("Claims that failed, once more");
        if let Ok(lines) = run(&failed.join(","))? {
            tally.read_again(&failed, lines.as_bytes(), |_| ())?;
        }
    }
    Ok(())
}

/// Boots, and has these claims of the boot tried.
fn start(
    session: &Session,
    kernel: &Kernel,
    boot: &Boot,
    claims: &str,
    archive: &Path,
) -> Result<Result<String, CutShort>> {
    let disk = disk(session)?;
    let series = kernel.series;
    let hardware = Hardware {
        qemu: QEMU,
        board: "q35",
        processor: boot.processor.unwrap_or(series.processor),
        results: &["-serial", "stdio"],
    };
    let name = format!("{}-{}", series.name, boot.name);
    machine::boot(session, hardware, &name, |qemu| {
        qemu.arg("-kernel")
            .arg(&kernel.image)
            .arg("-initrd")
            .arg(archive)
            .arg("-append")
            .arg(format!(
                "console=ttyS0 panic=-1 quiet {} cgflux.boot={} cgflux.claims={claims}",
                boot.command_line, boot.name
            ));
        machine::add_disk(qemu, &disk, "disk");
    })
}

/// An empty one.
fn disk(session: &Session) -> Result<PathBuf> {
    let disk = session.tree.vm().join("disk");
    fs::File::create(&disk)?.set_len(DISK_BYTES)?;
    Ok(disk)
}
