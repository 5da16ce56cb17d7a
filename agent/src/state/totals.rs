//! Totals of each entry that the kernel does not keep, saved so that they go on after a restart.

use std::{collections::HashMap, path::Path};

use agent_ebpf::{
    cpu::CpuCounters,
    histogram::BUCKETS,
    network::{NetworkCounters, PEERS, TcpCounters, Traffic},
};

use super::record_file::{RecordFile, TotalsError};
use crate::{
    container::{CgroupId, Share},
    snapshot::{SlotTotals, Split},
};

const MAGIC: [u8; 8] = *b"cgfluxT4";
/// Cgroup id, eight counters, OOM kills, two parts, the series, the buckets, the traffic by peer and merged, the TCP
/// events.
const WORDS: usize = 1 + 8 + 1 + 2 + 1 + BUCKETS + 4 * (PEERS + 2) + 4;

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
pub struct SavedTotals(RecordFile<1, WORDS>);

impl SavedTotals {
    /// Opens `totals` in `folder` with room for `capacity` entries, and returns what a former process of this boot
    /// saved there.
    pub fn open(
        folder: &Path,
        capacity: usize,
    ) -> Result<(Self, HashMap<CgroupId, Saved>), TotalsError> {
        let (records, saved) = RecordFile::open(folder, "totals", MAGIC, capacity)?;
        Ok((Self(records), saved.iter().map(saved_of).collect()))
    }

    /// Saves what `entry` has now. It is kept from here on, also if the process is killed.
    pub fn save(&mut self, entry: CgroupId, now: &Saved) {
        self.0.save([entry.0], values(now));
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

/// What a record says of which entry.
fn saved_of(record: &[u64; WORDS]) -> (CgroupId, Saved) {
    let mut words = record.iter().copied();
    let mut next = || words.next().unwrap_or_default();
    let id = CgroupId(next());
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
    let saved = Saved {
        totals,
        split,
        share,
    };
    (id, saved)
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
    fn what_is_read_is_what_was_saved() {
        let folder = tempfile::tempdir().unwrap();
        let (mut totals, old) = SavedTotals::open(folder.path(), 4).unwrap();
        assert!(old.is_empty());
        totals.save(CgroupId(7), &total(1));
        totals.save(CgroupId(7), &total(10));
        totals.save(CgroupId(8), &total(20));
        totals.remove(CgroupId(9));
        let (_, saved) = SavedTotals::open(folder.path(), 4).unwrap();
        assert_eq!(
            saved,
            HashMap::from([(CgroupId(7), total(10)), (CgroupId(8), total(20))])
        );
    }
}
