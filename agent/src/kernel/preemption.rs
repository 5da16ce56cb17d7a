//! What the programs deal out of each slot's waits: the records, and by how much they grew since they were last read.

use std::{collections::HashMap, sync::atomic::Ordering};

use agent_ebpf::preemption::{PLACES, Taker, Takers, Turns};
use aya::maps::{Array, MapData, MapError};

use super::{KernelError, chunks::Chunks};
use crate::snapshot::Taken;

const WORDS: usize = size_of::<Takers>() / size_of::<u64>();

/// Where the places begin in a record.
const FIRST_PLACE: usize = WORDS - PLACES * PLACE_WORDS;

const PLACE_WORDS: usize = size_of::<Taker>() / size_of::<u64>();

/// Places that one who takes nothing, or least, may lose at a reading where none is free: half of them.
const MADE_FREE: usize = PLACES / 2;

/// A record as it was read.
type Words = [u64; WORDS];

/// The records of all slots in use, and the turns of all CPUs.
pub(super) struct TakerRecords {
    turns: Array<MapData, Turns>,
    records: Chunks,
    /// Each stripe of a slot as it was read last.
    before: HashMap<u32, Vec<Words>>,
}

impl TakerRecords {
    /// Records of `slots` slots with `stripes` stripes each.
    pub(super) fn new(
        turns: Array<MapData, Turns>,
        array: MapData,
        slots: u32,
        stripes: u32,
    ) -> Self {
        let record_bytes = stripes as usize * size_of::<Takers>();
        Self {
            turns,
            records: Chunks::new(array, slots, record_bytes),
            before: HashMap::new(),
        }
    }

    /// Forgets what ran. To be done before the program is attached: it would take what ran when it was there last for what
    /// ran just now.
    pub(super) fn forget_turns(&mut self) -> Result<(), MapError> {
        let none = Turns::default();
        (0..self.turns.len()).try_for_each(|cpu| self.turns.set(cpu, none, 0))
    }

    /// Begins to use `slot`.
    pub(super) fn hold(&mut self, slot: u32) -> Result<(), KernelError> {
        self.records.hold(slot)
    }

    /// Ends the use of `slot`, in which nothing counts any more.
    pub(super) fn give_back(&mut self, slot: u32) {
        self.records.give_back(slot);
        self.before.remove(&slot);
    }

    /// What was dealt out of the waits of `slot` since it was last read. `goes` tells of a slot whether it is about to be
    /// given back: its places become free, so that what its next holder takes is not counted with what it took.
    pub(super) fn taken(&mut self, slot: u32, goes: impl Fn(u32) -> bool) -> Taken {
        let mut taken = Taken::default();
        let words = self.records.words(slot);
        let before = self.before.entry(slot).or_default();
        before.resize(words.len() / WORDS, [0; WORDS]);
        for (stripe, before) in words.chunks_exact(WORDS).zip(before) {
            let now = std::array::from_fn(|at| stripe[at].load(Ordering::Relaxed));
            for place in grow(&mut taken, before, &now, &goes) {
                stripe[key_at(place)].store(0, Ordering::Relaxed);
                before[key_at(place)] = 0;
            }
        }
        taken
    }

    /// Bytes mapped now.
    pub(super) fn mapped_bytes(&self) -> usize {
        self.records.mapped_bytes()
    }
}

/// Adds to `taken` what a record grew by, takes it over into `before`, and tells which places are to be free.
///
/// A program that had just found its place when that was made free adds to it once more: what a free place grows by is of
/// whom it was before, and if another has it by then, that one wait is the other's.
fn grow(
    taken: &mut Taken,
    before: &mut Words,
    now: &Words,
    goes: impl Fn(u32) -> bool,
) -> Vec<usize> {
    let grown = |at: usize| now[at].wrapping_sub(before[at]);
    taken.own_ns += grown(0);
    taken.rest_ns += grown(1);
    taken.unknown_ns += grown(2);
    let mut free = Vec::new();
    let mut used = Vec::new();
    for place in 0..PLACES {
        let ns = grown(key_at(place) + 1);
        let Some(taker) = Taker::slot_of(now[key_at(place)]) else {
            // Made free when it was read last.
            taken.rest_ns += ns;
            continue;
        };
        if ns != 0 {
            taken.takers.push((taker, ns));
        }
        if ns == 0 || goes(taker) {
            free.push(place);
        } else {
            used.push((ns, place));
        }
    }
    if used.len() == PLACES {
        used.sort_unstable();
        free.extend(used.iter().take(MADE_FREE).map(|(_, place)| *place));
    }
    *before = *now;
    free
}

/// Where the key of a place stands in a record; its time follows.
const fn key_at(place: usize) -> usize {
    FIRST_PLACE + place * PLACE_WORDS
}

#[cfg(test)]
mod tests {
    use agent_ebpf::preemption::place_for;
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// Deals out as the programs do.
    fn take(record: &mut Words, taker: u32, ns: u64) {
        let key = Taker::key_of(taker);
        let place = place_for(key, |place| record[key_at(place)]);
        if place >= PLACES {
            record[1] += ns;
        } else {
            record[key_at(place)] = key;
            record[key_at(place) + 1] += ns;
        }
    }

    /// Reads as the agent does; what was taken by each.
    fn read(before: &mut Words, record: &mut Words, gone: &[u32]) -> Taken {
        let mut taken = Taken::default();
        for place in grow(&mut taken, before, record, |slot| gone.contains(&slot)) {
            record[key_at(place)] = 0;
            before[key_at(place)] = 0;
        }
        taken
    }

    fn sum(taken: &Taken) -> u64 {
        let of_takers: u64 = taken.takers.iter().map(|(_, ns)| ns).sum();
        taken.own_ns + taken.rest_ns + taken.unknown_ns + of_takers
    }

    #[test]
    fn a_record_is_read_as_it_is_written() {
        let takers = Takers {
            own_ns: 1,
            rest_ns: 2,
            unknown_ns: 3,
            reserved: 4,
            takers: std::array::from_fn(|at| Taker {
                key: Taker::key_of(at.try_into().unwrap()),
                ns: 10 + at as u64,
            }),
        };
        // SAFETY: both are plain words, of one size.
        let words: Words = unsafe { std::mem::transmute(takers) };
        let mut taken = Taken::default();
        grow(&mut taken, &mut [0; WORDS], &words, |_| false);
        let expected = Taken {
            own_ns: 1,
            rest_ns: 2,
            unknown_ns: 3,
            takers: (0..10).map(|slot| (slot, 10 + u64::from(slot))).collect(),
        };
        assert_eq!(taken, expected);
    }

    #[test]
    fn who_gives_its_slot_back_is_told_once_more_and_never_for_the_next_holder() {
        let (mut before, mut record) = ([0; WORDS], [0; WORDS]);
        take(&mut record, 7, 100);
        assert_eq!(read(&mut before, &mut record, &[7]).takers, [(7, 100)]);
        // A program that had found the place just before.
        record[key_at(0) + 1] += 5;
        assert_eq!(read(&mut before, &mut record, &[]).rest_ns, 5);
        take(&mut record, 7, 30);
        assert_eq!(read(&mut before, &mut record, &[]).takers, [(7, 30)]);
    }

    proptest! {
        /// Whatever is dealt out is told once, by whoever took it or as the rest, and nobody is told more than it took.
        #[test]
        fn sums_close_over_all_readings(ticks in vec(vec((0_u32..30, 1_u64..1_000_000), 0..60), 1..20)) {
            let (mut before, mut record) = ([0; WORDS], [0; WORDS]);
            for tick in ticks {
                let mut took: HashMap<u32, u64> = HashMap::new();
                for (taker, ns) in tick {
                    take(&mut record, taker, ns);
                    *took.entry(taker).or_default() += ns;
                }
                let taken = read(&mut before, &mut record, &[]);
                prop_assert_eq!(sum(&taken), took.values().sum::<u64>());
                for (taker, ns) in taken.takers {
                    prop_assert!(ns <= took[&taker]);
                }
            }
        }

        /// One that takes more than all others together finds a place, and once it has it keeps it.
        #[test]
        fn who_takes_most_is_told_whole_from_the_second_tick_on(
            ticks in vec(vec(0_u32..300, 0..200), 3..12)
        ) {
            const MOST: u32 = 1_000;
            let (mut before, mut record) = ([0; WORDS], [0; WORDS]);
            for (tick, small) in ticks.iter().enumerate() {
                // Between the others, from the first that found a place on.
                for chunk in small.chunks(4) {
                    take(&mut record, MOST, 1_000_000);
                    for taker in chunk {
                        take(&mut record, *taker, 10);
                    }
                }
                take(&mut record, MOST, 1_000_000);
                let taken = read(&mut before, &mut record, &[]);
                let turns = small.chunks(4).count() as u64 + 1;
                let whole = taken.takers.iter().find(|it| it.0 == MOST).map(|it| it.1);
                if tick > 0 {
                    prop_assert_eq!(whole, Some(turns * 1_000_000));
                }
            }
        }
    }
}
