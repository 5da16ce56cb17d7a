//! Reads other programs' state files: bounded, never blocking, never fatal.
//!
//! A file may be missing, half written, another user's, or put there to do harm: it is opened without waiting for a
//! writer, must be a plain file, and is read up to a limit. A missing file is no failure.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

use crate::text::chain;

/// Reads state files and keeps count of those it could not read.
#[derive(Debug, Default)]
pub(super) struct StateFiles {
    failures: u64,
    /// Files whose failure was logged and has not ended; a bounded number.
    failing: BTreeSet<PathBuf>,
}

/// How many failing files are remembered, so that each is logged once; more are counted only.
const N_FAILING: usize = 64;

impl StateFiles {
    /// How often a file that is there could not be read or understood.
    pub(super) fn failures(&self) -> u64 {
        self.failures
    }

    /// The JSON file at `path`, if it is there, not larger than `limit` bytes, and has the shape of `T`.
    pub(super) fn json<T: DeserializeOwned>(&mut self, path: &Path, limit: u64) -> Option<T> {
        let parse = |text: &[u8]| {
            // The position alone: the message may quote the file.
            serde_json::from_slice(text)
                .map_err(|error| StateFileError::Malformed { line: error.line() })
        };
        self.read(path, limit, parse)
    }

    /// The TOML file at `path`, in the same way.
    pub(super) fn toml<T: DeserializeOwned>(&mut self, path: &Path, limit: u64) -> Option<T> {
        let parse = |text: &[u8]| {
            let malformed = |_| StateFileError::Malformed { line: 0 };
            let text = std::str::from_utf8(text).map_err(malformed)?;
            toml::from_str(text).map_err(|error| StateFileError::Malformed {
                line: line_at(text, error.span().map_or(0, |span| span.start)),
            })
        };
        self.read(path, limit, parse)
    }

    /// The text file at `path`, in the same way.
    pub(super) fn text(&mut self, path: &Path, limit: u64) -> Option<String> {
        self.read(path, limit, |text| {
            Ok(String::from_utf8_lossy(text).into_owned())
        })
    }

    fn read<T>(
        &mut self,
        path: &Path,
        limit: u64,
        parse: impl FnOnce(&[u8]) -> Result<T, StateFileError>,
    ) -> Option<T> {
        let text = match read(path, limit) {
            Ok(text) => parse(&text?),
            Err(error) => Err(error),
        };
        match text {
            Ok(value) => {
                if self.failing.remove(path) {
                    tracing::info!(path = %path.display(), "state file is readable again");
                }
                Some(value)
            }
            Err(error) => {
                self.failures += 1;
                if self.failing.len() < N_FAILING && self.failing.insert(path.to_owned()) {
                    let reason = chain(&error);
                    tracing::warn!(path = %path.display(), reason, "cannot read state file");
                }
                None
            }
        }
    }
}

/// Why a state file that is there was not read.
#[derive(Debug, thiserror::Error)]
enum StateFileError {
    #[error("cannot open or read it")]
    Io(#[from] io::Error),
    #[error("it is no plain file")]
    NotAFile,
    #[error("it is larger than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("line {line} is not in the expected form")]
    Malformed { line: usize },
}

/// The content of the file; `None` if there is no such file.
fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, StateFileError> {
    let opened = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if is_missing(&error) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if !file.metadata()?.is_file() {
        return Err(StateFileError::NotAFile);
    }
    let mut text = Vec::new();
    file.take(limit + 1).read_to_end(&mut text)?;
    if text.len() as u64 > limit {
        return Err(StateFileError::TooLarge { limit });
    }
    Ok(Some(text))
}

fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn line_at(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    before.filter(|&&byte| byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use std::fs;

    use nix::{sys::stat::Mode, unistd::mkfifo};
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Named {
        name: String,
    }

    #[test]
    fn a_missing_file_is_no_failure() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut files = StateFiles::default();
        assert_eq!(files.json::<Named>(&folder.path().join("none"), 100), None);
        assert_eq!(files.failures(), 0);
    }

    #[test]
    fn a_torn_a_large_and_an_odd_file_are_failures_and_nothing_more() {
        let folder = tempfile::tempdir().expect("a folder");
        let (torn, large) = (folder.path().join("torn"), folder.path().join("large"));
        fs::write(&torn, r#"{"name": "we"#).expect("written");
        fs::write(&large, format!(r#"{{"name": "{}"}}"#, "x".repeat(100))).expect("written");
        let pipe = folder.path().join("pipe");
        mkfifo(&pipe, Mode::S_IRWXU).expect("made");
        let mut files = StateFiles::default();

        for path in [&torn, &large, &pipe, &folder.path().to_owned()] {
            assert_eq!(files.json::<Named>(path, 64), None, "{path:?}");
        }

        assert_eq!(files.failures(), 4);
        fs::write(&torn, r#"{"name": "web", "more": [1]}"#).expect("written");
        let named = files.json::<Named>(&torn, 64).expect("whole now");
        assert_eq!(named.name, "web");
    }

    #[test]
    fn toml_is_read_and_its_errors_are_placed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("conf");
        let mut files = StateFiles::default();
        fs::write(&path, "# note\nname = \"x\"\n").expect("written");
        let named: Option<Named> = files.toml(&path, 100);
        assert_eq!(named.map(|named| named.name), Some("x".to_owned()));
        assert_eq!(line_at("a\nb\nc", 2), 2);
    }
}
