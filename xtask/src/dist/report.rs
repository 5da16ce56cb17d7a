//! What there is at the end: each package, how large it is, and all their checksums in a file.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{command, output};

const CHECKSUMS: &str = "SHA256SUMS";

/// Writes the checksums of these packages of a folder, and says what there is.
pub(super) fn tell(folder: &Path, packages: &[PathBuf]) -> Result<()> {
    let names = packages.iter().filter_map(|package| package.file_name());
    let mut sums = Command::new("sha256sum");
    sums.arg("--").args(names).current_dir(folder);
    let sums = command::read(&mut sums).context("cannot take checksums")?;
    fs::write(folder.join(CHECKSUMS), &sums).context("cannot write the checksums")?;
    let mut table = String::new();
    for package in packages {
        let bytes = fs::metadata(package)?.len();
        let megabytes = bytes as f64 / 1e6;
        writeln!(table, "{megabytes:>7.2} MB  {}", package.display())?;
    }
    write!(table, "            {}", folder.join(CHECKSUMS).display())?;
    output::show(&table);
    Ok(())
}
