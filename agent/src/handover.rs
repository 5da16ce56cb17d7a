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
        config::Delivery,
        encode::Times,
        self_stats::SinkStats,
        sink::{self, Target},
    };

    /// A sink whose worker does not run, with room for so many bytes, and its account.
    fn sink(memory_bytes: u64) -> (Sink, Arc<SinkStats>) {
        let delivery = Delivery {
            memory_bytes,
            ..Delivery::default()
        };
        let stats = Arc::new(SinkStats::new("db"));
        let folder = std::path::Path::new("/nonexistent");
        let opened = sink::open(
            Target::Stdout,
            &delivery,
            folder,
            |_, _| None,
            Arc::clone(&stats),
        );
        (opened.unwrap().0, stats)
    }

    #[test]
    fn every_sink_takes_it_or_none_does_and_half_of_the_room_stays_free() {
        let ((wide, in_wide), (narrow, in_narrow)) = (sink(1 << 20), sink(300));
        let offer = to(vec![wide, narrow]);
        let payload = Payload::new(Bytes::from_static(b"m v=1i 1\n"), Times::at(1));
        let taken = (0..20).take_while(|_| offer(vec![payload.clone()]).is_ok());
        let taken = taken.count() as u64;
        let waiting = in_narrow.waiting();
        assert!(
            (1..20).contains(&taken) && waiting.bytes <= 150,
            "taken={taken} {waiting:?}"
        );
        assert_eq!((in_wide.waiting().points, waiting.points), (taken, taken));
        assert!(to(Vec::new())(vec![payload]).is_err());
    }
}
