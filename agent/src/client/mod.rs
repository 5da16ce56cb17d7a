//! One HTTP GET, bounded in time and size, over TCP or a Unix socket. What an answer means is left to the caller.

pub mod daemon;

use std::{fmt, io, net::SocketAddr, path::PathBuf, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::{
    HeaderMap, Request,
    client::conn::http1,
    header::{CONNECTION, HOST, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use crate::config::Endpoint;

/// Most bytes of an answer: 100,000 entries of 2 KiB.
const MAX_ANSWER_BYTES: usize = 200 << 20;

/// Who is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Server {
    /// By TCP.
    Tcp(Endpoint),
    /// By a Unix socket.
    Unix(PathBuf),
}

/// What came back, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    /// Nobody there, or not for us.
    #[error("cannot connect to {server}")]
    Connect {
        /// Who was asked.
        server: Server,
        /// Why.
        source: io::Error,
    },
    /// Too slow.
    #[error("{server} does not answer within {}", humantime::format_duration(*.patience))]
    Timeout {
        /// Who was asked.
        server: Server,
        /// How long was waited.
        patience: Duration,
    },
    /// Something else than HTTP, or an answer cut short.
    #[error("{server} does not answer as an HTTP server does")]
    Protocol {
        /// Who was asked.
        server: Server,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// More than any server of interest says.
    #[error("{server} answers with more than {MAX_ANSWER_BYTES} bytes")]
    TooLong {
        /// Who was asked.
        server: Server,
    },
}

/// Asks `server` for `path` (which starts with `/`) on a connection of its own; `patience` is for all of it.
pub async fn get(server: &Server, path: &str, patience: Duration) -> Result<Answer, GetError> {
    let asked = async {
        let connect = |source| GetError::Connect {
            server: server.clone(),
            source,
        };
        match server {
            Server::Tcp(endpoint) => {
                let address = (endpoint.host.as_str(), endpoint.port);
                let stream = TcpStream::connect(address).await.map_err(connect)?;
                exchange(server, stream, path).await
            }
            Server::Unix(socket) => {
                let stream = UnixStream::connect(socket).await.map_err(connect)?;
                exchange(server, stream, path).await
            }
        }
    };
    match timeout(patience, asked).await {
        Ok(answer) => answer,
        Err(_elapsed) => Err(GetError::Timeout {
            server: server.clone(),
            patience,
        }),
    }
}

async fn exchange(
    server: &Server,
    stream: impl AsyncRead + AsyncWrite + Unpin,
    path: &str,
) -> Result<Answer, GetError> {
    let protocol = |source| GetError::Protocol {
        server: server.clone(),
        source,
    };
    let io = TokioIo::new(stream);
    let (mut sender, connection) = http1::handshake(io)
        .await
        .map_err(|error| protocol(error.into()))?;
    let request = Request::get(path)
        .header(HOST, server.host())
        .header(USER_AGENT, concat!("cgflux/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| protocol(error.into()))?;
    let answer = async {
        // Owned here, so that the connection ends when the answer is complete.
        let response = sender.send_request(request).await;
        drop(sender);
        let (head, body) = response
            .map_err(|error| protocol(error.into()))?
            .into_parts();
        let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
        let body = body.map_err(|source| {
            if source.is::<LengthLimitError>() {
                GetError::TooLong {
                    server: server.clone(),
                }
            } else {
                protocol(source)
            }
        })?;
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.to_bytes(),
        })
    };
    // How the connection ended does not matter once the answer is there, and is told by the answer if it is not.
    let (answer, _ended) = tokio::join!(answer, connection);
    answer
}

impl Server {
    /// The server that listens at `address`; one that listens everywhere is asked by loopback.
    pub fn listening_at(address: SocketAddr) -> Self {
        let host = match address {
            SocketAddr::V4(v4) if v4.ip().is_unspecified() => "127.0.0.1".to_owned(),
            SocketAddr::V6(v6) if v6.ip().is_unspecified() => "::1".to_owned(),
            _ => address.ip().to_string(),
        };
        Self::Tcp(Endpoint {
            host,
            port: address.port(),
        })
    }

    fn host(&self) -> String {
        match self {
            Self::Tcp(endpoint) => endpoint.to_string().replacen("http://", "", 1),
            Self::Unix(_) => "localhost".to_owned(),
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(endpoint) => endpoint.fmt(f),
            Self::Unix(socket) => socket.display().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, UnixListener},
    };

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// Reads a request's head and answers with `text`.
    async fn answer_with(mut stream: impl AsyncRead + AsyncWrite + Unpin, text: &str) -> String {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.expect("a request"));
        }
        stream.write_all(text.as_bytes()).await.expect("written");
        String::from_utf8(request).expect("text")
    }

    async fn tcp(text: &str) -> (Result<Answer, GetError>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let server = Server::listening_at(listener.local_addr().expect("bound"));
        let serve = async {
            let (stream, _) = listener.accept().await.expect("a connection");
            answer_with(stream, text).await
        };
        tokio::join!(get(&server, "/x", PATIENCE), serve)
    }

    #[tokio::test]
    async fn an_answer_is_taken_in_whole() {
        let body = "y".repeat(100_000);
        let text = format!(
            "HTTP/1.1 418 I'm a teapot\r\nserver: pot\r\ncontent-length: 100000\r\n\r\n{body}"
        );
        let (answer, request) = tcp(&text).await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status, 418);
        assert_eq!(answer.headers["server"], "pot");
        assert_eq!(answer.body.len(), 100_000);
        assert!(request.starts_with("GET /x HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("host: 127.0.0.1:"), "{request}");
    }

    #[tokio::test]
    async fn what_is_no_http_or_cut_short_is_told_apart_from_an_answer() {
        for text in [
            "SSH-2.0-OpenSSH_9.2\r\n",
            "",
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ncut",
        ] {
            let (answer, _) = tcp(text).await;
            assert!(
                matches!(answer, Err(GetError::Protocol { .. })),
                "{text:?}: {answer:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_unix_socket_is_asked_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let listener = UnixListener::bind(&path).expect("bound");
        let serve = async {
            let (stream, _) = listener.accept().await.expect("a connection");
            answer_with(stream, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK").await
        };
        let server = Server::Unix(path);
        let (answer, _) = tokio::join!(get(&server, "/_ping", PATIENCE), serve);
        assert_eq!(answer.expect("an answer").body, "OK");
    }

    #[tokio::test]
    async fn nobody_there_and_nobody_answering_are_two_things() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let server = Server::listening_at(listener.local_addr().expect("bound"));
        let silent = get(&server, "/", Duration::from_millis(1)).await;
        assert!(
            matches!(silent, Err(GetError::Timeout { .. })),
            "{silent:?}"
        );
        drop(listener);
        let absent = get(&server, "/", PATIENCE).await;
        assert!(
            matches!(absent, Err(GetError::Connect { .. })),
            "{absent:?}"
        );
    }

    #[test]
    fn a_server_that_listens_everywhere_is_asked_by_loopback() {
        for (address, asked) in [
            ("0.0.0.0:1", "http://127.0.0.1:1"),
            ("[::]:1", "http://[::1]:1"),
            ("192.0.2.1:1", "http://192.0.2.1:1"),
        ] {
            let server = Server::listening_at(address.parse().expect("an address"));
            assert_eq!(server.to_string(), asked);
        }
    }
}
