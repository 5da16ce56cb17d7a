//! Packets of sockets, by the cgroup that made the socket.

use core::mem::offset_of;

use agent_ebpf::{
    losses::Losses,
    network::{
        NetworkCounters, Peer, REMEMBERED, Recent, Traffic, is_here, mapped, peer_word, slot_in,
        slot_word,
    },
};
use aya_ebpf::{
    bindings::__sk_buff as Packet,
    btf_maps::{Array, HashMap},
    helpers::generated::bpf_skb_cgroup_id,
    macros::{btf_map, cgroup_skb},
    programs::SkBuffContext,
};

use super::{
    SETTINGS, add_atomic, constant,
    cpu::{record, this_cpu},
    lost,
};
use crate::slots;

#[btf_map]
static NETWORK_COUNTERS: Array<NetworkCounters, 1, { super::MMAPABLE }> = Array::new();

#[btf_map]
static RECENT: Array<Recent, 1, { super::MMAPABLE }> = Array::new();

/// Addresses of this host and of the containers on it; the agent fills it.
#[btf_map]
static LOCAL_ADDRESSES: HashMap<[u8; 16], u8, 1> = HashMap::new();

/// What the kernel calls the loopback interface of every namespace (`LOOPBACK_IFINDEX`, include/net/flow.h).
const LOOPBACK: u32 = 1;

/// Bytes of an IPv4 header without options.
const IPV4_HEADER: u32 = 20;

/// Bytes of an IPv6 header without extensions.
const IPV6_HEADER: u32 = 40;

/// Which IP it is.
enum Version {
    V4,
    V6,
}

/// Lets a packet pass.
const PASS: i32 = 1;

/// Counts what a socket receives.
///
/// From `sk_filter_trim_cap`, before the socket's own filter (net/core/filter.c, Linux 6.12). Sees each packet that is
/// for a full socket, also what the socket then has no room for. Misses what has none: refused connections, the tail of
/// closed ones, ICMP, ARP, forwarded packets. IP fragments have been put together. Checked on 6.18.
#[cgroup_skb(ingress)]
pub(crate) fn network_ingress(ctx: SkBuffContext) -> i32 {
    // SAFETY: the packet is the hook's argument.
    unsafe { count(ctx.skb.skb, true) }
    PASS
}

/// Counts what a socket sends.
///
/// From `ip_finish_output` and `ip6_finish_output` (`net/ipv4/ip_output.c`, Linux 6.12): after netfilter, before
/// fragments are made and before the queue of the interface. What the kernel sends of its own accord (resets, answers
/// to ICMP) has a socket of the root cgroup, or none. Checked on 6.18.
#[cgroup_skb(egress)]
pub(crate) fn network_egress(ctx: SkBuffContext) -> i32 {
    // SAFETY: the packet is the hook's argument.
    unsafe { count(ctx.skb.skb, false) }
    PASS
}

/// # Safety
/// `packet` must be the hook's argument.
#[inline(always)]
unsafe fn count(packet: *mut Packet, received: bool) {
    let cpu = this_cpu();
    let Some(recent) = RECENT.get_ptr_mut(cpu) else {
        return;
    };
    // SAFETY: the caller's; `recent` is this CPU's; pointers into maps are checked.
    unsafe {
        let slot = slot(packet, recent);
        let Some(counters) = counters(slot, cpu) else {
            return;
        };
        let peer = peer(packet, recent, received);
        let more = u64::from(segments(packet)).saturating_sub(1);
        let headers = if more > 0 {
            let headers = headers(packet);
            (more * u64::from(headers.bytes)).saturating_sub(u64::from(headers.jumbo))
        } else {
            0
        };
        let bytes = u64::from((*packet).len) + headers;
        let traffic = (&raw mut (*counters).peers)
            .cast::<Traffic>()
            .add(peer as usize);
        add(traffic, received, bytes, more + 1);
        if more > 0 {
            let merged = match peer {
                Peer::Loopback => &raw mut (*counters).merged[0],
                Peer::Host | Peer::Outside => &raw mut (*counters).merged[1],
            };
            add(merged, received, headers, more);
        }
    }
}

/// The counters of `slot` on the stripe of `cpu`.
#[inline(always)]
pub(crate) fn counters(slot: u32, cpu: u32) -> Option<*mut NetworkCounters> {
    NETWORK_COUNTERS.get_ptr_mut(record(slot, cpu))
}

/// # Safety
/// `traffic` must point into a map value.
#[inline(always)]
unsafe fn add(traffic: *mut Traffic, received: bool, bytes: u64, packets: u64) {
    // SAFETY: the caller's.
    unsafe {
        if received {
            add_atomic(&raw mut (*traffic).rx_bytes, bytes);
            add_atomic(&raw mut (*traffic).rx_packets, packets);
        } else {
            add_atomic(&raw mut (*traffic).tx_bytes, bytes);
            add_atomic(&raw mut (*traffic).tx_packets, packets);
        }
    }
}

/// The slot of the cgroup that made the packet's socket.
///
/// # Safety
/// `packet` must be the hook's argument, `recent` this CPU's.
#[inline(always)]
unsafe fn slot(packet: *mut Packet, recent: *mut Recent) -> u32 {
    // SAFETY: the caller's.
    unsafe {
        let cgroup = bpf_skb_cgroup_id(packet);
        let place = place(cgroup ^ cgroup >> 4);
        let word = (&raw mut (*recent).slots).cast::<u64>().add(place);
        if let Some(slot) = slot_in(word.read_volatile(), cgroup) {
            return slot;
        }
        let slot = slot_of(cgroup);
        // One of a cgroup that has no slot may get one at any time.
        if slot != 0 {
            word.write_volatile(slot_word(cgroup, slot));
        }
        slot
    }
}

/// The slot of a cgroup that made a socket. What has none counts in slot 0, where the root's belongs.
#[inline(always)]
pub(crate) fn slot_of(cgroup: u64) -> u32 {
    if cgroup == constant(&SETTINGS.root) {
        return 0;
    }
    if let Some(entry) = slots::by_id(cgroup) {
        return entry.slot;
    }
    lost(offset_of!(Losses, unslotted_packets));
    0
}

/// Where the packet's other end is.
///
/// # Safety
/// `packet` must be the hook's argument, `recent` this CPU's.
#[inline(always)]
unsafe fn peer(packet: *mut Packet, recent: *mut Recent, received: bool) -> Peer {
    // SAFETY: the caller's; the packet is read within its bounds.
    unsafe {
        if (*packet).ifindex == LOOPBACK {
            return Peer::Loopback;
        }
        let is_here = match header(packet) {
            Some((start, Version::V4)) => {
                let at = start + if received { 12 } else { 16 };
                is_local((at as *const u32).read_unaligned(), recent)
            }
            Some((start, Version::V6)) => {
                let at = start + if received { 8 } else { 24 };
                let address = (at as *const [u8; 16]).read_unaligned();
                LOCAL_ADDRESSES.get_ptr(address).is_some()
            }
            None => false,
        };
        if is_here { Peer::Host } else { Peer::Outside }
    }
}

/// Whether the IPv4 `address` is on this host.
///
/// # Safety
/// `recent` must be this CPU's.
#[inline(always)]
unsafe fn is_local(address: u32, recent: *mut Recent) -> bool {
    // SAFETY: the caller's.
    unsafe {
        let place = place(u64::from(address >> 24 ^ address >> 16));
        let word = (&raw mut (*recent).peers).cast::<u64>().add(place);
        if let Some(is_here) = is_here(word.read_volatile(), address) {
            return is_here;
        }
        let is_here = LOCAL_ADDRESSES
            .get_ptr(mapped(address.to_ne_bytes()))
            .is_some();
        word.write_volatile(peer_word(address, is_here));
        is_here
    }
}

/// Packets that the kernel made one of; at least one. A network card may hand over a merged packet without their
/// number, but then with their size.
///
/// # Safety
/// `packet` must be the hook's argument.
#[inline(always)]
unsafe fn segments(packet: *mut Packet) -> u32 {
    // SAFETY: the caller's.
    unsafe {
        let (segments, size) = ((*packet).gso_segs, (*packet).gso_size);
        if segments > 0 || size == 0 {
            return segments;
        }
        let headers = headers(packet);
        let payload = (*packet).len.saturating_sub(headers.bytes + headers.jumbo);
        payload.div_ceil(size)
    }
}

/// Bytes of a merged packet's headers.
struct Headers {
    /// Of IP and TCP or UDP, which each packet on the wire has.
    bytes: u32,
    /// Of the option that says how large it is, which none on the wire has.
    jumbo: u32,
}

/// # Safety
/// `packet` must be the hook's argument.
#[inline(always)]
unsafe fn headers(packet: *mut Packet) -> Headers {
    const TCP: u8 = 6;
    const UDP_HEADER: u32 = 8;
    /// Options for each hop, and how long they are if there is but one on the size (`struct hop_jumbo_hdr`,
    /// include/net/ipv6.h): `ip6_xmit` puts it into what is larger than an IPv6 header can say, and it is taken out
    /// when the packet is cut up (Linux 5.19 to 6.18 at least).
    const HOP: u8 = 0;
    const JUMBO: u32 = 8;
    // SAFETY: the caller's; the packet is read within its bounds.
    unsafe {
        let end = (*packet).data_end as usize;
        let (ip, protocol, start, jumbo) = match header(packet) {
            Some((start, Version::V4)) => {
                let words = *(start as *const u8) & 0xf;
                (u32::from(words) * 4, *((start + 9) as *const u8), start, 0)
            }
            Some((start, Version::V6)) => {
                let protocol = *((start + 6) as *const u8);
                let says_no_size = ((start + 4) as *const u16).read_unaligned() == 0;
                let beyond = start + (IPV6_HEADER + JUMBO) as usize;
                if protocol == HOP && says_no_size && beyond <= end {
                    let protocol = *((start + IPV6_HEADER as usize) as *const u8);
                    (IPV6_HEADER, protocol, start, JUMBO)
                } else {
                    // Other extension headers are not looked for: what is cut into segments has none.
                    (IPV6_HEADER, protocol, start, 0)
                }
            }
            None => return Headers { bytes: 0, jumbo: 0 },
        };
        let transport = start + (ip + jumbo) as usize;
        let transport = if protocol == TCP && transport + 20 <= end {
            u32::from(*((transport + 12) as *const u8) >> 4) * 4
        } else {
            UDP_HEADER
        };
        Headers {
            bytes: ip + transport,
            jumbo,
        }
    }
}

/// Where the IP header begins, all of which but options can be read; `None` for a packet without one.
///
/// # Safety
/// `packet` must be the hook's argument.
#[inline(always)]
unsafe fn header(packet: *mut Packet) -> Option<(usize, Version)> {
    // SAFETY: the caller's; the packet is read within its bounds.
    unsafe {
        let (start, end) = ((*packet).data as usize, (*packet).data_end as usize);
        // The shorter header first: without something to add to it, the comparison would be narrowed to 32 bits, in
        // which the verifier does not see a check of bounds.
        if start + IPV4_HEADER as usize > end {
            return None;
        }
        match *(start as *const u8) >> 4 {
            4 => Some((start, Version::V4)),
            6 if start + IPV6_HEADER as usize <= end => Some((start, Version::V6)),
            _ => None,
        }
    }
}

/// A place among what a CPU remembers.
#[inline(always)]
fn place(key: u64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "less than what is remembered"
    )]
    let place = (key % REMEMBERED as u64) as usize;
    place
}
