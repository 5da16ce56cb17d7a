//! Server-sent events: one HTTP GET whose answer goes on. What an event means is left to the caller.
//!
//! The format is that of the HTML standard: <https://html.spec.whatwg.org/multipage/server-sent-events.html>. Of its fields
//! `event`, `data` and `id` are read.

use std::{mem, pin::Pin, time::Duration};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Collected, Empty, Limited};
use hyper::{
    body::Incoming,
    client::conn::http1,
    header::{ACCEPT, CONTENT_TYPE},
};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::{Connection, GetError, Server, connect, request};

/// Most bytes of one event: a tick of 100,000 entries has some 30 million.
const MAX_EVENT_BYTES: usize = 64 << 20;

/// Most bytes of an answer that is no stream, and says why.
const MAX_REFUSAL_BYTES: usize = 64 << 10;

/// One event.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ServerEvent {
    /// Its kind; empty where it does not say.
    pub kind: String,
    /// What it says.
    pub data: String,
    /// By which the stream is taken up again behind it; empty where it does not say.
    pub id: String,
}

/// What an attempt to listen came to.
#[derive(Debug)]
pub enum Listening {
    /// Events come.
    Events(EventStream),
    /// An answer that is no stream of events.
    Refused {
        /// HTTP status.
        status: u16,
        /// The begin of the body.
        body: String,
    },
}

/// Events as they come.
pub struct EventStream {
    server: Server,
    /// Does the work behind `body`; `None` once the connection has ended.
    connection: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    body: Incoming,
    lines: Lines,
    event: ServerEvent,
}

impl EventStream {
    /// Asks for `path` (which starts with `/`); an answer must begin within `patience`.
    pub async fn open(
        server: &Server,
        path: &str,
        patience: Duration,
    ) -> Result<Listening, GetError> {
        let opened = async { begin(server, connect(server).await?, path).await };
        timeout(patience, opened)
            .await
            .unwrap_or_else(|_elapsed| Err(too_slow(server, patience)))
    }

    /// The next event; `None` when the server ends the stream. Fails if nothing at all comes for as long as `patience`,
    /// which a server that lives does not let happen. Nothing is lost when it is dropped while it waits.
    pub async fn next(&mut self, patience: Duration) -> Result<Option<ServerEvent>, GetError> {
        loop {
            while let Some(line) = self.lines.next() {
                if line.is_empty() {
                    let event = mem::take(&mut self.event);
                    if !event.data.is_empty() {
                        return Ok(Some(event));
                    }
                    continue;
                }
                self.take_field(&line);
            }
            if self.lines.buffer.len() + self.event.data.len() > MAX_EVENT_BYTES {
                return Err(GetError::TooLong {
                    server: self.server.clone(),
                });
            }
            match timeout(patience, self.frame()).await {
                Err(_elapsed) => return Err(too_slow(&self.server, patience)),
                Ok(None) => return Ok(None),
                Ok(Some(bytes)) => self.lines.buffer.extend_from_slice(&bytes?),
            }
        }
    }

    /// The next piece of the answer.
    async fn frame(&mut self) -> Option<Result<Bytes, GetError>> {
        let frame = loop {
            let Some(connection) = &mut self.connection else {
                break self.body.frame().await;
            };
            tokio::select! {
                biased;
                frame = self.body.frame() => break frame,
                () = connection => self.connection = None,
            }
        };
        let server = &self.server;
        Some(match frame? {
            Ok(frame) => Ok(frame.into_data().unwrap_or_default()),
            Err(error) => Err(protocol(server, error)),
        })
    }

    fn take_field(&mut self, line: &str) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.kind),
            "id" => value.clone_into(&mut self.event.id),
            "data" => {
                if !self.event.data.is_empty() {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            _ => {}
        }
    }
}

async fn begin(
    server: &Server,
    stream: Box<dyn Connection>,
    path: &str,
) -> Result<Listening, GetError> {
    let shaken = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|error| protocol(server, error))?;
    let request = request(server, path)?
        .header(ACCEPT, "text/event-stream")
        .body(Empty::<Bytes>::new())
        .map_err(|error| protocol(server, error))?;
    // How it ended is told by the body.
    let mut connection = Box::pin(async move { drop(connection.await) });
    let sent = sender.send_request(request);
    tokio::pin!(sent);
    let mut has_ended = false;
    let response = loop {
        tokio::select! {
            biased;
            response = &mut sent => break response,
            () = &mut connection, if !has_ended => has_ended = true,
        }
    };
    let (head, body) = response
        .map_err(|error| protocol(server, error))?
        .into_parts();
    let is_stream = head
        .headers
        .get(CONTENT_TYPE)
        .is_some_and(|it| it.as_bytes().starts_with(b"text/event-stream"));
    let mut connection: Option<Pin<Box<dyn Future<Output = ()> + Send>>> =
        (!has_ended).then_some(connection as _);
    if head.status.is_success() && is_stream {
        return Ok(Listening::Events(EventStream {
            server: server.clone(),
            connection,
            body,
            lines: Lines::default(),
            event: ServerEvent::default(),
        }));
    }
    let body = Limited::new(body, MAX_REFUSAL_BYTES).collect();
    tokio::pin!(body);
    let body = loop {
        let Some(working) = &mut connection else {
            break body.await;
        };
        tokio::select! {
            biased;
            body = &mut body => break body,
            () = working => connection = None,
        }
    };
    let body = body.map(Collected::to_bytes).unwrap_or_default();
    Ok(Listening::Refused {
        status: head.status.as_u16(),
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

fn protocol(
    server: &Server,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> GetError {
    GetError::Protocol {
        server: server.clone(),
        source: source.into(),
    }
}

fn too_slow(server: &Server, patience: Duration) -> GetError {
    GetError::Timeout {
        server: server.clone(),
        patience,
    }
}

/// Bytes → lines, which end with a line feed, with or without a carriage return before it.
#[derive(Debug, Default)]
struct Lines {
    buffer: BytesMut,
    /// How much of it is known to have no line feed.
    searched: usize,
}

impl Lines {
    fn next(&mut self) -> Option<String> {
        let rest = &self.buffer[self.searched..];
        let Some(at) = rest.iter().position(|&byte| byte == b'\n') else {
            self.searched = self.buffer.len();
            return None;
        };
        let line = self.buffer.split_to(self.searched + at + 1);
        self.searched = 0;
        let text = String::from_utf8_lossy(&line);
        Some(text.trim_end_matches(['\n', '\r']).to_owned())
    }
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventStream")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// What a client makes of an answer in these pieces.
    async fn events(pieces: &[&str]) -> (Vec<ServerEvent>, Option<GetError>, Option<u16>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::at(format!("http://{address}").parse().unwrap());
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            for piece in pieces {
                stream.write_all(piece.as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        let listen = async {
            let mut stream = match EventStream::open(&server, "/x", PATIENCE).await {
                Ok(Listening::Events(stream)) => stream,
                Ok(Listening::Refused { status, .. }) => return (Vec::new(), None, Some(status)),
                Err(error) => return (Vec::new(), Some(error), None),
            };
            let mut events = Vec::new();
            loop {
                match stream.next(PATIENCE).await {
                    Ok(Some(event)) => events.push(event),
                    Ok(None) => return (events, None, None),
                    Err(error) => return (events, Some(error), None),
                }
            }
        };
        let (told, ()) = tokio::join!(listen, serve);
        told
    }

    #[tokio::test]
    async fn events_come_whole_however_they_are_cut() {
        let head =
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        let event = |kind: &str, data: &str, id: &str| ServerEvent {
            kind: kind.to_owned(),
            data: data.to_owned(),
            id: id.to_owned(),
        };
        let (found, error, _) = events(&[
            head,
            "retry: 1\nevent: hel",
            "lo\ndata: {}\n\n:\n\nid: 7\r\ndata:a\ndata: ",
            "b\n\ndata: lost",
        ])
        .await;
        assert!(error.is_none(), "{error:?}");
        assert_eq!(found, [event("hello", "{}", ""), event("", "a\nb", "7")]);
    }

    #[tokio::test]
    async fn what_is_no_stream_of_events_is_told_apart() {
        let refused =
            "HTTP/1.1 503 Busy\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(events(&[refused]).await.2, Some(503));
        let page = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(events(&[page]).await.2, Some(200));
        let (_, error, _) = events(&["SSH-2.0-x\r\n"]).await;
        assert!(
            matches!(error, Some(GetError::Protocol { .. })),
            "{error:?}"
        );
    }
}
