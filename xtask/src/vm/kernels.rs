//! The kernels of the matrix: Debian's own, unpacked and not installed.
//!
//! Versions rot: the newest of each series is looked up whenever the lists are fetched.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::series::{self, Package, Series};
use crate::{
    archive::{Apt, is_fresh},
    failure::Failure,
    session::Session,
};

/// Releases whose kernels are in the matrix.
const RELEASES: [&str; 4] = ["bullseye", "bookworm", "trixie", "trixie-backports"];

/// Processors of the matrix, as Debian calls them.
const AMD64: &str = "amd64";

/// A kernel ready to boot.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub(crate) series: &'static Series,
    /// As the package names it: `6.12.117+deb13-cloud-amd64`.
    pub(crate) release: String,
    pub(crate) image: PathBuf,
}

/// Gives the newest kernel of `series`, fetching it where the cache has none or an old one. Where nothing can be
/// fetched, an old one serves.
pub(crate) fn kernel(session: &Session, series: &'static Series) -> Result<Kernel> {
    let folder = session.tree.vm().join("kernels").join(series.name);
    let cached = cached(series, &folder);
    match &cached {
        Some(_) if is_fresh(&note(&folder)) => {}
        Some(kernel) => {
            if let Err(error) = fetch(session, series, &folder) {
                let release = &kernel.release;
                let why = format!("no newer kernel than {release} can be had: {error:#}");
                session.output.warn(&why);
            }
        }
        None => fetch(session, series, &folder)?,
    }
    let found = self::cached(series, &folder).or(cached);
    found.with_context(|| format!("no kernel in {}", folder.display()))
}

fn cached(series: &'static Series, folder: &Path) -> Option<Kernel> {
    let image = folder.join("vmlinuz");
    let release = fs::read_to_string(note(folder)).ok()?;
    image.is_file().then_some(Kernel {
        series,
        release,
        image,
    })
}

/// Tells the release of what the cache has; as old as the look-up.
fn note(folder: &Path) -> PathBuf {
    folder.join("release")
}

fn fetch(session: &Session, series: &'static Series, folder: &Path) -> Result<()> {
    let apt = Apt::with_fresh_lists(session, AMD64, &RELEASES)?;
    let listed = listed(&apt, AMD64)?;
    let Some(package) = series::newest(series, &listed) else {
        let missing = format!("the archive has no kernel {}", series.name);
        return Err(Failure::Unavailable(missing).into());
    };
    if cached(series, folder).is_none_or(|kernel| kernel.release != package.release) {
        let unpacked = apt.unpack(&package.name)?;
        let taken = take(&unpacked, &package, folder);
        fs::remove_dir_all(&unpacked)?;
        taken?;
    }
    // Written anew even if nothing is newer: its age is that of the look-up.
    fs::write(note(folder), &package.release).context("cannot note the release")
}

/// The cloud kernels that the lists have.
pub(super) fn listed(apt: &Apt<'_>, architecture: &str) -> Result<Vec<Package>> {
    let names = apt.names(&format!("^linux-(image|binary)-.*-cloud-{architecture}$"))?;
    let kernels = names.iter().map(|name| Package::named(name, architecture));
    Ok(kernels.flatten().collect())
}

/// Keeps the image and, where the package has it, the configuration.
fn take(unpacked: &Path, package: &Package, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    take_image(unpacked, package, &folder.join("vmlinuz"))?;
    let configuration = unpacked.join(format!("boot/config-{}", package.release));
    if configuration.is_file() {
        fs::rename(configuration, folder.join("config"))?;
    }
    Ok(())
}

/// Keeps the image alone.
pub(super) fn take_image(unpacked: &Path, package: &Package, place: &Path) -> Result<()> {
    let release = &package.release;
    let images = [
        unpacked.join(format!("boot/vmlinuz-{release}")),
        unpacked.join(format!("usr/lib/modules/{release}/vmlinuz")),
    ];
    let image = images.iter().find(|image| image.is_file());
    let image = image.with_context(|| format!("{} has no kernel image", package.name))?;
    fs::rename(image, place).context("cannot keep the kernel image")
}
