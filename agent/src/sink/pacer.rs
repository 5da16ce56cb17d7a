//! How fast what has waited goes: steadily, and so that what is new is not held up.
//!
//! After an outage a chart moves again with the next shipment, while the gap behind it fills from its old end. What has
//! waited is sent at a bounded rate, and for at most half of the time, so that a server that has just come back is not
//! overrun by all who waited for it.
//!
//! Pure: the time is an argument.

use std::time::{Duration, Instant};

/// How many times the rate of what is new the old may go, where that is more than the configured rate.
const TIMES_LIVE: f64 = 5.0;

/// Over what time the rate of what is new is taken.
const WINDOW: Duration = Duration::from_secs(10);

/// Paces what has waited.
#[derive(Debug)]
pub(super) struct Pacer {
    /// Most lines a second of what has waited; no bound if zero.
    drain_lines: u32,
    /// Lines a second of what is new, as of late.
    live_lines: f64,
    /// Lines that came since then, towards the next such rate.
    coming: Option<(Instant, usize)>,
    /// From when on more of what has waited may be sent.
    open_from: Option<Instant>,
}

impl Pacer {
    pub(super) fn new(drain_lines: u32) -> Self {
        Self {
            drain_lines,
            live_lines: 0.0,
            coming: None,
            open_from: None,
        }
    }

    /// Something new has come.
    pub(super) fn came(&mut self, points: usize, now: Instant) {
        let (since, before) = self.coming.unwrap_or((now, 0));
        let passed = now.saturating_duration_since(since);
        self.coming = Some((since, before + points));
        if passed >= WINDOW {
            self.live_lines = before as f64 / passed.as_secs_f64();
            self.coming = Some((now, points));
        }
    }

    /// How long to wait before more of what has waited is sent; zero for now.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        self.open_from
            .map_or(Duration::ZERO, |from| from.saturating_duration_since(now))
    }

    /// `points` of what has waited were sent from `began` on and are settled now.
    pub(super) fn drained(&mut self, points: usize, began: Instant, now: Instant) {
        if self.drain_lines == 0 {
            return;
        }
        let rate = f64::from(self.drain_lines).max(TIMES_LIVE * self.live_lines);
        let by_rate = Duration::from_secs_f64(points as f64 / rate);
        let by_half = now.saturating_duration_since(began) * 2;
        self.open_from = Some(began + by_rate.max(by_half));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_waited_takes_half_of_the_time_at_most_and_keeps_to_its_rate() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut pacer = Pacer::new(5_000);
        assert_eq!(pacer.wait(at(0)), Duration::ZERO);
        // Quickly taken: the rate holds.
        pacer.drained(5_000, at(0), at(100));
        assert_eq!(pacer.wait(at(100)), Duration::from_millis(900));
        // Slowly taken: the server rests as long as it worked.
        pacer.drained(100, at(1_000), at(4_000));
        assert_eq!(pacer.wait(at(4_000)), Duration::from_secs(3));
        assert_eq!(pacer.wait(at(9_000)), Duration::ZERO);
    }

    #[test]
    fn where_much_is_new_the_old_goes_faster_too() {
        let start = Instant::now();
        let mut pacer = Pacer::new(5_000);
        for second in 0..=10 {
            pacer.came(10_000, start + Duration::from_secs(second));
        }
        pacer.drained(5_000, start, start);
        assert_eq!(pacer.wait(start), Duration::from_millis(100));
    }

    #[test]
    fn without_a_bound_nothing_waits() {
        let start = Instant::now();
        let mut pacer = Pacer::new(0);
        pacer.drained(5_000, start, start + Duration::from_secs(9));
        assert_eq!(pacer.wait(start), Duration::ZERO);
    }
}
