//! Writes what a feed says into a file.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::recording::Writer;

/// How much of a recording a kill may take.
const FLUSHED_EVERY: Duration = Duration::from_secs(3);

/// A recording under way.
pub(super) struct Recorder {
    path: PathBuf,
    state: State,
    pub(super) ticks: u64,
    flushed: Instant,
}

enum State {
    /// There was nothing to write yet.
    Waiting(Counted),
    Writing(Box<Writer<Counted>>),
    Done(u64),
}

/// A file, and how much was written to it.
struct Counted {
    file: BufWriter<File>,
    bytes: u64,
}

impl Recorder {
    /// Makes the file, which must not be there.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        Ok(Self {
            path: path.to_owned(),
            state: State::Waiting(Counted {
                file: BufWriter::new(file),
                bytes: 0,
            }),
            ticks: 0,
            flushed: Instant::now(),
        })
    }

    /// Begins; what a daemon says that was started again is no other recording.
    pub(super) fn hello(&mut self, hello: &str) -> io::Result<()> {
        self.state = match std::mem::replace(&mut self.state, State::Done(0)) {
            State::Waiting(file) => State::Writing(Box::new(Writer::new(file, hello)?)),
            other => other,
        };
        Ok(())
    }

    pub(super) fn tick(&mut self, tick: &str) -> io::Result<()> {
        if let State::Writing(writer) = &mut self.state {
            writer.tick(tick)?;
            self.ticks += 1;
            if self.flushed.elapsed() >= FLUSHED_EVERY {
                self.flushed = Instant::now();
                writer.flush()?;
            }
        }
        Ok(())
    }

    pub(super) fn events(&mut self, events: &str) -> io::Result<()> {
        match &mut self.state {
            State::Writing(writer) => writer.events(events),
            State::Waiting(_) | State::Done(_) => Ok(()),
        }
    }

    /// Ends it.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        let bytes = self.bytes();
        if let State::Writing(writer) = std::mem::replace(&mut self.state, State::Done(bytes)) {
            let written = writer.finish()?;
            self.state = State::Done(written.bytes);
            written
                .file
                .into_inner()
                .map_err(io::IntoInnerError::into_error)?
                .sync_all()?;
        }
        Ok(())
    }

    /// What was written, in words.
    pub(super) fn told(&self) -> String {
        let size = bytesize::ByteSize(self.bytes()).display().iec_short();
        format!("{} ticks, {size} in {}", self.ticks, self.path.display())
    }

    fn bytes(&self) -> u64 {
        match &self.state {
            State::Waiting(file) => file.bytes,
            State::Writing(writer) => writer.get_ref().bytes,
            State::Done(bytes) => *bytes,
        }
    }
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
