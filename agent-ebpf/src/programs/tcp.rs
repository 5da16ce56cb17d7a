//! TCP connections, by the cgroup that made the socket, or whose listening socket the connection came to.

use core::mem::offset_of;

use agent_ebpf::network::TcpCounters;
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};

use super::{
    LAYOUT, add_atomic,
    cgroup::{self, load},
    constant,
    cpu::this_cpu,
    network::{counters, slot_of},
};

/// `struct sock` of the running kernel; only pointers to it exist.
enum Socket {}

/// `IPPROTO_TCP`: the hook is called for other protocols too, and for each connection of MPTCP besides its parts.
const TCP: u16 = 6;

// States of a connection (include/net/tcp_states.h).
const ESTABLISHED: u32 = 1;
const SYN_SENT: u32 = 2;
const SYN_RECEIVED: u32 = 3;
const CLOSED: u32 = 7;

/// Counts connections opened, from either end, and those that were begun in vain.
///
/// `trace_inet_sock_set_state(const struct sock *sk, const int oldstate, const int newstate)`, from `inet_sk_state_store`
/// and `inet_sk_set_state` (`net/ipv4/af_inet.c`, Linux 6.12). A connection that comes in is counted once the handshake is
/// done, whether or not the program ever accepts it. Checked on 6.18.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub(crate) fn inet_sock_set_state(ctx: BtfTracePointContext) -> i32 {
    let socket: *const Socket = ctx.arg(0);
    let before: u32 = ctx.arg(1);
    let after: u32 = ctx.arg(2);
    let offset = match (before, after) {
        (SYN_SENT, ESTABLISHED) => offset_of!(TcpCounters, connects),
        (SYN_RECEIVED, ESTABLISHED) => offset_of!(TcpCounters, accepts),
        (SYN_SENT, CLOSED) => offset_of!(TcpCounters, failures),
        _ => return 0,
    };
    // SAFETY: the socket is the hook's argument; the offset is a counter's.
    unsafe {
        if load::<u16, _>(socket, constant(&LAYOUT.sock_protocol)) == TCP {
            count(socket, offset, 1);
        }
    }
    0
}

/// Counts segments sent again.
///
/// `trace_tcp_retransmit_skb(const struct sock *sk, const struct sk_buff *skb)` at the end of `__tcp_retransmit_skb`
/// (`net/ipv4/tcp_output.c`), where that went well. Since 6.17 it has a third argument `int err` and is called for every
/// attempt, most often in vain while the packet still waits in a queue of this host (`EBUSY`). Counts what went well; the
/// kernel's own `RetransSegs` also has what failed later on, which is `TCPRetransFail`. Checked on 6.18.
#[btf_tracepoint(function = "tcp_retransmit_skb")]
pub(crate) fn tcp_retransmit_skb(ctx: BtfTracePointContext) -> i32 {
    // Where there is no such argument, the verifier never comes to read it.
    if constant(&LAYOUT.retransmit_tells_error) != 0 && ctx.arg::<i32>(2) != 0 {
        return 0;
    }
    let socket: *const Socket = ctx.arg(0);
    let packet: *const u8 = ctx.arg(1);
    // SAFETY: both are the hook's arguments; `sk_buff.cb` holds a `struct tcp_skb_cb` here. It is an array of bytes to
    // the verifier, and so read by bytes.
    unsafe {
        let at = constant(&LAYOUT.skb_cb) + constant(&LAYOUT.tcp_cb_segments);
        let segments = u16::from_ne_bytes([load(packet, at), load(packet, at + 1)]);
        count(
            socket,
            offset_of!(TcpCounters, retransmits),
            u64::from(segments),
        );
    }
    0
}

/// Counts answers to a SYN that are sent again.
///
/// `trace_tcp_retransmit_synack(const struct sock *sk, const struct request_sock *req)`, from `tcp_rtx_synack`
/// (`net/ipv4/tcp_output.c`); the socket is the listening one. Checked on 6.18.
#[btf_tracepoint(function = "tcp_retransmit_synack")]
pub(crate) fn tcp_retransmit_synack(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the socket is the hook's argument.
    unsafe { count(ctx.arg(0), offset_of!(TcpCounters, retransmits), 1) };
    0
}

/// # Safety
/// `socket` must be a hook's argument, `offset` that of a counter.
#[inline(always)]
unsafe fn count(socket: *const Socket, offset: usize, number: u64) {
    // SAFETY: the caller's. `sk_cgrp_data.cgroup` is set when the socket is made and never null
    // (`cgroup_sk_alloc` in kernel/cgroup/cgroup.c, Linux 6.12).
    unsafe {
        let id = cgroup::id(load(socket, constant(&LAYOUT.sock_cgroup)));
        if let Some(counters) = counters(slot_of(id), this_cpu()) {
            add_atomic((&raw mut (*counters).tcp).byte_add(offset).cast(), number);
        }
    }
}
