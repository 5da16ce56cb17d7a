//! Batches and shipments → text, one format a file.
//!
//! Pure and infallible: whatever a name contains, the lines are valid. Writing them anywhere is left to `sink`.

mod escape;
#[cfg(test)]
pub(crate) mod fixture;
pub mod json;
mod line;
pub mod line_protocol;
pub mod prometheus;
mod tags;

use bytes::Bytes;

pub use line_protocol::LineEncoder;
pub use tags::{TagError, Tagging};

/// Most lines in one payload; with [`MAX_PAYLOAD_BYTES`] the size at which InfluxDB 1.x takes most lines a second.
pub const MAX_PAYLOAD_LINES: usize = 5_000;

/// Most bytes in one payload, unless a single line is longer.
pub const MAX_PAYLOAD_BYTES: usize = 1 << 20;

/// Whole lines of line protocol, ready to be written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Payload {
    lines: Bytes,
    points: usize,
}

impl Payload {
    /// A payload of `lines`, each ended by a newline and none with a newline within.
    #[expect(
        clippy::naive_bytecount,
        reason = "only lines that were refused are counted again"
    )]
    pub fn new(lines: Bytes) -> Self {
        let points = lines.iter().filter(|&&byte| byte == b'\n').count();
        Self { lines, points }
    }

    /// The lines.
    pub fn lines(&self) -> &Bytes {
        &self.lines
    }

    /// How many lines there are; each is one point.
    pub fn points(&self) -> usize {
        self.points
    }

    /// The same lines in two payloads of about the same size; `None` if there is but one line.
    pub fn halves(&self) -> Option<[Self; 2]> {
        let is_newline = |byte: &u8| *byte == b'\n';
        let middle = self.lines.len() / 2;
        let (before, after) = self.lines.split_at(middle);
        let cut = before
            .iter()
            .rposition(is_newline)
            .map(|at| at + 1)
            .or_else(|| {
                let at = middle + after.iter().position(is_newline)? + 1;
                (at < self.lines.len()).then_some(at)
            })?;
        Some([
            Self::new(self.lines.slice(..cut)),
            Self::new(self.lines.slice(cut..)),
        ])
    }
}

#[cfg(test)]
mod oracle;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_single_line_has_no_halves() {
        assert_eq!(
            Payload::new(Bytes::from_static(b"a v=1i 1\n")).halves(),
            None
        );
        assert_eq!(Payload::new(Bytes::new()).halves(), None);
    }

    proptest! {
        #[test]
        fn halves_are_the_same_lines_and_neither_is_empty(
            lines in prop::collection::vec("[a-z]{0,9}\n", 2..20),
        ) {
            let whole = Payload::new(Bytes::from(lines.concat()));
            let [first, second] = whole.halves().unwrap();
            prop_assert_eq!([&first.lines[..], &second.lines[..]].concat(), whole.lines.to_vec());
            prop_assert_eq!(first.points() + second.points(), lines.len());
            prop_assert!(first.points() > 0 && second.points() > 0);
        }
    }
}
