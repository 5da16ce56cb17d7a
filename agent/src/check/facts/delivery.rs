//! Facts of what waits on disk for the sinks, of the socket for other processes' points, and of which machine this is.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use nix::sys::statvfs::statvfs;

use super::{StateFolder, daemon::state_folder};
use crate::{
    config::{Config, Sink, SinkKind, Socket},
    host::machine_id,
};

/// What there is for delivery beside the sinks themselves.
#[derive(Clone, Debug)]
pub struct DeliveryFacts {
    /// Each queue: a sink's, and that of its database for the host.
    pub kept: Vec<KeptFacts>,
    /// The socket for other processes' points; `None` where the configuration wants none.
    pub socket: Option<SocketFacts>,
    /// A hash of the machine's id; `None` where it has none.
    pub machine: Option<String>,
}

/// What one queue keeps.
#[derive(Clone, Debug)]
pub struct KeptFacts {
    /// Its name in the metrics: that of the sink, with `.host` where it is for the host alone.
    pub name: String,
    /// What waits on disk; `None` where it waits in memory alone.
    pub spool: Option<SpoolFacts>,
    /// The file of lines that a server refused, and its bytes; `None` where there are none.
    pub refused: Option<(PathBuf, u64)>,
}

/// A spool on disk.
#[derive(Clone, Debug)]
pub struct SpoolFacts {
    /// Its file.
    pub path: PathBuf,
    /// Whether its folder can be used.
    pub folder: StateFolder,
    /// Bytes of its files; 0 where there are none yet. They may hold room that is free again.
    pub bytes: u64,
    /// Bytes they may come to.
    pub most_bytes: u64,
    /// Bytes that its file system has free for this user; `None` if it does not say.
    pub free_bytes: Option<u64>,
}

/// The socket for other processes' points.
#[derive(Clone, Debug)]
pub struct SocketFacts {
    /// Its file.
    pub path: PathBuf,
    /// Its permission bits.
    pub mode: u32,
    /// Whether its folder can be used.
    pub folder: StateFolder,
}

impl DeliveryFacts {
    /// Finds them out; reads no spool, which may be another process's.
    pub(super) fn look(config: &Config) -> Self {
        let sinks = config.sinks.iter();
        let kept =
            sinks.flat_map(|sink| queues(sink).map(|name| kept(&config.state_dir, sink, name)));
        Self {
            kept: kept.collect(),
            socket: config.socket.as_ref().map(socket),
            machine: machine_id::hashed(Path::new("/etc/machine-id")),
        }
    }
}

/// The names of a sink's queues.
fn queues(sink: &Sink) -> impl Iterator<Item = String> {
    let of_host = match &sink.kind {
        SinkKind::Influxdb(influxdb) => influxdb.of_host().map(|_| sink.host_name()),
        SinkKind::Stdout | SinkKind::File { .. } | SinkKind::Unix { .. } | SinkKind::Udp { .. } => {
            None
        }
    };
    [Some(sink.name.clone()), of_host].into_iter().flatten()
}

fn kept(state_dir: &Path, sink: &Sink, name: String) -> KeptFacts {
    let refused = state_dir.join("quarantine").join(format!("{name}.lp"));
    let refused_bytes = bytes(&refused);
    let spool = sink.delivery.spool.map(|spool| {
        let folder = state_dir.join("spool");
        let path = folder.join(format!("{name}.db"));
        SpoolFacts {
            bytes: bytes(&path) + bytes(&beside(&path, "-wal")),
            most_bytes: spool.bytes,
            free_bytes: free_bytes(&folder),
            folder: state_folder(&folder),
            path,
        }
    });
    KeptFacts {
        name,
        spool,
        refused: (refused_bytes > 0).then_some((refused, refused_bytes)),
    }
}

fn socket(socket: &Socket) -> SocketFacts {
    SocketFacts {
        folder: state_folder(socket.path.parent().unwrap_or(&socket.path)),
        path: socket.path.clone(),
        mode: socket.mode.0,
    }
}

/// Its length; 0 where it is not there, or not for this user to see.
fn bytes(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.len())
}

/// The file that SQLite has beside its own under this ending.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

/// Of the file system that the folder is on, or would be.
fn free_bytes(folder: &Path) -> Option<u64> {
    let space = folder.ancestors().find_map(|it| statvfs(it).ok())?;
    Some(space.blocks_available() * space.fragment_size())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Spool;

    #[test]
    fn a_queue_is_looked_at_without_being_opened() {
        let state_dir = tempfile::tempdir().unwrap();
        let mut sink = Sink::new("file", SinkKind::Stdout);
        sink.delivery.spool = Some(Spool {
            bytes: Spool::MIN_BYTES,
            age: Duration::from_hours(1),
        });
        let before = kept(state_dir.path(), &sink, "file".to_owned());
        assert!(before.refused.is_none());
        assert!(fs::read_dir(state_dir.path()).unwrap().next().is_none());

        for (file, length) in [
            ("spool/file.db", 4),
            ("spool/file.db-wal", 3),
            ("quarantine/file.lp", 2),
        ] {
            let path = state_dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, vec![b'x'; length]).unwrap();
        }
        let facts = kept(state_dir.path(), &sink, "file".to_owned());
        let spool = facts.spool.unwrap();
        assert_eq!((spool.bytes, spool.folder), (7, StateFolder::Writable));
        assert!(spool.free_bytes.is_some());
        assert_eq!(facts.refused.map(|(_, bytes)| bytes), Some(2));
    }
}
