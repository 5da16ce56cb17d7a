//! One sink as the collector sees it: fold, encode, offer. Never waits.

use crate::{
    encode::{Encoder, Tagging, gap},
    gap::Gap,
    metrics::{Batch, Sample},
    shipment::{Shipment, Shipper},
    sink::Sink,
};

/// What stands between a tick and one sink.
#[derive(Debug)]
pub struct Outlet {
    shipper: Shipper,
    encoder: Encoder,
    sink: Sink,
    /// Those of points of gaps, where the sink is told of them.
    gap_tagging: Option<Tagging>,
}

impl Outlet {
    /// An outlet that ships what `shipper` says is due to `sink`.
    pub fn new(shipper: Shipper, encoder: Encoder, sink: Sink) -> Self {
        Self {
            shipper,
            encoder,
            sink,
            gap_tagging: None,
        }
    }

    /// The same, and the sink is told of gaps, under these tags.
    #[must_use]
    pub fn telling_of_gaps(self, tagging: Tagging) -> Self {
        Self {
            gap_tagging: Some(tagging),
            ..self
        }
    }

    /// Nothing was seen for this long.
    pub fn tell_of(&self, unseen: &Gap) {
        if let Some(point) = self.gap_tagging.as_ref().and_then(|it| gap(it, unseen)) {
            self.sink.offer(point);
        }
    }

    /// Counts in what ended as a part of the host before the first tick.
    pub fn begin_with(&mut self, ended: &[Sample]) {
        self.shipper.begin_with(ended);
    }

    /// Takes in one tick and offers the sink what is due.
    pub fn take(&mut self, batch: &Batch) {
        let shipment = self.shipper.fold(batch);
        self.offer(shipment.as_ref());
    }

    /// Takes in one tick that cannot be shipped.
    pub fn hold(&mut self, batch: &Batch) {
        self.shipper.hold(batch);
    }

    /// Takes in the last tick and offers the sink all that it was not yet sent.
    pub fn finish(&mut self, batch: &Batch) {
        let shipment = self.shipper.flush(batch);
        self.offer(shipment.as_ref());
    }

    fn offer(&mut self, shipment: Option<&Shipment<'_>>) {
        for payload in shipment.into_iter().flat_map(|it| self.encoder.encode(it)) {
            self.sink.offer(payload);
        }
    }
}
