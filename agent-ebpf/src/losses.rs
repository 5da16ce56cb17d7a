//! What the programs could not record.

/// Counts of what went unrecorded since the programs were loaded. Added to atomically.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(C)]
pub struct Losses {
    /// New cgroups that got no slot because none was free; they count in slot 0.
    pub slots_exhausted: u64,
    /// Lifecycle events that found the ring buffer full.
    pub events_lost: u64,
    /// Charges of a cgroup other than the root that found no slot; they went to slot 0.
    pub unslotted_charges: u64,
    /// Turns on a CPU whose beginning was not seen; their run-queue wait is not counted.
    pub unseen_switch_ins: u64,
    /// Block I/O requests that found no free record; they count for slot 0.
    pub block_records_exhausted: u64,
    /// New cgroups that found no room among the paths; their block I/O may count for the cgroup above.
    pub paths_exhausted: u64,
    /// Packets and TCP events of a cgroup other than the root that found no slot; they went to slot 0.
    pub unslotted_packets: u64,
}

const _: () = assert!(size_of::<Losses>() == 56);
