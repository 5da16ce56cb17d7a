//! `cargo xtask vm`: the same claims on five kernels and on machines that lack something, and our package in a Debian of
//! its own.
//!
//! - `series`, `boots`, `kernels`, `image`, `matrix`: what there is to try, on which kernels, with what in it.
//! - `debian`, `database`, `packages`: our Debian package, from its installation to its purge.
//! - `apt`: where files of Debian's packages come from.
//! - `machine`: one boot.

mod apt;
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

/// The machine that is no part of the matrix, by the name it is asked for.
const PACKAGES: &str = "packages";

/// Boots what was asked for; 1 if a claim did not hold.
pub(crate) fn run(session: &Session, machines: &Machines) -> Result<u8> {
    let mut tally = Tally::default();
    match machines.machine.as_deref() {
        Some(PACKAGES) => {
            prepare(session, Purpose::PackagesMachine)?;
            packages::boot(session, &mut tally)?;
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
}
