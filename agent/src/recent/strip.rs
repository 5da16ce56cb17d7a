//! One entry's moments, packed: the oldest and the newest plainly, and of each after the oldest how it differs from the one
//! before.
//!
//! A moment is a row of numbers: its time, its numbers, and the values of its parts. Parts are appended in the order in
//! which they appear first, so that a column has one meaning for good; rows from before it appeared end earlier. A
//! difference is a zigzag varint, a run of columns without one takes two bytes.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    encode::cadvisor::{Moment, Number, Part, PartKind},
    varint,
};

/// Stands for what is not known. No counter gets there.
const UNKNOWN: u64 = u64::MAX;

/// Disks, interfaces and filesystems of one entry; what appears later is left out.
const MOST_PARTS: usize = 64;

/// Bytes that there is room for beside what is used: some rows.
const ROOM: usize = 512;

/// The time and the numbers.
const FIXED: usize = 1 + Number::ALL.len();

/// What a strip takes beside its rows.
const OWN_BYTES: usize = size_of::<Strip>() + 32;

#[derive(Debug, Default)]
pub(super) struct Strip {
    parts: Vec<(PartKind, Arc<str>)>,
    oldest: Vec<u64>,
    newest: Vec<u64>,
    differences: VecDeque<u8>,
    length: usize,
}

impl Strip {
    /// Appends a moment, and forgets the oldest ones beyond `most`. One that is not later than the newest is no news.
    pub(super) fn push(&mut self, moment: &Moment, most: usize) {
        let is_later = self
            .newest_ns()
            .is_none_or(|newest| moment.wall_ns > newest);
        if !is_later {
            return;
        }
        let row = self.row(moment);
        if self.length == 0 {
            self.oldest.clone_from(&row);
        } else {
            self.make_room();
            pack(&mut self.differences, &self.newest, &row);
        }
        self.newest = row;
        self.length += 1;
        while self.length > most.max(1) {
            self.forget_oldest();
        }
    }

    pub(super) fn forget_oldest(&mut self) {
        if self.length < 2 {
            *self = Self::default();
            return;
        }
        let mut bytes = self.differences.iter().copied();
        let before = bytes.len();
        let next = unpack(&mut bytes, &self.oldest);
        let taken = before - bytes.len();
        drop(self.differences.drain(..taken));
        self.oldest = next;
        self.length -= 1;
    }

    /// Gives back what it has room for and does not use.
    pub(super) fn shrink(&mut self) {
        let used = self.differences.len();
        self.differences.shrink_to(used + ROOM);
    }

    /// Grows little by little: doubling would leave half of the room unused.
    fn make_room(&mut self) {
        let used = self.differences.len();
        if self.differences.capacity() - used < ROOM / 2 {
            self.differences.reserve_exact(ROOM.max(used / 8));
        }
    }

    /// When the newest was; `None` of none.
    pub(super) fn newest_ns(&self) -> Option<i64> {
        self.newest.first().map(|time| time.cast_signed())
    }

    /// All of them, oldest first.
    pub(super) fn moments(&self) -> Vec<Moment> {
        let mut moments = Vec::with_capacity(self.length);
        let mut bytes = self.differences.iter().copied();
        let mut row = self.oldest.clone();
        for nth in 0..self.length {
            if nth > 0 {
                row = unpack(&mut bytes, &row);
            }
            moments.push(self.moment(&row));
        }
        moments
    }

    /// What it takes.
    pub(super) fn bytes(&self) -> usize {
        let rows = self.oldest.capacity() + self.newest.capacity();
        let parts = self.parts.capacity() * size_of::<(PartKind, Arc<str>)>();
        let names: usize = self.parts.iter().map(|(_, name)| name.len() + 32).sum();
        OWN_BYTES + rows * size_of::<u64>() + self.differences.capacity() + parts + names
    }

    fn row(&mut self, moment: &Moment) -> Vec<u64> {
        for part in &moment.parts {
            let is_known = self.parts.iter().any(|it| is(it, part));
            if !is_known && self.parts.len() < MOST_PARTS {
                self.parts.push((part.kind, Arc::clone(&part.name)));
            }
        }
        let widths = self.parts.iter().map(|(kind, _)| kind.width());
        let mut row = Vec::with_capacity(FIXED + widths.sum::<usize>());
        row.push(moment.wall_ns.cast_unsigned());
        row.extend(moment.numbers.map(|it| it.unwrap_or(UNKNOWN)));
        for known in &self.parts {
            let part = moment.parts.iter().find(|part| is(known, part));
            let value = |at| part.and_then(|part| part.values.get(at).copied().flatten());
            row.extend((0..known.0.width()).map(|at| value(at).unwrap_or(UNKNOWN)));
        }
        row
    }

    fn moment(&self, row: &[u64]) -> Moment {
        let known = |value: u64| (value != UNKNOWN).then_some(value);
        let mut columns = row.iter().copied();
        let wall_ns = columns.next().unwrap_or_default().cast_signed();
        let numbers = Number::ALL.map(|_| columns.next().and_then(known));
        let mut parts = Vec::new();
        for (kind, name) in &self.parts {
            let values = columns.by_ref().take(kind.width()).map(known);
            let values: Vec<_> = values.collect();
            // One that was not there has no value at all.
            if values.iter().any(Option::is_some) {
                parts.push(Part {
                    kind: *kind,
                    name: Arc::clone(name),
                    values,
                });
            }
        }
        Moment {
            wall_ns,
            numbers,
            parts,
        }
    }
}

fn is(known: &(PartKind, Arc<str>), part: &Part) -> bool {
    known.0 == part.kind && known.1 == part.name
}

/// Appends how `after` differs from `before`, which has no more columns. A column that `before` lacks was unknown.
fn pack(bytes: &mut VecDeque<u8>, before: &[u64], after: &[u64]) {
    varint::write(bytes, after.len() as u64);
    let before = before.iter().copied().chain(std::iter::repeat(UNKNOWN));
    let mut unchanged = 0_u64;
    for (before, after) in before.zip(after) {
        let difference = after.wrapping_sub(before).cast_signed();
        if difference == 0 {
            unchanged += 1;
            continue;
        }
        put_unchanged(bytes, &mut unchanged);
        varint::write(bytes, zigzag(difference));
    }
    put_unchanged(bytes, &mut unchanged);
}

/// A zero, which no difference is, and how many columns are as they were.
fn put_unchanged(bytes: &mut VecDeque<u8>, unchanged: &mut u64) {
    if *unchanged > 0 {
        varint::write(bytes, 0);
        varint::write(bytes, *unchanged);
        *unchanged = 0;
    }
}

/// Takes the next row off the front. What is no packed row ends it early.
fn unpack(bytes: &mut impl Iterator<Item = u8>, before: &[u64]) -> Vec<u64> {
    let columns = usize::try_from(varint::read(bytes).unwrap_or(0)).unwrap_or(0);
    let mut before = before.iter().copied().chain(std::iter::repeat(UNKNOWN));
    let mut row = Vec::with_capacity(columns);
    while row.len() < columns {
        match varint::read(bytes) {
            Some(0) => {
                let unchanged = usize::try_from(varint::read(bytes).unwrap_or(0)).unwrap_or(0);
                if unchanged == 0 {
                    break;
                }
                row.extend(before.by_ref().take(unchanged));
            }
            Some(difference) => {
                let was = before.next().unwrap_or(UNKNOWN);
                row.push(was.wrapping_add(unzigzag(difference).cast_unsigned()));
            }
            None => break,
        }
    }
    row
}

/// Small for a small number of either sign, and never zero but for zero.
fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, option, prelude::*};

    use super::*;

    fn value() -> impl Strategy<Value = Option<u64>> {
        option::of(prop_oneof![0..1_000_u64, 0..UNKNOWN, Just(UNKNOWN - 1)])
    }

    fn part() -> impl Strategy<Value = Part> {
        let kind = prop_oneof![
            Just(PartKind::Disk),
            Just(PartKind::Interface),
            Just(PartKind::Filesystem)
        ];
        (kind, "[ab]").prop_flat_map(|(kind, name)| {
            // The first is known: what has nothing known is not there.
            (any::<u32>(), vec(value(), kind.width() - 1)).prop_map(move |(first, rest)| Part {
                kind,
                name: name.as_str().into(),
                values: std::iter::once(Some(first.into())).chain(rest).collect(),
            })
        })
    }

    fn moment() -> impl Strategy<Value = Moment> {
        (vec(value(), Number::ALL.len()), vec(part(), 0..5)).prop_map(|(numbers, mut parts)| {
            parts.sort_by(|one, other| {
                (one.kind as u8, &one.name).cmp(&(other.kind as u8, &other.name))
            });
            parts.dedup_by(|one, other| one.kind == other.kind && one.name == other.name);
            Moment {
                wall_ns: 0,
                numbers: numbers.try_into().unwrap(),
                parts,
            }
        })
    }

    /// Parts come back in the order in which they appeared.
    fn sorted(mut moment: Moment) -> Moment {
        moment.parts.sort_by(|one, other| {
            (one.kind as u8, &one.name).cmp(&(other.kind as u8, &other.name))
        });
        moment
    }

    proptest! {
        #[test]
        fn the_last_moments_come_back_as_they_were(
            mut moments in vec(moment(), 1..20),
            most in 1..10_usize,
            forgotten in 0..3_usize,
        ) {
            let mut strip = Strip::default();
            for (second, moment) in (1..).zip(&mut moments) {
                moment.wall_ns = second * 1_000_000_007;
                strip.push(moment, most);
                // The same again is no news.
                strip.push(moment, most);
            }
            (0..forgotten).for_each(|_| strip.forget_oldest());
            let left = most.min(moments.len()).saturating_sub(forgotten);
            let expected = moments.split_off(moments.len() - left);
            let kept: Vec<_> = strip.moments().into_iter().map(sorted).collect();
            prop_assert_eq!(kept, expected);
        }

        #[test]
        fn any_difference_is_packed(difference: i64) {
            prop_assert_eq!(unzigzag(zigzag(difference)), difference);
        }
    }

    #[test]
    fn a_row_in_which_nothing_but_time_went_on_takes_ten_bytes() {
        let mut strip = Strip::default();
        let mut moment = Moment {
            wall_ns: 1,
            numbers: [Some(1 << 40); Number::ALL.len()],
            parts: Vec::new(),
        };
        strip.push(&moment, 10);
        moment.wall_ns += 1_000_000_000;
        strip.push(&moment, 10);
        assert!(strip.differences.len() <= 10, "{:?}", strip.differences);
    }
}
