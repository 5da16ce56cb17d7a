//! Network interfaces: one series each, told apart by the tag `interface`.

use super::{
    super::{Metric, Unit},
    COUNTER,
};

/// All of them, in the order of publication.
pub(super) static NETWORK_METRICS: &[&Metric] = &[
    &HOST_NET_RX_BYTES,
    &HOST_NET_RX_PACKETS,
    &HOST_NET_RX_ERRORS,
    &HOST_NET_RX_DROPS,
    &HOST_NET_TX_BYTES,
    &HOST_NET_TX_PACKETS,
    &HOST_NET_TX_ERRORS,
    &HOST_NET_TX_DROPS,
];

const TOTAL: Metric = Metric {
    measurement: "host_net",
    ..COUNTER
};

/// Bytes received.
pub static HOST_NET_RX_BYTES: Metric = Metric {
    field: "rx_bytes",
    prometheus: "cgflux_host_net_receive_bytes_total",
    unit: Unit::Bytes,
    help: "Bytes received.",
    ..TOTAL
};
/// Packets received.
pub static HOST_NET_RX_PACKETS: Metric = Metric {
    field: "rx_packets",
    prometheus: "cgflux_host_net_receive_packets_total",
    help: "Packets received.",
    ..TOTAL
};
/// Packets received that were broken.
pub static HOST_NET_RX_ERRORS: Metric = Metric {
    field: "rx_errors",
    prometheus: "cgflux_host_net_receive_errors_total",
    help: "Packets received that were broken.",
    ..TOTAL
};
/// Packets received that were dropped, or that the device had no room for.
pub static HOST_NET_RX_DROPS: Metric = Metric {
    field: "rx_drops",
    prometheus: "cgflux_host_net_receive_drops_total",
    help: "Packets received that were dropped, or that the device had no room for.",
    ..TOTAL
};
/// Bytes sent.
pub static HOST_NET_TX_BYTES: Metric = Metric {
    field: "tx_bytes",
    prometheus: "cgflux_host_net_transmit_bytes_total",
    unit: Unit::Bytes,
    help: "Bytes sent.",
    ..TOTAL
};
/// Packets sent.
pub static HOST_NET_TX_PACKETS: Metric = Metric {
    field: "tx_packets",
    prometheus: "cgflux_host_net_transmit_packets_total",
    help: "Packets sent.",
    ..TOTAL
};
/// Packets that could not be sent.
pub static HOST_NET_TX_ERRORS: Metric = Metric {
    field: "tx_errors",
    prometheus: "cgflux_host_net_transmit_errors_total",
    help: "Packets that could not be sent.",
    ..TOTAL
};
/// Packets dropped on their way out.
pub static HOST_NET_TX_DROPS: Metric = Metric {
    field: "tx_drops",
    prometheus: "cgflux_host_net_transmit_drops_total",
    help: "Packets dropped on their way out.",
    ..TOTAL
};
