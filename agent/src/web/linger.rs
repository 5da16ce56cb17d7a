//! Waits a little before a batch, where that makes it larger: clients that were just answered mostly ask again at once.
//!
//! Without it, what comes while a batch is under way is the next one, and clients that never pause fall into two halves
//! that take turns: batches are half as large as they could be.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use tokio::{select, time::sleep_until};

use super::counter::{Queue, Quorum};

/// Batches smaller than this are not waited for: there is little to win, and whoever asks now and then would wait, too.
const FEWEST: usize = 8;

/// More hits than this are not waited for: with 128 for each connection that cost a tenth of the rate.
const MOST: usize = 64;

/// A batch that was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) hits: usize,
    pub(super) at: Instant,
}

/// After a batch was answered, before the next: waits until nine of ten wait of those that were answered or wait already, and
/// never longer than `longest` or than four times what the batch took.
///
/// Hits that come see to the time; only where none come the runtime's timer does, which knows milliseconds. One that knows
/// microseconds (timerfd) cost as much as this wins.
pub(super) async fn gather(queue: &Queue, last: Sent, longest: Duration) {
    let Some(hits) = expected(last.hits, queue.waiting()) else {
        return;
    };
    let now = Instant::now();
    let until = now + longest.min((now - last.at) * 4);
    let quorum = Quorum { hits, until };
    let mut late = pin!(sleep_until(until.into()));
    while !queue.has(quorum) {
        select! {
            // Told of hits that came before this began, too.
            () = queue.wake.notified() => {}
            () = &mut late => return,
        }
    }
}

/// How many hits to wait for after a batch of `answered`, while `waiting` wait; `None`: for none.
fn expected(answered: usize, waiting: usize) -> Option<usize> {
    let all = answered + waiting;
    (answered >= FEWEST && all <= MOST).then_some(all * 9 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_of_those_who_were_answered_are_waited_for() {
        assert_eq!(expected(7, 100), None);
        assert_eq!(expected(8, 0), Some(7));
        assert_eq!(expected(16, 16), Some(28));
        assert_eq!(expected(32, 33), None);
    }

    #[tokio::test(start_paused = true)]
    async fn hits_end_the_wait_and_so_does_the_time() {
        let queue = Queue::new(64);
        queue.open();
        let last = Sent {
            hits: 8,
            at: Instant::now().checked_sub(Duration::from_secs(1)).unwrap(),
        };
        let hour = Duration::from_hours(1);
        for longest in [Duration::ZERO, Duration::from_millis(5), hour] {
            let begin = tokio::time::Instant::now();
            gather(&queue, last, longest).await;
            let longest = longest.min(Duration::from_secs(4));
            let waited = begin.elapsed();
            assert!(
                waited.abs_diff(longest) < Duration::from_millis(100),
                "{waited:?}"
            );
        }
        let begin = tokio::time::Instant::now();
        let hits = async { (0..7).map(|_| queue.join()).collect::<Vec<_>>() };
        let ((), _hits) = tokio::join!(gather(&queue, last, hour), hits);
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }
}
