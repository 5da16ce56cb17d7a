//! How connections learn that they are to end after the answer under way.
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
    task::{Context, Waker},
};

use hyper_util::server::graceful::GracefulConnection;

/// Told to all connections at once.
#[derive(Debug, Default)]
pub(super) struct Closing {
    is_told: AtomicBool,
    /// Of each connection that is open, by its number.
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    wakers: HashMap<u64, Waker>,
    next: u64,
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
        let wakers = std::mem::take(&mut self.open().wakers);
        wakers.into_values().for_each(Waker::wake);
    }

    /// Serves a connection to its end. It stays in one task: who is to be woken is asked for once.
    pub(super) async fn watch<C: GracefulConnection>(
        self: Arc<Self>,
        connection: C,
    ) -> Result<(), C::Error> {
        let mut connection = pin!(connection);
        let mut place = None;
        let mut is_ending = false;
        poll_fn(|context| {
            place.get_or_insert_with(|| self.enter(context));
            if !is_ending && self.is_told.load(Ordering::SeqCst) {
                is_ending = true;
                connection.as_mut().graceful_shutdown();
            }
            connection.as_mut().poll(context)
        })
        .await
    }

    fn enter(&self, context: &Context<'_>) -> Place<'_> {
        let mut open = self.open();
        let number = open.next;
        open.next += 1;
        open.wakers.insert(number, context.waker().clone());
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
        self.closing.open().wakers.remove(&self.number);
    }
}
