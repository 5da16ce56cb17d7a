//! Replies of HTTP/1.1, read piece by piece as they come. No byte is copied but those of a head that comes in pieces
//! and, where asked for, the first of a body.

mod chunked;

use chunked::Chunked;

/// The longest head.
const MAX_HEAD: usize = 16 << 10;

/// The most header fields.
const MAX_FIELDS: usize = 96;

/// The most that is kept of a body: a number of 64 bits has 20 digits.
const MAX_KEPT: usize = 32;

/// A whole reply.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// Whether the connection may serve another request.
    pub(super) keep_alive: bool,
}

/// What is not a reply, in words.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Garbage {
    #[error("not HTTP/1.1: {0}")]
    Head(httparse::Error),
    #[error("a head of more than 16 KiB")]
    LongHead,
    #[error("a content-length that is no length, or two of them")]
    Length,
    #[error("a transfer-encoding other than chunked")]
    Encoding,
    #[error("a chunk that does not hold")]
    Chunk,
    #[error("bytes that nobody asked for")]
    Unasked,
}

/// The reply that is being read.
#[derive(Debug, Default)]
pub(super) struct Response {
    part: Part,
    /// The head so far, where it came in pieces.
    head: Vec<u8>,
    reply: Option<Reply>,
    keeps: bool,
    kept: Vec<u8>,
}

#[derive(Debug, Default)]
enum Part {
    #[default]
    Head,
    /// So many bytes of the body are to come.
    Sized(u64),
    Chunked(Chunked),
    UntilClosed,
}

impl Response {
    /// For replies; `keeps` the first bytes of their bodies.
    pub(super) fn new(keeps: bool) -> Self {
        Self {
            keeps,
            ..Self::default()
        }
    }

    /// Takes in `bytes`. Gives the reply when it is whole; the bytes must end with it. `is_head`: a reply to HEAD, which
    /// has no body.
    pub(super) fn feed(&mut self, bytes: &[u8], is_head: bool) -> Result<Option<Reply>, Garbage> {
        let mut rest = bytes;
        loop {
            let (used, is_whole) = self.step(rest, is_head)?;
            rest = &rest[used..];
            if is_whole {
                self.part = Part::Head;
                return if rest.is_empty() {
                    Ok(self.reply.take())
                } else {
                    Err(Garbage::Unasked)
                };
            }
            if rest.is_empty() {
                return Ok(None);
            }
        }
    }

    /// The connection was closed: some replies end that way.
    pub(super) fn closed(&mut self) -> Option<Reply> {
        match self.part {
            Part::UntilClosed => {
                self.part = Part::Head;
                self.reply.take()
            }
            _ => None,
        }
    }

    /// Forgets what came of a reply that nobody waits for any more.
    pub(super) fn reset(&mut self) {
        self.part = Part::Head;
        self.head.clear();
        self.kept.clear();
        self.reply = None;
    }

    /// The first bytes of the last reply's body.
    pub(super) fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// Reads on as far as one part goes: how many bytes that took, and whether the reply is whole.
    fn step(&mut self, bytes: &[u8], is_head: bool) -> Result<(usize, bool), Garbage> {
        let body = match &mut self.part {
            Part::Head => return self.head(bytes, is_head),
            Part::Sized(left) => {
                let used = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= used as u64;
                (used, *left == 0)
            }
            Part::Chunked(chunked) => {
                let (keeps, kept) = (self.keeps, &mut self.kept);
                return chunked.feed(bytes, |data| keep(kept, keeps, data));
            }
            Part::UntilClosed => (bytes.len(), false),
        };
        keep(&mut self.kept, self.keeps, &bytes[..body.0]);
        Ok(body)
    }

    fn head(&mut self, bytes: &[u8], is_head: bool) -> Result<(usize, bool), Garbage> {
        let before = self.head.len();
        let parsed = if before == 0 {
            parse(bytes, is_head)?
        } else {
            self.head.extend_from_slice(bytes);
            parse(&self.head, is_head)?
        };
        let Some((length, reply, part)) = parsed else {
            if before == 0 {
                self.head.extend_from_slice(bytes);
            }
            return if self.head.len() > MAX_HEAD {
                Err(Garbage::LongHead)
            } else {
                Ok((bytes.len(), false))
            };
        };
        self.head.clear();
        // What came before was no whole head, so that this ends within `bytes`.
        let used = length.saturating_sub(before);
        if reply.status < 200 {
            return Ok((used, false));
        }
        self.kept.clear();
        self.reply = Some(reply);
        let is_whole = matches!(part, Part::Sized(0));
        self.part = part;
        Ok((used, is_whole))
    }
}

fn keep(kept: &mut Vec<u8>, keeps: bool, bytes: &[u8]) {
    if keeps {
        let room = MAX_KEPT - kept.len().min(MAX_KEPT);
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

/// Reads a head: its length, what it says, and what follows (RFC 9112, 6.3). `None` if it is not whole.
fn parse(bytes: &[u8], is_head: bool) -> Result<Option<(usize, Reply, Part)>, Garbage> {
    let mut fields = [const { std::mem::MaybeUninit::uninit() }; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default()
        .parse_response_with_uninit_headers(&mut response, bytes, &mut fields)
        .map_err(Garbage::Head)?;
    let httparse::Status::Complete(length) = parsed else {
        return Ok(None);
    };
    let status = response.code.unwrap_or_default();
    let mut keep_alive = response.version == Some(1);
    let mut sized: Option<u64> = None;
    let mut is_chunked = false;
    for field in response.headers.iter() {
        // Lengths of the three names that matter.
        match field.name.len() {
            10 if field.name.eq_ignore_ascii_case("connection") => {
                keep_alive = field.value.eq_ignore_ascii_case(b"keep-alive")
                    || (keep_alive && !field.value.eq_ignore_ascii_case(b"close"));
            }
            14 if field.name.eq_ignore_ascii_case("content-length") => {
                let size = decimal(field.value).ok_or(Garbage::Length)?;
                if sized.is_some_and(|before| before != size) {
                    return Err(Garbage::Length);
                }
                sized = Some(size);
            }
            17 if field.name.eq_ignore_ascii_case("transfer-encoding") => {
                is_chunked = field.value.eq_ignore_ascii_case(b"chunked");
                if !is_chunked {
                    return Err(Garbage::Encoding);
                }
            }
            _ => {}
        }
    }
    let has_no_body = is_head || status < 200 || matches!(status, 204 | 304);
    let part = match (has_no_body, is_chunked, sized) {
        (true, _, _) => Part::Sized(0),
        (false, true, _) => Part::Chunked(Chunked::default()),
        (false, false, Some(size)) => Part::Sized(size),
        (false, false, None) => Part::UntilClosed,
    };
    Ok(Some((length, Reply { status, keep_alive }, part)))
}

/// Digits alone; what is beyond 64 bits is none.
pub(super) fn decimal(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    bytes.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests;
