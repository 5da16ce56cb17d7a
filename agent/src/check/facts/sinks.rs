//! Facts of the sinks: whether there is anybody, or anything, to take points.

use std::{
    fs::{self, OpenOptions},
    io,
    path::Path,
};

use nix::unistd::{AccessFlags, eaccess};
use tokio::{net::UnixStream, time::timeout};

use super::PATIENCE;
use crate::{
    config::{Influxdb, Sink, SinkKind},
    sink::influxdb::Client,
    surroundings::read_secret,
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
            SinkKind::Unix { path } => (path.display().to_string(), socket(path).await),
            // Whether anybody listens cannot be told.
            SinkKind::Udp { address } => (format!("UDP to {address}"), SinkState::Writable),
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
    let settings = Influxdb {
        timeout: PATIENCE,
        ..influxdb.clone()
    };
    let mut client = match Client::new(&settings, read_secret) {
        Ok(client) => client,
        Err(error) => return SinkState::Silent(chain(&error)),
    };
    match client.ping().await {
        // 3.x may ask for a token even here.
        Ok(ping) if matches!(ping.status, 200 | 204 | 401 | 403) => {
            SinkState::Answers(match ping.version {
                Some(version) => format!("version {version}"),
                None => "without a version".to_owned(),
            })
        }
        Ok(ping) => SinkState::Odd(ping.status),
        Err(reason) => SinkState::Silent(reason),
    }
}

async fn socket(path: &Path) -> SinkState {
    match timeout(PATIENCE, UnixStream::connect(path)).await {
        Ok(Ok(_stream)) => SinkState::Writable,
        Ok(Err(error)) => SinkState::Unwritable(error.to_string()),
        Err(_elapsed) => SinkState::Unwritable("nobody answers there".to_owned()),
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
