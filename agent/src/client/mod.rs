//! One HTTP GET, bounded in time and size, over TCP, TLS or a Unix socket. What an answer means is left to the caller.

pub mod daemon;
pub mod events;
mod way;

use std::{error::Error, fmt, io, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::{
    HeaderMap, Request,
    client::conn::http1,
    header::{AUTHORIZATION, CONNECTION, HOST, HeaderValue, USER_AGENT},
    http::request,
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::config::{Endpoint, Secret, ServerUrl};
pub use way::{Way, WayError, find, listening_at};

/// Most bytes of an answer: 100,000 entries of 2 KiB.
const MAX_ANSWER_BYTES: usize = 200 << 20;

/// Who is asked, and how.
#[derive(Clone)]
pub struct Server(Arc<Target>);

/// What is known of who is asked.
struct Target {
    url: ServerUrl,
    /// What stands before all paths, whichever way leads there.
    prefix: String,
    /// Whom to believe; present where the URL is https.
    tls: Option<Arc<ClientConfig>>,
    /// Who we are.
    token: Option<Secret>,
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
    /// It is not who it should be, or speaks no TLS.
    #[error("no TLS with {server}")]
    Tls {
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
        source: Box<dyn Error + Send + Sync>,
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
    let asked = async { exchange(server, connect(server).await?, path).await };
    match timeout(patience, asked).await {
        Ok(answer) => answer,
        Err(_elapsed) => Err(GetError::Timeout {
            server: server.clone(),
            patience,
        }),
    }
}

/// A connection, by TCP, TLS or a Unix socket.
trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

async fn connect(server: &Server) -> Result<Box<dyn Connection>, GetError> {
    let failed = |source| GetError::Connect {
        server: server.clone(),
        source,
    };
    let (host, port) = match &server.0.url {
        ServerUrl::Tcp { host, port, .. } => (host, *port),
        ServerUrl::Unix(socket) => {
            let stream = UnixStream::connect(socket).await.map_err(failed)?;
            return Ok(Box::new(stream));
        }
    };
    let address = (host.as_str(), port);
    let stream = TcpStream::connect(address).await.map_err(failed)?;
    let Some(tls) = &server.0.tls else {
        return Ok(Box::new(stream));
    };
    let name = ServerName::try_from(host.clone());
    let name = name.map_err(|error| failed(io::Error::other(error)))?;
    let connector = TlsConnector::from(Arc::clone(tls));
    let stream = connector.connect(name, stream).await;
    let stream = stream.map_err(|source| GetError::Tls {
        server: server.clone(),
        source,
    })?;
    Ok(Box::new(stream))
}

/// A request for `path`, with all that `server` wants to know of who asks.
fn request(server: &Server, path: &str) -> Result<request::Builder, GetError> {
    let request = Request::get(format!("{}{path}", server.0.prefix))
        .header(HOST, server.0.url.authority())
        .header(USER_AGENT, concat!("cgflux/", env!("CARGO_PKG_VERSION")));
    let Some(token) = &server.0.token else {
        return Ok(request);
    };
    let bearer = HeaderValue::try_from(format!("Bearer {}", token.expose()));
    let mut bearer = bearer.map_err(|error| GetError::Protocol {
        server: server.clone(),
        source: error.into(),
    })?;
    bearer.set_sensitive(true);
    Ok(request.header(AUTHORIZATION, bearer))
}

async fn exchange(
    server: &Server,
    stream: Box<dyn Connection>,
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
    let request = request(server, path)?
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
    /// The one at a socket, which lets us in by the permissions of its file.
    pub fn at_socket(socket: PathBuf) -> Self {
        Target::plain(ServerUrl::Unix(socket)).into()
    }

    /// The one at an address, by plain HTTP.
    pub fn at(endpoint: Endpoint) -> Self {
        let url = ServerUrl::Tcp {
            tls: false,
            host: endpoint.host,
            port: endpoint.port,
            prefix: String::new(),
        };
        Target::plain(url).into()
    }
}

impl Target {
    fn plain(url: ServerUrl) -> Self {
        Self {
            prefix: url.prefix().to_owned(),
            url,
            tls: None,
            token: None,
        }
    }
}

impl From<Target> for Server {
    fn from(target: Target) -> Self {
        Self(Arc::new(target))
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.url {
            ServerUrl::Tcp { .. } => self.0.url.fmt(f),
            ServerUrl::Unix(socket) => socket.display().fmt(f),
        }
    }
}

/// Without what we prove ourselves by.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({self})")
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

    fn server_at(listener: &TcpListener) -> Server {
        let address = listener.local_addr().expect("bound");
        Target::plain(format!("http://{address}").parse().expect("a URL")).into()
    }

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
        let server = server_at(&listener);
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
        let server = Server::at_socket(path);
        let (answer, _) = tokio::join!(get(&server, "/_ping", PATIENCE), serve);
        assert_eq!(answer.expect("an answer").body, "OK");
    }

    #[tokio::test]
    async fn nobody_there_and_nobody_answering_are_two_things() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let server = server_at(&listener);
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
}
