//! The lines of what came a moment ago, as they came: what is written at once need not be unpacked.
//!
//! Bounded, and never the only place where lines stand. What has waited is unpacked when its turn comes.

use std::collections::VecDeque;

use super::batch::Key;
use crate::encode::Payload;

/// Most bytes of lines: a shipment of some 400 containers that are all busy.
const MOST_BYTES: usize = 4 << 20;

/// Payloads of batches that wait, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    payloads: VecDeque<(Key, Payload)>,
    bytes: usize,
}

impl Fresh {
    /// Remembers a batch's lines, if there is room.
    pub(super) fn put(&mut self, key: Key, payload: Payload) {
        let bytes = self.bytes + payload.lines().len();
        if bytes <= MOST_BYTES {
            self.bytes = bytes;
            self.payloads.push_back((key, payload));
        }
    }

    /// A batch has another key from now on.
    pub(super) fn renamed(&mut self, from: Key, to: Key) {
        if let Some((key, _)) = self.payloads.iter_mut().find(|(key, _)| *key == from) {
            *key = to;
        }
    }

    /// A batch's lines. Those that came before it are forgotten: what is live goes in order.
    pub(super) fn take(&mut self, key: Key) -> Option<Payload> {
        let at = self.payloads.iter().position(|(known, _)| *known == key)?;
        let (_, payload) = self.payloads.drain(..=at).next_back()?;
        let left = self.payloads.iter().map(|(_, it)| it.lines().len());
        self.bytes = left.sum();
        Some(payload)
    }

    /// Nothing is written at once any more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::encode::Times;

    fn payload(bytes: usize) -> Payload {
        Payload::new(Bytes::from(vec![b'x'; bytes]), Times::at(1))
    }

    #[test]
    fn lines_are_given_once_under_the_last_name_and_older_ones_go() {
        let mut fresh = Fresh::default();
        for id in 0..3 {
            fresh.put(Key::Memory(id), payload(10));
        }
        let on_disk = Key::Disk(crate::sink::spool::Seq::FIRST);
        fresh.renamed(Key::Memory(1), on_disk);
        assert_eq!(fresh.take(Key::Memory(1)), None);
        assert_eq!(fresh.take(on_disk), Some(payload(10)));
        assert_eq!(fresh.take(Key::Memory(0)), None);
        assert_eq!(fresh.take(Key::Memory(2)), Some(payload(10)));
        assert_eq!(fresh.bytes, 0);
    }

    #[test]
    fn there_is_a_bound_and_room_again_when_some_is_taken() {
        let mut fresh = Fresh::default();
        fresh.put(Key::Memory(0), payload(MOST_BYTES));
        fresh.put(Key::Memory(1), payload(1));
        assert_eq!(fresh.take(Key::Memory(1)), None);
        assert_eq!(fresh.take(Key::Memory(0)), Some(payload(MOST_BYTES)));
        fresh.put(Key::Memory(2), payload(1));
        assert_eq!(fresh.take(Key::Memory(2)), Some(payload(1)));
    }
}
