//! What ends the view.

use std::{io, path::PathBuf};

use super::{FIRST_TICK, feed::HereError};
use crate::{
    client::{GetError, Server, WayError},
    recording::ReadError,
    stream::StreamError,
};

/// Why there is nothing to be seen, or not any more.
#[derive(Debug, thiserror::Error)]
pub enum TopError {
    /// The command line asks for what does not exist.
    #[error("--{flag}: {problem}")]
    Usage {
        /// The flag.
        flag: &'static str,
        /// Why it means nothing.
        problem: String,
    },
    /// The recording does not have it.
    #[error("--at: {0}")]
    Time(String),
    /// The daemon cannot be asked.
    #[error("no daemon can be asked")]
    Unreachable(#[from] GetError),
    /// Nor could it.
    #[error(transparent)]
    Way(#[from] WayError),
    /// It does not want to be, or is none.
    #[error("{server} does not tell us: {reason}")]
    Refused {
        /// Who was asked.
        server: Server,
        /// What it said.
        reason: String,
    },
    /// It says what we do not know.
    #[error("what it says is {source}; is it another version?")]
    Stream {
        /// Why.
        #[from]
        source: StreamError,
    },
    /// It says nothing.
    #[error("no numbers within {}", humantime::format_duration(FIRST_TICK))]
    NoTick,
    /// Nothing can be measured here either.
    #[error(transparent)]
    Here(#[from] HereError),
    /// What measures here is no more.
    #[error("the collector has ended")]
    Collector,
    /// The file is of no use.
    #[error("cannot show {}", path.display())]
    Recording {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ReadError,
    },
    /// The recorder was stopped before the first tick.
    #[error("{} has no ticks", .0.display())]
    NoTicks(PathBuf),
    /// The file cannot be written.
    #[error("cannot record to {}{}", path.display(), way_out(source))]
    Record {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The terminal is of no use.
    #[error("cannot use the terminal")]
    Terminal(#[source] io::Error),
    /// The process lacks something basic.
    #[error("cannot wait for signals")]
    Signals(#[source] io::Error),
    /// The same.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

fn way_out(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AlreadyExists => ": it is there already, and nothing is written over",
        _ => "",
    }
}
