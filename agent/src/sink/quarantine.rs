//! What a server refused for good: kept beside the spool for a person to look at, bounded.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use tokio::task::spawn_blocking;

use super::isolation::Refused;

/// Most bytes of the file; then it becomes the one before, and the one before that goes.
const MAX_BYTES: u64 = 1 << 20;

/// Most bytes of one line that are kept.
const MAX_LINE_BYTES: usize = 8 << 10;

/// A file of refused lines, each behind a comment with its reason: once mended, it can be written again as it is.
#[derive(Clone, Debug)]
pub(super) struct Quarantine {
    path: PathBuf,
}

impl Quarantine {
    pub(super) fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends; on a thread that may wait for a disk.
    pub(super) async fn keep(&self, refused: &[Refused]) -> io::Result<()> {
        let (quarantine, refused) = (self.clone(), refused.to_vec());
        let kept = spawn_blocking(move || quarantine.append(&refused)).await;
        kept.unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    /// Appends. What is expired is only too old, and nothing to mend.
    fn append(&self, refused: &[Refused]) -> io::Result<()> {
        let mut text = Vec::new();
        for refused in refused.iter().filter(|it| !it.is_expired) {
            let reason = refused.reason.replace(['\n', '\r'], " ");
            text.extend_from_slice(format!("# {reason}\n").as_bytes());
            let line = refused.line.strip_suffix(b"\n").unwrap_or(&refused.line);
            text.extend_from_slice(&line[..line.len().min(MAX_LINE_BYTES)]);
            text.push(b'\n');
        }
        if text.is_empty() {
            return Ok(());
        }
        if let Some(folder) = self.path.parent() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
        }
        let held = fs::metadata(&self.path).map_or(0, |file| file.len());
        if held > 0 && held + text.len() as u64 > MAX_BYTES {
            fs::rename(&self.path, self.path.with_extension("lp.1"))?;
        }
        let fits = usize::try_from(MAX_BYTES).unwrap_or(usize::MAX);
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.path)?;
        file.write_all(&text[..text.len().min(fits)])
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn refused(line: String, is_expired: bool) -> Refused {
        Refused {
            line: Bytes::from(line),
            reason: "400 not\nthis".to_owned(),
            is_expired,
        }
    }

    #[test]
    fn a_line_stands_behind_its_reason_and_what_is_only_old_does_not_stand_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("quarantine/db.lp");
        let quarantine = Quarantine::at(&path);
        quarantine
            .append(&[
                refused("a v=x 1\n".to_owned(), false),
                refused("b v=1 1\n".to_owned(), true),
            ])
            .unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "# 400 not this\na v=x 1\n"
        );
    }

    #[test]
    fn the_files_are_bounded_whatever_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.lp");
        let quarantine = Quarantine::at(&path);
        for round in 0..40 {
            let lines: Vec<Refused> = (0..20)
                .map(|line| refused(format!("{round}-{line} {}\n", "x".repeat(20_000)), false))
                .collect();
            quarantine.append(&lines).unwrap();
        }
        let sizes = fs::read_dir(folder.path()).unwrap();
        let sizes: Vec<u64> = sizes
            .map(|it| it.unwrap().metadata().unwrap().len())
            .collect();
        assert_eq!(sizes.len(), 2);
        assert!(sizes.iter().all(|size| *size <= MAX_BYTES), "{sizes:?}");
    }
}
