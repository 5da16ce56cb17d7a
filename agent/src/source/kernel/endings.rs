//! Entries whose cgroups were removed, until their final values are published.

use std::collections::HashMap;

use crate::container::CgroupId;

/// How long after its end an entry's values may still change: the kernel says when nothing can be charged any more,
/// but some cgroups linger, held by a page or a socket.
const LINGER_NS: u64 = 2_000_000_000;

/// Where an entry is between its birth and its last value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    /// Its cgroup is there, and its files can be read.
    Alive,
    /// Its cgroup was removed; something may still be charged to it.
    Ending,
    /// What is read of it now is final.
    Final,
}

#[derive(Debug, Default)]
pub(super) struct Endings {
    /// When the cgroup was removed.
    removed_ns: HashMap<CgroupId, u64>,
    /// Entries whose final values stand in the last snapshot.
    finals: Vec<CgroupId>,
}

impl Endings {
    /// The cgroup of `entry` was removed at `boot_ns`.
    pub(super) fn begin(&mut self, entry: CgroupId, boot_ns: u64) {
        self.removed_ns.entry(entry).or_insert(boot_ns);
    }

    /// Where `entry` is now, as it is about to be read. `held` says whether the kernel may charge it still.
    pub(super) fn phase(&mut self, entry: CgroupId, now_ns: u64, held: bool) -> Phase {
        let Some(removed_ns) = self.removed_ns.get(&entry) else {
            return Phase::Alive;
        };
        if held && now_ns.saturating_sub(*removed_ns) < LINGER_NS {
            return Phase::Ending;
        }
        self.finals.push(entry);
        Phase::Final
    }

    /// Entries whose final values were read; they are forgotten here.
    pub(super) fn take_final(&mut self) -> Vec<CgroupId> {
        let finals = std::mem::take(&mut self.finals);
        for entry in &finals {
            self.removed_ns.remove(entry);
        }
        finals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: CgroupId = CgroupId(7);

    #[test]
    fn values_are_final_when_the_kernel_lets_go() {
        let mut endings = Endings::default();
        assert_eq!(endings.phase(ENTRY, 0, true), Phase::Alive);
        endings.begin(ENTRY, 100);
        assert_eq!(endings.phase(ENTRY, 200, true), Phase::Ending);
        assert_eq!(endings.take_final(), []);
        assert_eq!(endings.phase(ENTRY, 300, false), Phase::Final);
        assert_eq!(endings.take_final(), [ENTRY]);
        assert_eq!(endings.phase(ENTRY, 300, false), Phase::Alive);
    }

    #[test]
    fn what_lingers_is_final_after_a_while() {
        let mut endings = Endings::default();
        endings.begin(ENTRY, 100);
        endings.begin(ENTRY, 500);
        assert_eq!(endings.phase(ENTRY, 99 + LINGER_NS, true), Phase::Ending);
        assert_eq!(endings.phase(ENTRY, 100 + LINGER_NS, true), Phase::Final);
    }
}
