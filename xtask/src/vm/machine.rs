//! One boot: a machine emulated by QEMU, from its start to its last line.
//!
//! Results come over a second serial port, whose last line is a marker; the kernel has the first to itself. A machine
//! that ends without the marker is tried once more: then it is the emulation that failed, and no claim.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use super::{boots::Boot, kernels::Kernel};
use crate::{command, output, session::Session};

/// The emulator, of the package `qemu-system-x86`.
pub(crate) const QEMU: &str = "qemu-system-x86_64";

/// The last line of a machine that came to its end.
const END: &str = "END OF THE MACHINE";

/// Both processors in one thread, by turns. With a thread each, one may run code that another is just changing, as a
/// kernel changes its own: Linux 7.3 ended in `Oops: int3`. It takes no longer.
const ACCELERATOR: &str = "tcg,thread=single";

/// No boot may take longer; most take a minute, and what fails is waited for.
const LONGEST: Duration = Duration::from_mins(10);

/// Room for the file system that the loads write to.
const DISK_BYTES: u64 = 256 << 20;

/// Why a boot tells nothing.
#[derive(Debug)]
pub(crate) struct CutShort;

/// Boots, has these claims of the boot tried, and gives all lines, each of which is shown as it comes.
pub(crate) fn boot(
    session: &Session,
    kernel: &Kernel,
    boot: &Boot,
    claims: &str,
    archive: &Path,
) -> Result<Result<String, CutShort>> {
    let disk = session.tree.vm().join("disk");
    fs::File::create(&disk)?.set_len(DISK_BYTES)?;
    let log = session
        .tree
        .vm()
        .join(format!("{}-{}.log", kernel.series.name, boot.name));
    for is_last in [false, true] {
        let started = Instant::now();
        let mut qemu = qemu(session, kernel, boot, claims, archive, &disk, &log);
        let lines = read(session, &mut qemu)?;
        if lines.last().is_some_and(|line| line == END) {
            return Ok(Ok(lines.join("\n")));
        }
        let seconds = started.elapsed().as_secs();
        session.output.warn(&format!(
            "the machine ended after {seconds} s without a result{}; the end of {}:\n{}",
            if is_last {
                ""
            } else {
                ", and is tried once more"
            },
            log.display(),
            tail(&log)
        ));
    }
    Ok(Err(CutShort))
}

fn read(session: &Session, qemu: &mut Command) -> Result<Vec<String>> {
    session.output.command(qemu);
    let mut child = qemu
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| command::cannot_run(qemu))?;
    let output = child.stdout.take().context("the machine has no output")?;
    let mut lines = Vec::new();
    for line in BufReader::new(output).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).trim_end().to_owned();
        if line != END {
            output::show(&line);
        }
        lines.push(line);
    }
    child.wait()?;
    Ok(lines)
}

fn qemu(
    session: &Session,
    kernel: &Kernel,
    boot: &Boot,
    claims: &str,
    archive: &Path,
    disk: &Path,
    log: &Path,
) -> Command {
    // By timeout(1), so that the machine ends even if nobody is left to end it.
    let mut qemu = session.person.command("timeout");
    qemu.args(["--kill-after=5", &LONGEST.as_secs().to_string(), QEMU])
        .args(["-M", "q35", "-accel", ACCELERATOR, "-cpu"])
        .arg(boot.processor.unwrap_or(kernel.series.processor))
        .args([
            "-smp",
            "2",
            "-m",
            "1024",
            "-nodefaults",
            "-no-reboot",
            "-display",
            "none",
        ])
        .arg("-serial")
        .arg(format!("file:{}", log.display()))
        .args(["-serial", "stdio", "-kernel"])
        .arg(&kernel.image)
        .arg("-initrd")
        .arg(archive)
        .arg("-append")
        .arg(format!(
            "console=ttyS0 panic=-1 quiet {} cgflux.boot={} cgflux.claims={claims}",
            boot.command_line, boot.name
        ))
        .arg("-drive")
        .arg(format!(
            "file={},if=none,id=disk,format=raw,snapshot=on",
            disk.display()
        ))
        .args(["-device", "nvme,drive=disk,serial=cgflux"]);
    qemu
}

fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().rev().take(25).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
