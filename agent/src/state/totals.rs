//! Totals that the kernel does not keep, saved so that they go on after a restart.
//!
//! A file of fixed records, mapped into memory: saving is a few stores, so it is done every tick, before anything is
//! published, and it survives the death of the process at any point. It need not survive the machine: with the boot
//! every cgroup ends, and the boot id in the head makes an old file void.

use std::{
    collections::HashMap,
    fs::{self, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use agent_ebpf::{
    cpu::CpuCounters,
    histogram::BUCKETS,
    network::{NetworkCounters, PEERS, TcpCounters, Traffic},
};
use memmap2::{MmapOptions, MmapRaw};

use crate::{
    container::{CgroupId, Share},
    snapshot::{SlotTotals, Split},
};

/// Where the kernel tells the boot's id.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

const MAGIC: [u8; 8] = *b"cgfluxT4";
/// Magic, boot id as text (36 bytes), padding.
const HEAD_BYTES: usize = 64;
/// Cgroup id, eight counters, OOM kills, two parts, the series, the buckets, the traffic by peer and merged, the TCP
/// events.
const WORDS: usize = 1 + 8 + 1 + 2 + 1 + BUCKETS + 4 * (PEERS + 2) + 4;
const RECORD_BYTES: usize = WORDS * size_of::<u64>();

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

/// What is saved of one entry.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Saved {
    /// What its slots counted, and what it began with.
    pub totals: SlotTotals,
    /// How its CPU time was parted: the kernel's own parts are only good for a ratio, so these cannot be found again.
    pub split: Split,
    /// Under which series it is published, for when it is gone.
    pub share: Option<Share>,
}

/// The saved totals of all entries.
#[derive(Debug)]
pub struct SavedTotals {
    map: MmapRaw,
    /// Place of each entry's record.
    places: HashMap<CgroupId, usize>,
    /// Places without a record.
    free: Vec<usize>,
    /// Saves that found no free place; after a restart the totals of such an entry start again.
    unsaved: u64,
}

impl SavedTotals {
    /// Opens `totals` in `folder` with room for `capacity` entries, and returns what a former process of this boot
    /// saved there.
    pub fn open(
        folder: &Path,
        capacity: usize,
    ) -> Result<(Self, HashMap<CgroupId, Saved>), TotalsError> {
        let boot_id = fs::read_to_string(BOOT_ID).map_err(TotalsError::BootId)?;
        let path = folder.join("totals");
        Self::open_file(&path, boot_id.trim(), capacity)
            .map_err(|source| TotalsError::File { path, source })
    }

    fn open_file(
        path: &Path,
        boot_id: &str,
        capacity: usize,
    ) -> io::Result<(Self, HashMap<CgroupId, Saved>)> {
        let mut head = [0_u8; HEAD_BYTES];
        head[..8].copy_from_slice(&MAGIC);
        let id = &boot_id.as_bytes()[..boot_id.len().min(HEAD_BYTES - 8)];
        head[8..8 + id.len()].copy_from_slice(id);
        let old = fs::read(path).unwrap_or_default();
        let saved = if old.starts_with(&head) {
            records(&old[HEAD_BYTES..])
        } else {
            HashMap::new()
        };
        // A new file each time: the mapping of a process that still holds the old one stays whole.
        let new = path.with_extension("new");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&new)?;
        let length = HEAD_BYTES + capacity * RECORD_BYTES;
        file.set_len(length as u64)?;
        let map = MmapOptions::new().len(length).map_raw(&file)?;
        // SAFETY: the mapping is longer than the head, and nobody else has it yet.
        unsafe { std::ptr::copy_nonoverlapping(head.as_ptr(), map.as_mut_ptr(), HEAD_BYTES) };
        let free = (0..capacity).rev().collect();
        let mut totals = Self {
            map,
            places: HashMap::new(),
            free,
            unsaved: 0,
        };
        for (entry, old) in &saved {
            totals.save(*entry, old);
        }
        fs::rename(&new, path)?;
        Ok((totals, saved))
    }

    /// Saves what `entry` has now. It is kept from here on, also if the process is killed.
    pub fn save(&mut self, entry: CgroupId, now: &Saved) {
        let place = if let Some(place) = self.places.get(&entry) {
            *place
        } else if let Some(place) = self.free.pop() {
            self.places.insert(entry, place);
            place
        } else {
            self.unsaved += 1;
            return;
        };
        let words = self.words(place);
        for (word, value) in words[1..].iter().zip(values(now)) {
            word.store(value, Ordering::Relaxed);
        }
        // The id last: a record without one is not read.
        words[0].store(entry.0, Ordering::Release);
    }

    /// Forgets an entry that ended.
    pub fn remove(&mut self, entry: CgroupId) {
        if let Some(place) = self.places.remove(&entry) {
            self.words(place)[0].store(0, Ordering::Release);
            self.free.push(place);
        }
    }

    /// Entries saved, as they stand.
    pub fn entries(&self) -> impl Iterator<Item = CgroupId> {
        self.places.keys().copied()
    }

    /// How many saves found no room.
    pub fn unsaved(&self) -> u64 {
        self.unsaved
    }

    fn words(&self, place: usize) -> &[AtomicU64; WORDS] {
        let offset = HEAD_BYTES + place * RECORD_BYTES;
        assert!(
            offset + RECORD_BYTES <= self.map.len(),
            "places are below the capacity"
        );
        #[expect(
            clippy::cast_ptr_alignment,
            reason = "head and records are multiples of eight bytes"
        )]
        // SAFETY: just checked to lie within the mapping, which lives as long as `self`; all access is by words.
        unsafe {
            &*self
                .map
                .as_mut_ptr()
                .add(offset)
                .cast::<[AtomicU64; WORDS]>()
        }
    }
}

fn values(saved: &Saved) -> impl Iterator<Item = u64> {
    let it = &saved.totals.counters;
    [
        it.run_ns,
        it.wait_ns,
        it.voluntary_switches,
        it.involuntary_switches,
        it.migrations,
        it.forks,
        it.execs,
        it.exits,
        saved.totals.oom_kills,
        saved.split.user_ns,
        saved.split.system_ns,
        share_word(saved.share),
    ]
    .into_iter()
    .chain(saved.totals.waits)
    .chain(network_values(&saved.totals.network))
}

fn network_values(network: &NetworkCounters) -> impl Iterator<Item = u64> {
    let traffic = network.peers.into_iter().chain(network.merged);
    let tcp = network.tcp;
    traffic
        .flat_map(|it| [it.rx_bytes, it.rx_packets, it.tx_bytes, it.tx_packets])
        .chain([tcp.retransmits, tcp.connects, tcp.accepts, tcp.failures])
}

fn network_from(mut next: impl FnMut() -> u64) -> NetworkCounters {
    let mut traffic = || Traffic {
        rx_bytes: next(),
        rx_packets: next(),
        tx_bytes: next(),
        tx_packets: next(),
    };
    NetworkCounters {
        peers: std::array::from_fn(|_| traffic()),
        merged: std::array::from_fn(|_| traffic()),
        tcp: TcpCounters {
            retransmits: next(),
            connects: next(),
            accepts: next(),
            failures: next(),
        },
    }
}

const SHARES: [Share; 3] = [Share::Own, Share::Other, Share::Host];

/// A series as it stands in the file; 0 is none.
fn share_word(share: Option<Share>) -> u64 {
    share
        .and_then(|share| SHARES.iter().position(|it| *it == share))
        .map_or(0, |at| at as u64 + 1)
}

/// The records of a former file; one that is cut is left out.
fn records(bytes: &[u8]) -> HashMap<CgroupId, Saved> {
    let mut found = HashMap::new();
    for record in bytes.chunks_exact(RECORD_BYTES) {
        let mut words = record
            .chunks_exact(size_of::<u64>())
            .map(|word| word.try_into().map(u64::from_ne_bytes).unwrap_or_default());
        let mut next = || words.next().unwrap_or_default();
        let id = next();
        if id == 0 {
            continue;
        }
        let counters = CpuCounters {
            run_ns: next(),
            wait_ns: next(),
            voluntary_switches: next(),
            involuntary_switches: next(),
            migrations: next(),
            forks: next(),
            execs: next(),
            exits: next(),
        };
        let oom_kills = next();
        let split = Split {
            user_ns: next(),
            system_ns: next(),
        };
        let word = next();
        let share = SHARES
            .into_iter()
            .find(|share| share_word(Some(*share)) == word);
        let waits = std::array::from_fn(|_| next());
        let totals = SlotTotals {
            counters,
            waits,
            network: network_from(next),
            oom_kills,
        };
        found.insert(
            CgroupId(id),
            Saved {
                totals,
                split,
                share,
            },
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(seed: u64) -> Saved {
        let mut saved = Saved::default();
        saved.totals.counters.wait_ns = seed;
        saved.totals.counters.exits = seed + 1;
        saved.totals.waits[BUCKETS - 1] = seed + 2;
        saved.totals.network.peers[PEERS - 1].tx_packets = seed + 4;
        saved.totals.network.merged[0].rx_bytes = seed + 5;
        saved.totals.network.tcp.failures = seed + 6;
        saved.totals.oom_kills = seed + 7;
        saved.split.system_ns = seed + 3;
        saved.share = Some(Share::Other);
        saved
    }

    #[test]
    fn what_was_saved_is_there_after_the_process_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("totals");
        let (mut totals, old) = SavedTotals::open_file(&path, "boot-1", 4).unwrap();
        assert!(old.is_empty());
        totals.save(CgroupId(7), &total(1));
        totals.save(CgroupId(7), &total(10));
        totals.save(CgroupId(8), &total(20));
        totals.save(CgroupId(9), &total(30));
        totals.remove(CgroupId(9));
        // No destructor runs, as after SIGKILL.
        std::mem::forget(totals);
        let (_, saved) = SavedTotals::open_file(&path, "boot-1", 4).unwrap();
        assert_eq!(
            saved,
            HashMap::from([(CgroupId(7), total(10)), (CgroupId(8), total(20))])
        );
    }

    #[test]
    fn another_boots_totals_are_void() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("totals");
        SavedTotals::open_file(&path, "boot-1", 4)
            .unwrap()
            .0
            .save(CgroupId(7), &total(1));
        let (_, saved) = SavedTotals::open_file(&path, "boot-2", 4).unwrap();
        assert!(saved.is_empty());
    }

    #[test]
    fn a_full_file_counts_what_it_does_not_save() {
        let folder = tempfile::tempdir().unwrap();
        let (mut totals, _) =
            SavedTotals::open_file(&folder.path().join("totals"), "boot-1", 1).unwrap();
        totals.save(CgroupId(1), &total(1));
        totals.save(CgroupId(2), &total(1));
        assert_eq!(totals.unsaved(), 1);
        totals.remove(CgroupId(1));
        totals.save(CgroupId(2), &total(1));
        assert_eq!(totals.unsaved(), 1);
    }

    #[test]
    fn a_damaged_file_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("totals");
        for damage in [&b""[..], b"cgfluxT4", &[0xff; 4000]] {
            fs::write(&path, damage).unwrap();
            let (_, saved) = SavedTotals::open_file(&path, "boot-1", 2).unwrap();
            assert!(saved.is_empty());
        }
    }
}
