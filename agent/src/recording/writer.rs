//! What the live stream says → a recording.

use std::io::{self, Write};

use flate2::{Compression, write::GzEncoder};

use super::VERSION;

/// Writes a recording. Without [`Self::finish`] the file lacks its end, and is read as one of a recorder that was killed.
#[derive(Debug)]
pub struct Writer<W: Write> {
    gzip: GzEncoder<W>,
}

impl<W: Write> Writer<W> {
    /// Begins a recording of a stream that said this as `hello`.
    pub fn new(file: W, hello: &str) -> io::Result<Self> {
        let mut writer = Self {
            gzip: GzEncoder::new(file, Compression::default()),
        };
        writer.line(&[
            "{\"recording\":",
            &VERSION.to_string(),
            ",\"hello\":",
            hello,
            "}",
        ])?;
        writer.flush()?;
        Ok(writer)
    }

    /// Adds a tick, as the stream told it.
    pub fn tick(&mut self, tick: &str) -> io::Result<()> {
        self.line(&["{\"tick\":", tick, "}"])
    }

    /// Adds what happened, as `{"events":[…]}`.
    pub fn events(&mut self, events: &str) -> io::Result<()> {
        self.line(&[events])
    }

    /// Hands over all that was added: a reader can have it, whatever becomes of us.
    pub fn flush(&mut self) -> io::Result<()> {
        self.gzip.flush()
    }

    /// Ends the recording.
    pub fn finish(self) -> io::Result<W> {
        let mut file = self.gzip.finish()?;
        file.flush()?;
        Ok(file)
    }

    /// The file.
    pub fn get_ref(&self) -> &W {
        self.gzip.get_ref()
    }

    fn line(&mut self, parts: &[&str]) -> io::Result<()> {
        for part in parts {
            // Line breaks can stand between values only, where a space means the same.
            for (at, piece) in part.split('\n').enumerate() {
                if at > 0 {
                    self.gzip.write_all(b" ")?;
                }
                self.gzip.write_all(piece.as_bytes())?;
            }
        }
        self.gzip.write_all(b"\n")
    }
}
