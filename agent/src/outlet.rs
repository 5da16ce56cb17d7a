//! One sink as the collector sees it: fold, encode, offer. Never waits.

use crate::{encode::LineEncoder, metrics::Batch, shipment::Shipper, sink::Sink};

/// What stands between a tick and one sink.
#[derive(Debug)]
pub struct Outlet {
    shipper: Shipper,
    encoder: LineEncoder,
    sink: Sink,
}

impl Outlet {
    /// An outlet that ships what `shipper` says is due to `sink`.
    pub fn new(shipper: Shipper, encoder: LineEncoder, sink: Sink) -> Self {
        Self {
            shipper,
            encoder,
            sink,
        }
    }

    /// Takes in one tick and offers the sink what is due.
    pub fn take(&mut self, batch: &Batch) {
        let Some(shipment) = self.shipper.fold(batch) else {
            return;
        };
        for payload in self.encoder.encode(&shipment) {
            self.sink.offer(payload);
        }
    }
}
