//! One file of a cgroup: kept open between readings, or opened for each. And the forms in which such files tell
//! numbers.
//!
//! An open file is read in 0.7 µs, opening and closing take 5.5 µs more (Linux 6.18); but a file that was read holds
//! 4.4 KiB of kernel memory until it is closed (`seq_read_iter` in `fs/seq_file.c` keeps its buffer), charged to the
//! reader. So what is read every tick stays open, and the rest of it for some entries only.

use std::{fs::File, io, os::unix::fs::FileExt as _, path::Path};

/// Room for any file read here: `memory.stat` of Linux 6.18 has 2 KiB. Lines beyond are left out.
pub(super) type Buffer = [u8; 8 << 10];

/// An empty [`Buffer`].
pub(super) const EMPTY: Buffer = [0; 8 << 10];

/// A file in a cgroup's folder.
#[derive(Debug)]
pub(super) struct CgroupFile {
    name: &'static str,
    state: State,
}

#[derive(Debug)]
enum State {
    Closed,
    Open(File),
    /// Looked for and not there.
    Missing,
}

impl CgroupFile {
    /// The file of that name, not open yet.
    pub(super) const fn new(name: &'static str) -> Self {
        Self {
            name,
            state: State::Closed,
        }
    }

    /// Reads it if it is open; `None` where it does not answer, as those of a removed cgroup.
    pub(super) fn read_open<'b>(&self, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
        let State::Open(file) = &self.state else {
            return None;
        };
        let length = file.read_at(buffer, 0).ok()?;
        buffer.get(..length)
    }

    /// Opens it unless it is open; whether it is then. One that is not there is not looked for again: that would cost
    /// as much as opening it.
    pub(super) fn open(&mut self, folder: &Path) -> bool {
        if let State::Closed = self.state {
            self.state = match File::open(folder.join(self.name)) {
                Ok(file) => State::Open(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => State::Missing,
                Err(_) => State::Closed,
            };
        }
        matches!(self.state, State::Open(_))
    }

    /// Reads it, opening it first where needed.
    pub(super) fn read<'b>(&mut self, folder: &Path, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
        self.open(folder);
        self.read_open(buffer)
    }

    /// Closes it.
    pub(super) fn close(&mut self) {
        if let State::Open(_) = self.state {
            self.state = State::Closed;
        }
    }
}

/// A file that is one number. `None` for `max`, which is no limit.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    digits(text.strip_suffix(b"\n")?)
}

/// The lines `key number` of a file, in one pass; others are passed over.
pub(super) fn pairs(text: &[u8]) -> impl Iterator<Item = (&[u8], u64)> {
    lines(text).filter_map(|line| {
        let at = line.iter().position(|byte| *byte == b' ')?;
        let (key, value) = line.split_at(at);
        Some((key, digits(&value[1..])?))
    })
}

/// Whole lines only: one that was cut off would tell another number.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n')
        .filter_map(|line| line.strip_suffix(b"\n"))
}

/// A decimal number and nothing else.
pub(super) fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// Captured files, for the tests of those who read them.
#[cfg(test)]
pub(super) mod fixture {
    use std::{
        fs,
        path::{Path, PathBuf},
    };

    /// A folder with these files in it, each a name and a text.
    pub(in crate::host) fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    /// The folder of a cgroup of that version and kernel.
    pub(in crate::host) fn captured(cgroup: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../tests/fixtures/cgroup_files")
            .join(cgroup)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn max_is_no_number_and_nothing_overflows() {
        assert_eq!(number(b"18446744073709551615\n"), Some(u64::MAX));
        for text in ["max\n", "18446744073709551616\n", "-1\n", "\n", "", "12"] {
            assert_eq!(number(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn lines_of_another_form_and_cut_off_ones_are_passed_over() {
        let told: Vec<_> = pairs(b"anon 7\nodd\nfile x\n\nshmem 12\nslab 9").collect();
        assert_eq!(told, [(&b"anon"[..], 7), (&b"shmem"[..], 12)]);
    }

    #[test]
    fn a_closed_file_is_opened_again_and_a_missing_one_is_not_looked_for_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pids.current");
        let mut buffer = EMPTY;
        let mut missing = CgroupFile::new("pids.current");
        assert_eq!(missing.read(folder.path(), &mut buffer), None);
        std::fs::write(path, "3\n").unwrap();
        missing.close();
        assert_eq!(missing.read(folder.path(), &mut buffer), None);
        let mut file = CgroupFile::new("pids.current");
        assert_eq!(file.read_open(&mut buffer), None);
        assert_eq!(file.read(folder.path(), &mut buffer), Some(&b"3\n"[..]));
        file.close();
        assert_eq!(file.read_open(&mut buffer), None);
        assert_eq!(file.read(folder.path(), &mut buffer), Some(&b"3\n"[..]));
    }
}
