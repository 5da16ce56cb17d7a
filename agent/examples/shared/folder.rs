//! Where a benchmark keeps data and logs while it runs.

use std::{fs, path::Path};

use tempfile::TempDir;

/// A folder for the benchmark `name` below `place`, removed when dropped.
pub(crate) fn below(place: &Path, name: &str) -> anyhow::Result<TempDir> {
    fs::create_dir_all(place)?;
    let folder = tempfile::Builder::new()
        .prefix(&format!("bench-{name}-"))
        .tempdir_in(place)?;
    Ok(folder)
}
