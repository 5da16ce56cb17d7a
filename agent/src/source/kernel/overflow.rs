//! Entries that got no slot: the kernel counts them in the host's slot, and their own files tell how much of it is
//! theirs. What is told of them is taken from the host, so that all entries together stay what was counted.

use std::collections::HashMap;

use crate::container::CgroupId;

/// What the host's slot counted for others.
#[derive(Debug, Default)]
pub(super) struct Overflow {
    entries: HashMap<CgroupId, Theirs>,
    /// What was ever taken from the host, also for entries that ended.
    taken_ns: u64,
    /// The host's total as last told.
    host_ns: u64,
}

/// What the host's slot counted for one entry.
#[derive(Debug, Default)]
struct Theirs {
    /// In nanoseconds; never less than before. `None` as long as nothing could be told.
    ns: Option<u64>,
    /// Whether other entries are or were inside it: its file counts for those too, so it tells nothing more.
    shared: bool,
}

impl Overflow {
    /// Takes in an entry that got no slot.
    pub(super) fn insert(&mut self, entry: CgroupId) {
        self.entries.entry(entry).or_default();
    }

    /// Forgets an entry that ended. What it used stays its own.
    pub(super) fn remove(&mut self, entry: CgroupId) {
        self.entries.remove(&entry);
    }

    /// Whether `entry` got no slot.
    pub(super) fn contains(&self, entry: CgroupId) -> bool {
        self.entries.contains_key(&entry)
    }

    /// Another entry was seen inside `entry`.
    pub(super) fn share(&mut self, entry: CgroupId) {
        if let Some(theirs) = self.entries.get_mut(&entry) {
            theirs.shared = true;
        }
    }

    /// The total of `entry`, of which `known_ns` are counted elsewhere: before the programs ran, or in slots of
    /// cgroups inside it. `usage_ns` is what its file says; without that, what was told last stands.
    pub(super) fn total_ns(
        &mut self,
        entry: CgroupId,
        known_ns: u64,
        usage_ns: Option<u64>,
    ) -> Option<u64> {
        let theirs = self.entries.get_mut(&entry)?;
        if let Some(usage_ns) = usage_ns.filter(|_| !theirs.shared) {
            let before_ns = theirs.ns.unwrap_or_default();
            let now_ns = usage_ns.saturating_sub(known_ns).max(before_ns);
            self.taken_ns += now_ns - before_ns;
            theirs.ns = Some(now_ns);
        }
        theirs.ns.map(|ns| known_ns + ns)
    }

    /// The host's total, of which `counted_ns` stand in its slot. To be asked after all others: a file that is read
    /// later than the slot would take what the slot does not have yet.
    pub(super) fn host_ns(&mut self, counted_ns: u64) -> u64 {
        self.host_ns = counted_ns.saturating_sub(self.taken_ns).max(self.host_ns);
        self.host_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: CgroupId = CgroupId(7);

    fn with_entry() -> Overflow {
        let mut overflow = Overflow::default();
        overflow.insert(ENTRY);
        overflow
    }

    #[test]
    fn what_a_file_tells_of_an_entry_is_taken_from_the_host() {
        let mut overflow = with_entry();
        assert_eq!(overflow.total_ns(ENTRY, 100, Some(130)), Some(130));
        assert_eq!(overflow.host_ns(1_000), 970);
        assert_eq!(overflow.total_ns(ENTRY, 100, Some(180)), Some(180));
        assert_eq!(overflow.host_ns(1_050), 970);
    }

    #[test]
    fn an_entry_that_ended_takes_nothing_back() {
        let mut overflow = with_entry();
        overflow.total_ns(ENTRY, 0, Some(30));
        assert_eq!(overflow.total_ns(ENTRY, 0, None), Some(30));
        overflow.remove(ENTRY);
        assert_eq!(overflow.host_ns(1_000), 970);
    }

    #[test]
    fn neither_an_entry_nor_the_host_goes_backwards() {
        let mut overflow = with_entry();
        assert_eq!(overflow.total_ns(ENTRY, 0, Some(30)), Some(30));
        assert_eq!(overflow.host_ns(100), 70);
        assert_eq!(overflow.total_ns(ENTRY, 0, Some(20)), Some(30));
        assert_eq!(overflow.total_ns(ENTRY, 0, Some(50)), Some(50));
        assert_eq!(overflow.host_ns(110), 70);
    }

    #[test]
    fn an_entry_around_others_tells_nothing_more() {
        let mut overflow = with_entry();
        assert_eq!(overflow.total_ns(ENTRY, 0, Some(30)), Some(30));
        overflow.share(ENTRY);
        assert_eq!(overflow.total_ns(ENTRY, 0, Some(900)), Some(30));
        assert_eq!(overflow.host_ns(1_000), 970);
    }

    #[test]
    fn an_entry_of_which_nothing_can_be_told_has_no_total() {
        let mut overflow = with_entry();
        assert_eq!(overflow.total_ns(ENTRY, 0, None), None);
        assert_eq!(overflow.total_ns(CgroupId(8), 0, Some(1)), None);
        assert_eq!(overflow.host_ns(100), 100);
    }
}
