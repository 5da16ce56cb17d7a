//! The socket's file: who holds it, who may connect, and that nothing else is ever removed.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
        net::UnixStream,
    },
    path::{Path, PathBuf},
};

use nix::unistd::{Gid, Group, chown};
use tokio::net::{UnixListener, UnixSocket};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 128;

/// A socket's file as it is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Where.
    pub path: &'a Path,
    /// Its permission bits.
    pub mode: u32,
    /// Its group, by name or number; that of the process if absent.
    pub group: Option<&'a str>,
    /// The settings that say so.
    pub settings: SettingNames,
}

/// What the settings of a socket's file are called.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SettingNames {
    /// That of its path.
    pub path: &'static str,
    /// That of its group.
    pub group: &'static str,
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Somebody serves it.
    #[error("another process serves the socket {path}; stop it, or choose another with {setting}")]
    InUse {
        /// The file.
        path: PathBuf,
        /// The setting of its path.
        setting: &'static str,
    },
    /// The path belongs to something else, which stays.
    #[error("{path} is no socket and stays as it is; choose another with {setting}")]
    NoSocket {
        /// The file.
        path: PathBuf,
        /// The setting of its path.
        setting: &'static str,
    },
    /// The group of the configuration is unknown here.
    #[error(
        "there is no group {group}; make it with `groupadd --system {group}`, or leave {setting} out"
    )]
    NoGroup {
        /// Its name.
        group: String,
        /// The setting that names it.
        setting: &'static str,
    },
    /// The file cannot be made or handed to its group.
    #[error("cannot {what} the socket {path}; {fix}")]
    Failed {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What to do about it.
        fix: String,
        /// Why.
        source: io::Error,
    },
}

/// The file of a socket that is listened on; removed with this, if it is still the same one.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl SocketFile {
    /// Makes the socket as it is wanted. It can be connected to only when all of that is done. What a dead process left
    /// there is replaced.
    pub fn bind(wanted: Wanted<'_>) -> Result<(Self, UnixListener), SocketError> {
        let Wanted {
            path,
            mode,
            group,
            settings,
        } = wanted;
        let failed = |what, fix: &str| {
            let fix = fix.to_owned();
            move |source| SocketError::Failed {
                what,
                path: path.to_owned(),
                fix,
                source,
            }
        };
        let gid = group.map(|group| gid_of(group, settings)).transpose()?;
        clear(path, settings)?;
        let socket = UnixSocket::new_stream().map_err(failed("open", "see the reason"))?;
        let fix = format!(
            "make its folder writable, or choose a path of less than 108 bytes with {}",
            settings.path
        );
        socket.bind(path).map_err(failed("make", &fix))?;
        let fix = format!("see the reason, or choose another with {}", settings.path);
        let metadata = fs::symlink_metadata(path).map_err(failed("look at", &fix))?;
        let file = Self {
            path: path.to_owned(),
            identity: (metadata.dev(), metadata.ino()),
        };
        if let Some(gid) = gid {
            let fix = format!(
                "run the agent as root or as a member of that group, or leave {} out",
                settings.group
            );
            let given = chown(path, None, Some(gid)).map_err(io::Error::from);
            given.map_err(failed("give away", &fix))?;
        }
        let permissions = fs::Permissions::from_mode(mode);
        let set = fs::set_permissions(path, permissions);
        set.map_err(failed("set the permissions of", &fix))?;
        let listener = socket.listen(BACKLOG).map_err(failed("listen on", &fix))?;
        Ok((file, listener))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let identity = fs::symlink_metadata(&self.path).map(|it| (it.dev(), it.ino()));
        if identity.is_ok_and(|identity| identity == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::debug!(%error, "the socket's file stays");
        }
    }
}

/// Removes the socket of a process that is gone.
fn clear(path: &Path, settings: SettingNames) -> Result<(), SocketError> {
    let setting = settings.path;
    let failed = |source| SocketError::Failed {
        what: "replace",
        path: path.to_owned(),
        fix: format!("remove it, or choose another with {setting}"),
        source,
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(SocketError::NoSocket {
                path: path.to_owned(),
                setting,
            });
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed)
        }
        Err(error) => Err(failed(error)),
        Ok(_) => Err(SocketError::InUse {
            path: path.to_owned(),
            setting,
        }),
    }
}

/// The id of a group by its name or its number.
fn gid_of(group: &str, settings: SettingNames) -> Result<Gid, SocketError> {
    if let Ok(number) = group.parse() {
        return Ok(Gid::from_raw(number));
    }
    match Group::from_name(group) {
        Ok(Some(group)) => Ok(group.gid),
        _ => Err(SocketError::NoGroup {
            group: group.to_owned(),
            setting: settings.group,
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener as Served;

    use super::*;

    fn at(path: &Path) -> Wanted<'_> {
        Wanted {
            path,
            mode: 0o660,
            group: None,
            settings: SettingNames {
                path: "socket.path",
                group: "socket.group",
            },
        }
    }

    fn refusal(path: &Path) -> String {
        SocketFile::bind(at(path)).unwrap_err().to_string()
    }

    #[tokio::test]
    async fn the_file_has_the_permissions_asked_for_and_goes_with_its_server() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("points.sock");
        for mode in [0o600, 0o660, 0o666] {
            let own = nix::unistd::getegid().to_string();
            let (file, listener) = SocketFile::bind(Wanted {
                mode,
                group: Some(&own),
                ..at(&path)
            })
            .unwrap();
            let metadata = fs::metadata(&path).unwrap();
            assert_eq!(metadata.permissions().mode() & 0o7777, mode);
            assert_eq!(metadata.gid().to_string(), own);
            UnixStream::connect(&path).unwrap();
            drop((file, listener));
            assert!(!path.exists());
        }
    }

    #[tokio::test]
    async fn what_a_dead_process_left_is_replaced_and_what_is_served_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("points.sock");
        let served = Served::bind(&path).unwrap();
        assert!(refusal(&path).contains("another process serves"));
        drop(served);
        assert!(path.exists());
        let (file, _listener) = SocketFile::bind(at(&path)).unwrap();
        assert!(refusal(&path).contains("another process serves"));
        fs::remove_file(&path).unwrap();
        fs::write(&path, "another's").unwrap();
        drop(file);
        assert_eq!(fs::read_to_string(&path).unwrap(), "another's");
    }

    #[tokio::test]
    async fn what_is_no_socket_is_never_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("points.sock");
        fs::write(&path, "precious").unwrap();
        assert!(refusal(&path).contains("is no socket"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        assert!(refusal(folder.path()).contains("is no socket"));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(refusal(&link).contains("is no socket"));
    }

    #[tokio::test]
    async fn what_is_missing_is_told_with_its_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("no/points.sock");
        assert!(refusal(&path).contains("make its folder writable"));
        let path = folder.path().join("x".repeat(120));
        assert!(refusal(&path).contains("108 bytes"));
        let path = folder.path().join("points.sock");
        let error = SocketFile::bind(Wanted {
            group: Some("cgflux-no-such"),
            ..at(&path)
        })
        .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("groupadd --system cgflux-no-such")
        );
        assert!(!path.exists());
    }
}
