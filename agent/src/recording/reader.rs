//! A recording → its lines, as far as they go.

use std::io::{self, BufRead as _, BufReader, Read, Take};

use flate2::read::GzDecoder;
use serde::{Deserialize, de::DeserializeOwned};

use super::{MAX_LINE_BYTES, VERSION};
#[cfg(doc)]
use crate::stream::Tick;
use crate::stream::{Event, Hello, Who, bounded};

/// Why a file cannot be read, or not further.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The disk, or whatever holds it.
    #[error("it cannot be read")]
    Io(#[source] io::Error),
    /// Something else.
    #[error("it is no recording of cgflux: {0}; `cgflux top --record FILE` makes one")]
    Foreign(&'static str),
    /// The recorder was killed before anything was in it.
    #[error("it has no first line: its recorder was stopped before it had anything to write")]
    Empty,
    /// Made by a later version.
    #[error(
        "it is of version {0} of the format, and this cgflux reads version {VERSION}: use a newer cgflux"
    )]
    Version(u64),
    /// Something changed it after it was written.
    #[error("it is damaged after its line {line}")]
    Damaged {
        /// The last line that is whole.
        line: u64,
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// One line of a recording after the first.
#[derive(Debug)]
pub enum Line<T> {
    /// What all entries did.
    Tick(T),
    /// What happened.
    Events(Vec<Event>),
}

impl<T: DeserializeOwned> Line<T> {
    /// What a line has, as [`Reader::line`] tells it; `None` where there is nothing that this version knows.
    pub fn of(line: &[u8]) -> serde_json::Result<Option<Self>> {
        let text: Text<T> = serde_json::from_slice(line)?;
        Ok(match text.tick {
            Some(tick) => Some(Self::Tick(tick)),
            None if text.events.is_empty() => None,
            None => Some(Self::Events(text.events)),
        })
    }
}

/// A tick that is only passed by, on the way to another: what ones after it rely on, and nothing else of it is read.
#[derive(Debug, Deserialize)]
pub struct Passed {
    /// See [`Tick::wall_ms`].
    #[serde(rename = "t")]
    pub wall_ms: i64,
    /// See [`Tick::new`].
    #[serde(default, deserialize_with = "bounded")]
    pub new: Vec<Who>,
}

/// Reads a recording from its begin on. A file that ends in the midst of a line, as those of a killed recorder do, ends with
/// the line before.
#[derive(Debug)]
pub struct Reader<R: Read> {
    text: Take<BufReader<GzDecoder<R>>>,
    hello: Hello,
    line: Vec<u8>,
    /// Lines that are read.
    lines: u64,
    is_cut: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the first line.
    pub fn new(file: R) -> Result<Self, ReadError> {
        let text = BufReader::with_capacity(1 << 16, GzDecoder::new(file));
        let mut reader = Self {
            text: text.take(0),
            hello: Hello::default(),
            line: Vec::new(),
            lines: 0,
            is_cut: false,
        };
        match reader.advance() {
            Ok(true) => {}
            Ok(false) => return Err(ReadError::Empty),
            Err(ReadError::Damaged { .. }) => {
                return Err(ReadError::Foreign("it is not gzip of lines of text"));
            }
            Err(error) => return Err(error),
        }
        reader.hello = first_line(&reader.line)?;
        Ok(reader)
    }

    /// What the stream said at its begin.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Whether it ends without the end that a recorder gives it when it is done. Not known before the last line is read.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// The next tick or event, ticks as [`Tick`] or [`Passed`]; `None` at the end.
    pub fn next_line<T: DeserializeOwned>(&mut self) -> Result<Option<Line<T>>, ReadError> {
        while self.advance()? {
            let line = Line::of(&self.line).map_err(|source| ReadError::Damaged {
                line: self.lines - 1,
                source: source.into(),
            })?;
            if line.is_some() {
                return Ok(line);
            }
        }
        Ok(None)
    }

    /// The line that was read last, as it is in the file.
    pub fn line(&self) -> &[u8] {
        &self.line
    }

    /// Reads a line; `false` at the end.
    fn advance(&mut self) -> Result<bool, ReadError> {
        self.line.clear();
        self.text.set_limit(MAX_LINE_BYTES as u64);
        let read = self.text.read_until(b'\n', &mut self.line);
        let damaged = |source| ReadError::Damaged {
            line: self.lines,
            source,
        };
        match read {
            Ok(0) => Ok(false),
            Ok(MAX_LINE_BYTES..) if self.line.last() != Some(&b'\n') => Err(damaged(
                format!("a line of more than {MAX_LINE_BYTES} bytes").into(),
            )),
            Ok(_) if self.line.last() != Some(&b'\n') => {
                self.is_cut = true;
                Ok(false)
            }
            Ok(_) => {
                self.lines += 1;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.is_cut = true;
                Ok(false)
            }
            // flate2 tells of bad gzip by these two.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
                ) =>
            {
                Err(damaged(error.into()))
            }
            Err(error) => Err(ReadError::Io(error)),
        }
    }
}

/// What the first line says, if it is one of ours.
fn first_line(line: &[u8]) -> Result<Hello, ReadError> {
    #[derive(Deserialize)]
    struct Version {
        recording: u64,
    }
    #[derive(Deserialize)]
    struct First {
        #[serde(default)]
        hello: Hello,
    }
    let Ok(version) = serde_json::from_slice::<Version>(line) else {
        return Err(ReadError::Foreign("its first line does not say so"));
    };
    // The rest may be in any form where the version is another.
    if version.recording != VERSION {
        return Err(ReadError::Version(version.recording));
    }
    match serde_json::from_slice::<First>(line) {
        Ok(first) => Ok(first.hello),
        Err(error) => Err(ReadError::Damaged {
            line: 0,
            source: error.into(),
        }),
    }
}

#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct Text<T> {
    tick: Option<T>,
    #[serde(default, deserialize_with = "bounded")]
    events: Vec<Event>,
}
