//! What the programs on packets and connections counted → totals, and what they must know of the host's namespaces.

use super::KernelSource;
use crate::{
    container::CgroupId,
    metrics::catalog::{Family, Source},
    snapshot::{NetworkTotals, SlotTotals},
};

impl KernelSource {
    /// Looks at the namespaces whose turn it is, before the slots are read, and tells the programs of addresses that
    /// came or went.
    pub(super) fn look_at_namespaces(&mut self) {
        if std::mem::take(&mut self.forget_recent) {
            self.kernel.forget_recent();
        }
        if !self.coverage.is_on(Family::Network) {
            return;
        }
        if self.roster.pass_begins() {
            self.namespaces.look_at_host();
        }
        for due in self.roster.due() {
            self.namespaces.look(due);
        }
        if !self.coverage.has(Source::CgroupSkb) {
            self.namespaces.look_at_interfaces();
        }
        let Some(addresses) = self.namespaces.addresses() else {
            return;
        };
        match self.kernel.set_addresses(&addresses) {
            Ok(unlisted) => self.health.unlisted(unlisted),
            Err(error) => {
                self.health.mishap();
                tracing::debug!(%error, "the addresses of this host could not be told to the programs");
            }
        }
        // At once, and once more for programs that were just at work.
        self.kernel.forget_recent();
        self.forget_recent = true;
    }

    /// Looks at all of them at once, so that programs that just came know the addresses of this host.
    pub(super) fn look_at_all_namespaces(&mut self) {
        self.namespaces.look_at_host();
        for entry in self.roster.all() {
            self.namespaces.look(&entry);
        }
    }

    /// What the programs that run here counted of an entry's `total`, and what the interfaces tell beside it.
    pub(super) fn network_of(&self, entry: CgroupId, total: &SlotTotals) -> NetworkTotals {
        let counted = self.network(total, !self.overflow.contains(entry));
        let has = self.coverage.has(Source::CgroupSkb);
        let namespaces = &self.namespaces;
        let is_on = self.coverage.is_on(Family::Network);
        NetworkTotals {
            interfaces: (!has && is_on)
                .then(|| namespaces.interfaces(entry))
                .flatten(),
            unowned: has.then(|| namespaces.unowned(entry)).flatten(),
            ..counted
        }
    }

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
            ..NetworkTotals::default()
        }
    }
}
