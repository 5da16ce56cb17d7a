//! What one entry did within one tick, beside what the history keeps of each.

use std::{ops::AddAssign, sync::Arc};

use agent_ebpf::{histogram::BUCKETS, network::PEERS};

use crate::container::CgroupId;

/// The whole host, which is no cgroup: all entries together. See [`Detail::cgroup`].
pub const WHOLE_HOST: CgroupId = CgroupId(0);

/// One entry, or the whole host, over one tick. What is not known is `None`, never zero.
#[derive(Clone, Debug, PartialEq)]
pub struct Detail {
    /// Which entry, or [`WHOLE_HOST`]: rates and counts of all entries added up, and the memory it has.
    pub cgroup: CgroupId,
    /// Seconds its tasks were throttled, per second, since its files were read before; at the ticks that read them.
    pub throttled: Option<f32>,
    /// CPUs it may use.
    pub cpu_limit: Option<f32>,
    /// Memory in use, page cache included, in bytes.
    pub memory_bytes: Option<u64>,
    /// The same without page cache that was not used lately, as last read.
    pub working_set_bytes: Option<u64>,
    /// The most memory it may use, in bytes.
    pub memory_limit_bytes: Option<u64>,
    /// Read from and written to disks.
    pub disk: Option<Flow>,
    /// Over the network, by [`agent_ebpf::network::Peer`].
    pub network: Option<[Flow; PEERS]>,
    /// Run-queue waits that ended in the tick, by length.
    pub wait: Option<Counts>,
    /// Reads and writes that ended in the tick, by the time from their making to their end.
    pub block: Option<Counts>,
    /// Those told by name that ran while its tasks waited in the tick.
    pub preemptors: Option<Vec<Preemptor>>,
}

/// One that took the CPU from an entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Preemptor {
    /// Its cgroup; the root's for the host.
    pub cgroup: CgroupId,
    /// Its name; empty where that is kept elsewhere.
    pub name: Arc<str>,
    /// Tasks that waited while it ran, on average.
    pub waiting: f32,
}

/// Bytes per second both ways.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Flow {
    /// Read, or received.
    pub inward: u64,
    /// Written, or sent.
    pub outward: u64,
}

/// How many fell into each bucket of [`agent_ebpf::histogram`].
pub type Counts = [u64; BUCKETS];

impl Detail {
    /// Nothing known of `cgroup`.
    pub fn unknown(cgroup: CgroupId) -> Self {
        Self {
            cgroup,
            throttled: None,
            cpu_limit: None,
            memory_bytes: None,
            working_set_bytes: None,
            memory_limit_bytes: None,
            disk: None,
            network: None,
            wait: None,
            block: None,
            preemptors: None,
        }
    }

    /// Adds what another entry did. What entries hold may be within one another, limits are each one's own, and their
    /// files are not read at one time.
    pub(super) fn add(&mut self, more: &Self) {
        add_known(&mut self.disk, more.disk);
        if let Some(more) = more.network {
            let sum = self.network.get_or_insert_default();
            sum.iter_mut()
                .zip(more)
                .for_each(|(sum, more)| *sum += more);
        }
        add_counts(&mut self.wait, more.wait);
        add_counts(&mut self.block, more.block);
    }
}

impl AddAssign for Flow {
    fn add_assign(&mut self, more: Self) {
        self.inward = self.inward.saturating_add(more.inward);
        self.outward = self.outward.saturating_add(more.outward);
    }
}

fn add_known<T: AddAssign + Copy>(sum: &mut Option<T>, more: Option<T>) {
    match (sum.as_mut(), more) {
        (Some(sum), Some(more)) => *sum += more,
        (None, more) => *sum = more,
        (Some(_), None) => {}
    }
}

pub(super) fn add_counts(sum: &mut Option<Counts>, more: Option<Counts>) {
    if let Some(more) = more {
        let sum = sum.get_or_insert_default();
        sum.iter_mut()
            .zip(more)
            .for_each(|(sum, more)| *sum += more);
    }
}
