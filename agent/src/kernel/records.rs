//! The records of all slots in use that have one place a slot: CPU and network.

use agent_ebpf::{
    cpu::{CpuCounters, WaitBuckets},
    network::{NetworkCounters, PEERS, TcpCounters, Traffic},
};
use aya::maps::MapData;

use super::{KernelError, chunks::Chunks};
use crate::snapshot::SlotTotals;

/// The counters of all slots in use.
#[derive(Debug)]
pub(super) struct Records {
    counters: Chunks,
    waits: Chunks,
    network: Option<Chunks>,
}

/// The arrays of records.
pub(super) struct Arrays {
    /// Of [`CpuCounters`].
    pub(super) counters: MapData,
    /// Of [`WaitBuckets`].
    pub(super) waits: MapData,
    /// Of [`NetworkCounters`], where sockets are counted.
    pub(super) network: Option<MapData>,
}

impl Records {
    /// Records of `slots` slots with `stripes` stripes each.
    pub(super) fn new(arrays: Arrays, slots: u32, stripes: u32) -> Self {
        let chunks =
            |array, record_bytes| Chunks::new(array, slots, stripes as usize * record_bytes);
        Self {
            counters: chunks(arrays.counters, size_of::<CpuCounters>()),
            waits: chunks(arrays.waits, size_of::<WaitBuckets>()),
            network: arrays
                .network
                .map(|array| chunks(array, size_of::<NetworkCounters>())),
        }
    }

    /// Begins to use `slot`.
    pub(super) fn hold(&mut self, slot: u32) -> Result<(), KernelError> {
        self.all_mut().try_for_each(|chunks| chunks.hold(slot))
    }

    /// Ends the use of `slot` and zeroes its records for the next holder. Nothing may count in it any more.
    pub(super) fn give_back(&mut self, slot: u32) {
        self.all_mut().for_each(|chunks| chunks.give_back(slot));
    }

    /// What `slot` has counted since it was taken, summed over all stripes: also those of CPUs that went offline.
    ///
    /// Each word is read whole, while the programs go on counting: two counters of the same slot may be a few events
    /// apart from each other; none is ever torn or goes backwards.
    #[inline]
    pub(super) fn totals(&self, slot: u32) -> SlotTotals {
        SlotTotals {
            counters: self.counters(slot),
            waits: self.waits.sum(slot),
            network: self.network(slot),
            ..SlotTotals::default()
        }
    }

    /// [`Records::totals`] of CPU time alone, without the histogram.
    #[inline]
    pub(super) fn counters(&self, slot: u32) -> CpuCounters {
        let [
            run_ns,
            wait_ns,
            voluntary_switches,
            involuntary_switches,
            migrations,
            forks,
            execs,
            exits,
        ] = self.counters.sum(slot);
        CpuCounters {
            run_ns,
            wait_ns,
            voluntary_switches,
            involuntary_switches,
            migrations,
            forks,
            execs,
            exits,
        }
    }

    /// All zero where sockets are not counted.
    #[inline]
    fn network(&self, slot: u32) -> NetworkCounters {
        const WORDS: usize = size_of::<NetworkCounters>() / size_of::<u64>();
        let Some(network) = &self.network else {
            return NetworkCounters::default();
        };
        // In the order of the record's fields.
        let mut words = network.sum::<WORDS>(slot).into_iter();
        let mut next = || words.next().unwrap_or_default();
        let mut traffic = || Traffic {
            rx_bytes: next(),
            rx_packets: next(),
            tx_bytes: next(),
            tx_packets: next(),
        };
        NetworkCounters {
            merged: [traffic(), traffic()],
            peers: std::array::from_fn::<_, PEERS, _>(|_| traffic()),
            tcp: TcpCounters {
                retransmits: next(),
                connects: next(),
                accepts: next(),
                failures: next(),
            },
        }
    }

    /// Bytes mapped now.
    pub(super) fn mapped_bytes(&self) -> usize {
        let always = [&self.counters, &self.waits].into_iter();
        let all = always.chain(&self.network);
        all.map(Chunks::mapped_bytes).sum()
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Chunks> {
        let always = [&mut self.counters, &mut self.waits].into_iter();
        always.chain(&mut self.network)
    }
}
