//! Where the page's server listens: addresses and sockets as one listener, with TLS where it is asked for.

use std::{
    future::poll_fn,
    io::{self, Write as _},
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    time::{Sleep, sleep},
};
use tokio_rustls::{Accept, TlsAcceptor, server::TlsStream};

use super::{
    serving::{Client, Listener},
    socket_file::SocketFile,
};
use crate::self_stats::{Cut, HttpStats};

/// How long a client may take to agree on keys.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What a client is told that has as many connections as it may; the connection ends with it.
const TOO_MANY: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\nconnection: close\r\ncontent-length: 0\r\nretry-after: 1\r\n\r\n";

/// A certificate with its key, which may be replaced while clients come; those who are there keep theirs.
#[derive(Clone, Debug)]
pub struct Certificate(Arc<Mutex<Arc<ServerConfig>>>);

impl Certificate {
    /// This one, for now.
    pub fn new(config: Arc<ServerConfig>) -> Self {
        Self(Arc::new(Mutex::new(config)))
    }

    /// Another one from now on.
    pub fn replace(&self, config: Arc<ServerConfig>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = config;
    }

    fn current(&self) -> Arc<ServerConfig> {
        let config = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&config)
    }
}

/// One of the places that are listened at.
#[derive(Debug)]
pub enum Door {
    /// An address.
    Tcp {
        /// Bound to it.
        listener: TcpListener,
        /// With TLS by this certificate; absent: in the clear.
        certificate: Option<Certificate>,
    },
    /// A socket, where the permissions of its file say who may connect.
    Unix {
        /// Bound to the file.
        listener: UnixListener,
        /// Removed at the end.
        file: SocketFile,
    },
}

/// Where a door is, for people.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// An address, and whether with TLS.
    Tcp(SocketAddr, bool),
    /// A socket's file.
    Unix(PathBuf),
}

impl Door {
    /// Where it is.
    pub fn place(&self) -> io::Result<Place> {
        Ok(match self {
            Self::Tcp {
                listener,
                certificate,
            } => Place::Tcp(listener.local_addr()?, certificate.is_some()),
            Self::Unix { file, .. } => Place::Unix(file.path().to_owned()),
        })
    }
}

/// All doors, which take turns.
#[derive(Debug)]
pub(super) struct Doors {
    all: Vec<Door>,
    first: AtomicUsize,
    stats: Arc<HttpStats>,
}

/// Who came in, before a word is said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Peer {
    /// By an address of ours.
    Tcp {
        /// Ours.
        local: IpAddr,
        /// Theirs.
        client: Client,
    },
    /// By a socket: somebody whom the permissions of its file let in.
    Unix,
}

impl Doors {
    pub(super) fn new(all: Vec<Door>, stats: Arc<HttpStats>) -> Self {
        Self {
            all,
            first: AtomicUsize::new(0),
            stats,
        }
    }

    /// The next who comes in by any of them. They are asked in turn, so that a crowd at one keeps nobody waiting at
    /// another.
    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(Wire, Peer)>> {
        let first = self.first.fetch_add(1, Ordering::Relaxed);
        for turn in 0..self.all.len() {
            let door = &self.all[first.wrapping_add(turn) % self.all.len()];
            if let Poll::Ready(accepted) = door.poll_accept(context, &self.stats) {
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    }
}

impl Door {
    fn poll_accept(
        &self,
        context: &mut Context<'_>,
        stats: &Arc<HttpStats>,
    ) -> Poll<io::Result<(Wire, Peer)>> {
        match self {
            Self::Tcp {
                listener,
                certificate,
            } => {
                let (stream, remote) = ready!(listener.poll_accept(context))?;
                // Answers are written whole; waiting for more would only delay them.
                stream.set_nodelay(true)?;
                let peer = Peer::Tcp {
                    local: stream.local_addr()?.ip().to_canonical(),
                    client: Client::at(remote.ip()),
                };
                let wire = match certificate {
                    Some(certificate) => Wire::Agreeing(Box::new(Agreeing {
                        accept: TlsAcceptor::from(certificate.current()).accept(stream),
                        deadline: Box::pin(sleep(HANDSHAKE)),
                        stats: Arc::clone(stats),
                    })),
                    None => Wire::Tcp(stream),
                };
                Poll::Ready(Ok((wire, peer)))
            }
            Self::Unix { listener, .. } => {
                let (stream, _) = ready!(listener.poll_accept(context))?;
                Poll::Ready(Ok((Wire::Unix(stream), Peer::Unix)))
            }
        }
    }
}

impl Listener for Doors {
    type Stream = Wire;
    type Peer = Peer;

    async fn accept(&self) -> io::Result<(Wire, Peer)> {
        poll_fn(|context| self.poll_accept(context)).await
    }

    fn client(&self, peer: Peer) -> Option<Client> {
        match peer {
            Peer::Tcp { client, .. } => Some(client),
            Peer::Unix => None,
        }
    }

    /// With a word where that needs no waiting. Who is to be spoken to by TLS gets none.
    fn refuse(&self, stream: Wire) {
        if let Wire::Tcp(stream) = stream
            && let Ok(stream) = stream.into_std()
            && let Err(error) = (&stream).write(TOO_MANY)
        {
            tracing::debug!(%error, "a client with too many connections is not told so");
        }
    }

    fn stats(&self) -> Option<Arc<HttpStats>> {
        Some(Arc::clone(&self.stats))
    }
}

/// A connection. TLS is agreed on when it is first read from, in its own task, so that nobody else waits for it.
pub(super) enum Wire {
    Tcp(TcpStream),
    Unix(UnixStream),
    Agreeing(Box<Agreeing>),
    Tls(Box<TlsStream<TcpStream>>),
    /// No keys were agreed on.
    Ended,
}

/// Keys are being agreed on.
pub(super) struct Agreeing {
    accept: Accept<TcpStream>,
    deadline: Pin<Box<Sleep>>,
    stats: Arc<HttpStats>,
}

impl Wire {
    /// Agrees on keys, if that is still to be done.
    fn poll_agree(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self::Agreeing(agreeing) = self else {
            return Poll::Ready(Ok(()));
        };
        let agreed = match Pin::new(&mut agreeing.accept).poll(context) {
            Poll::Ready(agreed) => agreed,
            Poll::Pending => {
                ready!(agreeing.deadline.as_mut().poll(context));
                Err(io::ErrorKind::TimedOut.into())
            }
        };
        match agreed {
            Ok(stream) => {
                *self = Self::Tls(Box::new(stream));
                Poll::Ready(Ok(()))
            }
            Err(error) => {
                // Whoever serves the connection sees no more than one that ends before it begins.
                tracing::debug!(%error, "no TLS");
                agreeing.stats.cut(Cut::Tls).add(1);
                *self = Self::Ended;
                Poll::Ready(Err(error))
            }
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_agree(context))?;
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Agreeing(_) => Poll::Pending,
            Self::Ended => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_agree(context))?;
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Agreeing(_) => Poll::Pending,
            Self::Ended => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_agree(context))?;
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Agreeing(_) => Poll::Pending,
            Self::Ended => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Unix(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
            // Nothing was written.
            Self::Agreeing(_) | Self::Ended => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Agreeing(_) | Self::Ended => Poll::Ready(Ok(())),
        }
    }
}
