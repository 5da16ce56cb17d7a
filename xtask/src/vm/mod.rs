//! `cargo xtask vm`: the same claims on five kernels and on machines that lack something, our package in a Debian of its
//! own, and the agent on another processor.
//!
//! - `series`, `boots`, `kernels`, `image`, `matrix`: what there is to try, on which kernels, with what in it.
//! - `debian`, `database`, `packages`: our Debian package, from its installation to its purge.
//! - `aarch64`: the agent on a 64-bit ARM.
//! - `machine`: one boot.

mod aarch64;
mod boots;
mod database;
mod debian;
mod image;
mod kernels;
mod machine;
mod matrix;
mod packages;
mod series;

use anyhow::Result;

use crate::{
    build_ebpf,
    cli::Machines,
    libtest::Tally,
    session::Session,
    setup::{self, Purpose},
};
pub(crate) use debian::make as make_debian;
pub(crate) use image::TEST;

/// The machines that are no part of the matrix, by the names they are asked for.
const PACKAGES: &str = "packages";
const AARCH64: &str = "aarch64";

/// Boots what was asked for; 1 if a claim did not hold.
pub(crate) fn run(session: &Session, machines: &Machines) -> Result<u8> {
    let mut tally = Tally::default();
    match (machines.machine.as_deref(), &machines.boot) {
        (Some(PACKAGES), None) => {
            prepare(session, Purpose::PackagesMachine)?;
            packages::boot(session, &mut tally)?;
        }
        (Some(AARCH64), None) => {
            prepare(session, Purpose::ForeignMachine)?;
            aarch64::boot(session, &mut tally)?;
        }
        _ => {
            let cases = matrix::chosen(machines)?;
            prepare(session, Purpose::Machines)?;
            matrix::boot_all(session, &cases, &mut tally)?;
        }
    }
    tally.conclude(session);
    Ok(u8::from(tally.failed() > 0))
}

fn prepare(session: &Session, purpose: Purpose) -> Result<()> {
    setup::ensure(session, purpose)?;
    session.output.step("Kernel objects");
    build_ebpf::build(session)
}

/// As a part of all tests: what keeps it from running is a skip, and no failure.
pub(crate) fn tier(session: &Session, full: bool, tally: &mut Tally) {
    let cases = if full { boots::all() } else { boots::default() };
    if let Err(error) = matrix::boot_all(session, &cases, tally) {
        tally.leave_out(TEST, &format!("{error:#}"));
    }
    if !full {
        return;
    }
    if let Err(error) = packages::boot(session, tally) {
        tally.leave_out(&format!("{TEST}/{PACKAGES}"), &format!("{error:#}"));
    }
    if let Err(error) = aarch64::boot(session, tally) {
        tally.leave_out(&format!("{TEST}/{AARCH64}"), &format!("{error:#}"));
    }
}
