//! Threads that each serve their share of the clients, with a runtime and with connections to Redis of their own.
//!
//! A hit is counted by the thread that its client is on, and nothing of it is handed to another. One runtime that shares
//! its work among threads takes a quarter more CPU for each request.

use std::{
    io,
    sync::atomic::{AtomicUsize, Ordering},
    thread::{self, JoinHandle},
};

use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, Handle},
    sync::oneshot,
    task::JoinSet,
};

use super::lane::Lane;
use crate::http::serving::Listener;

/// The threads; they end when this is dropped.
#[derive(Debug)]
pub(super) struct Workers(Vec<Worker>);

#[derive(Debug)]
struct Worker {
    runtime: Handle,
    /// The thread ends when this is dropped.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Workers {
    /// Starts a thread for each of these, which begins to connect.
    pub(super) fn start(lanes: Vec<Vec<Lane>>) -> io::Result<Self> {
        let workers = lanes.into_iter().enumerate();
        let workers = workers.map(|(number, lanes)| Worker::start(number, lanes));
        workers.collect::<io::Result<_>>().map(Self)
    }

    /// Clients of `listener`, dealt out to the threads in turn.
    pub(super) fn serve(&self, listener: TcpListener) -> Dealt {
        Dealt {
            listener,
            runtimes: self.0.iter().map(|it| it.runtime.clone()).collect(),
            turn: AtomicUsize::default(),
        }
    }
}

impl Worker {
    fn start(number: usize, lanes: Vec<Lane>) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let work = move || {
            runtime.block_on(async {
                let mut running: JoinSet<()> = lanes.into_iter().map(Lane::run).collect();
                drop(stopped.await);
                running.abort_all();
            });
        };
        let thread = thread::Builder::new().name(format!("web-{number}"));
        Ok(Self {
            runtime: handle,
            stop: Some(stop),
            thread: Some(thread.spawn(work)?),
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(Err(_panicked)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("a thread that counts has ended before its time");
        }
    }
}

/// A listener whose clients are dealt out; known of each is the number of its thread.
#[derive(Debug)]
pub(super) struct Dealt {
    listener: TcpListener,
    runtimes: Vec<Handle>,
    turn: AtomicUsize,
}

impl Listener for Dealt {
    type Stream = TcpStream;
    type Peer = usize;

    async fn accept(&self) -> io::Result<(TcpStream, usize)> {
        let (stream, _local) = Listener::accept(&self.listener).await?;
        let worker = self.turn.fetch_add(1, Ordering::Relaxed) % self.runtimes.len();
        // The thread's own epoll is to tell of it.
        let stream = stream.into_std()?;
        let _inside = self.runtimes[worker].enter();
        Ok((TcpStream::from_std(stream)?, worker))
    }

    fn home(&self, worker: usize) -> Handle {
        self.runtimes[worker].clone()
    }
}
