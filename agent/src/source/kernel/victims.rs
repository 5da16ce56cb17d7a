//! Processes that the kernel killed because memory ran out, until they are told and their container has ended.

use std::collections::HashMap;

use crate::{container::CgroupId, snapshot::OomKill};

/// How long a process that is marked again is still the same: the threads of a victim are marked one by one. It dies
/// within some seconds, and its pid is not given to another one as soon.
const DYING_NS: u64 = 10_000_000_000;

/// Victims remembered of each entry: of many the last ones, for the main process dies last.
const REMEMBERED: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Victims {
    /// Pid and time of an entry's victims, oldest first.
    of_entry: HashMap<CgroupId, Vec<(u32, u64)>>,
    untold: Vec<OomKill>,
    /// When an entry was adopted whose file counts what was killed before.
    adopted_ns: HashMap<CgroupId, u64>,
}

impl Victims {
    /// What was killed in `entry` up to `boot_ns` is in its total already. The file is counted up before the task is
    /// marked (`__oom_kill_process` in `mm/oom_kill.c`).
    pub(super) fn counted_until(&mut self, entry: CgroupId, boot_ns: u64) {
        self.adopted_ns.insert(entry, boot_ns);
    }

    /// A task of a process was marked at `boot_ns`; false if the process is counted already.
    pub(super) fn take(&mut self, kill: OomKill, boot_ns: u64) -> bool {
        let adopted_ns = self.adopted_ns.get(&kill.entry).copied();
        if adopted_ns.is_some_and(|adopted_ns| boot_ns < adopted_ns) {
            return false;
        }
        let known = self.of_entry.entry(kill.entry).or_default();
        let is_dying = |(pid, since): &(u32, u64)| {
            *pid == kill.pid && boot_ns.saturating_sub(*since) < DYING_NS
        };
        if known.iter().any(is_dying) {
            return false;
        }
        if known.len() == REMEMBERED {
            known.remove(0);
        }
        known.push((kill.pid, boot_ns));
        self.untold.push(kill);
        true
    }

    /// Whether the process `pid`, which ends now, is a victim.
    pub(super) fn has(&self, entry: CgroupId, pid: u32) -> bool {
        let known = self.of_entry.get(&entry);
        known.is_some_and(|known| known.iter().any(|(victim, _)| *victim == pid))
    }

    /// Those that were not told yet.
    pub(super) fn untold(&mut self) -> Vec<OomKill> {
        std::mem::take(&mut self.untold)
    }

    /// Forgets an entry that ended.
    pub(super) fn forget(&mut self, entry: CgroupId) {
        self.of_entry.remove(&entry);
        self.adopted_ns.remove(&entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kill(pid: u32) -> OomKill {
        OomKill {
            entry: CgroupId(7),
            pid,
            comm: "tail".to_owned(),
        }
    }

    #[test]
    fn the_threads_of_a_victim_are_one_kill() {
        let mut victims = Victims::default();
        assert!(victims.take(kill(10), 0));
        assert!(!victims.take(kill(10), 1_000));
        assert!(victims.take(kill(11), 1_000));
        assert!(victims.take(kill(10), DYING_NS), "the pid was given anew");
        assert_eq!(victims.untold(), [kill(10), kill(11), kill(10)]);
        assert_eq!(victims.untold(), []);
    }

    #[test]
    fn what_a_file_has_counted_is_not_counted_again() {
        let mut victims = Victims::default();
        victims.counted_until(CgroupId(7), 1_000);
        assert!(!victims.take(kill(10), 999));
        assert!(victims.take(kill(11), 1_000));
        assert_eq!(victims.untold(), [kill(11)]);
    }

    #[test]
    fn of_many_victims_the_last_ones_are_known_until_their_entry_ends() {
        let mut victims = Victims::default();
        for pid in 0..100 {
            victims.take(kill(pid), 0);
        }
        assert!(victims.has(CgroupId(7), 99) && !victims.has(CgroupId(7), 0));
        assert!(!victims.has(CgroupId(8), 99));
        victims.forget(CgroupId(7));
        assert!(!victims.has(CgroupId(7), 99));
    }
}
