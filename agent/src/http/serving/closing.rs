//! How connections learn that they are to end: all after the answer under way, or one at once, since others need the room.
//!
//! hyper-util's way takes a lock each time that a connection is looked at; this one reads a flag.

use std::{
    collections::HashMap,
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use hyper_util::server::graceful::GracefulConnection;

use super::silence::Turns;

/// Told to all connections at once, or to the one that keeps us waiting.
#[derive(Debug, Default)]
pub(super) struct Closing {
    is_told: AtomicBool,
    /// Of each connection that is open, by its number.
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    connections: HashMap<u64, Connection>,
    next: u64,
}

#[derive(Debug)]
struct Connection {
    waker: Waker,
    turns: Arc<Turns>,
}

/// How a connection ended.
#[derive(Debug)]
pub(super) enum Ended<E> {
    /// By itself.
    Served(Result<(), E>),
    /// Others needed the room.
    Gone,
}

/// A connection that is woken when it is to end; no longer when this is dropped.
struct Place<'a> {
    closing: &'a Closing,
    number: u64,
}

impl Closing {
    /// From now on connections end after the answer under way.
    pub(super) fn tell(&self) {
        // Before they are woken: who is not there yet sees it when it comes.
        self.is_told.store(true, Ordering::SeqCst);
        let connections = std::mem::take(&mut self.open().connections);
        for connection in connections.into_values() {
            connection.waker.wake();
        }
    }

    /// Lets go of the connection whose client has been waited for the longest, if any is waited for.
    pub(super) fn make_room(&self) {
        let open = self.open();
        let connections = open.connections.values();
        let waiting = connections.filter_map(|it| Some((it.turns.waiting_since()?, it)));
        if let Some((_, longest)) = waiting.min_by_key(|(since, _)| *since)
            && !longest.turns.is_to_go()
        {
            longest.turns.let_go();
            longest.waker.wake_by_ref();
        }
    }

    /// Serves a connection to its end. It stays in one task: who is to be woken is asked for once.
    pub(super) async fn watch<C: GracefulConnection>(
        self: Arc<Self>,
        connection: C,
        turns: &Arc<Turns>,
    ) -> Ended<C::Error> {
        let mut connection = pin!(connection);
        let mut place = None;
        let mut is_ending = false;
        poll_fn(|context| {
            place.get_or_insert_with(|| self.enter(context, turns));
            if turns.goes() {
                return Poll::Ready(Ended::Gone);
            }
            if !is_ending && self.is_told.load(Ordering::SeqCst) {
                is_ending = true;
                connection.as_mut().graceful_shutdown();
            }
            connection.as_mut().poll(context).map(Ended::Served)
        })
        .await
    }

    fn enter(&self, context: &Context<'_>, turns: &Arc<Turns>) -> Place<'_> {
        let mut open = self.open();
        let number = open.next;
        open.next += 1;
        let connection = Connection {
            waker: context.waker().clone(),
            turns: Arc::clone(turns),
        };
        open.connections.insert(number, connection);
        drop(open);
        Place {
            closing: self,
            number,
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.closing.open().connections.remove(&self.number);
    }
}
