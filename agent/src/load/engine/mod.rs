//! The threads that make the load. Each has its share of the connections and one epoll instance, which waits for replies
//! and for the time of the next request together; a request costs one write, one read and its share of a wait.
//!
//! mio's poll rather than tokio's tasks: one place sees every free connection and every request that is due, and nothing
//! is woken, queued or timed for each request.

mod connection;
mod stream;
mod timer;
mod traffic;
mod worker;

use std::{
    io,
    sync::{
        Arc, Barrier, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{
    schedule::{Gaps, Schedule, Stage},
    target::Endpoint,
    window::Window,
};
use worker::Worker;

/// What all workers are to do.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) endpoint: Endpoint,
    /// One request, ready to be written.
    pub(super) request: Vec<u8>,
    /// It is one to HEAD.
    pub(super) is_head: bool,
    pub(super) pace: Pace,
    pub(super) connections: usize,
    pub(super) threads: usize,
    /// What is sent in this time is not counted.
    pub(super) warmup: Duration,
    /// How long requests are sent after that.
    pub(super) length: Duration,
    /// Most requests.
    pub(super) most: Option<u64>,
    pub(super) timeout: Duration,
    pub(super) keep_alive: bool,
    /// Replies hold numbers that are wanted.
    pub(super) wants_numbers: bool,
}

/// What makes a request due.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Pace {
    /// Closed loop: the reply before, on the same connection.
    Replies,
    /// Open loop: the time.
    Times {
        /// Those of the warm-up included.
        stages: Vec<Stage>,
        gaps: Gaps,
    },
}

/// What one thread took, from the start to the end of sending.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_field_names, reason = "a field carries its unit")]
pub(super) struct Cost {
    pub(super) cpu_ns: u64,
    /// Ready to run, with no CPU to run on.
    pub(super) waited_ns: u64,
    pub(super) wall_ns: u64,
}

/// How one worker ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ended {
    pub(super) cost: Cost,
    /// When it ceased to send, by the boot clock.
    pub(super) ceased_ns: u64,
    /// Requests that were due and not sent.
    pub(super) unsent: u64,
}

/// What workers and their owner share.
#[derive(Debug)]
struct Shared {
    order: Order,
    stop: AtomicBool,
    connected: Barrier,
    start_ns: OnceLock<u64>,
    /// Closed loop with a bound: requests still to be sent.
    left: AtomicU64,
    /// By worker, what was not taken yet.
    outbox: Vec<Mutex<Outbox>>,
}

#[derive(Debug)]
struct Outbox {
    window: Window,
    standing: Standing,
}

/// How it stands at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standing {
    /// Connections that are up.
    pub(super) connections: u64,
    /// Requests under way.
    pub(super) in_flight: u64,
    /// Requests that are due and wait to be sent.
    pub(super) overdue: u64,
}

/// The running threads.
#[derive(Debug)]
pub(super) struct Engine {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<io::Result<Ended>>>,
}

impl Engine {
    /// Starts the threads; they connect, wait for one another, and begin.
    pub(super) fn start(order: Order) -> io::Result<Self> {
        let count = order.threads;
        let outbox = || {
            Mutex::new(Outbox {
                window: Window::empty(),
                standing: Standing::default(),
            })
        };
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            connected: Barrier::new(count),
            start_ns: OnceLock::new(),
            left: AtomicU64::new(order.most.unwrap_or(u64::MAX)),
            outbox: std::iter::repeat_with(outbox).take(count).collect(),
            order,
        });
        // All that may fail comes before the first thread: they wait for one another.
        let workers: io::Result<Vec<Worker>> = (0..count)
            .map(|index| Worker::new(&shared, index))
            .collect();
        let mut threads = Vec::with_capacity(count);
        for (index, worker) in workers?.into_iter().enumerate() {
            let builder = thread::Builder::new().name(format!("load-{index}"));
            threads.push(builder.spawn(move || worker.run())?);
        }
        Ok(Self { shared, threads })
    }

    /// Has them send no more.
    pub(super) fn stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }

    /// When sending began, by the boot clock, once all are connected.
    pub(super) fn start_ns(&self) -> Option<u64> {
        self.shared.start_ns.get().copied()
    }

    /// Whether all threads ended.
    pub(super) fn has_ended(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// What was counted since the last time, and how it stands.
    pub(super) fn take(&self) -> (Window, Standing) {
        let mut sum = Window::empty();
        let mut standing = Standing::default();
        for outbox in &self.shared.outbox {
            let mut outbox = outbox.lock().unwrap_or_else(PoisonError::into_inner);
            sum.add(&outbox.window);
            outbox.window.clear();
            standing.connections += outbox.standing.connections;
            standing.in_flight += outbox.standing.in_flight;
            standing.overdue += outbox.standing.overdue;
        }
        (sum, standing)
    }

    /// Waits for the threads. Take what they counted afterwards.
    pub(super) fn join(&mut self) -> io::Result<Vec<Ended>> {
        let threads = self.threads.drain(..);
        threads
            .map(|thread| {
                let ended = thread.join();
                ended.map_err(|_panic| io::Error::other("a thread of the load failed"))?
            })
            .collect()
    }
}

impl Shared {
    /// The schedule of worker `index`, in an open loop.
    fn schedule(&self, index: usize) -> Option<Schedule> {
        let Pace::Times { stages, gaps } = &self.order.pace else {
            return None;
        };
        let most = self.share(self.order.most.unwrap_or(u64::MAX), index);
        Some(Schedule::new(
            stages,
            index,
            self.order.threads,
            most,
            *gaps,
        ))
    }

    /// The part of `total` that is worker `index`'s.
    fn share(&self, total: u64, index: usize) -> u64 {
        let count = self.order.threads as u64;
        total / count + u64::from((index as u64) < total % count)
    }

    /// Takes one of the requests that may be sent in a closed loop.
    fn claim(&self) -> bool {
        if self.order.most.is_none() {
            return true;
        }
        let claimed = self
            .left
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
        claimed.is_ok()
    }
}
