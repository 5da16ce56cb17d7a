//! Traffic by where the peer is, and TCP connections.

use super::{Metric, NO_METRIC, Resolution, Source, Unit};

/// All of them, in the order of publication.
pub(super) static NETWORK_METRICS: &[&Metric] = &[
    &NET_RX_BYTES,
    &NET_RX_PACKETS,
    &NET_TX_BYTES,
    &NET_TX_PACKETS,
    &TCP_RETRANSMITS,
    &TCP_CONNECTS,
    &TCP_ACCEPTS,
    &TCP_FAILURES,
    &UNOWNED_RX_BYTES,
    &UNOWNED_RX_PACKETS,
    &UNOWNED_TX_BYTES,
    &UNOWNED_TX_PACKETS,
];

/// What the interfaces of a namespace carried for nobody. Told once in a namespace: of a pod by its sandbox.
const UNOWNED: Metric = Metric {
    resolution: Resolution::Files,
    sources: &[Source::CgroupSkb],
    ..NET
};

const NET: Metric = Metric {
    measurement: "container_net",
    ..NO_METRIC
};

/// Bytes received.
pub static NET_RX_BYTES: Metric = Metric {
    field: "rx_bytes",
    prometheus: "cgflux_container_network_receive_bytes_total",
    unit: Unit::Bytes,
    sources: &[Source::CgroupSkb, Source::ProcFile],
    help: "IP packets received by the container's sockets, by where the peer is: IP headers included, link headers not.",
    ..NET
};
/// Packets received.
pub static NET_RX_PACKETS: Metric = Metric {
    field: "rx_packets",
    prometheus: "cgflux_container_network_receive_packets_total",
    sources: &[Source::CgroupSkb, Source::ProcFile],
    help: "IP packets received by the container's sockets, as they are on the wire.",
    ..NET
};
/// Bytes sent.
pub static NET_TX_BYTES: Metric = Metric {
    field: "tx_bytes",
    prometheus: "cgflux_container_network_transmit_bytes_total",
    unit: Unit::Bytes,
    sources: &[Source::CgroupSkb, Source::ProcFile],
    help: "IP packets sent by the container's sockets, by where the peer is: IP headers included, link headers not.",
    ..NET
};
/// Packets sent.
pub static NET_TX_PACKETS: Metric = Metric {
    field: "tx_packets",
    prometheus: "cgflux_container_network_transmit_packets_total",
    sources: &[Source::CgroupSkb, Source::ProcFile],
    help: "IP packets sent by the container's sockets, as they are on the wire.",
    ..NET
};
/// TCP segments sent again.
pub static TCP_RETRANSMITS: Metric = Metric {
    field: "tcp_retransmits",
    prometheus: "cgflux_container_tcp_retransmits_total",
    sources: &[Source::TcpRetransmitSkb],
    help: "TCP segments sent again.",
    ..NET
};
/// TCP connections opened from here.
pub static TCP_CONNECTS: Metric = Metric {
    field: "tcp_connects",
    prometheus: "cgflux_container_tcp_connects_total",
    sources: &[Source::InetSockSetState],
    help: "TCP connections that the container opened.",
    ..NET
};
/// TCP connections opened from the other end.
pub static TCP_ACCEPTS: Metric = Metric {
    field: "tcp_accepts",
    prometheus: "cgflux_container_tcp_accepts_total",
    sources: &[Source::InetSockSetState],
    help: "TCP connections that others opened to the container.",
    ..NET
};
/// TCP connections that failed.
pub static TCP_FAILURES: Metric = Metric {
    field: "tcp_failures",
    prometheus: "cgflux_container_tcp_connect_failures_total",
    sources: &[Source::InetSockSetState],
    help: "TCP connections that the container began and that were refused, timed out or given up.",
    ..NET
};
/// Bytes received by nobody.
pub static UNOWNED_RX_BYTES: Metric = Metric {
    field: "unowned_rx_bytes",
    prometheus: "cgflux_container_network_unowned_receive_bytes_total",
    unit: Unit::Bytes,
    help: "What the interfaces of the container's network namespace received that no container in it did (without link headers): ICMP, ARP, refused and closed connections. Of several containers in a namespace the first one tells.",
    ..UNOWNED
};
/// Packets received by nobody.
pub static UNOWNED_RX_PACKETS: Metric = Metric {
    field: "unowned_rx_packets",
    prometheus: "cgflux_container_network_unowned_receive_packets_total",
    help: "The same in frames, as the interfaces count them.",
    ..UNOWNED
};
/// Bytes sent by nobody.
pub static UNOWNED_TX_BYTES: Metric = Metric {
    field: "unowned_tx_bytes",
    prometheus: "cgflux_container_network_unowned_transmit_bytes_total",
    unit: Unit::Bytes,
    help: "What the interfaces of the container's network namespace sent that no container in it did (without link headers): ICMP, ARP, refused and closed connections. Of several containers in a namespace the first one tells.",
    ..UNOWNED
};
/// Packets sent by nobody.
pub static UNOWNED_TX_PACKETS: Metric = Metric {
    field: "unowned_tx_packets",
    prometheus: "cgflux_container_network_unowned_transmit_packets_total",
    help: "The same in frames, as the interfaces count them.",
    ..UNOWNED
};
