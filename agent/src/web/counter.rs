//! Hits → numbers, by group commit: what comes while a batch is under way is the next batch.
//!
//! Each number is drawn within its own hit's call, and later batches draw larger ones: replies are unique, and in the
//! order of the hits. Numbers are lost, never given twice, where a client hangs up or a reply does not come.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use tokio::sync::{Notify, oneshot};

use super::{
    refusal::{Outage, Refusal},
    stats::Stats,
};

/// Most hits in one batch: more at a time gain nothing and wait longer.
const MAX_BATCH: usize = 512;

/// Where hits wait for their numbers, seen from those who bring them.
#[derive(Debug)]
pub(crate) struct Counter {
    /// Of each thread that serves, one for each of its connections.
    queues: Vec<Vec<Arc<Queue>>>,
    turn: AtomicUsize,
    stats: Arc<Stats>,
}

/// Hits that wait for one connection.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// There is something to do.
    pub(super) wake: Notify,
    /// Most that may wait.
    most: usize,
}

#[derive(Debug)]
struct State {
    waiting: Vec<Waiter>,
    /// What the lane waits for; absent: for the first hit.
    quorum: Option<Quorum>,
    /// While there is no connection nobody waits.
    outage: Option<Arc<Outage>>,
}

/// What a batch is waited for: whichever comes first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quorum {
    /// So many hits.
    pub(super) hits: usize,
    /// This time.
    pub(super) until: Instant,
}

impl Quorum {
    fn is_met(self, waiting: usize, now: Instant) -> bool {
        waiting >= self.hits || now >= self.until
    }
}

/// One hit.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) since: Instant,
    reply: oneshot::Sender<Result<i64, Refusal>>,
}

impl Counter {
    /// A counter for so many threads, which share this many queues and have one each at least; in each `most` hits may
    /// wait, and nobody does before there is a connection.
    pub(crate) fn new(threads: usize, queues: usize, most: usize, stats: Arc<Stats>) -> Self {
        let queue = |_| Arc::new(Queue::new(most));
        let of_thread = |thread| (thread..queues.max(threads)).step_by(threads);
        Self {
            queues: (0..threads)
                .map(|thread| of_thread(thread).map(queue).collect())
                .collect(),
            turn: AtomicUsize::default(),
            stats,
        }
    }

    /// The queues of each thread, one for each connection.
    pub(crate) fn queues(&self) -> &[Vec<Arc<Queue>>] {
        &self.queues
    }

    /// Counts one hit that a thread brings. Never waits for longer than the deadline of the connections.
    pub(crate) async fn hit(&self, thread: usize) -> Result<i64, Refusal> {
        let hit = match self.queue(thread).join() {
            Ok(reply) => match reply.await {
                Ok(reply) => reply,
                // Whoever dealt out numbers is gone: the process ends.
                Err(_gone) => Err(Refusal::Unknown("this process ends".into())),
            },
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = &hit {
            self.stats.refused(refusal);
        }
        hit
    }

    /// Hits that wait for the next batch.
    pub(crate) fn waiting(&self) -> usize {
        self.all().map(|queue| queue.waiting()).sum()
    }

    /// Why there is no connection, if none of them is open.
    pub(crate) fn outage(&self) -> Option<Arc<Outage>> {
        let outages = self.all().map(|queue| queue.state().outage.clone());
        outages.collect::<Option<Vec<_>>>()?.pop()
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Queue>> {
        self.queues.iter().flatten()
    }

    /// A thread's queues take turns.
    fn queue(&self, thread: usize) -> &Queue {
        match self.queues[thread].as_slice() {
            [queue] => queue,
            queues => &queues[self.turn.fetch_add(1, Ordering::Relaxed) % queues.len()],
        }
    }
}

impl Queue {
    /// An empty one, without a connection.
    pub(super) fn new(most: usize) -> Self {
        let now = Instant::now();
        let outage = Outage {
            reason: "not connected yet".to_owned(),
            since: now,
            next_try: now,
        };
        Self {
            state: Mutex::new(State {
                waiting: Vec::new(),
                quorum: None,
                outage: Some(Arc::new(outage)),
            }),
            wake: Notify::new(),
            most,
        }
    }

    /// Where the number of one more hit will come.
    pub(super) fn join(&self) -> Result<oneshot::Receiver<Result<i64, Refusal>>, Refusal> {
        let (reply, receiver) = oneshot::channel();
        let since = Instant::now();
        let mut state = self.state();
        if let Some(outage) = &state.outage {
            return Err(Refusal::Away(Arc::clone(outage)));
        }
        let waiting = state.waiting.len();
        if waiting >= self.most {
            return Err(Refusal::Shed { waiting });
        }
        state.waiting.push(Waiter { since, reply });
        let is_awaited = match state.quorum {
            None => waiting == 0,
            Some(quorum) => quorum.is_met(waiting + 1, since),
        };
        drop(state);
        if is_awaited {
            self.wake.notify_one();
        }
        Ok(receiver)
    }

    /// Hits that wait.
    pub(super) fn waiting(&self) -> usize {
        self.state().waiting.len()
    }

    /// Is there what is waited for? If not, the lane is woken by the hit with which it is.
    pub(super) fn has(&self, quorum: Quorum) -> bool {
        let mut state = self.state();
        let quorum = Quorum {
            hits: quorum.hits.min(self.most),
            ..quorum
        };
        state.quorum = Some(quorum);
        quorum.is_met(state.waiting.len(), Instant::now())
    }

    /// The next batch: up to `most` of those that have waited longest, put into `batch`, which is empty.
    pub(super) fn take(&self, batch: &mut Vec<Waiter>, most: usize) {
        let most = most.min(MAX_BATCH);
        let mut state = self.state();
        state.quorum = None;
        if state.waiting.len() <= most {
            std::mem::swap(&mut state.waiting, batch);
        } else {
            batch.extend(state.waiting.drain(..most));
        }
    }

    /// There is a connection.
    pub(super) fn open(&self) {
        self.state().outage = None;
    }

    /// There is no connection, or still none: who waits is told, and was not counted.
    pub(super) fn close(&self, reason: String, next_try: Instant) {
        let mut state = self.state();
        let since = state
            .outage
            .as_ref()
            .map_or_else(Instant::now, |it| it.since);
        let outage = Arc::new(Outage {
            reason,
            since,
            next_try,
        });
        state.outage = Some(Arc::clone(&outage));
        state.quorum = None;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        for waiter in waiting {
            waiter.answer(Err(Refusal::Away(Arc::clone(&outage))));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    /// Gives the answer; a client that has hung up meanwhile gets none.
    pub(super) fn answer(self, answer: Result<i64, Refusal>) {
        drop(self.reply.send(answer));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::*;

    fn queue(most: usize) -> Queue {
        let queue = Queue::new(most);
        queue.open();
        queue
    }

    #[test]
    fn queues_are_dealt_out_to_threads_and_each_has_one() {
        for (threads, queues, dealt) in [(1, 1, vec![1]), (2, 5, vec![3, 2]), (3, 1, vec![1; 3])] {
            let counter = Counter::new(threads, queues, 8, Arc::new(Stats::new()));
            let of_each = counter.queues().iter().map(Vec::len);
            assert_eq!(of_each.collect::<Vec<_>>(), dealt);
        }
    }

    #[test]
    fn while_there_is_no_connection_nobody_waits() {
        let queue = Queue::new(8);
        let refusal = queue.join().unwrap_err();
        assert!(matches!(refusal, Refusal::Away(_)), "{refusal:?}");
        queue.open();
        let mut reply = queue.join().unwrap();
        queue.close("gone".to_owned(), Instant::now());
        let refusal = reply.try_recv().unwrap().unwrap_err();
        let Refusal::Away(outage) = refusal else {
            panic!("{refusal:?}")
        };
        queue.close("still gone".to_owned(), Instant::now());
        let Err(Refusal::Away(still)) = queue.join() else {
            panic!("nobody is there to wait for")
        };
        assert_eq!(
            (outage.reason.as_str(), still.since),
            ("gone", outage.since)
        );
    }

    #[test]
    fn beyond_the_bound_hits_are_shed() {
        let queue = queue(2);
        let _waiting = [queue.join().unwrap(), queue.join().unwrap()];
        let refusal = queue.join().unwrap_err();
        assert!(matches!(refusal, Refusal::Shed { waiting: 2 }));
    }

    #[test]
    fn the_hit_that_is_waited_for_wakes_the_lane() {
        let queue = queue(8);
        let is_woken = || queue.wake.notified().now_or_never().is_some();
        let _first = queue.join().unwrap();
        assert!(is_woken());
        let later = Instant::now() + Duration::from_hours(1);
        for (hits, until, wakes) in [(3, later, [false, true]), (8, Instant::now(), [true; 2])] {
            queue.take(&mut Vec::new(), 8);
            let _first = queue.join().unwrap();
            assert!(is_woken());
            let is_there = queue.has(Quorum { hits, until });
            assert_eq!(is_there, until != later);
            for wakes in wakes {
                let _next = queue.join().unwrap();
                assert_eq!(is_woken(), wakes);
            }
        }
    }

    #[test]
    fn no_more_are_waited_for_than_may_wait() {
        let queue = queue(2);
        let _waiting = [queue.join().unwrap(), queue.join().unwrap()];
        let until = Instant::now() + Duration::from_hours(1);
        assert!(queue.has(Quorum { hits: 9, until }));
    }

    #[test]
    fn a_batch_is_of_those_that_have_waited_longest() {
        let queue = queue(8);
        let mut replies: Vec<_> = (0..3).map(|_| queue.join().unwrap()).collect();
        let mut batch = Vec::new();
        queue.take(&mut batch, 2);
        for (number, waiter) in (1..).zip(batch.drain(..)) {
            waiter.answer(Ok(number));
        }
        queue.take(&mut batch, 2);
        assert_eq!(batch.len(), 1);
        for (number, reply) in (1..).zip(&mut replies[..2]) {
            assert_eq!(reply.try_recv().unwrap().unwrap(), number);
        }
    }
}
