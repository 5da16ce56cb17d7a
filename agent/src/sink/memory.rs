//! Batches that wait in memory: bounded, the oldest goes overboard.

use std::collections::VecDeque;

use crate::{
    encode::Packed,
    loss::{LossReason, Losses},
};

/// Batches in the order in which they came. Each has a number of its own.
#[derive(Debug)]
pub(super) struct Memory {
    max_bytes: usize,
    batches: VecDeque<(u64, Packed)>,
    bytes: usize,
    next: u64,
}

impl Memory {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            batches: VecDeque::new(),
            bytes: 0,
            next: 0,
        }
    }

    /// Takes a batch in and drops what is over the bound, the oldest first, but never the one that is `taken`. Returns
    /// its number and what was dropped.
    pub(super) fn push(&mut self, batch: Packed, taken: Option<u64>) -> (u64, Losses) {
        let pushed = self.next;
        if batch.gzip.len() > self.max_bytes {
            self.next += 1;
            return (
                pushed,
                Losses::from_iter([batch.loss(LossReason::Oversized)]),
            );
        }
        self.bytes += batch.gzip.len();
        self.batches.push_back((pushed, batch));
        self.next += 1;
        let mut lost = Losses::default();
        while self.bytes > self.max_bytes {
            let oldest = self.batches.iter().find(|(id, _)| Some(*id) != taken);
            let Some(dropped) = oldest.map(|(id, _)| *id).and_then(|id| self.remove(id)) else {
                break;
            };
            lost.add(dropped.loss(LossReason::Overflow));
        }
        (pushed, lost)
    }

    /// Takes a batch out.
    pub(super) fn remove(&mut self, id: u64) -> Option<Packed> {
        let place = self.batches.iter().position(|(known, _)| *known == id)?;
        let (_, batch) = self.batches.remove(place)?;
        self.bytes -= batch.gzip.len();
        Some(batch)
    }

    /// All batches, the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Packed)> {
        self.batches.iter().map(|(id, batch)| (*id, batch))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.batches.len()
    }

    /// Most bytes of them.
    pub(super) fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// Their bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Their points.
    pub(super) fn points(&self) -> u64 {
        self.iter().map(|(_, batch)| batch.points as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::encode::Times;

    fn batch(bytes: usize, points: usize) -> Packed {
        Packed {
            gzip: Bytes::from(vec![0; bytes]),
            points,
            times: Times::at(1),
        }
    }

    #[test]
    fn the_oldest_goes_but_not_the_one_that_is_being_written() {
        let mut memory = Memory::new(100);
        for _ in 0..2 {
            assert!(memory.push(batch(40, 1), None).1.is_empty());
        }
        let (_, lost) = memory.push(batch(40, 5), Some(0));
        assert_eq!(lost.points(), 1);
        let left: Vec<u64> = memory.iter().map(|(id, _)| id).collect();
        assert_eq!(left, [0, 2]);
    }

    proptest! {
        #[test]
        fn the_bound_holds_and_each_point_is_held_or_lost(
            sizes in prop::collection::vec((1_usize..90, 1_usize..9), 0..50),
        ) {
            let mut memory = Memory::new(100);
            let (mut offered, mut lost) = (0, 0);
            for (bytes, points) in sizes {
                offered += points as u64;
                lost += memory.push(batch(bytes, points), None).1.points();
                prop_assert!(memory.bytes() <= 100);
                prop_assert_eq!(offered, lost + memory.points());
            }
        }
    }
}
