//! From the socket for other processes' points to the sinks.

use std::sync::Arc;

use crate::{encode::Payload, http::points::Handover, sink::Sink};

/// Offers what came in to all of `sinks`, or to none: what one of them has no room for now is refused as a whole, so
/// that whoever wrote it can write it again.
///
/// Once this returns it is on the disk of each sink that has one that works, else in its memory. Waits for disks.
pub fn to(sinks: Vec<Sink>) -> Handover {
    Arc::new(move |payloads: Vec<Payload>| {
        if sinks.is_empty() {
            return Err("there is no sink that takes points");
        }
        if !sinks.iter().all(|sink| sink.has_room_for(&payloads)) {
            return Err("a sink has no room now: what waits for it is half of what may");
        }
        for sink in &sinks {
            sink.keep(payloads.iter().cloned());
        }
        Ok(())
    })
}
