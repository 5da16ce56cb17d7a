//! Bodies in chunks (RFC 9112, 7.1).

use super::Garbage;

/// The most bytes of a chunk's extension, and of all trailers.
const MAX_EXTRA: u32 = 8 << 10;

/// How far a body was read.
#[derive(Debug, Default)]
pub(super) struct Chunked {
    at: At,
    /// Bytes of extensions and trailers so far.
    extra: u32,
}

#[derive(Clone, Copy, Debug)]
enum At {
    /// The size so far, and whether it has a digit.
    Size(u64, bool),
    Extension(u64),
    SizeEnd(u64),
    Data(u64),
    DataEnd,
    DataLineEnd,
    /// The begin of a trailer's line, or of the last.
    Trailer,
    TrailerRest,
    LastEnd,
}

impl Default for At {
    fn default() -> Self {
        Self::Size(0, false)
    }
}

impl Chunked {
    /// Takes in `bytes`, handing on the data among them: how many it took, and whether the body is whole.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        mut data: impl FnMut(&[u8]),
    ) -> Result<(usize, bool), Garbage> {
        let mut used = 0;
        while let Some(&byte) = bytes.get(used) {
            if let At::Data(left) = self.at {
                let rest = &bytes[used..];
                let take = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
                data(&rest[..take]);
                used += take;
                let left = left - take as u64;
                self.at = if left == 0 {
                    At::DataEnd
                } else {
                    At::Data(left)
                };
                continue;
            }
            used += 1;
            if matches!((self.at, byte), (At::LastEnd, b'\n')) {
                return Ok((used, true));
            }
            self.at = self.next(byte).ok_or(Garbage::Chunk)?;
        }
        Ok((used, false))
    }

    /// Where `byte`, which is no data, leads to.
    fn next(&mut self, byte: u8) -> Option<At> {
        if matches!(self.at, At::Extension(_) | At::Trailer | At::TrailerRest) {
            self.extra += 1;
            if self.extra > MAX_EXTRA {
                return None;
            }
        }
        Some(match (self.at, byte) {
            (At::Size(size, true) | At::Extension(size), b'\r') => At::SizeEnd(size),
            (At::Size(size, true), b';' | b' ' | b'\t') => At::Extension(size),
            (At::Size(size, _), digit) => {
                let digit = char::from(digit).to_digit(16)?;
                At::Size(size.checked_mul(16)?.checked_add(digit.into())?, true)
            }
            (At::Extension(_), b'\n') => return None,
            (At::Extension(size), _) => At::Extension(size),
            (At::SizeEnd(0) | At::TrailerRest, b'\n') => At::Trailer,
            (At::SizeEnd(size), b'\n') => At::Data(size),
            (At::DataEnd, b'\r') => At::DataLineEnd,
            (At::DataLineEnd, b'\n') => At::Size(0, false),
            (At::Trailer, b'\r') => At::LastEnd,
            (At::Trailer | At::TrailerRest, _) => At::TrailerRest,
            _ => return None,
        })
    }
}
