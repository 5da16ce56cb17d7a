//! Traffic and TCP connections of one entry, and what its namespace's interfaces carried besides.

use agent_ebpf::network::{NetworkCounters, PEERS, Traffic};

/// What an Ethernet interface, virtual or not, counts more than IP, for each frame: the link header. The loopback
/// interface counts after it was taken off (`loopback_xmit` in drivers/net/loopback.c, Linux 6.12).
const LINK_HEADER: u64 = 14;

/// Network totals since the making of the cgroup.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetworkTotals {
    /// What its sockets sent and received, by [`agent_ebpf::network::Peer`]: IP packets as they are on the wire.
    pub peers: Option<[Traffic; PEERS]>,
    /// What the interfaces of its namespace carried, where that stands in for `peers`; of several entries in a namespace
    /// the first one's.
    pub interfaces: Option<Interfaces>,
    /// TCP segments sent again.
    pub retransmits: Option<u64>,
    /// TCP connections opened from here.
    pub connects: Option<u64>,
    /// TCP connections opened from the other end.
    pub accepts: Option<u64>,
    /// TCP connections begun from here and never opened.
    pub failures: Option<u64>,
    /// IP and other packets that the interfaces of its namespace carried and that were counted for no entry in it; of
    /// several entries in a namespace the first one's.
    pub unowned: Option<Traffic>,
}

/// What the interfaces of a namespace counted, link headers included.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Interfaces {
    /// The loopback interface.
    pub loopback: Traffic,
    /// All others.
    pub others: Traffic,
}

impl Interfaces {
    /// What all others carried, without link headers.
    pub fn others_ip(&self) -> Traffic {
        let Traffic {
            rx_bytes,
            rx_packets,
            tx_bytes,
            tx_packets,
        } = self.others;
        Traffic {
            rx_bytes: rx_bytes.saturating_sub(LINK_HEADER * rx_packets),
            tx_bytes: tx_bytes.saturating_sub(LINK_HEADER * tx_packets),
            rx_packets,
            tx_packets,
        }
    }

    /// What is left of all that was carried when `owned` is taken off. Interfaces of namespaces count merged packets as
    /// one, and so must `owned` be here. The few that the kernel cuts up before the interface leave their headers.
    pub fn without(&self, owned: &NetworkCounters) -> Traffic {
        let mut all = self.others_ip();
        all += &self.loopback;
        let sum = |parts: &[Traffic]| {
            parts.iter().fold(Traffic::default(), |mut sum, part| {
                sum += part;
                sum
            })
        };
        let (owned, merged) = (sum(&owned.peers), sum(&owned.merged));
        let left =
            |all: u64, owned: u64, merged: u64| all.saturating_sub(owned.saturating_sub(merged));
        Traffic {
            rx_bytes: left(all.rx_bytes, owned.rx_bytes, merged.rx_bytes),
            rx_packets: left(all.rx_packets, owned.rx_packets, merged.rx_packets),
            tx_bytes: left(all.tx_bytes, owned.tx_bytes, merged.tx_bytes),
            tx_packets: left(all.tx_packets, owned.tx_packets, merged.tx_packets),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(rx_bytes: u64, rx_packets: u64) -> Traffic {
        Traffic {
            rx_bytes,
            rx_packets,
            ..Traffic::default()
        }
    }

    #[test]
    fn what_nobody_owns_is_what_is_left_without_link_headers() {
        let interfaces = Interfaces {
            loopback: received(1_000, 10),
            others: received(5_000 + 20 * LINK_HEADER, 20),
        };
        let mut owned = NetworkCounters::default();
        owned.peers[0] = received(1_000, 10);
        // Three frames, one of three packets, whose headers are 104 bytes more on the wire.
        owned.peers[2] = received(4_000 + 104, 5);
        owned.merged[1] = received(104, 2);
        assert_eq!(interfaces.without(&owned), received(1_000, 17));
    }

    #[test]
    fn more_than_was_carried_leaves_nothing() {
        let mut owned = NetworkCounters::default();
        owned.peers[1] = received(10, 1);
        assert_eq!(Interfaces::default().without(&owned), Traffic::default());
    }
}
