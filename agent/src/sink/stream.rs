//! Standard output and files: lines appended, flushed with each payload.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use tokio::task::spawn_blocking;

use super::outcome::{Fault, Outcome};
use crate::encode::Payload;

/// Writes a payload to standard output. A reader that does not read holds the worker, and nothing else.
pub(super) async fn write_stdout(payload: &Payload) -> Outcome {
    let lines = payload.lines().clone();
    let written = spawn_blocking(move || write_all(&mut io::stdout().lock(), &lines)).await;
    outcome("standard output", flatten(written))
}

/// Appends a payload to a file. The file is opened anew each time: one that was moved away by a log rotation is made
/// again.
pub(super) async fn write_file(path: &Path, payload: &Payload) -> Outcome {
    let lines = payload.lines().clone();
    let owned: PathBuf = path.to_owned();
    let written = spawn_blocking(move || append(&owned, &lines)).await;
    outcome(&path.display().to_string(), flatten(written))
}

/// A payload that does not fit is taken back, so that no torn line stays.
fn append(path: &Path, lines: &[u8]) -> io::Result<()> {
    let mut file = File::options().append(true).create(true).open(path)?;
    let before = file.metadata()?;
    let written = write_all(&mut file, lines);
    if written.is_err() && before.is_file() {
        file.set_len(before.len())?;
    }
    written
}

fn write_all(out: &mut impl Write, lines: &[u8]) -> io::Result<()> {
    out.write_all(lines)?;
    out.flush()
}

fn outcome(name: &str, written: io::Result<()>) -> Outcome {
    let Err(error) = written else {
        return Outcome::Stored;
    };
    let reason = format!("{name}: {error}");
    match error.kind() {
        io::ErrorKind::BrokenPipe => Outcome::Closed,
        io::ErrorKind::PermissionDenied => Outcome::Pause {
            fault: Fault::Denied,
            reason,
        },
        io::ErrorKind::NotFound | io::ErrorKind::IsADirectory => Outcome::Pause {
            fault: Fault::Misconfigured,
            reason,
        },
        _ => Outcome::Retry {
            after: None,
            reason,
        },
    }
}

fn flatten(written: Result<io::Result<()>, tokio::task::JoinError>) -> io::Result<()> {
    written.unwrap_or_else(|error| Err(io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::encode::Times;

    fn payload(text: &'static str) -> Payload {
        Payload::new(Bytes::from_static(text.as_bytes()), Times::at(0))
    }

    #[tokio::test]
    async fn a_file_is_appended_to_and_made_again_after_a_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("points.lp");
        let rotated = folder.path().join("points.lp.1");
        assert_eq!(
            write_file(&path, &payload("a v=1i 1\n")).await,
            Outcome::Stored
        );
        assert_eq!(
            write_file(&path, &payload("a v=2i 2\n")).await,
            Outcome::Stored
        );
        std::fs::rename(&path, &rotated).unwrap();
        assert_eq!(
            write_file(&path, &payload("a v=3i 3\n")).await,
            Outcome::Stored
        );
        assert_eq!(
            std::fs::read_to_string(rotated).unwrap(),
            "a v=1i 1\na v=2i 2\n"
        );
        assert_eq!(std::fs::read_to_string(path).unwrap(), "a v=3i 3\n");
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_is_a_fault_somebody_must_mend() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing/points.lp");
        for path in [folder.path(), &missing] {
            let outcome = write_file(path, &payload("a v=1i 1\n")).await;
            assert!(matches!(outcome, Outcome::Pause { .. }), "{outcome:?}");
        }
    }

    #[test]
    fn a_full_disk_is_tried_again_and_a_gone_reader_ends_the_output() {
        let mut full = File::options().write(true).open("/dev/full").unwrap();
        let written = outcome("file", write_all(&mut full, b"a v=1i 1\n"));
        assert!(matches!(written, Outcome::Retry { .. }), "{written:?}");
        let (reader, mut writer) = io::pipe().unwrap();
        drop(reader);
        let written = outcome("pipe", write_all(&mut writer, b"a v=1i 1\n"));
        assert_eq!(written, Outcome::Closed);
    }
}
