//! What a scripted server does with a request.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    net::TcpStream,
    time::Duration,
};

use serde_json::json;

use super::store::Bad;
use crate::harness::pause;

/// One answer, or something instead of one.
pub(crate) struct Reply {
    status: u16,
    headers: String,
    body: String,
    /// How long each byte of the body takes.
    pace: Duration,
    ending: Ending,
    /// Whether there is an answer at all.
    answers: bool,
}

/// What becomes of a connection after an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ending {
    /// The next request may come.
    Keep,
    /// It is closed, which no header announced.
    Close,
    /// No more is sent, and it is read to its end.
    HalfClose,
    Reset,
}

impl Reply {
    /// An answer without a body.
    pub(crate) fn status(status: u16) -> Self {
        Self {
            status,
            headers: String::new(),
            body: String::new(),
            pace: Duration::ZERO,
            ending: Ending::Keep,
            answers: true,
        }
    }

    /// What InfluxDB 1 and 2 answer to a write that went well, and 3 too.
    pub(crate) fn stored() -> Self {
        Self::status(204)
    }

    /// InfluxDB 1: `{"error":…}`.
    pub(crate) fn v1(status: u16, error: &str) -> Self {
        Self::status(status).json(&json!({"error": error}))
    }

    /// InfluxDB 2: a code in words and a message.
    pub(crate) fn v2(status: u16, code: &str, message: &str) -> Self {
        Self::status(status).json(&json!({"code": code, "message": message}))
    }

    /// InfluxDB 3: each line that was not taken.
    pub(crate) fn v3(bad: &[Bad]) -> Self {
        let data: Vec<_> = bad
            .iter()
            .map(|bad| {
                json!({
                    "original_line": bad.line,
                    "line_number": bad.number,
                    "error_message": bad.reason,
                })
            })
            .collect();
        let error = "partial write of line protocol occurred";
        Self::status(400).json(&json!({"error": error, "data": data}))
    }

    /// The connection is reset; everything of the request was read.
    pub(crate) fn reset() -> Self {
        Self::nothing(Ending::Reset)
    }

    /// The other side is told that nothing more comes, before anything has.
    pub(crate) fn half_close() -> Self {
        Self::nothing(Ending::HalfClose)
    }

    /// Nothing ever comes, for as long as the connection lasts.
    pub(crate) fn never() -> Self {
        Self::nothing(Ending::Keep)
    }

    fn nothing(ending: Ending) -> Self {
        Self {
            answers: false,
            ending,
            ..Self::status(0)
        }
    }

    /// One more header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        write!(self.headers, "{name}: {value}\r\n").unwrap();
        self
    }

    /// A body of this type.
    pub(crate) fn body(mut self, kind: &str, body: &str) -> Self {
        body.clone_into(&mut self.body);
        self.header("Content-Type", kind)
    }

    /// A body as InfluxDB writes it.
    pub(crate) fn json(self, body: &serde_json::Value) -> Self {
        self.body("application/json", &format!("{body}\n"))
    }

    /// The body comes byte by byte, each after this time.
    pub(crate) fn slowly(mut self, pace: Duration) -> Self {
        self.pace = pace;
        self
    }

    /// The connection is closed after it, though nothing in it says so.
    pub(crate) fn then_close(mut self) -> Self {
        self.ending = Ending::Close;
        self
    }

    /// Returns once it is sent and the next request may come, or `ended`.
    pub(super) fn send(
        &self,
        mut stream: &TcpStream,
        ended: impl Fn() -> bool,
    ) -> io::Result<Ending> {
        if !self.answers {
            let waits = self.ending == Ending::Keep;
            while waits && !ended() && !is_closed(stream)? {
                pause(Duration::from_millis(20));
            }
            return Ok(match self.ending {
                Ending::Keep => Ending::Close,
                ending => ending,
            });
        }
        let Self {
            status,
            headers,
            body,
            ..
        } = self;
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status} Scripted\r\n{headers}Content-Length: {length}\r\n\r\n");
        // Without one, as a server must have it (RFC 9110, 8.6).
        let head = if *status == 204 {
            format!("HTTP/1.1 204 No Content\r\n{headers}\r\n")
        } else {
            head
        };
        stream.write_all(head.as_bytes())?;
        if self.pace.is_zero() {
            stream.write_all(body.as_bytes())?;
            return Ok(self.ending);
        }
        for byte in body.as_bytes() {
            if ended() {
                return Ok(Ending::Close);
            }
            pause(self.pace);
            stream.write_all(&[*byte])?;
        }
        Ok(self.ending)
    }
}

/// Whether the other side has given up.
fn is_closed(stream: &TcpStream) -> io::Result<bool> {
    stream.set_nonblocking(true)?;
    let seen = stream.peek(&mut [0]);
    stream.set_nonblocking(false)?;
    match seen {
        Ok(read) => Ok(read == 0),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}
