//! The machine's disk: what its own counters say.

use std::fs;

use crate::harness::{AgentProcess, Entry};

/// As the kernel calls it.
pub(crate) const NAME: &str = "nvme0n1";

/// Bytes of a sector in `/proc/diskstats`, whatever the device's are.
const SECTOR: u64 = 512;

/// Totals since the machine began.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct DiskStats {
    pub(crate) reads: u64,
    pub(crate) read_bytes: u64,
    /// Flushes included.
    pub(crate) writes: u64,
    pub(crate) write_bytes: u64,
}

impl DiskStats {
    /// What was done since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            reads: self.reads - before.reads,
            read_bytes: self.read_bytes - before.read_bytes,
            writes: self.writes - before.writes,
            write_bytes: self.write_bytes - before.write_bytes,
        }
    }
}

/// Its line of `/proc/diskstats` now (Documentation/admin-guide/iostats.rst, Linux 6.12).
pub(crate) fn diskstats() -> DiskStats {
    let table = fs::read_to_string("/proc/diskstats").unwrap();
    let mut lines = table.lines();
    let line = lines.find(|line| line.split_whitespace().nth(2) == Some(NAME));
    let words = line.expect("a disk").split_whitespace().skip(3);
    let numbers: Vec<u64> = words.map(|it| it.parse().unwrap()).collect();
    DiskStats {
        reads: numbers[0],
        read_bytes: numbers[2] * SECTOR,
        writes: numbers[4],
        write_bytes: numbers[6] * SECTOR,
    }
}

/// What the disk and what all entries together did so far, if both are at rest.
pub(crate) fn at_rest(agent: &AgentProcess) -> Result<(DiskStats, DiskStats), String> {
    let before = diskstats();
    let batch = agent.next_batch();
    let after = diskstats();
    if before != after {
        return Err(format!("{before:?}, then {after:?}"));
    }
    let sum = |field| -> u64 {
        let entries = batch.containers.iter();
        let totals = entries.filter_map(|entry: &Entry| entry.io(NAME, field));
        totals.sum()
    };
    let all = DiskStats {
        reads: sum("reads"),
        read_bytes: sum("read_bytes"),
        writes: sum("writes") + sum("flushes"),
        write_bytes: sum("write_bytes"),
    };
    Ok((after, all))
}

/// Major and minor number, as in `259:0`.
pub(crate) fn number() -> String {
    let number = fs::read_to_string(format!("/sys/block/{NAME}/dev")).unwrap();
    number.trim().to_owned()
}
