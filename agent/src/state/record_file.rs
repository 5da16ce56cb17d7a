//! A file of records of one size, mapped into memory: totals that must outlive the process.
//!
//! Saving is a few stores, so it is done every tick, before anything is published, and it survives the death of the
//! process at any point. It need not survive the machine: with the boot every cgroup ends, and the boot id in the head
//! makes an old file void. What stands in a record is left to others.

use std::{
    collections::HashMap,
    fs::{self, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use memmap2::{MmapOptions, MmapRaw};
use nix::fcntl::posix_fallocate;

use super::boot_id::{self, BOOT_ID};

/// Magic, boot id as text (36 bytes), padding.
const HEAD_BYTES: usize = 64;

/// Why totals cannot be saved.
#[derive(Debug, thiserror::Error)]
pub enum TotalsError {
    /// The boot's id cannot be read.
    #[error("cannot read {BOOT_ID}")]
    BootId(#[source] io::Error),
    /// The file cannot be made or mapped.
    #[error("cannot use the file of saved totals {path}")]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Records of `WORDS` words, of which the first `KEY` are its key. The key's first word is never 0: that is a free
/// place.
#[derive(Debug)]
pub(super) struct RecordFile<const KEY: usize, const WORDS: usize> {
    map: MmapRaw,
    /// Place of each record.
    places: HashMap<[u64; KEY], usize>,
    /// Places without a record.
    free: Vec<usize>,
    /// Saves that found no free place.
    unsaved: u64,
}

/// A file and the records that a former process of this boot saved there.
pub(super) type Opened<const KEY: usize, const WORDS: usize> =
    (RecordFile<KEY, WORDS>, Vec<[u64; WORDS]>);

impl<const KEY: usize, const WORDS: usize> RecordFile<KEY, WORDS> {
    const RECORD_BYTES: usize = WORDS * size_of::<u64>();

    /// Opens the file `name` of `folder` with room for `capacity` records. `magic` names their layout; a file with
    /// another one is void.
    pub(super) fn open(
        folder: &Path,
        name: &str,
        magic: [u8; 8],
        capacity: usize,
    ) -> Result<Opened<KEY, WORDS>, TotalsError> {
        let boot_id = boot_id::read().map_err(TotalsError::BootId)?;
        let path = folder.join(name);
        Self::open_file(&path, magic, &boot_id, capacity)
            .map_err(|source| TotalsError::File { path, source })
    }

    fn open_file(
        path: &Path,
        magic: [u8; 8],
        boot_id: &str,
        capacity: usize,
    ) -> io::Result<Opened<KEY, WORDS>> {
        let mut head = [0_u8; HEAD_BYTES];
        head[..8].copy_from_slice(&magic);
        let id = &boot_id.as_bytes()[..boot_id.len().min(HEAD_BYTES - 8)];
        head[8..8 + id.len()].copy_from_slice(id);
        let old = match fs::read(path) {
            Ok(old) => old,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let saved = if old.starts_with(&head) {
            records(&old[HEAD_BYTES..])
        } else {
            Vec::new()
        };
        // A new file each time: the mapping of a process that still holds the old one stays whole.
        let new = path.with_extension("new");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&new)?;
        let length = HEAD_BYTES + capacity * Self::RECORD_BYTES;
        // Not a hole: on a disk that is full, to store to one through the mapping would end the process.
        let size = i64::try_from(length).map_err(io::Error::other)?;
        posix_fallocate(&file, 0, size)?;
        let map = MmapOptions::new().len(length).map_raw(&file)?;
        // SAFETY: the mapping is longer than the head, and nobody else has it yet.
        unsafe { std::ptr::copy_nonoverlapping(head.as_ptr(), map.as_mut_ptr(), HEAD_BYTES) };
        let mut records = Self {
            map,
            places: HashMap::new(),
            free: (0..capacity).rev().collect(),
            unsaved: 0,
        };
        for record in &saved {
            let key = std::array::from_fn(|at| record[at]);
            records.save(key, record[KEY..].iter().copied());
        }
        fs::rename(&new, path)?;
        Ok((records, saved))
    }

    /// Saves the record of `key`. It is kept from here on, also if the process is killed.
    pub(super) fn save(&mut self, key: [u64; KEY], values: impl Iterator<Item = u64>) {
        let (place, is_new) = if let Some(place) = self.places.get(&key) {
            (*place, false)
        } else if let Some(place) = self.free.pop() {
            self.places.insert(key, place);
            (place, true)
        } else {
            self.unsaved += 1;
            return;
        };
        let words = self.words(place);
        for (word, value) in words[KEY..].iter().zip(values) {
            // A page that is stored to is written to the disk, changed or not.
            if word.load(Ordering::Relaxed) != value {
                word.store(value, Ordering::Relaxed);
            }
        }
        if is_new {
            for (word, value) in words[1..].iter().zip(&key[1..]) {
                word.store(*value, Ordering::Relaxed);
            }
            // Last: a record without it is not read.
            words[0].store(key[0], Ordering::Release);
        }
    }

    /// Forgets the record of `key`.
    pub(super) fn remove(&mut self, key: [u64; KEY]) {
        if let Some(place) = self.places.remove(&key) {
            self.words(place)[0].store(0, Ordering::Release);
            self.free.push(place);
        }
    }

    /// The keys of all records, in no order.
    pub(super) fn keys(&self) -> impl Iterator<Item = [u64; KEY]> {
        self.places.keys().copied()
    }

    /// How many saves found no room.
    pub(super) fn unsaved(&self) -> u64 {
        self.unsaved
    }

    fn words(&self, place: usize) -> &[AtomicU64; WORDS] {
        let offset = HEAD_BYTES + place * Self::RECORD_BYTES;
        assert!(
            offset + Self::RECORD_BYTES <= self.map.len(),
            "places are below the capacity"
        );
        // SAFETY: just checked to lie within the mapping, which lives as long as `self` and starts at a page; head and
        // records are multiples of eight bytes; all access is by words.
        unsafe {
            &*self
                .map
                .as_mut_ptr()
                .add(offset)
                .cast::<[AtomicU64; WORDS]>()
        }
    }
}

/// The records of a former file; one that is cut is left out.
fn records<const WORDS: usize>(bytes: &[u8]) -> Vec<[u64; WORDS]> {
    let (words, _) = bytes.as_chunks::<{ size_of::<u64>() }>();
    let (records, _) = words.as_chunks::<WORDS>();
    records
        .iter()
        .map(|record| record.map(u64::from_ne_bytes))
        .filter(|record| record[0] != 0)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    const MAGIC: [u8; 8] = *b"testing1";
    type Records = RecordFile<2, 4>;

    fn open(path: &Path, boot_id: &str, capacity: usize) -> (Records, Vec<[u64; 4]>) {
        let (records, mut saved) = Records::open_file(path, MAGIC, boot_id, capacity).unwrap();
        saved.sort_unstable();
        (records, saved)
    }

    #[test]
    fn what_was_saved_is_there_after_the_process_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records");
        let (mut records, old) = open(&path, "boot-1", 4);
        assert!(old.is_empty());
        records.save([7, 0], [1, 2].into_iter());
        records.save([7, 0], [10, 20].into_iter());
        records.save([7, 1], [3, 4].into_iter());
        records.save([9, 0], [5, 6].into_iter());
        records.remove([9, 0]);
        // No destructor runs, as after SIGKILL.
        std::mem::forget(records);
        let (_, saved) = open(&path, "boot-1", 4);
        assert_eq!(saved, [[7, 0, 10, 20], [7, 1, 3, 4]]);
    }

    #[test]
    fn another_boots_records_are_void() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records");
        open(&path, "boot-1", 4).0.save([7, 0], [1, 2].into_iter());
        assert_eq!(open(&path, "boot-2", 4).1, [[0; 4]; 0]);
    }

    #[test]
    fn a_full_file_counts_what_it_does_not_save() {
        let folder = tempfile::tempdir().unwrap();
        let (mut records, _) = open(&folder.path().join("records"), "boot-1", 1);
        records.save([1, 0], [1, 1].into_iter());
        records.save([1, 1], [1, 1].into_iter());
        assert_eq!(records.unsaved(), 1);
        records.remove([1, 0]);
        records.save([1, 1], [1, 1].into_iter());
        assert_eq!(records.unsaved(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error_since_totals_never_go_backwards() {
        let folder = tempfile::tempdir().unwrap();
        let unreadable = Records::open_file(folder.path(), MAGIC, "boot-1", 2);
        assert_eq!(
            unreadable.map(|_| ()).unwrap_err().kind(),
            io::ErrorKind::IsADirectory
        );
    }

    #[test]
    fn its_room_on_the_disk_is_taken_before_anything_is_stored() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records");
        let capacity = 10_000;
        let _records = open(&path, "boot-1", capacity);
        let taken = fs::metadata(&path).unwrap().blocks() * 512;
        assert!(
            taken >= (capacity * Records::RECORD_BYTES) as u64,
            "{taken}"
        );
    }

    #[test]
    fn a_damaged_file_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records");
        for damage in [&b""[..], &MAGIC, &[0xff; 4000]] {
            fs::write(&path, damage).unwrap();
            assert_eq!(open(&path, "boot-1", 2).1, [[0; 4]; 0]);
        }
    }
}
