//! The network family: a span of an interval → samples.

use agent_ebpf::network::Peer;

use super::{Metric, Sample, Value, catalog};
use crate::snapshot::NetworkTotals;

/// The label that tells where a packet's other end is.
const PEER: &str = "peer";

/// Its value for what a namespace sends to itself.
pub const LOOPBACK: &str = "loopback";

/// Whether `metric` stands once for each kind of peer.
pub fn is_by_peer(metric: &Metric) -> bool {
    [
        &catalog::NET_RX_BYTES,
        &catalog::NET_RX_PACKETS,
        &catalog::NET_TX_BYTES,
        &catalog::NET_TX_PACKETS,
    ]
    .contains(&metric)
}

/// One sample of a metric for each kind of peer.
pub fn by_peer(sample: &Sample) -> impl Iterator<Item = Sample> {
    Peer::ALL
        .into_iter()
        .map(|peer| sample.clone().labelled(PEER, word(peer)))
}

/// Adds all network samples of one entry, in catalog order.
pub(super) fn add(samples: &mut Vec<Sample>, network: &NetworkTotals) {
    add_traffic(samples, network);
    let mut push = |metric: &'static Metric, value: Option<u64>| {
        samples.extend(value.map(|value| Sample::new(metric, Value::Integer(value))));
    };
    push(&catalog::TCP_RETRANSMITS, network.retransmits);
    push(&catalog::TCP_CONNECTS, network.connects);
    push(&catalog::TCP_ACCEPTS, network.accepts);
    push(&catalog::TCP_FAILURES, network.failures);
    let unowned = network.unowned.as_ref();
    push(&catalog::UNOWNED_RX_BYTES, unowned.map(|it| it.rx_bytes));
    push(
        &catalog::UNOWNED_RX_PACKETS,
        unowned.map(|it| it.rx_packets),
    );
    push(&catalog::UNOWNED_TX_BYTES, unowned.map(|it| it.tx_bytes));
    push(
        &catalog::UNOWNED_TX_PACKETS,
        unowned.map(|it| it.tx_packets),
    );
}

fn add_traffic(samples: &mut Vec<Sample>, network: &NetworkTotals) {
    let by_peer = network.peers.iter().flat_map(|peers| {
        let words = Peer::ALL.into_iter().map(word);
        words.zip(peers.iter().copied())
    });
    // Interfaces do not tell who is at the other end.
    let by_interface = network
        .interfaces
        .iter()
        .flat_map(|it| [(word(Peer::Loopback), it.loopback), ("any", it.others_ip())]);
    for (peer, traffic) in by_peer.chain(by_interface) {
        let values = [
            (&catalog::NET_RX_BYTES, traffic.rx_bytes),
            (&catalog::NET_RX_PACKETS, traffic.rx_packets),
            (&catalog::NET_TX_BYTES, traffic.tx_bytes),
            (&catalog::NET_TX_PACKETS, traffic.tx_packets),
        ];
        samples.extend(values.into_iter().map(|(metric, value)| {
            Sample::new(metric, Value::Integer(value)).labelled(PEER, peer)
        }));
    }
}

/// Where the other end is, in tags and labels.
pub fn word(peer: Peer) -> &'static str {
    match peer {
        Peer::Loopback => LOOPBACK,
        Peer::Host => "host",
        Peer::Outside => "outside",
    }
}

#[cfg(test)]
mod tests {
    use agent_ebpf::network::Traffic;

    use super::*;

    fn samples_of(network: &NetworkTotals) -> Vec<Sample> {
        let mut samples = Vec::new();
        add(&mut samples, network);
        samples
    }

    #[test]
    fn each_peer_has_its_own_samples_and_connections_have_none() {
        let traffic = |n| Traffic {
            rx_bytes: n,
            rx_packets: n + 1,
            tx_bytes: n + 2,
            tx_packets: n + 3,
        };
        let samples = samples_of(&NetworkTotals {
            peers: Some([traffic(10), traffic(20), traffic(30)]),
            connects: Some(7),
            ..NetworkTotals::default()
        });
        let told: Vec<_> = samples
            .iter()
            .map(|it| (it.metric.field, it.labels.clone(), it.value.clone()))
            .collect();
        assert_eq!(told.len(), 13);
        let labelled = |word: &'static str| vec![("peer", word.into())];
        assert_eq!(
            told[1],
            ("rx_packets", labelled("loopback"), Value::Integer(11))
        );
        assert_eq!(told[6], ("tx_bytes", labelled("host"), Value::Integer(22)));
        assert_eq!(
            told[11],
            ("tx_packets", labelled("outside"), Value::Integer(33))
        );
        assert_eq!(told[12], ("tcp_connects", Vec::new(), Value::Integer(7)));
    }

    #[test]
    fn what_is_not_known_is_absent_and_zero_is_not() {
        assert!(samples_of(&NetworkTotals::default()).is_empty());
        let zero = NetworkTotals {
            peers: Some(Default::default()),
            failures: Some(0),
            ..NetworkTotals::default()
        };
        assert_eq!(samples_of(&zero).len(), 13);
    }
}
