//! Traffic and TCP connections of one entry.

use agent_ebpf::network::{PEERS, Traffic};

/// Network totals since the making of the cgroup.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetworkTotals {
    /// What its sockets sent and received, by [`agent_ebpf::network::Peer`]: IP packets as they are on the wire.
    pub peers: Option<[Traffic; PEERS]>,
    /// TCP segments sent again.
    pub retransmits: Option<u64>,
    /// TCP connections opened from here.
    pub connects: Option<u64>,
    /// TCP connections opened from the other end.
    pub accepts: Option<u64>,
    /// TCP connections begun from here and never opened.
    pub failures: Option<u64>,
}
