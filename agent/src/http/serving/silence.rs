//! How long a client may be silent, by one timer a connection that is set anew when it runs out.
//!
//! hyper's own deadline sets one of tokio's timers with each request, and cannot tell a connection on which nothing is
//! asked from one on which it is asked too slowly.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// How long a client may be silent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Silence {
    /// Between an answer, or the connection's begin, and the first byte of a request.
    pub idle: Duration,
    /// From the first byte of a request to the last of its headers.
    pub headers: Duration,
}

impl Silence {
    /// The same for both.
    pub const fn of(longest: Duration) -> Self {
        Self {
            idle: longest,
            headers: longest,
        }
    }
}

/// Whose turn it is on a connection, and since when.
#[derive(Debug)]
pub(super) struct Turns {
    begin: Instant,
    /// In the lowest bits whose turn it is; above, where the client is waited for, the microseconds from `begin` to the
    /// turn's.
    turn: AtomicU64,
    /// Others need the room: it ends if it is still the client who is waited for.
    is_to_go: AtomicBool,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Turn {
    /// The client's, which has not begun.
    Idle = 0,
    /// The client's, and something of a request has come.
    Heard = 1,
    /// The same, and more is waited for.
    Asking = 2,
    /// Ours: a request is answered.
    Ours = 3,
    /// The client's, which takes nothing of an answer.
    Taking = 4,
}

/// Bits of the turn.
const TURN_BITS: u32 = 3;

/// A request that is answered; when it is dropped it is the client's turn.
#[derive(Debug)]
pub(super) struct OurTurn(Arc<Turns>);

impl Drop for OurTurn {
    fn drop(&mut self) {
        self.0.begins(Turn::Idle);
    }
}

impl Turns {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            begin: Instant::now(),
            turn: AtomicU64::new(Turn::Idle as u64),
            is_to_go: AtomicBool::new(false),
        })
    }

    /// Since when the client is waited for, whether to ask, to go on asking or to take an answer.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        match self.turn() {
            Turn::Idle | Turn::Asking | Turn::Taking => Some(self.since()),
            Turn::Heard | Turn::Ours => None,
        }
    }

    /// Whether the client has not begun to ask.
    pub(super) fn is_idle(&self) -> bool {
        self.turn() == Turn::Idle
    }

    /// Others need the room.
    pub(super) fn let_go(&self) {
        self.is_to_go.store(true, Ordering::Relaxed);
    }

    /// Whether others need the room.
    pub(super) fn is_to_go(&self) -> bool {
        self.is_to_go.load(Ordering::Relaxed)
    }

    /// Whether it ends for others; not any more if an answer has begun since they asked.
    pub(super) fn goes(&self) -> bool {
        self.is_to_go() && {
            let goes = self.waiting_since().is_some();
            self.is_to_go.store(goes, Ordering::Relaxed);
            goes
        }
    }

    /// A request's headers are there.
    pub(super) fn ours(self: &Arc<Self>) -> OurTurn {
        self.set(Turn::Ours, 0);
        OurTurn(Arc::clone(self))
    }

    /// Something came from the client.
    fn heard(&self) {
        if self.turn() == Turn::Idle {
            // Most of the time it is a request as a whole, and no clock has to be read.
            self.set(Turn::Heard, 0);
        }
    }

    /// The client has taken something of what was written, or has not.
    fn wrote(&self, is_taken: bool) {
        match (self.turn(), is_taken) {
            (Turn::Ours, false) => self.begins(Turn::Taking),
            (Turn::Taking, true) => self.set(Turn::Ours, 0),
            _ => {}
        }
    }

    /// From now on the client is waited for.
    fn begins(&self, turn: Turn) {
        let since = self.begin.elapsed().as_micros();
        self.set(turn, u64::try_from(since).unwrap_or(u64::MAX));
    }

    /// One task has the whole connection: nobody else writes meanwhile.
    fn set(&self, turn: Turn, since_us: u64) {
        let value = since_us << TURN_BITS | turn as u64;
        self.turn.store(value, Ordering::Relaxed);
    }

    fn turn(&self) -> Turn {
        match self.turn.load(Ordering::Relaxed) & ((1 << TURN_BITS) - 1) {
            0 => Turn::Idle,
            1 => Turn::Heard,
            2 => Turn::Asking,
            3 => Turn::Ours,
            _ => Turn::Taking,
        }
    }

    fn since(&self) -> Instant {
        let since_us = self.turn.load(Ordering::Relaxed) >> TURN_BITS;
        self.begin + Duration::from_micros(since_us)
    }
}

/// A connection that fails with `TimedOut` when its client is silent for too long.
pub(super) struct Heard<S> {
    stream: S,
    turns: Arc<Turns>,
    silence: Silence,
    /// Never later than the deadline of a request that has begun.
    timer: Pin<Box<Sleep>>,
}

impl<S> Heard<S> {
    pub(super) fn new(stream: S, turns: Arc<Turns>, silence: Silence) -> Self {
        Self {
            stream,
            turns,
            silence,
            timer: Box::pin(sleep(silence.idle)),
        }
    }

    /// While nothing comes: is the silence too long?
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.turns.turn() == Turn::Heard {
            self.turns.begins(Turn::Asking);
            let deadline = self.turns.since() + self.silence.headers;
            if deadline < self.timer.deadline() {
                self.timer.as_mut().reset(deadline);
            }
        }
        // While we answer, too: when an answer is written hyper does not read again before something wakes it.
        loop {
            ready!(self.timer.as_mut().poll(context));
            let now = Instant::now();
            let deadline = match self.turns.turn() {
                Turn::Idle => self.turns.since() + self.silence.idle,
                Turn::Heard | Turn::Asking => self.turns.since() + self.silence.headers,
                // The deadline for taking an answer is another's.
                Turn::Ours | Turn::Taking => now + self.silence.idle,
            };
            if deadline <= now {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.timer.as_mut().reset(deadline);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let Poll::Ready(read) = Pin::new(&mut self.stream).poll_read(context, buffer) else {
            return self.poll_silence(context);
        };
        if buffer.filled().len() > before {
            self.turns.heard();
        }
        Poll::Ready(read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.turns.wrote(wrote.is_ready());
        wrote
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.turns.wrote(wrote.is_ready());
        wrote
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
        time::timeout,
    };

    use super::*;

    const SILENCE: Silence = Silence {
        idle: Duration::from_secs(75),
        headers: Duration::from_secs(10),
    };

    fn connection() -> (DuplexStream, Arc<Turns>, Heard<DuplexStream>) {
        let (client, stream) = duplex(64);
        let turns = Turns::new();
        let heard = Heard::new(stream, Arc::clone(&turns), SILENCE);
        (client, turns, heard)
    }

    /// Reads until the connection fails; after how many seconds that is.
    async fn fails_after(heard: &mut Heard<DuplexStream>) -> u64 {
        let begin = Instant::now();
        let mut bytes = [0; 64];
        loop {
            match heard.read(&mut bytes).await {
                Ok(_some) => {}
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
                    return begin.elapsed().as_secs();
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_asks_nothing_has_longer_than_one_that_asks_slowly() {
        let (_client, _turns, mut heard) = connection();
        assert_eq!(fails_after(&mut heard).await, 75);

        let (mut client, _turns, mut heard) = connection();
        client.write_all(b"GET").await.unwrap();
        assert_eq!(fails_after(&mut heard).await, 10);

        // However often it says a little more.
        let (mut client, _turns, mut heard) = connection();
        let slow = async {
            while client.write_all(b"G").await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
        };
        let seconds = tokio::select! {
            seconds = fails_after(&mut heard) => seconds,
            () = slow => panic!("the connection is open"),
        };
        assert_eq!(seconds, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_takes_as_long_as_it_takes_and_then_it_is_the_clients_turn() {
        let (mut client, turns, mut heard) = connection();
        client.write_all(b"GET /").await.unwrap();
        let mut bytes = [0; 64];
        assert_eq!(heard.read(&mut bytes).await.unwrap(), 5);
        let ours = turns.ours();
        let hour = timeout(Duration::from_hours(1), heard.read(&mut bytes)).await;
        assert!(hour.is_err());
        drop(ours);
        assert_eq!(fails_after(&mut heard).await, 75);
    }
}
