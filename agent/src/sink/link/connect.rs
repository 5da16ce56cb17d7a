//! A stream of bytes to a server: by TCP, by TLS over TCP, or by a Unix socket.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs as _},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::tls::{self, TlsError};
use crate::config::{ServerUrl, Tls};

/// Longest wait for a connection, its name and its TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A stream to a server.
pub(super) type Stream = TokioIo<Box<dyn Bytes>>;

/// What can be read and written.
pub(super) trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

/// Makes streams to one server.
pub(super) struct Connector {
    way: Way,
}

enum Way {
    Tcp {
        resolver: Resolver,
        /// Absent: plain.
        tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    },
    Unix(PathBuf),
}

/// Why there is no stream.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("cannot resolve {host}")]
    Resolve { host: String, source: io::Error },
    #[error("cannot connect to {to}")]
    Connect { to: String, source: io::Error },
    #[error("no TLS with {host}")]
    Tls { host: String, source: io::Error },
}

impl ConnectError {
    /// Whether somebody must act: the other side is not who it should be.
    pub(super) fn is_untrusted(&self) -> bool {
        match self {
            Self::Tls { source, .. } => tls::is_untrusted(source),
            Self::Resolve { .. } | Self::Connect { .. } => false,
        }
    }
}

impl Connector {
    pub(super) fn new(url: &ServerUrl, tls: &Tls) -> Result<Self, TlsError> {
        let way = match url {
            ServerUrl::Unix(path) => Way::Unix(path.clone()),
            ServerUrl::Tcp {
                tls: is_tls,
                host,
                port,
                ..
            } => Way::Tcp {
                tls: is_tls
                    .then(|| Ok::<_, TlsError>((tls::config(tls)?, tls::server_name(host)?)))
                    .transpose()?,
                resolver: Resolver {
                    host: host.clone(),
                    port: *port,
                    lookup: None,
                },
            },
        };
        Ok(Self { way })
    }

    pub(super) async fn connect(&mut self) -> Result<Stream, ConnectError> {
        let deadline = Instant::now() + CONNECT_TIMEOUT;
        let stream: Box<dyn Bytes> = match &mut self.way {
            Way::Unix(path) => {
                let stream = within(deadline, UnixStream::connect(&*path)).await;
                Box::new(stream.map_err(|source| ConnectError::Connect {
                    to: path.display().to_string(),
                    source,
                })?)
            }
            Way::Tcp { resolver, tls } => {
                let stream = resolver.connect(deadline).await?;
                match tls {
                    None => Box::new(stream),
                    Some((config, name)) => {
                        let connector = TlsConnector::from(Arc::clone(config));
                        let shaken = within(deadline, connector.connect(name.clone(), stream));
                        Box::new(shaken.await.map_err(|source| ConnectError::Tls {
                            host: resolver.host.clone(),
                            source,
                        })?)
                    }
                }
            }
        };
        Ok(TokioIo::new(stream))
    }
}

/// Finds a host's addresses, anew for each connection: they may change.
struct Resolver {
    host: String,
    port: u16,
    /// One that is under way. Asking blocks a thread for as long as the system's resolver likes, so there is never a
    /// second one beside it.
    lookup: Option<JoinHandle<io::Result<Vec<SocketAddr>>>>,
}

impl Resolver {
    async fn connect(&mut self, deadline: Instant) -> Result<TcpStream, ConnectError> {
        let addresses = self
            .addresses(deadline)
            .await
            .map_err(|source| ConnectError::Resolve {
                host: self.host.clone(),
                source,
            })?;
        let mut failed = io::Error::other("the name has no address");
        let mut left = addresses.len();
        for address in addresses {
            // An address that does not answer leaves time for the others.
            let share = deadline.saturating_duration_since(Instant::now())
                / u32::try_from(left).unwrap_or(u32::MAX).max(1);
            left -= 1;
            match within(Instant::now() + share, TcpStream::connect(address)).await {
                Ok(stream) => {
                    // Requests are written whole; waiting for more would only delay them.
                    let nodelay = stream.set_nodelay(true);
                    match nodelay {
                        Ok(()) => return Ok(stream),
                        Err(error) => failed = error,
                    }
                }
                Err(error) => failed = error,
            }
        }
        Err(ConnectError::Connect {
            to: format!("{}:{}", self.host, self.port),
            source: failed,
        })
    }

    async fn addresses(&mut self, deadline: Instant) -> io::Result<Vec<SocketAddr>> {
        let lookup = self.lookup.get_or_insert_with(|| {
            let (host, port) = (self.host.clone(), self.port);
            spawn_blocking(move || Ok((host, port).to_socket_addrs()?.collect()))
        });
        match timeout(deadline.saturating_duration_since(Instant::now()), lookup).await {
            Ok(found) => {
                self.lookup = None;
                found.map_err(io::Error::other)?
            }
            // It goes on, and serves the next time.
            Err(_elapsed) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

async fn within<T>(deadline: Instant, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match timeout(deadline.saturating_duration_since(Instant::now()), work).await {
        Ok(done) => done,
        Err(_elapsed) => Err(io::ErrorKind::TimedOut.into()),
    }
}
