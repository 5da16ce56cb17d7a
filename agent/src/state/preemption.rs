//! Who took the CPU from each entry, saved so that the totals go on after a restart.

use std::{collections::HashMap, path::Path};

use super::record_file::{RecordFile, TotalsError};
use crate::{
    container::CgroupId,
    snapshot::{KEPT, SavedTakers},
};

const MAGIC: [u8; 8] = *b"cgfluxP1";
/// Cgroup id, three sums, hash and total of each taker.
const WORDS: usize = 1 + 3 + 2 * KEPT;

/// The saved takers of all entries.
#[derive(Debug)]
pub struct SavedPreemption(RecordFile<1, WORDS>);

impl SavedPreemption {
    /// Opens `preemption` in `folder` with room for `capacity` entries, and returns what a former process of this boot
    /// saved there.
    pub fn open(
        folder: &Path,
        capacity: usize,
    ) -> Result<(Self, HashMap<CgroupId, SavedTakers>), TotalsError> {
        let (records, saved) = RecordFile::open(folder, "preemption", MAGIC, capacity)?;
        Ok((Self(records), saved.iter().map(saved_of).collect()))
    }

    /// Saves what `entry` has now. It is kept from here on, also if the process is killed.
    pub fn save(&mut self, entry: CgroupId, now: &SavedTakers) {
        let sums = [now.own_ns, now.other_ns, now.unknown_ns];
        let takers = now.takers.iter().flat_map(|(hash, ns)| [*hash, *ns]);
        let values = sums.into_iter().chain(takers);
        let free = std::iter::repeat(0);
        self.0.save([entry.0], values.chain(free).take(WORDS - 1));
    }

    /// Forgets an entry that ended.
    pub fn remove(&mut self, entry: CgroupId) {
        self.0.remove([entry.0]);
    }

    /// Entries saved, as they stand.
    pub fn entries(&self) -> impl Iterator<Item = CgroupId> {
        self.0.keys().map(|[id]| CgroupId(id))
    }

    /// How many saves found no room; after a restart the totals of such an entry start again.
    pub fn unsaved(&self) -> u64 {
        self.0.unsaved()
    }
}

/// What a record says, of which entry.
fn saved_of(record: &[u64; WORDS]) -> (CgroupId, SavedTakers) {
    let [entry, own_ns, other_ns, unknown_ns, takers @ ..] = record;
    let (takers, _) = takers.as_chunks::<2>();
    let takers = takers.iter().map(|[hash, ns]| (*hash, *ns));
    let saved = SavedTakers {
        own_ns: *own_ns,
        other_ns: *other_ns,
        unknown_ns: *unknown_ns,
        takers: takers.filter(|(_, ns)| *ns != 0).collect(),
    };
    (CgroupId(*entry), saved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_what_was_saved_last() {
        let folder = tempfile::tempdir().unwrap();
        let (mut saved, old) = SavedPreemption::open(folder.path(), 2).unwrap();
        assert!(old.is_empty());
        let takers = |count: u64| SavedTakers {
            own_ns: 1,
            other_ns: 2,
            unknown_ns: 3,
            takers: (1..=count).map(|it| (u64::MAX - it, it)).collect(),
        };
        saved.save(CgroupId(7), &takers(KEPT as u64));
        saved.save(CgroupId(7), &takers(2));
        saved.save(CgroupId(8), &takers(KEPT as u64));
        saved.save(CgroupId(9), &takers(1));
        assert_eq!(saved.unsaved(), 1);
        let (saved, old) = SavedPreemption::open(folder.path(), 2).unwrap();
        let expected = [(CgroupId(7), takers(2)), (CgroupId(8), takers(KEPT as u64))];
        assert_eq!(old, HashMap::from(expected));
        assert_eq!(saved.entries().count(), 2);
    }
}
