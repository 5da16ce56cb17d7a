//! What waits to be written: bounded, the oldest goes first and goes first overboard.
//!
//! The seam between the collector, which never waits, and a worker, which may wait for hours. A payload stays the
//! queue's until it is acknowledged, so what is lost at the end is known, whatever the worker was doing.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::encode::Payload;

/// How much may wait. What is over either bound is dropped, oldest first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bounds {
    /// Most payloads.
    pub payloads: usize,
    /// Most bytes of their lines.
    pub bytes: usize,
}

impl Default for Bounds {
    /// More than two minutes of 1,000 containers, or an hour of 50: 2.4 kB each, every ten seconds. And more than 10,000
    /// ship at once.
    fn default() -> Self {
        Self {
            payloads: 4096,
            bytes: 32 << 20,
        }
    }
}

/// What waits, and what was lost since the queue was last empty.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Backlog {
    /// Payloads waiting, the one being written included.
    pub payloads: usize,
    /// Their bytes.
    pub bytes: usize,
    /// Their points.
    pub points: usize,
    /// Points dropped since the queue was last empty.
    pub lost_points: usize,
}

/// What the bounds cost.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Dropped {
    /// Points dropped to make room.
    pub points: usize,
    /// Whether they are the first since the queue was last empty, and it was the bounds that cost them.
    pub first: bool,
}

/// A bounded queue of payloads between one collector and one worker.
#[derive(Debug)]
pub struct Queue {
    bounds: Bounds,
    state: Mutex<State>,
    /// Wakes the worker: something was pushed, or the queue was closed.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Payload>,
    /// Taken by the worker, not yet acknowledged.
    taken: Option<Payload>,
    /// Bytes of `waiting`.
    bytes: usize,
    lost_points: usize,
    closed: bool,
}

impl Queue {
    /// An empty queue.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Appends a payload and drops what is over the bounds. A closed queue drops the payload itself.
    pub fn push(&self, payload: Payload) -> Dropped {
        let mut state = self.state();
        if state.closed {
            state.lost_points += payload.points();
            return Dropped {
                points: payload.points(),
                first: false,
            };
        }
        state.bytes += payload.lines().len();
        state.waiting.push_back(payload);
        let dropped = state.drop_oldest(self.bounds);
        drop(state);
        self.changed.notify_one();
        dropped
    }

    /// The oldest payload, as soon as there is one; `None` once the queue is closed and empty. It is to be
    /// acknowledged or given back before the next is taken.
    pub async fn take(&self) -> Option<Payload> {
        loop {
            {
                let mut state = self.state();
                if let Some(payload) = state.waiting.pop_front() {
                    state.bytes -= payload.lines().len();
                    state.taken = Some(payload.clone());
                    return Some(payload);
                }
                if state.closed {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }

    /// Lets go of the payload that was taken: it was written, or refused for good.
    pub fn acknowledge(&self) {
        self.state().taken = None;
    }

    /// Puts `payloads` in the place of the one that was taken: itself, or its halves in order; and drops what is over
    /// the bounds.
    pub fn give_back(
        &self,
        payloads: impl IntoIterator<Item = Payload, IntoIter: DoubleEndedIterator>,
    ) -> Dropped {
        let mut state = self.state();
        state.taken = None;
        for payload in payloads.into_iter().rev() {
            state.bytes += payload.lines().len();
            state.waiting.push_front(payload);
        }
        state.drop_oldest(self.bounds)
    }

    /// Ends the intake. What waits can still be taken.
    pub fn close(&self) {
        self.state().closed = true;
        self.changed.notify_one();
    }

    /// Returns when the queue is closed.
    pub async fn closed(&self) {
        while !self.state().closed {
            self.changed.notified().await;
        }
    }

    /// What waits and what was lost.
    pub fn backlog(&self) -> Backlog {
        let state = self.state();
        let all = || state.taken.iter().chain(&state.waiting);
        Backlog {
            payloads: all().count(),
            bytes: all().map(|payload| payload.lines().len()).sum(),
            points: all().map(Payload::points).sum(),
            lost_points: state.lost_points,
        }
    }

    /// How many points were lost since the queue was last empty, if it is empty now.
    pub fn end_of_losses(&self) -> Option<usize> {
        let mut state = self.state();
        let empty = state.waiting.is_empty() && state.taken.is_none();
        (empty && state.lost_points > 0).then(|| std::mem::take(&mut state.lost_points))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn drop_oldest(&mut self, bounds: Bounds) -> Dropped {
        let mut points = 0;
        while (self.waiting.len() > bounds.payloads || self.bytes > bounds.bytes)
            && let Some(oldest) = self.waiting.pop_front()
        {
            self.bytes -= oldest.lines().len();
            points += oldest.points();
        }
        let first = self.lost_points == 0 && points > 0;
        self.lost_points += points;
        Dropped { points, first }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::encode::Times;

    fn payload(lines: usize) -> Payload {
        Payload::new(Bytes::from("a v=1i 1\n".repeat(lines)), Times::at(0))
    }

    fn queue(payloads: usize, bytes: usize) -> Queue {
        Queue::new(Bounds { payloads, bytes })
    }

    #[tokio::test]
    async fn a_full_queue_drops_the_oldest_and_says_how_much() {
        let queue = queue(2, usize::MAX);
        assert_eq!(queue.push(payload(1)), Dropped::default());
        assert_eq!(queue.push(payload(2)), Dropped::default());
        let first = Dropped {
            points: 1,
            first: true,
        };
        assert_eq!(queue.push(payload(3)), first);
        let second = Dropped {
            points: 2,
            first: false,
        };
        assert_eq!(queue.push(payload(4)), second);
        assert_eq!(queue.take().await, Some(payload(3)));
        assert_eq!(queue.end_of_losses(), None);
        queue.acknowledge();
        assert_eq!(queue.take().await, Some(payload(4)));
        queue.acknowledge();
        assert_eq!(queue.end_of_losses(), Some(3));
        assert_eq!(queue.end_of_losses(), None);
    }

    #[tokio::test]
    async fn a_closed_queue_gives_what_it_holds_and_takes_no_more() {
        let queue = queue(9, usize::MAX);
        queue.push(payload(1));
        queue.close();
        queue.closed().await;
        let lost = Dropped {
            points: 5,
            first: false,
        };
        assert_eq!(queue.push(payload(5)), lost);
        assert_eq!(queue.take().await, Some(payload(1)));
        queue.acknowledge();
        assert_eq!(queue.take().await, None);
    }

    #[tokio::test]
    async fn what_is_given_back_is_taken_next_and_in_order() {
        let queue = queue(9, usize::MAX);
        queue.push(payload(4));
        queue.push(payload(1));
        let taken = queue.take().await.unwrap();
        assert_eq!(queue.backlog().points, 5);
        assert_eq!(queue.give_back(taken.halves().unwrap()), Dropped::default());
        for points in [2, 2, 1] {
            assert_eq!(queue.take().await.unwrap().points(), points);
        }
    }

    #[tokio::test]
    async fn a_waiting_worker_is_woken_by_a_push_and_by_the_end() {
        let queue = queue(9, usize::MAX);
        let worker = async {
            let first = queue.take().await.map(|payload| payload.points());
            queue.acknowledge();
            (first, queue.take().await)
        };
        let collector = async {
            queue.push(payload(3));
            tokio::task::yield_now().await;
            queue.close();
        };
        let ((first, second), ()) = tokio::join!(worker, collector);
        assert_eq!((first, second), (Some(3), None));
    }

    proptest! {
        /// Whatever is pushed, taken, acknowledged and given back: the bounds hold, and each point is acknowledged,
        /// lost or waiting.
        #[test]
        fn no_point_is_unaccounted_for(
            bounds in (0_usize..5, 0_usize..300),
            steps in prop::collection::vec((0_u8..4, 1_usize..12), 0..60),
        ) {
            let queue = queue(bounds.0, bounds.1);
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let (mut pushed, mut acknowledged, mut lost) = (0, 0, 0);
            let mut taken: Option<Payload> = None;
            for (step, lines) in steps {
                match (step, taken.take()) {
                    (0 | 1, held) => {
                        pushed += lines;
                        lost += queue.push(payload(lines)).points;
                        taken = held;
                    }
                    (2, Some(held)) => {
                        acknowledged += held.points();
                        queue.acknowledge();
                    }
                    (_, Some(held)) => {
                        lost += match held.halves() {
                            Some(halves) => queue.give_back(halves),
                            None => queue.give_back([held]),
                        }.points;
                    }
                    (_, None) if queue.backlog().payloads > 0 => {
                        taken = runtime.block_on(queue.take());
                    }
                    (_, None) => {}
                }
                let backlog = queue.backlog();
                let in_flight = taken.as_ref();
                prop_assert!(backlog.payloads <= bounds.0 + usize::from(in_flight.is_some()));
                prop_assert!(backlog.bytes <= bounds.1 + in_flight.map_or(0, |it| it.lines().len()));
                prop_assert_eq!(pushed, acknowledged + lost + backlog.points);
                prop_assert_eq!(backlog.lost_points, lost);
            }
        }
    }
}
