//! `cargo xtask vm`: the same claims on five kernels, and on machines that lack something.
//!
//! - `series`, `boots`: what there is to try.
//! - `kernels`: where the kernels come from.
//! - `image`: what a machine starts with.
//! - `machine`: one boot.

mod boots;
mod image;
mod kernels;
mod machine;
mod series;

use std::{path::Path, time::Instant};

use anyhow::{Result, bail};

use crate::{
    build_ebpf,
    cli::Matrix,
    command,
    libtest::{self, Tally},
    session::Session,
    setup::{self, Purpose},
};
use boots::Case;
pub(crate) use image::TEST;

/// Boots the cases that were asked for; 1 if a claim did not hold.
pub(crate) fn run(session: &Session, matrix: &Matrix) -> Result<u8> {
    let cases = chosen(matrix)?;
    setup::ensure(session, Purpose::Machines)?;
    session.output.step("Kernel objects");
    build_ebpf::build(session)?;
    let mut tally = Tally::default();
    boot_all(session, &cases, &mut tally)?;
    tally.conclude(session);
    Ok(u8::from(tally.failed() > 0))
}

/// As a part of all tests: what keeps it from running is a skip, and no failure.
pub(crate) fn tier(session: &Session, full: bool, tally: &mut Tally) {
    let cases = if full { boots::all() } else { boots::default() };
    if let Err(error) = boot_all(session, &cases, tally) {
        tally.leave_out("vm", &format!("{error:#}"));
    }
}

fn chosen(matrix: &Matrix) -> Result<Vec<Case>> {
    let kernel = matrix.kernel.as_deref();
    if kernel.is_none() && matrix.boot.is_none() {
        return Ok(boots::default());
    }
    let is_chosen = |(series, boot): &Case| {
        kernel.is_none_or(|kernel| kernel == "all" || kernel == series.name)
            && matrix.boot.as_deref().is_none_or(|name| name == boot.name)
    };
    let cases: Vec<_> = boots::all().into_iter().filter(is_chosen).collect();
    if cases.is_empty() {
        let all: Vec<_> = boots::all()
            .iter()
            .map(|(series, boot)| format!("{} {}", series.name, boot.name))
            .collect();
        bail!("there is no such boot; there are: {}", all.join(", "));
    }
    Ok(cases)
}

fn boot_all(session: &Session, cases: &[Case], tally: &mut Tally) -> Result<()> {
    if command::find_program(machine::QEMU).is_none() {
        bail!("there is no {}", machine::QEMU);
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
    let started = Instant::now();
    let failed_before = tally.failed();
    let run = |claims: &str| machine::boot(session, &kernel, boot, claims, archive);
    let mut failed = Vec::new();
    if let Ok(lines) = run(&boot.claims.join(","))? {
        failed = tally.read(lines.as_bytes(), |_| ())?;
    } else {
        tally.ended_badly(failed_before);
    }
    if libtest::is_tried_again(&failed) {
        session.output.step("Claims that failed, once more");
        if let Ok(lines) = run(&failed.join(","))? {
            tally.read_again(&failed, lines.as_bytes(), |_| ())?;
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    session.output.note(&format!("    {name}: {seconds:.1} s"));
    Ok(())
}
