//! Facts of the sinks: whether there is anybody, or anything, to take points.

use std::{
    fs::{self, OpenOptions},
    io,
    path::Path,
};

use nix::unistd::{AccessFlags, eaccess};

use super::PATIENCE;
use crate::{
    client::{Server, get},
    config::{Influxdb, Sink, SinkKind},
    text::chain,
};

/// One sink.
#[derive(Clone, Debug)]
pub struct SinkFacts {
    /// Its name in the configuration.
    pub name: String,
    /// What it is and where; never with a password.
    pub place: String,
    /// Whether it takes points.
    pub state: SinkState,
}

/// Whether a sink takes points.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SinkState {
    /// A server that says who it is.
    Answers(String),
    /// A server that answers, but not as it should; the status.
    Odd(u16),
    /// Nobody there; why.
    Silent(String),
    /// A file or standard output that can be written.
    Writable,
    /// A file that cannot; why.
    Unwritable(String),
}

/// Asks all of them.
pub(super) async fn ask(sinks: &[Sink]) -> Vec<SinkFacts> {
    let mut facts = Vec::with_capacity(sinks.len());
    for sink in sinks {
        let (place, state) = match &sink.kind {
            SinkKind::Influxdb(influxdb) => (
                format!("InfluxDB at {}", influxdb.url),
                ping(influxdb).await,
            ),
            SinkKind::Stdout => ("standard output".to_owned(), SinkState::Writable),
            SinkKind::File { path } => (path.display().to_string(), file(path)),
        };
        facts.push(SinkFacts {
            name: sink.name.clone(),
            place,
            state,
        });
    }
    facts
}

/// `/ping` answers 204 without asking who we are. Whether the database takes our points shows with the first write:
/// there is no request that tells and leaves nothing behind.
async fn ping(influxdb: &Influxdb) -> SinkState {
    let server = Server::Tcp(influxdb.url.clone());
    match get(&server, "/ping", PATIENCE).await {
        Ok(answer) if matches!(answer.status, 200 | 204) => {
            let version = answer.headers.get("x-influxdb-version");
            SinkState::Answers(match version.and_then(|it| it.to_str().ok()) {
                Some(version) => format!("version {version}"),
                None => "without a version".to_owned(),
            })
        }
        Ok(answer) => SinkState::Odd(answer.status),
        Err(error) => SinkState::Silent(chain(&error)),
    }
}

fn file(path: &Path) -> SinkState {
    let tried = if path.exists() {
        OpenOptions::new().append(true).open(path).map(drop)
    } else {
        let folder = path.parent().unwrap_or(path);
        fs::metadata(folder).and_then(|_| {
            eaccess(folder, AccessFlags::W_OK | AccessFlags::X_OK).map_err(io::Error::from)
        })
    };
    match tried {
        Ok(()) => SinkState::Writable,
        Err(error) => SinkState::Unwritable(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_judged_without_being_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("points.lp");
        assert_eq!(file(&path), SinkState::Writable);
        assert!(!path.exists());
        let unwritable = file(&folder.path().join("absent/points.lp"));
        assert!(
            matches!(unwritable, SinkState::Unwritable(_)),
            "{unwritable:?}"
        );
        let unwritable = file(folder.path());
        assert!(
            matches!(unwritable, SinkState::Unwritable(_)),
            "{unwritable:?}"
        );
    }
}
