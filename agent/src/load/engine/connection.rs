//! One connection: what it does, and what it waits for.

use std::time::Duration;

use super::{super::response::Response, stream::Stream, worker::ns};

/// The pause after a connection failed; twice as long after each further time without a reply in between.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What a connection does. Times are of the boot clock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum State {
    /// Connects again at this time.
    Down { until_ns: u64 },
    /// Waits to be connected.
    Connecting,
    /// May be given a request.
    Free,
    /// Waits for a reply.
    Busy,
}

/// A request under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    /// When it was to be sent.
    pub(super) due_ns: u64,
    /// When that was done.
    pub(super) sent_ns: u64,
    /// How much of it is written.
    pub(super) written: usize,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: Option<Stream>,
    pub(super) state: State,
    pub(super) job: Option<Job>,
    pub(super) response: Response,
    /// When what it waits for has taken too long.
    pub(super) deadline_ns: u64,
    failures: u32,
}

impl Connection {
    pub(super) fn new(wants_numbers: bool, is_free: bool) -> Self {
        Self {
            stream: None,
            state: if is_free {
                State::Free
            } else {
                State::Down { until_ns: 0 }
            },
            job: None,
            response: Response::new(wants_numbers),
            deadline_ns: u64::MAX,
            failures: 0,
        }
    }

    /// Whether there is a connection.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.state, State::Free | State::Busy) && self.stream.is_some()
    }

    /// Served a request.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Is no more; the request that was under way.
    pub(super) fn drop_stream(&mut self) -> Option<Job> {
        self.stream = None;
        self.response.reset();
        self.deadline_ns = u64::MAX;
        self.job.take()
    }

    /// Failed: is opened again after a pause.
    pub(super) fn failed(&mut self, now_ns: u64) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(10));
        self.failures = self.failures.saturating_add(1);
        let until_ns = now_ns + ns(pause.min(LONGEST_PAUSE));
        self.state = State::Down { until_ns };
    }
}
