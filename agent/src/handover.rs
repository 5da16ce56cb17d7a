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

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{
        encode::Times,
        self_stats::SinkStats,
        sink::{self, Bounds, Target},
    };

    /// A sink whose worker does not run.
    fn sink(payloads: usize) -> Sink {
        let bounds = Bounds {
            payloads,
            bytes: 1 << 20,
        };
        let stats = Arc::new(SinkStats::new("db"));
        let (sink, _worker) = sink::open(Target::Stdout, bounds, stats);
        sink
    }

    #[test]
    fn every_sink_takes_it_or_none_does_and_half_of_the_room_stays_free() {
        let (wide, narrow) = (sink(100), sink(4));
        let offer = to(vec![wide.clone(), narrow.clone()]);
        let payload = Payload::new(Bytes::from_static(b"m v=1i 1\n"), Times::at(1));
        for taken in [true, true, false] {
            assert_eq!(offer(vec![payload.clone()]).is_ok(), taken);
        }
        assert_eq!((wide.backlog().points, narrow.backlog().points), (2, 2));
        assert!(offer(Vec::new()).is_ok(), "nothing has room");
        assert!(to(Vec::new())(vec![payload]).is_err());
    }
}
