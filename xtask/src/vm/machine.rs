//! One boot: a machine emulated by QEMU, from its start to its last line.
//!
//! Results come over a second serial port, whose last line is a marker; the kernel has the first to itself. A machine
//! that ends without the marker, or does not switch itself off, is tried once more: then it is the emulation that failed,
//! and no claim.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use crate::{command, libtest::Tally, output, session::Session};

/// The last line of a machine that came to its end.
const END: &str = "END OF THE MACHINE";

/// Both processors in one thread, by turns. With a thread each, one may run code that another is just changing, as a
/// kernel changes its own: Linux 7.3 ended in `Oops: int3`. It takes no longer.
const ACCELERATOR: &str = "tcg,thread=single";

/// No boot may take longer; most take a minute, a Debian with Docker some four, and what fails is waited for.
const LONGEST: Duration = Duration::from_mins(15);

/// Counts what came of the claims of a machine that `boot` boots, and says how long that took. Gives those that failed.
pub(super) fn counted(
    session: &Session,
    name: &str,
    tally: &mut Tally,
    boot: impl FnOnce() -> Result<Result<String, CutShort>>,
) -> Result<Vec<String>> {
    let started = Instant::now();
    let failed_before = tally.failed();
    let failed = if let Ok(lines) = boot()? {
        tally.read(lines.as_bytes(), |_| ())?
    } else {
        tally.ended_badly(failed_before);
        Vec::new()
    };
    let seconds = started.elapsed().as_secs_f64();
    session.output.note(&format!("    {name}: {seconds:.1} s"));
    Ok(failed)
}

/// Why a boot tells nothing.
#[derive(Debug)]
pub(crate) struct CutShort;

/// What is emulated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hardware {
    /// The emulator.
    pub(crate) qemu: &'static str,
    pub(crate) board: &'static str,
    pub(crate) processor: &'static str,
    /// What makes the second serial port, which goes to standard output.
    pub(crate) results: &'static [&'static str],
}

/// Boots, and gives all lines, each of which is shown as it comes. `add` says what the machine has besides processors,
/// memory and two serial ports; the kernel's words go to a log of this name.
pub(crate) fn boot(
    session: &Session,
    hardware: Hardware,
    name: &str,
    add: impl Fn(&mut Command),
) -> Result<Result<String, CutShort>> {
    let log = session.tree.vm().join(format!("{name}.log"));
    for is_last in [false, true] {
        let started = Instant::now();
        let mut qemu = bare(session, hardware, &log);
        add(&mut qemu);
        let (lines, is_off) = read(session, &mut qemu)?;
        if is_off && lines.last().is_some_and(|line| line == END) {
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

/// All lines, and whether the machine has switched itself off.
fn read(session: &Session, qemu: &mut Command) -> Result<(Vec<String>, bool)> {
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
    Ok((lines, child.wait()?.success()))
}

fn bare(session: &Session, hardware: Hardware, log: &Path) -> Command {
    // By timeout(1), so that the machine ends even if nobody is left to end it.
    let mut qemu = session.person.command("timeout");
    qemu.args(["--kill-after=5", &LONGEST.as_secs().to_string()])
        .args([hardware.qemu, "-M", hardware.board])
        .args(["-cpu", hardware.processor])
        .args(["-accel", ACCELERATOR, "-smp", "2", "-m", "1024"])
        .args(["-nodefaults", "-no-reboot", "-display", "none"])
        .arg("-serial")
        .arg(format!("file:{}", log.display()))
        .args(hardware.results);
    qemu
}

/// A disk with what is in a file, which stays as it is; the first becomes `/dev/nvme0n1`.
pub(crate) fn add_disk(qemu: &mut Command, file: &Path, name: &str) {
    qemu.arg("-drive")
        .arg(format!(
            "file={},if=none,id={name},format=raw,snapshot=on",
            file.display()
        ))
        .args(["-device", &format!("nvme,drive={name},serial={name}")]);
}

fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().rev().take(25).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
