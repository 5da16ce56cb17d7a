//! What can go wrong with a spool, by what is to be done about it.

use std::{error::Error, io, path::PathBuf};

use rusqlite::ErrorCode;

/// Why a spool cannot be used now.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// Two must not write to one spool.
    #[error("the spool {path} is in use by another process")]
    Held {
        /// Its file.
        path: PathBuf,
    },
    /// The disk is full, read-only, failing or away. Nothing was half done; the same call may go well later.
    #[error("cannot use the spool {path}")]
    Unavailable {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: Cause,
    },
}

/// What the system or the store said.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why something did not work, inside the spool.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Another has the file.
    Held,
    /// The file is of a later version of this program.
    Newer,
    /// The file is not what it should be.
    Corrupt(Cause),
    /// No room: within the file's own bound, or on the disk. The transaction left no trace.
    Full(Cause),
    /// The disk failed. What the connection believes is on it may not be.
    Unavailable(Cause),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Held,
            Some(ErrorCode::DiskFull) => Self::Full(error.into()),
            Some(
                ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::OutOfMemory
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::NoLargeFileSupport,
            ) => Self::Unavailable(error.into()),
            // Not only what SQLite itself calls corrupt: a table that is not there, or a text where a number belongs,
            // has no other cause.
            _ => Self::Corrupt(error.into()),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Unavailable(error.into())
    }
}

impl Trouble {
    pub(super) fn at(self, path: PathBuf) -> SpoolError {
        let source = match self {
            Self::Held => return SpoolError::Held { path },
            Self::Newer => "of a newer format".into(),
            Self::Corrupt(cause) | Self::Full(cause) | Self::Unavailable(cause) => cause,
        };
        SpoolError::Unavailable { path, source }
    }
}
