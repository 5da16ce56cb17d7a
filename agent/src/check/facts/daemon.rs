//! Facts of what the daemon needs beside numbers: its folder, its address, and that no other one runs.

use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use nix::{
    sys::stat::{major, minor},
    unistd::{AccessFlags, eaccess},
};
use procfs::{LockKind, LockType};
use serde_json::Value;

use crate::{
    client::{
        GetError,
        daemon::{Reply, ask},
        listening_at,
    },
    config::{Config, Http, Listen},
    text::chain,
};

/// What there is for the daemon.
#[derive(Clone, Debug)]
pub struct DaemonFacts {
    /// The state folder.
    pub state_dir: PathBuf,
    /// Whether it can be used.
    pub state: StateFolder,
    /// The daemon that holds it.
    pub holder: Option<Holder>,
    /// The places of its page, and who is there; none where the configuration wants no server.
    pub pages: Vec<(Listen, Page)>,
    /// Families that a daemon there has shed, by name.
    pub shed: Vec<String>,
}

/// A running daemon.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Holder {
    /// Its process id; `None` if it is in another namespace.
    pub pid: Option<i32>,
}

/// Whether a folder can be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum StateFolder {
    /// It is there and can be written.
    Writable,
    /// It is not there and can be made.
    CanBeMade,
    /// Something that may not be written is in the way.
    Forbidden(PathBuf),
    /// It cannot be used for another reason.
    Failed(String),
}

/// Who is at the page's address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Page {
    /// A daemon.
    Daemon,
    /// Nobody: it can be listened on.
    Free,
    /// Another program, as far as it tells.
    Taken(String),
    /// It cannot be listened on, with the error number and the error.
    Unusable(Option<i32>, String),
}

impl DaemonFacts {
    /// Finds them out.
    pub(super) async fn look(config: &Config) -> Self {
        let mut pages = Vec::new();
        let mut shed = Vec::new();
        if let Some(http) = &config.http {
            for listen in &http.listen {
                let (page, shed_there) = page(listen, http).await;
                pages.push((listen.clone(), page));
                if shed.is_empty() {
                    shed = shed_there;
                }
            }
        }
        Self {
            state_dir: config.state_dir.clone(),
            state: state_folder(&config.state_dir),
            holder: holder(&config.state_dir.join("lock")),
            pages,
            shed,
        }
    }
}

/// Tells without making anything: the nearest folder that is there decides.
pub(super) fn state_folder(path: &Path) -> StateFolder {
    for ancestor in path.ancestors() {
        match fs::metadata(ancestor) {
            Ok(metadata) if !metadata.is_dir() => {
                return StateFolder::Failed(format!("{} is no folder", ancestor.display()));
            }
            Ok(_) => {
                let flags = AccessFlags::W_OK | AccessFlags::X_OK;
                return match eaccess(ancestor, flags) {
                    Ok(()) if ancestor == path => StateFolder::Writable,
                    Ok(()) => StateFolder::CanBeMade,
                    Err(nix::errno::Errno::EACCES) => StateFolder::Forbidden(ancestor.to_owned()),
                    Err(errno) => {
                        let error = io::Error::from(errno);
                        StateFolder::Failed(format!("{}: {error}", ancestor.display()))
                    }
                };
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let closed = ancestor.parent().unwrap_or(ancestor);
                return StateFolder::Forbidden(closed.to_owned());
            }
            Err(error) => return StateFolder::Failed(error.to_string()),
        }
    }
    StateFolder::Failed("no folder above it is there".to_owned())
}

/// Who holds the lock file, by `/proc/locks`: trying to lock it would get in the way of a daemon that is starting.
fn holder(lock: &Path) -> Option<Holder> {
    let file = fs::metadata(lock).ok()?;
    let locks = procfs::locks().ok()?;
    let written = fs::read_to_string(lock).ok();
    let written: Option<i32> = written.and_then(|pid| pid.trim().parse().ok());
    let held = locks.into_iter().find(|held| {
        let device = (u64::from(held.devmaj), u64::from(held.devmin));
        // Some file systems (btrfs, overlay) show another device here than to stat(2); the holder's word serves then.
        held.inode == file.ino()
            && matches!(held.lock_type, LockType::FLock)
            && matches!(held.kind, LockKind::Write)
            && (device == (major(file.dev()), minor(file.dev()))
                || (written.is_some() && held.pid == written))
    })?;
    Some(Holder {
        pid: held.pid.filter(|pid| *pid > 0),
    })
}

async fn page(listen: &Listen, http: &Http) -> (Page, Vec<String>) {
    let server = match listening_at(listen, http) {
        Ok(server) => server,
        Err(error) => return (Page::Unusable(None, chain(&error)), Vec::new()),
    };
    let reply = ask(&server).await;
    let shed = match &reply {
        Ok(Reply::Numbers(batch)) => shed(batch),
        _ => Vec::new(),
    };
    (who(reply, listen), shed)
}

/// The families that a batch says are shed.
fn shed(batch: &str) -> Vec<String> {
    let batch: Value = serde_json::from_str(batch).unwrap_or_default();
    let states = batch["agent"]["agent_self"]["family_state"].as_array();
    let labels = states.into_iter().flatten().map(|state| &state["labels"]);
    let shed = labels.filter(|labels| labels["state"] == "shed");
    shed.filter_map(|labels| Some(labels["family"].as_str()?.to_owned()))
        .collect()
}

fn who(reply: Result<Reply, GetError>, listen: &Listen) -> Page {
    match reply {
        Ok(Reply::Numbers(_) | Reply::Starting | Reply::Refused(_)) => Page::Daemon,
        Ok(Reply::Foreign(who)) => Page::Taken(who),
        Err(GetError::Connect { source, .. }) => match listen {
            Listen::Tcp { address, .. } => bindable(*address),
            // A socket that nobody serves is replaced.
            Listen::Unix(_) if source.kind() != io::ErrorKind::PermissionDenied => Page::Free,
            Listen::Unix(_) => Page::Unusable(source.raw_os_error(), source.to_string()),
        },
        Err(GetError::Timeout { .. }) => {
            Page::Taken("it takes connections and does not answer".to_owned())
        }
        Err(error) => Page::Taken(chain(&error)),
    }
}

fn bindable(address: SocketAddr) -> Page {
    match TcpListener::bind(address) {
        Ok(_) => Page::Free,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            Page::Taken("it refuses connections".to_owned())
        }
        Err(error) => Page::Unusable(error.raw_os_error(), error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;
    use crate::{
        encode::{fixture::tick_of, json},
        metrics::{Sample, Value as Sampled, catalog},
        state::Lock,
    };

    #[test]
    fn a_daemon_is_seen_by_its_lock_and_only_while_it_runs() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lock");
        assert_eq!(holder(&path), None);
        let lock = Lock::take(folder.path()).expect("free");
        let pid = i32::try_from(std::process::id()).ok();
        assert_eq!(holder(&path), Some(Holder { pid }));
        drop(lock);
        assert_eq!(holder(&path), None);
    }

    #[test]
    fn a_folder_is_judged_without_being_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = folder.path().join("a/b");
        assert_eq!(state_folder(folder.path()), StateFolder::Writable);
        assert_eq!(state_folder(&state), StateFolder::CanBeMade);
        fs::write(folder.path().join("a"), "").expect("written");
        assert!(matches!(state_folder(&state), StateFolder::Failed(_)));
        assert!(!state.exists());
    }

    #[tokio::test]
    async fn an_address_is_free_or_taken() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = Listen::Tcp {
            address: listener.local_addr().expect("bound"),
            is_tls: false,
        };
        let http = Http::default();
        let greet = async {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await
        };
        let ((taken, _), _) = tokio::join!(page(&address, &http), greet);
        assert!(matches!(taken, Page::Taken(_)), "{taken:?}");
        drop(listener);
        assert_eq!(page(&address, &http).await, (Page::Free, Vec::new()));
        let folder = tempfile::tempdir().expect("a folder");
        let socket = Listen::Unix(folder.path().join("s"));
        assert_eq!(page(&socket, &http).await, (Page::Free, Vec::new()));
    }

    #[test]
    fn what_a_daemon_has_shed_is_in_its_numbers() {
        let state = |family: &'static str, state: &'static str| {
            let sample = Sample::new(&catalog::AGENT_FAMILY_STATE, Sampled::Integer(1));
            let sample = sample.labelled("family", family);
            sample.labelled("state", state)
        };
        let mut batch = tick_of(1, Vec::new());
        batch.agent = vec![state("space", "shed"), state("host", "off")];
        assert_eq!(shed(&json::batch(&batch, "box")), ["space"]);
        batch.agent.truncate(1);
        assert_eq!(shed(&json::batch(&batch, "box")), ["space"]);
        assert!(shed("<html>").is_empty());
    }
}
