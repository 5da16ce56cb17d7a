//! How connections are served, whatever is asked on them: how many at a time, of all clients and of one, how slow they
//! may be, how they end.

mod clients;
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

use crate::self_stats::{Cut, HttpStats};
pub(crate) use clients::Client;
use clients::{Clients, Place};
use closing::{Closing, Ended};
pub use silence::Silence;
use silence::{Heard, Turns};

/// Bytes of a request's line and headers together; more is answered with 431.
const HEADER_BYTES: usize = 16 * 1024;
/// Headers of a request; more is answered with 431.
const HEADERS: usize = 64;

/// What connections may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time.
    pub connections: usize,
    /// What becomes of a further one.
    pub beyond: Beyond,
    /// Connections of one client at a time, where the listener tells clients apart; further ones are refused.
    pub per_client: usize,
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
            beyond: Beyond::Waits,
            per_client: usize::MAX,
            silence: Silence::of(Duration::from_secs(10)),
            write_timeout: Duration::from_secs(10),
            drain: Duration::from_secs(3),
        }
    }
}

/// What becomes of a connection when there are as many as there may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Beyond {
    /// It waits until another one ends, and those behind it in the kernel's backlog: right where clients are no strangers,
    /// and may come all at once.
    Waits,
    /// The one goes whose client has been waited for the longest, whether to ask or to take an answer: right where nobody
    /// may keep others out by doing nothing. Where all are being answered, it waits.
    MakesRoom,
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

    /// Who it is that may have only so many connections: nobody in particular, unless the listener knows.
    fn client(&self, _peer: Self::Peer) -> Option<Client> {
        None
    }

    /// Ends a connection of a client that has too many: without a word, unless the listener knows one.
    fn refuse(&self, stream: Self::Stream) {
        drop(stream);
    }

    /// Where it is counted what becomes of connections, if anywhere.
    fn stats(&self) -> Option<Arc<HttpStats>> {
        None
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
    let room = Room {
        permits: Arc::new(Semaphore::new(limits.connections)),
        clients: Clients::new(limits.per_client),
        closing: Arc::new(Closing::default()),
        beyond: limits.beyond,
    };
    let stats = listener.stats();
    let mut connections = JoinSet::new();
    let mut failing = false;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(stop.clone()) => break,
            Some(_) = connections.join_next() => continue,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => {
                failing = false;
                accepted
            }
            // It has gone before its turn came, which is nobody else's matter.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => {
                if !failing {
                    tracing::warn!(%error, "cannot accept a connection");
                }
                failing = true;
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some(place) = room.clients.enter(listener.client(peer)) else {
            listener.refuse(stream);
            count(stats.as_deref(), Cut::Client);
            continue;
        };
        let permit = tokio::select! {
            permit = room.permit() => permit,
            () = stopped(stop.clone()) => break,
        };
        let home = listener.home(peer);
        let turns = Turns::new();
        let connection = {
            // Its timers are to be its home's.
            let _inside = home.enter();
            connection(
                stream,
                peer,
                limits,
                bodies,
                Arc::clone(&turns),
                answer.clone(),
            )
        };
        let closing = Arc::clone(&room.closing);
        let held = Held::new(permit, place, stats.clone());
        let served = async move {
            let ended = closing.watch(connection, &turns).await;
            held.ended(&ended, &turns);
        };
        connections.spawn_on(served, &home);
    }
    drop(listener);
    room.closing.tell();
    let all_ended = async { while connections.join_next().await.is_some() {} };
    // Who runs out of time is cut off when its task is dropped, right here.
    drop(timeout(limits.drain, all_ended).await);
    connections.len()
}

/// The room that there is for connections.
struct Room {
    /// One permit a connection.
    permits: Arc<Semaphore>,
    clients: Arc<Clients>,
    closing: Arc<Closing>,
    beyond: Beyond,
}

/// When it is looked again whether a client is waited for, while all are being answered.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

impl Room {
    /// Waits for room, and makes it.
    async fn permit(&self) -> OwnedSemaphorePermit {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return permit;
        }
        loop {
            if self.beyond == Beyond::MakesRoom {
                self.closing.make_room();
            }
            let permit = Arc::clone(&self.permits).acquire_owned();
            if let Ok(Ok(permit)) = timeout(LOOK_AGAIN, permit).await {
                return permit;
            }
        }
    }
}

/// What a connection holds while it is open.
struct Held {
    _permit: OwnedSemaphorePermit,
    _place: Place,
    stats: Option<Arc<HttpStats>>,
}

impl Held {
    fn new(permit: OwnedSemaphorePermit, place: Place, stats: Option<Arc<HttpStats>>) -> Self {
        if let Some(stats) = &stats {
            stats.opened();
        }
        Self {
            _permit: permit,
            _place: place,
            stats,
        }
    }

    /// Says and counts how it ended, unless it went as it should.
    fn ended(&self, ended: &Ended<hyper::Error>, turns: &Turns) {
        let cut = match ended {
            Ended::Served(Ok(())) => return,
            Ended::Gone => Some(Cut::Room),
            Ended::Served(Err(error)) => {
                tracing::debug!(%error, "connection ended");
                reason(error, turns)
            }
        };
        if let Some(cut) = cut {
            count(self.stats.as_deref(), cut);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(stats) = &self.stats {
            stats.closed();
        }
    }
}

fn count(stats: Option<&HttpStats>, cut: Cut) {
    if let Some(stats) = stats {
        stats.cut(cut).add(1);
    }
}

/// Why we ended a connection; `None` if the client did, or was idle for longer than is waited for.
fn reason(error: &hyper::Error, turns: &Turns) -> Option<Cut> {
    if error.is_parse() {
        return Some(Cut::Malformed);
    }
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return match error.kind() {
                io::ErrorKind::TimedOut if turns.is_idle() => None,
                io::ErrorKind::TimedOut => Some(Cut::Slow),
                _ => None,
            };
        }
        cause = error.source();
    }
    None
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
    turns: Arc<Turns>,
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
