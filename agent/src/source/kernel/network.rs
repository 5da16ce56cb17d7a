//! What the programs on packets and connections counted → totals.

use super::KernelSource;
use crate::{
    metrics::catalog::Source,
    snapshot::{NetworkTotals, SlotTotals},
};

impl KernelSource {
    /// What the programs that run here counted of `total`, if they did.
    pub(super) fn network(&self, total: &SlotTotals, did: bool) -> NetworkTotals {
        let network = &total.network;
        let has = |source| did && self.coverage.has(source);
        let states = |value: u64| has(Source::InetSockSetState).then_some(value);
        NetworkTotals {
            peers: has(Source::CgroupSkb).then_some(network.peers),
            retransmits: has(Source::TcpRetransmitSkb).then_some(network.tcp.retransmits),
            connects: states(network.tcp.connects),
            accepts: states(network.tcp.accepts),
            failures: states(network.tcp.failures),
        }
    }
}
