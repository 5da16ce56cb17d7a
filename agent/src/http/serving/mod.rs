//! How connections are served, whatever is asked on them: how many at a time, how slow they may be, how they end.

mod closing;
mod silence;

use std::{convert::Infallible, error::Error, io, net::IpAddr, sync::Arc, time::Duration};

use http_body_util::BodyExt as _;
use hyper::{
    Request, Response,
    body::{Body, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{rt::TokioIo, server::graceful::GracefulConnection};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_io_timeout::TimeoutStream;

use closing::Closing;
pub use silence::Silence;
use silence::{Heard, Turns};

/// Bytes of a request's line and headers together; more is answered with 431.
const HEADER_BYTES: usize = 16 * 1024;
/// Headers of a request; more is answered with 431.
const HEADERS: usize = 64;

/// What connections may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time; further ones wait in the kernel's backlog.
    pub connections: usize,
    /// How long a client may ask nothing, or take to ask.
    pub silence: Silence,
    /// How long a client may take nothing of an answer.
    pub write_timeout: Duration,
    /// How long answers under way may take after the stop.
    pub drain: Duration,
}

impl Limits {
    /// So many connections, with times for clients on this host or near it.
    pub const fn of(connections: usize) -> Self {
        Self {
            connections,
            silence: Silence::of(Duration::from_secs(10)),
            write_timeout: Duration::from_secs(10),
            drain: Duration::from_secs(3),
        }
    }
}

/// How large the bodies of answers are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Bodies {
    /// Some bytes: copied behind the head, which costs less than to write from two places.
    Small,
    /// Written from where they are.
    Large,
}

/// Where connections come from.
pub(crate) trait Listener: Send + Sync {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Send + 'static;
    /// What is known of it before it says a word.
    type Peer: Copy + Send + Sync + 'static;

    /// The next connection.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Self::Peer)>> + Send;

    /// Where a connection is served: in the runtime that accepts, unless the listener knows better.
    fn home(&self, _peer: Self::Peer) -> Handle {
        Handle::current()
    }
}

/// Known is on which of our addresses the connection came in.
impl Listener for TcpListener {
    type Stream = TcpStream;
    type Peer = IpAddr;

    async fn accept(&self) -> io::Result<(TcpStream, IpAddr)> {
        let (stream, _) = Self::accept(self).await?;
        // Answers are written whole; waiting for more would only delay them.
        stream.set_nodelay(true)?;
        let local = stream.local_addr()?.ip().to_canonical();
        Ok((stream, local))
    }
}

/// Known is the user id of who connected, by the kernel (`SO_PEERCRED`).
impl Listener for UnixListener {
    type Stream = UnixStream;
    type Peer = u32;

    async fn accept(&self) -> io::Result<(UnixStream, u32)> {
        let (stream, _) = Self::accept(self).await?;
        let uid = stream.peer_cred()?.uid();
        Ok((stream, uid))
    }
}

/// Serves until `stop` says true or its sender is gone, then lets answers under way finish within [`Limits::drain`].
/// Returns how many connections had to be cut. Accept errors are logged once a series and waited out: what is missing
/// then (file descriptors, memory) may come back.
pub(crate) async fn run<L, A, F, B>(
    listener: L,
    limits: Limits,
    bodies: Bodies,
    stop: watch::Receiver<bool>,
    answer: A,
) -> usize
where
    L: Listener,
    A: Fn(Request<Incoming>, L::Peer) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(limits.connections));
    let closing = Arc::new(Closing::default());
    let mut connections = JoinSet::new();
    let mut failing = false;
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &permits) => accepted,
            () = stopped(stop.clone()) => break,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                failing = false;
                let home = listener.home(peer);
                let connection = {
                    // Its timers are to be its home's.
                    let _inside = home.enter();
                    connection(stream, peer, limits, bodies, answer.clone())
                };
                let closing = Arc::clone(&closing);
                let served = async move {
                    let ended = closing.watch(connection).await;
                    drop(permit);
                    if let Err(error) = ended {
                        tracing::debug!(%error, "connection ended");
                    }
                };
                connections.spawn_on(served, &home);
            }
            Err(error) => {
                if !failing {
                    tracing::warn!(%error, "cannot accept a connection");
                }
                failing = true;
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    closing.tell();
    let all_ended = async { while connections.join_next().await.is_some() {} };
    // Who runs out of time is cut off when its task is dropped, right here.
    drop(timeout(limits.drain, all_ended).await);
    connections.len()
}

/// Waits for room, then for a connection.
async fn accept<L: Listener>(
    listener: &L,
    permits: &Arc<Semaphore>,
) -> io::Result<(L::Stream, L::Peer, OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, permit))
}

/// Waits until `stop` says true or its sender is gone.
async fn stopped(mut stop: watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

fn connection<S, P, A, F, B>(
    stream: S,
    peer: P,
    limits: Limits,
    bodies: Bodies,
    answer: A,
) -> impl GracefulConnection<Error = hyper::Error> + Send
where
    S: AsyncRead + AsyncWrite + Send + 'static,
    P: Copy + Send + 'static,
    A: Fn(Request<Incoming>, P) -> F + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.write_timeout));
    let turns = Turns::new();
    let stream = Heard::new(Box::pin(stream), Arc::clone(&turns), limits.silence);
    let service = service_fn(move |request| {
        let ours = turns.ours();
        let answer = answer(request, peer);
        async move {
            // Until all of the body is handed over: then hyper drops it, and this with it.
            let held = |body: B| {
                body.map_err(move |error| {
                    let _ = &ours;
                    error
                })
            };
            Ok::<_, Infallible>(answer.await.map(held))
        }
    });
    http1::Builder::new()
        .header_read_timeout(None)
        .writev(bodies == Bodies::Large)
        .max_header_size(HEADER_BYTES)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(stream), service)
}
