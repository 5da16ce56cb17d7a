//! Which slots count for which entry, and what an entry's total is.
//!
//! total = base + what its slots count now + what its former slots had counted at their end. The base is what the
//! entry had used before its first slot took effect. So no total goes backwards when a slot is given back.

use std::collections::HashMap;

use super::SlotTotals;
use crate::container::CgroupId;

/// The accounts of all entries.
#[derive(Debug, Default)]
pub struct Ledger {
    accounts: HashMap<CgroupId, Account>,
}

#[derive(Debug, Default)]
struct Account {
    /// Base and former slots.
    settled: SlotTotals,
    /// Slots that count for it now: its own, and those of cgroups inside it that got one before it was known.
    slots: Vec<u32>,
}

impl Ledger {
    /// Opens the account of `entry`, if it has none. New accounts start from nothing.
    pub fn open(&mut self, entry: CgroupId) {
        self.accounts.entry(entry).or_default();
    }

    /// Adds what `entry` had used before its slots took effect.
    pub fn add_base(&mut self, entry: CgroupId, base: &SlotTotals) {
        if let Some(account) = self.accounts.get_mut(&entry) {
            account.settled += base;
        }
    }

    /// Lets `slot` count for `entry`; false if it already does.
    pub fn add_slot(&mut self, entry: CgroupId, slot: u32) -> bool {
        let slots = &mut self.accounts.entry(entry).or_default().slots;
        let new = !slots.contains(&slot);
        if new {
            slots.push(slot);
        }
        new
    }

    /// Ends the counting of `slot` for `entry`, with what it had counted in the end.
    pub fn settle(&mut self, entry: CgroupId, slot: u32, last: &SlotTotals) {
        if let Some(account) = self.accounts.get_mut(&entry)
            && let Some(at) = account.slots.iter().position(|it| *it == slot)
        {
            account.slots.swap_remove(at);
            account.settled += last;
        }
    }

    /// Closes the account of `entry` and returns the slots that still counted for it.
    pub fn close(&mut self, entry: CgroupId) -> Vec<u32> {
        self.accounts
            .remove(&entry)
            .map(|account| account.slots)
            .unwrap_or_default()
    }

    /// The total of `entry`, with `read` telling what a slot counts now; `None` without an account.
    pub fn total(&self, entry: CgroupId, read: impl Fn(u32) -> SlotTotals) -> Option<SlotTotals> {
        let account = self.accounts.get(&entry)?;
        let mut total = account.settled;
        for slot in &account.slots {
            total += &read(*slot);
        }
        Some(total)
    }

    /// All entries with an account, in no order.
    pub fn entries(&self) -> impl Iterator<Item = CgroupId> {
        self.accounts.keys().copied()
    }

    /// Whether `entry` has an account.
    pub fn contains(&self, entry: CgroupId) -> bool {
        self.accounts.contains_key(&entry)
    }

    /// The slots of `entry`.
    pub fn slots(&self, entry: CgroupId) -> &[u32] {
        self.accounts
            .get(&entry)
            .map_or(&[], |account| &account.slots)
    }
}

#[cfg(test)]
mod tests {
    use agent_ebpf::cpu::CpuCounters;
    use proptest::prelude::*;

    use super::*;

    fn ran(run_ns: u64) -> SlotTotals {
        SlotTotals {
            counters: CpuCounters {
                run_ns,
                ..CpuCounters::default()
            },
            ..SlotTotals::default()
        }
    }

    #[test]
    fn a_total_is_base_and_slots() {
        let mut ledger = Ledger::default();
        ledger.open(CgroupId(1));
        ledger.add_base(CgroupId(1), &ran(100));
        assert!(ledger.add_slot(CgroupId(1), 7));
        assert!(!ledger.add_slot(CgroupId(1), 7));
        let total = ledger
            .total(CgroupId(1), |slot| ran(u64::from(slot)))
            .unwrap();
        assert_eq!(total.counters.run_ns, 107);
    }

    #[test]
    fn a_closed_account_gives_its_slots_back_once() {
        let mut ledger = Ledger::default();
        ledger.add_slot(CgroupId(1), 3);
        assert_eq!(ledger.close(CgroupId(1)), [3]);
        assert_eq!(ledger.close(CgroupId(1)), [0_u32; 0]);
        assert_eq!(ledger.total(CgroupId(1), |_| ran(1)), None);
    }

    proptest! {
        /// Slots come, count and go in any order: the total never shrinks and loses nothing.
        #[test]
        fn a_total_never_goes_backwards(steps in prop::collection::vec((1_u32..6, 0_u64..1000, any::<bool>()), 1..80)) {
            let entry = CgroupId(9);
            let mut ledger = Ledger::default();
            ledger.open(entry);
            let mut slots: HashMap<u32, u64> = HashMap::new();
            let (mut charged, mut before) = (0, 0);
            for (slot, ns, gone) in steps {
                ledger.add_slot(entry, slot);
                *slots.entry(slot).or_default() += ns;
                charged += ns;
                if gone {
                    ledger.settle(entry, slot, &ran(slots[&slot]));
                    slots.remove(&slot);
                }
                let total = ledger.total(entry, |slot| ran(slots[&slot])).unwrap().counters.run_ns;
                prop_assert!(total >= before);
                prop_assert_eq!(total, charged);
                before = total;
            }
        }
    }
}
