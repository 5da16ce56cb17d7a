//! A file of `/proc`, kept open and read from its beginning each time.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _},
};

/// Most bytes that are read; `/proc/stat` has some 200 kB on the largest machines.
const MAX_BYTES: u64 = 16 << 20;

/// The file, and room for what is in it.
#[derive(Debug)]
pub(super) struct ProcFile {
    path: &'static str,
    file: Option<File>,
    text: Vec<u8>,
    /// Whether it was told that nothing can be had from it.
    told: bool,
}

impl ProcFile {
    /// The file at `path`, which is opened when it is read first.
    pub(super) fn new(path: &'static str) -> Self {
        Self {
            path,
            file: None,
            text: Vec::new(),
            told: false,
        }
    }

    /// What `parse` makes of the file. `None` if it cannot be read or makes no sense, which is told once until it can
    /// be read again.
    pub(super) fn read_as<T>(&mut self, parse: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
        let parsed = match self.read() {
            Ok(()) => parse(&self.text).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData)),
            Err(error) => Err(error),
        };
        match parsed {
            Ok(value) => {
                self.told = false;
                Some(value)
            }
            Err(error) => {
                self.file = None;
                self.tell(&error);
                None
            }
        }
    }

    fn read(&mut self) -> io::Result<()> {
        self.text.clear();
        let mut file = match self.file.take() {
            Some(mut file) => {
                file.rewind()?;
                file
            }
            None => File::open(self.path)?,
        };
        (&mut file).take(MAX_BYTES).read_to_end(&mut self.text)?;
        self.file = Some(file);
        Ok(())
    }

    fn tell(&mut self, error: &io::Error) {
        if std::mem::replace(&mut self.told, true) {
            return;
        }
        let file = self.path;
        if error.kind() == io::ErrorKind::NotFound {
            tracing::info!(
                file,
                "is not there: what it would tell of the host is absent"
            );
        } else {
            tracing::warn!(file, %error, "cannot be read: what it tells of the host is absent");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_anew_each_time() {
        let mut uptime = ProcFile::new("/proc/uptime");
        let mut read = || uptime.read_as(|text| Some(text.to_vec()));
        let first = read().unwrap();
        assert!(!first.is_empty());
        let mut later = read().unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while later == first && std::time::Instant::now() < deadline {
            later = read().unwrap();
        }
        assert_ne!(later, first);
    }

    #[test]
    fn what_is_not_there_or_makes_no_sense_is_absent_and_told_once() {
        let mut missing = ProcFile::new("/proc/cgflux-has-no-such-file");
        assert_eq!(missing.read_as(|_| Some(1)), None);
        assert!(missing.told);
        let mut odd = ProcFile::new("/proc/uptime");
        assert_eq!(odd.read_as(|_| None::<u8>), None);
        assert!(odd.told);
        assert_eq!(odd.read_as(|_| Some(1)), Some(1));
        assert!(!odd.told);
    }
}
