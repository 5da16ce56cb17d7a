//! Lines on their way to a sink: as text, and packed for the spool.

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};

use crate::{
    loss::{Loss, LossReason},
    times::Times,
};

/// Most lines in one payload; with [`MAX_PAYLOAD_BYTES`] the size at which InfluxDB 1.x takes most lines a second.
pub const MAX_PAYLOAD_LINES: usize = 5_000;

/// Most bytes in one payload, unless a single line is longer.
pub const MAX_PAYLOAD_BYTES: usize = 1 << 20;

/// Whole lines, ready to be written. Each is one point, ended by a newline and without one within.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Payload {
    lines: Bytes,
    points: usize,
    times: Times,
}

impl Payload {
    /// A payload of `lines`, whose points have these times.
    #[expect(
        clippy::naive_bytecount,
        reason = "only lines that were refused, or come from elsewhere, are counted again"
    )]
    pub fn new(lines: Bytes, times: Times) -> Self {
        let points = lines.iter().filter(|&&byte| byte == b'\n').count();
        Self {
            lines,
            points,
            times,
        }
    }

    pub(super) fn counted(lines: Bytes, points: usize, times: Times) -> Self {
        Self {
            lines,
            points,
            times,
        }
    }

    /// The lines.
    pub fn lines(&self) -> &Bytes {
        &self.lines
    }

    /// How many lines there are; each is one point.
    pub fn points(&self) -> usize {
        self.points
    }

    /// The times of its points; those of what it was cut from may be wider.
    pub fn times(&self) -> Times {
        self.times
    }

    /// All of it lost.
    pub fn loss(&self, reason: LossReason) -> Loss {
        Loss {
            reason,
            points: self.points as u64,
            times: self.times,
        }
    }

    /// Its lines one by one, each with its newline.
    pub fn each_line(&self) -> impl Iterator<Item = Bytes> {
        let mut start = 0;
        std::iter::from_fn(move || {
            let rest = &self.lines[start..];
            let end = start + rest.iter().position(|&byte| byte == b'\n')? + 1;
            let line = self.lines.slice(start..end);
            start = end;
            Some(line)
        })
    }
}

/// A payload as the spool keeps it: gzip, which InfluxDB takes as it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Packed {
    /// The compressed lines, one gzip member.
    pub gzip: Bytes,
    /// Lines in it.
    pub points: usize,
    /// The times of its points.
    pub times: Times,
}

/// What was kept is not what was packed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a stored batch is damaged")]
pub struct Damaged;

/// Most that a packed payload may unpack to; a single line of another process may make a payload larger than
/// [`MAX_PAYLOAD_BYTES`].
const MAX_UNPACKED_BYTES: u64 = 32 << 20;

impl Packed {
    /// Packs `payload`. Level 1 makes a quarter of the size; level 6 a fifth, for several times the work.
    pub fn of(payload: &Payload) -> Self {
        let lines = payload.lines();
        let mut encoder = GzEncoder::new(
            Vec::with_capacity(lines.len() / 3 + 64),
            Compression::fast(),
        );
        // Writing to memory does not fail.
        let gzip = encoder
            .write_all(lines)
            .and_then(|()| encoder.finish())
            .unwrap_or_default();
        Self {
            gzip: Bytes::from(gzip),
            points: payload.points(),
            times: payload.times(),
        }
    }

    /// All of it lost.
    pub fn loss(&self, reason: LossReason) -> Loss {
        Loss {
            reason,
            points: self.points as u64,
            times: self.times,
        }
    }

    /// The payload again.
    pub fn unpack(&self) -> Result<Payload, Damaged> {
        let mut lines = Vec::with_capacity(self.gzip.len() * 5);
        let read = MultiGzDecoder::new(&self.gzip[..])
            .take(MAX_UNPACKED_BYTES + 1)
            .read_to_end(&mut lines);
        let payload = Payload::new(Bytes::from(lines), self.times);
        let is_whole = read.is_ok() && payload.points == self.points && self.points > 0;
        is_whole.then_some(payload).ok_or(Damaged)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TIMES: Times = Times {
        oldest_ns: 3,
        newest_ns: 9,
    };

    #[test]
    fn what_is_damaged_is_not_unpacked() {
        let payload = Payload::new(Bytes::from("a v=1i 3\n".repeat(100)), TIMES);
        let packed = Packed::of(&payload);
        for at in 10..packed.gzip.len() {
            let mut gzip = packed.gzip.to_vec();
            gzip[at] ^= 0x40;
            let damaged = Packed {
                gzip: Bytes::from(gzip),
                ..packed.clone()
            };
            // A flag of the member's end may be without meaning, but no line ever differs.
            if let Ok(unpacked) = damaged.unpack() {
                assert_eq!(unpacked, payload, "byte {at}");
            }
        }
        let cut = Packed {
            gzip: packed.gzip.slice(..packed.gzip.len() / 2),
            ..packed
        };
        assert_eq!(cut.unpack(), Err(Damaged));
    }

    proptest! {
        #[test]
        fn each_line_is_a_line_and_unpacked_is_what_was_packed(
            lines in prop::collection::vec("[a-z]{0,9}\n", 1..20),
        ) {
            let whole = Payload::new(Bytes::from(lines.concat()), TIMES);
            prop_assert_eq!(Packed::of(&whole).unpack(), Ok(whole.clone()));
            prop_assert_eq!(whole.points(), lines.len());
            let each: Vec<Bytes> = whole.each_line().collect();
            prop_assert_eq!(each, lines);
        }
    }
}
