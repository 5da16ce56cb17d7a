//! A source beside the daemon's, for commands that measure for themselves where no daemon answers.
//!
//! It has a state folder of its own and takes no lock, so it is in nobody's way: kernel programs of two processes do not
//! know of each other.

use std::io;

use tempfile::TempDir;

use super::{Source, SourceError};
use crate::{
    config::Config,
    host::{Runtimes, outside::machine_root, process},
};

/// Why nothing can be measured here.
#[derive(Debug, thiserror::Error)]
pub enum BesideError {
    /// Nothing to measure with.
    #[error("nothing can be measured here")]
    Source(#[from] SourceError),
    /// No place for what it writes.
    #[error("no temporary folder can be made")]
    Folder(#[source] io::Error),
}

/// A source, and the folder of its state, which is to outlive it.
pub struct Beside {
    /// Fields go in this order.
    pub source: Source,
    /// Removed when it goes.
    pub state: TempDir,
}

impl Beside {
    /// Loads programs and adopts what runs, for this command of cgflux.
    pub fn start(config: &Config, command: &str) -> Result<Self, BesideError> {
        // One file a cgroup stays open; with fewer than wanted, the last ones have no user and system time.
        process::raise_open_files().unwrap_or_default();
        let state =
            TempDir::with_prefix(format!("cgflux-{command}-")).map_err(BesideError::Folder)?;
        let source = Source::start(
            &config.collect,
            config.selection(),
            state.path(),
            Runtimes::new(machine_root()),
        )?;
        Ok(Self { source, state })
    }
}
