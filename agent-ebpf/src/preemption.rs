//! Who ran while a task waited: the last turns of each CPU, and what they took from each slot.
//!
//! When a turn ends, the wait before it is known; it was spent in the queue of this CPU and of no other. It is dealt out
//! to the turns before this one, the latest first: turns follow each other without a gap as long as the CPU does not rest,
//! so each lasted until the next one began. When that was, the scheduler has noted by the clock that it times waits with.

/// Turns that a CPU remembers. Turns of one slot in a row are one.
pub const TURNS: usize = MOST as usize;

/// [`TURNS`] as they are counted.
const MOST: u32 = 16;

/// Places for takers in a record. Who finds none is counted in [`Takers::rest_ns`].
pub const PLACES: usize = 10;

/// Stands for the slot of a turn that is not known.
pub const NOBODY: u32 = u32::MAX;

/// The turns that ended on a CPU since it last rested, without a gap between them. One per possible CPU, written by that
/// CPU only, but for the agent while no program runs; empty if all zero.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(C, align(64))]
pub struct Turns {
    /// Where the latest turn stands; counts on, so its lowest bits do.
    latest: u32,
    /// How many turns are remembered.
    count: u32,
    /// Which slot each was of, or [`NOBODY`].
    slots: [u32; TURNS],
    /// When each began, by the CPU's own clock, in nanoseconds.
    began_ns: [u64; TURNS],
    /// Unused; fills the cache line.
    reserved: [u64; 7],
}

const _: () = assert!(size_of::<Turns>() == 256);
const _: () = assert!(TURNS.is_power_of_two());

/// What others took from one slot on one CPU stripe: all of its waits, dealt out.
///
/// Three cache lines; the sums and the first two takers, mostly all there are, share one.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(C, align(64))]
pub struct Takers {
    /// Waits while tasks of the same slot ran, in nanoseconds.
    pub own_ns: u64,
    /// Waits while others ran that found no place, in nanoseconds.
    pub rest_ns: u64,
    /// Waits while no turn that is remembered ran, in nanoseconds.
    pub unknown_ns: u64,
    /// Unused; fills the cache line with two takers.
    pub reserved: u64,
    /// Those with a place.
    pub takers: [Taker; PLACES],
}

const _: () = assert!(size_of::<Takers>() == 192);

/// A place for a taker. The programs take a free one and add to it; only the agent makes it free again, and it leaves the
/// time where it is: that only grows, whosever the place is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(C)]
pub struct Taker {
    /// Its slot, as [`Taker::key_of`] has it; 0 for a free place.
    pub key: u64,
    /// What was added here, in nanoseconds.
    pub ns: u64,
}

impl Turns {
    /// The CPU rests: what ran before tells nothing of waits that end from here on.
    #[inline(always)]
    pub fn forget(&mut self) {
        self.count = 0;
    }

    /// Somebody ran after the latest turn whose turn was not seen, so that the end of the latest is not known either: all of
    /// it, until the next that is added, is nobody's.
    #[inline(always)]
    pub fn miss(&mut self) {
        self.slots[place(self.latest)] = NOBODY;
    }

    /// A turn of `slot` that began at `began_ns` ends, and another begins at once, or the CPU rests.
    #[inline(always)]
    pub fn add(&mut self, slot: u32, began_ns: u64) {
        if self.count != 0 && self.slots[place(self.latest)] == slot {
            return;
        }
        self.latest = self.latest.wrapping_add(1);
        let next = place(self.latest);
        self.slots[next] = slot;
        self.began_ns[next] = began_ns;
        if self.count < MOST {
            self.count += 1;
        }
    }

    /// Deals out a wait of `wait_ns` that ended when a turn began, at `began_ns`, that is not added yet: `took` is told of
    /// each turn before the slot and the nanoseconds. Returns what is left: nobody ran then, or nobody that is remembered.
    /// Of a wait longer than all turns that fit in here, each takes the same part of it as of them: what ran before is
    /// taken to have been like them.
    #[inline(always)]
    pub fn deal(&self, began_ns: u64, wait_ns: u64, mut took: impl FnMut(u32, u64)) -> u64 {
        /// Precision of the factor, in bits. A wait has at most 54, half a year.
        const SHIFT: u32 = 10;
        // Mostly one ran, and for longer.
        let latest = place(self.latest);
        if self.count != 0 && began_ns.saturating_sub(self.began_ns[latest]) >= wait_ns {
            took(self.slots[latest], wait_ns);
            return 0;
        }
        let mut factor = 1 << SHIFT;
        if self.count >= MOST {
            let oldest = place(self.latest.wrapping_add(1));
            let all_ns = began_ns.saturating_sub(self.began_ns[oldest]);
            if wait_ns > all_ns && all_ns != 0 {
                factor = (wait_ns << SHIFT) / all_ns;
            }
        }
        let mut left_ns = wait_ns;
        let mut ended_ns = began_ns;
        for back in 0..MOST {
            if back >= self.count || left_ns == 0 {
                break;
            }
            let at = place(self.latest.wrapping_sub(back));
            let lasted_ns = ended_ns.saturating_sub(self.began_ns[at]);
            let ns = (lasted_ns.wrapping_mul(factor) >> SHIFT).min(left_ns);
            took(self.slots[at], ns);
            left_ns -= ns;
            ended_ns -= lasted_ns;
        }
        left_ns
    }
}

impl Taker {
    /// How `slot` is written in a place.
    #[inline(always)]
    pub const fn key_of(slot: u32) -> u64 {
        slot as u64 + 1
    }

    /// The slot that stands in a place as `key`; `None` for a free one.
    #[inline]
    pub fn slot_of(key: u64) -> Option<u32> {
        u32::try_from(key.checked_sub(1)?).ok()
    }
}

/// The place for `key` among those that `held` tells the keys of: its own, else a free one; [`PLACES`] without either.
#[inline(always)]
pub fn place_for(key: u64, held: impl Fn(usize) -> u64) -> usize {
    let mut free = PLACES;
    for at in 0..PLACES {
        let it = held(at);
        if it == key {
            return at;
        }
        if it == 0 && free == PLACES {
            free = at;
        }
    }
    free
}

#[inline(always)]
const fn place(number: u32) -> usize {
    number as usize & (TURNS - 1)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::{vec, vec::Vec};

    use proptest::prelude::*;

    use super::*;

    /// Turns of these slots, so long each, one after the other, and when the last one ended.
    fn after(ended: &[(u32, u64)]) -> (Turns, u64) {
        let mut turns = Turns::default();
        let mut now_ns = 1_000;
        for (slot, ns) in ended {
            turns.add(*slot, now_ns);
            now_ns += ns;
        }
        (turns, now_ns)
    }

    /// What a wait is dealt out to that ended with the last of these turns, the latest first, and what is left.
    fn dealt((turns, now_ns): &(Turns, u64), wait_ns: u64) -> (Vec<(u32, u64)>, u64) {
        let mut takers = Vec::new();
        let left_ns = turns.deal(*now_ns, wait_ns, |slot, ns| takers.push((slot, ns)));
        (takers, left_ns)
    }

    #[test]
    fn a_wait_is_the_latest_turns_and_of_the_one_it_began_in_a_part() {
        let turns = after(&[(1, 100), (2, 50), (2, 20), (0, 10)]);
        assert_eq!(dealt(&turns, 5), (vec![(0, 5)], 0));
        assert_eq!(dealt(&turns, 90), (vec![(0, 10), (2, 70), (1, 10)], 0));
        let all = vec![(0, 10), (2, 70), (1, 100)];
        assert_eq!(dealt(&turns, 500), (all, 320));
        assert_eq!(dealt(&after(&[]), 7), (vec![], 7));
    }

    #[test]
    fn what_ran_before_the_cpu_rested_took_nothing() {
        let (mut turns, now_ns) = after(&[(1, 100)]);
        turns.forget();
        assert_eq!(dealt(&(turns, now_ns), 30), (vec![], 30));
        turns.add(2, now_ns);
        assert_eq!(dealt(&(turns, now_ns + 10), 30), (vec![(2, 10)], 20));
    }

    #[test]
    fn what_was_not_seen_is_nobodys_together_with_the_turn_before() {
        let (mut turns, now_ns) = after(&[(1, 100), (2, 50)]);
        turns.miss();
        turns.add(3, now_ns + 20);
        let all = vec![(3, 10), (NOBODY, 70), (1, 100)];
        assert_eq!(dealt(&(turns, now_ns + 30), 180), (all, 0));
    }

    #[test]
    fn of_a_wait_longer_than_what_is_remembered_each_takes_its_part() {
        let ended: Vec<(u32, u64)> = (0..100)
            .map(|turn| (turn % 2, 10 + u64::from(turn % 2) * 20))
            .collect();
        let (takers, left_ns) = dealt(&after(&ended), 32_000);
        let sum = |slot| -> u64 {
            let its = takers.iter().filter(|it| it.0 == slot);
            its.map(|it| it.1).sum()
        };
        assert_eq!((sum(0), sum(1), left_ns), (8_000, 24_000, 0));
    }

    #[test]
    fn a_clock_that_goes_back_takes_nothing_from_nobody() {
        let mut turns = Turns::default();
        turns.add(1, 100);
        turns.add(2, 50);
        assert_eq!(dealt(&(turns, 40), 30), (vec![(2, 0), (1, 0)], 30));
    }

    #[test]
    fn a_taker_has_its_own_place_or_a_free_one_or_none() {
        let key = Taker::key_of;
        let mut places = [0; PLACES];
        places[0] = key(7);
        places[2] = key(0);
        let place_of = |slot, places: [u64; PLACES]| place_for(key(slot), |at| places[at]);
        assert_eq!([7, 0, 9].map(|slot| place_of(slot, places)), [0, 2, 1]);
        assert_eq!(place_of(9, [key(1); PLACES]), PLACES);
        assert_eq!(
            [0, key(0), key(u32::MAX)].map(Taker::slot_of),
            [None, Some(0), Some(u32::MAX)]
        );
    }

    proptest! {
        /// Whatever ran: all of a wait is dealt out or left, and as long as all turns of it are remembered each takes
        /// exactly what it ran within the wait.
        #[test]
        fn sums_close_and_each_takes_what_it_ran(
            ended in prop::collection::vec((0_u32..5, 1_u64..1_000_000_000), 0..40),
            wait_ns in 0_u64..20_000_000_000,
        ) {
            let turns = after(&ended);
            let (takers, left_ns) = dealt(&turns, wait_ns);
            prop_assert!(takers.len() <= TURNS);
            prop_assert_eq!(takers.iter().map(|it| it.1).sum::<u64>() + left_ns, wait_ns);
            // What ran within the wait, back from its end.
            let mut ran = [0_u64; 5];
            let mut left = wait_ns;
            let mut runs = 0;
            let mut latest = None;
            for (slot, ns) in ended.iter().rev() {
                if left == 0 {
                    break;
                }
                runs += usize::from(latest != Some(*slot));
                latest = Some(*slot);
                ran[*slot as usize] += left.min(*ns);
                left -= left.min(*ns);
            }
            if runs < TURNS {
                let mut took = [0_u64; 5];
                for (slot, ns) in &takers {
                    took[*slot as usize] += ns;
                }
                prop_assert_eq!(took, ran);
                prop_assert_eq!(left_ns, left);
            } else {
                // Rounding of the factor, at most a 1024th for each turn.
                prop_assert!(left_ns <= left.max(wait_ns / 512 + TURNS as u64));
            }
        }
    }
}
