//! How large a part a server takes, as far as it is known: what stands before a server may refuse what is too large, and
//! not always so that it can be read.
//!
//! Pure.

use crate::encode::Payload;

/// After so many good parts twice as much is tried: what stands before a server may have been changed.
const TRY_LARGER_AFTER: u32 = 1_000;

/// The same where nobody said that the size was the matter, the first time.
const TRY_LARGER_AFTER_GUESS: u32 = 100;

/// After so many connections in a row that ended under a large part, its size is the suspect.
const MAX_CUTS: u32 = 3;

/// No server ends a connection for so few bytes being too many.
const LEAST_SUSPECT_BYTES: usize = 16 << 10;

/// What is known of a server.
#[derive(Debug)]
pub(super) struct Largest {
    bytes: usize,
    /// Parts taken since it was learned.
    taken: u32,
    try_larger_after: u32,
    has_guessed: bool,
    /// Connections in a row that ended under parts of so many bytes and more.
    cuts: u32,
    cut_bytes: usize,
}

impl Default for Largest {
    fn default() -> Self {
        Self {
            bytes: usize::MAX,
            taken: 0,
            try_larger_after: TRY_LARGER_AFTER,
            has_guessed: false,
            cuts: 0,
            cut_bytes: usize::MAX,
        }
    }
}

impl Largest {
    /// A single line is sent whatever its size: there is no smaller part.
    pub(super) fn forbids(&self, part: &Payload) -> bool {
        part.points() > 1 && part.lines().len() > self.bytes
    }

    /// A part was refused for its size.
    pub(super) fn refused(&mut self, part: &Payload) {
        self.answered(part);
        self.learn(part, part.lines().len() - 1, TRY_LARGER_AFTER);
    }

    /// The connection ended under a part.
    pub(super) fn cut(&mut self, part: &Payload) {
        let bytes = part.lines().len();
        if bytes <= LEAST_SUSPECT_BYTES {
            return;
        }
        self.cuts += 1;
        self.cut_bytes = self.cut_bytes.min(bytes);
        if self.cuts < MAX_CUTS {
            return;
        }
        // Each try costs time: half is found sooner than the bound itself.
        let after = if self.has_guessed {
            TRY_LARGER_AFTER
        } else {
            TRY_LARGER_AFTER_GUESS
        };
        self.has_guessed = true;
        self.learn(part, self.cut_bytes / 2, after);
        self.no_cuts();
    }

    /// The server has said something of a part, whatever it was.
    pub(super) fn answered(&mut self, part: &Payload) {
        if part.lines().len() >= self.cut_bytes {
            self.no_cuts();
        }
    }

    /// A part was taken.
    pub(super) fn stored(&mut self, part: &Payload) {
        self.answered(part);
        self.taken = self.taken.saturating_add(1);
        if self.taken >= self.try_larger_after {
            self.bytes = self.bytes.saturating_mul(2);
            self.taken = 0;
        }
    }

    fn learn(&mut self, part: &Payload, bytes: usize, try_larger_after: u32) {
        if part.points() > 1 {
            self.bytes = self.bytes.min(bytes);
            self.try_larger_after = try_larger_after;
            self.taken = 0;
        }
    }

    fn no_cuts(&mut self) {
        self.cuts = 0;
        self.cut_bytes = usize::MAX;
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::encode::Times;

    fn part(lines: usize) -> Payload {
        Payload::new(Bytes::from("a v=1i 1\n".repeat(lines)), Times::at(1))
    }

    #[test]
    fn what_was_refused_is_not_tried_again_for_a_while() {
        let mut largest = Largest::default();
        assert!(!largest.forbids(&part(100)));
        largest.refused(&part(100));
        assert!(largest.forbids(&part(100)) && !largest.forbids(&part(99)));
        for _ in 0..TRY_LARGER_AFTER {
            largest.stored(&part(9));
        }
        assert!(!largest.forbids(&part(100)));
        // There is nothing smaller than a line.
        largest.refused(&part(1));
        assert!(!largest.forbids(&part(1)));
    }

    #[test]
    fn a_part_under_which_connections_end_again_and_again_is_suspected_of_its_size() {
        let large = part(LEAST_SUSPECT_BYTES);
        let mut largest = Largest::default();
        for _ in 1..MAX_CUTS {
            largest.cut(&large);
        }
        // An answer to as much says that the size was not the matter, one to less does not.
        largest.answered(&large);
        for _ in 1..MAX_CUTS {
            largest.cut(&large);
            largest.stored(&part(3));
        }
        assert!(!largest.forbids(&large));
        largest.cut(&large);
        assert!(largest.forbids(&large) && !largest.forbids(&part(LEAST_SUSPECT_BYTES / 2)));
        for _ in 0..TRY_LARGER_AFTER_GUESS {
            largest.stored(&part(3));
        }
        assert!(!largest.forbids(&large));
    }

    /// A server that ends the connection for so many bytes, and batches of many sizes.
    #[test]
    fn a_bound_that_is_only_guessed_is_found_with_few_cuts() {
        let mut largest = Largest::default();
        let mut cuts = 0;
        for lines in (0..3_000).map(|number| 10_000 + number * 37 % 5_000) {
            let mut parts = vec![part(lines)];
            while let Some(next) = parts.pop() {
                if largest.forbids(&next) {
                    let half = next.points() / 2;
                    parts.extend([part(half), part(next.points() - half)]);
                } else if next.lines().len() > 40_000 {
                    cuts += 1;
                    largest.cut(&next);
                    parts.push(next);
                } else {
                    largest.stored(&next);
                }
            }
        }
        assert!(cuts < 60, "{cuts}");
    }

    #[test]
    fn a_small_part_is_not_suspected() {
        let mut largest = Largest::default();
        for _ in 0..2 * MAX_CUTS {
            largest.cut(&part(100));
        }
        assert!(!largest.forbids(&part(100)));
    }
}
