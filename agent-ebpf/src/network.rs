//! Network records: traffic by where the peer is, and what became of TCP connections.

use core::ops::AddAssign;

/// Kinds of peers.
pub const PEERS: usize = 3;

/// Where a packet's other end is; the value is its place in [`NetworkCounters::peers`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub enum Peer {
    /// In the same network namespace: the packet went over its loopback interface.
    Loopback = 0,
    /// On this host: the other end's address is one of its own, or of a container on it.
    Host = 1,
    /// Anywhere else.
    Outside = 2,
}

impl Peer {
    /// All of them, by place.
    pub const ALL: [Self; PEERS] = [Self::Loopback, Self::Host, Self::Outside];
}

/// Bytes and packets, both ways.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(C)]
pub struct Traffic {
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets received.
    pub rx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
}

/// What became of TCP connections.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(C)]
pub struct TcpCounters {
    /// Segments sent again.
    pub retransmits: u64,
    /// Connections that were opened from here.
    pub connects: u64,
    /// Connections that were opened from the other end.
    pub accepts: u64,
    /// Connections that were begun from here and never opened.
    pub failures: u64,
}

/// What one CPU stripe counted for one slot, since the slot was taken. Always added to atomically: a packet is counted
/// with interrupts on, and one that arrives may interrupt one that leaves.
///
/// Three cache lines. The kernel passes large packets around whole and cuts them up last of all, or puts small ones
/// together first of all: `peers` counts them as they are on the wire, `merged` is how much less a virtual interface
/// counts, unless the kernel cut an odd one up before it. `merged` is written last and read first, as it stands: what is
/// counted less `merged` is never too little.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(C, align(64))]
pub struct NetworkCounters {
    /// Of loopback, and of the two others together: packets beyond the first of a merged one, and the bytes of their
    /// headers, less the option that says how large one is.
    pub merged: [Traffic; 2],
    /// IP packets and their bytes, IP header included, link header not, as they are on the wire; by [`Peer`].
    pub peers: [Traffic; PEERS],
    /// What became of TCP connections.
    pub tcp: TcpCounters,
}

const _: () = assert!(size_of::<NetworkCounters>() == 192);

impl AddAssign<&Self> for Traffic {
    fn add_assign(&mut self, more: &Self) {
        self.rx_bytes += more.rx_bytes;
        self.rx_packets += more.rx_packets;
        self.tx_bytes += more.tx_bytes;
        self.tx_packets += more.tx_packets;
    }
}

impl AddAssign<&Self> for TcpCounters {
    fn add_assign(&mut self, more: &Self) {
        self.retransmits += more.retransmits;
        self.connects += more.connects;
        self.accepts += more.accepts;
        self.failures += more.failures;
    }
}

impl AddAssign<&Self> for NetworkCounters {
    fn add_assign(&mut self, more: &Self) {
        for (sum, more) in self.peers.iter_mut().zip(&more.peers) {
            *sum += more;
        }
        for (sum, more) in self.merged.iter_mut().zip(&more.merged) {
            *sum += more;
        }
        self.tcp += &more.tcp;
    }
}

/// Cgroups and peers that a CPU remembers.
pub const REMEMBERED: usize = 4;

/// What a CPU found out last, so that it need not look it up for each packet. One per possible CPU, written by that
/// CPU, emptied by the agent.
///
/// Each word is a key with its value, so that it is read and written whole: a packet that arrives may interrupt one
/// that leaves at any point. A word of zero is empty.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(C, align(64))]
pub struct Recent {
    /// [`slot_word`]s.
    pub slots: [u64; REMEMBERED],
    /// [`peer_word`]s.
    pub peers: [u64; REMEMBERED],
}

const _: () = assert!(size_of::<Recent>() == 64);

const SLOT_BITS: u32 = 24;

/// A cgroup with its slot in one word; 0 where they do not fit, which is after 2^40 cgroups or with 2^24 slots.
#[inline]
pub const fn slot_word(cgroup: u64, slot: u32) -> u64 {
    if cgroup >> (64 - SLOT_BITS) != 0 || slot >> SLOT_BITS != 0 {
        return 0;
    }
    cgroup << SLOT_BITS | slot as u64
}

/// The slot of `cgroup`, if the word is of it.
#[inline]
pub const fn slot_in(word: u64, cgroup: u64) -> Option<u32> {
    if word == 0 || word >> SLOT_BITS != cgroup {
        return None;
    }
    Some((word & ((1 << SLOT_BITS) - 1)) as u32)
}

/// An IPv4 address with whether it is on this host, in one word; never 0.
#[inline]
pub const fn peer_word(address: u32, is_here: bool) -> u64 {
    (address as u64) << 32 | 2 | is_here as u64
}

/// Whether `address` is on this host, if the word is of it.
#[inline]
pub const fn is_here(word: u64, address: u32) -> Option<bool> {
    if word == 0 || word >> 32 != address as u64 {
        return None;
    }
    Some(word & 1 != 0)
}

/// An address as the map of local ones has it: IPv6 as it is, IPv4 mapped into it.
#[inline]
pub const fn mapped(ipv4: [u8; 4]) -> [u8; 16] {
    let [a, b, c, d] = ipv4;
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_tells_the_slot_of_its_own_cgroup_only() {
        let most = ((1 << 40) - 1, (1 << 24) - 1);
        for (cgroup, slot) in [(1, 0), (4711, 7), most] {
            let word = slot_word(cgroup, slot);
            assert_eq!(slot_in(word, cgroup), Some(slot));
            assert_eq!(slot_in(word, cgroup ^ 1), None);
            assert_eq!(slot_in(0, cgroup), None);
        }
        assert_eq!(slot_in(slot_word(5, 3), 5 | 1 << 40), None);
    }

    #[test]
    fn what_does_not_fit_is_not_remembered() {
        assert_eq!(slot_word(1 << 40, 1), 0);
        assert_eq!(slot_word(1, 1 << 24), 0);
    }

    #[test]
    fn a_word_tells_of_its_own_address_only() {
        for address in [0, 1, u32::MAX] {
            for here in [true, false] {
                assert_eq!(is_here(peer_word(address, here), address), Some(here));
            }
            assert_eq!(is_here(peer_word(address, true), address ^ 1), None);
            assert_eq!(is_here(0, address), None);
        }
    }
}
