//! When requests are due in an open loop, whatever becomes of those before.

use std::{num::NonZero, time::Duration};

use fastrand::Rng;

use super::amount::{amount, time};

/// Most requests a second that can be asked for.
pub const MAX_RATE: f64 = 1e6;

/// A time with one rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stage {
    /// How long.
    pub length: Duration,
    /// Requests a second; 0 is a pause.
    pub rate: f64,
}

/// How requests of one rate lie apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Gaps {
    /// One after the other.
    Even,
    /// So many at once, and none until as many are due again.
    Bursts(NonZero<u32>),
    /// At random times, by this seed.
    Random(u64),
}

/// Reads `10s@1k,30s@5k`.
pub(crate) fn stages(text: &str) -> Result<Vec<Stage>, String> {
    text.split(',').map(stage).collect()
}

fn stage(text: &str) -> Result<Stage, String> {
    let parts = text.split_once('@');
    let parts = parts.and_then(|(length, rate)| Some((time(length)?, amount(rate)?)));
    match parts {
        Some((length, rate)) if rate <= MAX_RATE && !length.is_zero() => Ok(Stage { length, rate }),
        Some(_) => Err(format!(
            "`{text}` is not within 0 to 1M requests a second for a while"
        )),
        None => Err(format!("`{text}` is no stage; write it as 10s@1k")),
    }
}

/// The rate at a time since the start; 0 after the end.
pub(super) fn rate_at(stages: &[Stage], since_start: Duration) -> f64 {
    let mut ends = Duration::ZERO;
    let stage = stages.iter().find(|stage| {
        ends += stage.length;
        since_start < ends
    });
    stage.map_or(0.0, |stage| stage.rate)
}

/// The mean rate between two times since the start.
pub(super) fn mean_rate(stages: &[Stage], from: Duration, to: Duration) -> f64 {
    let mut begins = Duration::ZERO;
    let mut requests = 0.0;
    for stage in stages {
        let ends = begins + stage.length;
        let within = ends.min(to).saturating_sub(begins.max(from));
        requests += stage.rate * within.as_secs_f64();
        begins = ends;
    }
    let length = to.saturating_sub(from).as_secs_f64();
    if length > 0.0 {
        requests / length
    } else {
        rate_at(stages, from)
    }
}

/// The times at which one of several workers is to send, in nanoseconds since the start.
///
/// Position `x` is due when `x` requests were to be sent by all workers together. Worker `i` of `n` has the positions
/// `i`, `i + n`, `i + 2n`…; in bursts of `b`, position `x` is due when the largest multiple of `b` not above it is; with
/// random gaps, the distances of positions are exponential with mean `n`, which together is a Poisson process.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    stages: Vec<Stage>,
    /// The stage that the position lies in, where it begins, and how many requests are due before.
    stage: usize,
    begins_ns: f64,
    before: f64,
    position: f64,
    workers: f64,
    /// Positions that are due at once, in bursts.
    at_once: Option<f64>,
    random: Option<Rng>,
    /// Requests still to be sent.
    left: u64,
}

impl Schedule {
    /// That of worker `index` of `workers`, with at most `most` requests.
    pub(super) fn new(
        stages: &[Stage],
        index: usize,
        workers: usize,
        most: u64,
        gaps: Gaps,
    ) -> Self {
        let (at_once, seed) = match gaps {
            Gaps::Even => (None, None),
            Gaps::Bursts(size) => (Some(size.get().into()), None),
            Gaps::Random(seed) => (None, Some(seed)),
        };
        let mut schedule = Self {
            stages: stages.to_vec(),
            stage: 0,
            begins_ns: 0.0,
            before: 0.0,
            position: index as f64,
            workers: workers as f64,
            at_once,
            random: seed.map(|seed| Rng::with_seed(seed.wrapping_add(index as u64))),
            left: most,
        };
        if schedule.random.is_some() {
            schedule.position = schedule.gap();
        }
        schedule
    }

    /// When the next request is due; `None` after the last.
    pub(super) fn next_ns(&mut self) -> Option<u64> {
        if self.left == 0 {
            return None;
        }
        loop {
            let stage = self.stages.get(self.stage)?;
            let length_ns = stage.length.as_nanos() as f64;
            let after = self.before + stage.rate * length_ns / 1e9;
            if self.position < after {
                // A burst that began in the stage before goes on with the first of this one.
                let due = self.burst().max(self.before);
                return Some(whole(
                    self.begins_ns + (due - self.before) * 1e9 / stage.rate,
                ));
            }
            self.before = after;
            self.begins_ns += length_ns;
            self.stage += 1;
        }
    }

    /// Goes on to the request behind the next.
    pub(super) fn advance(&mut self) {
        self.position += self.gap();
        self.left = self.left.saturating_sub(1);
    }

    /// How many requests are due by `now_ns` and not sent.
    pub(super) fn overdue(&self, now_ns: u64) -> u64 {
        let mut due = self.clone();
        let mut count = 0;
        while due.next_ns().is_some_and(|next_ns| next_ns <= now_ns) {
            due.advance();
            count += 1;
        }
        count
    }

    /// Whether so many are due that one timer each would cost more than it is worth.
    pub(super) fn is_dense(&self) -> bool {
        let rate = self.stages.get(self.stage).map_or(0.0, |stage| stage.rate);
        rate / self.workers > 5e3
    }

    /// The position itself, or the first of the burst that it lies in.
    fn burst(&self) -> f64 {
        let first = |size: f64| (self.position / size).floor() * size;
        self.at_once.map_or(self.position, first)
    }

    fn gap(&mut self) -> f64 {
        let workers = self.workers;
        // 1 − u lies in (0, 1], whose logarithm is finite.
        let random = self.random.as_mut();
        random.map_or(workers, |random| -(1.0 - random.f64()).ln() * workers)
    }
}

/// Nanoseconds of at most some hours: far within both types.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative, and far below 2⁵³"
)]
fn whole(ns: f64) -> u64 {
    ns as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(stages: &[Stage], workers: usize, most: u64, gaps: Gaps) -> Vec<u64> {
        let mut times = Vec::new();
        for index in 0..workers {
            let mut schedule = Schedule::new(stages, index, workers, most, gaps);
            while let Some(ns) = schedule.next_ns() {
                times.push(ns);
                schedule.advance();
            }
        }
        times.sort_unstable();
        times
    }

    fn at(rate: f64, seconds: u64) -> Stage {
        Stage {
            length: Duration::from_secs(seconds),
            rate,
        }
    }

    #[test]
    fn a_rate_is_one_request_after_the_other() {
        let times = all(&[at(4.0, 1)], 1, u64::MAX, Gaps::Even);
        assert_eq!(times, [0, 250_000_000, 500_000_000, 750_000_000]);
        let paused = all(
            &[at(1.0, 1), at(0.0, 5), at(2.0, 1)],
            1,
            u64::MAX,
            Gaps::Even,
        );
        assert_eq!(paused, [0, 6_000_000_000, 6_500_000_000]);
        assert_eq!(all(&[at(1e3, 10)], 1, 7, Gaps::Even).len(), 7);
    }

    #[test]
    fn a_burst_is_due_at_once_and_no_request_is_more_for_it() {
        let bursts = |size| Gaps::Bursts(NonZero::new(size).unwrap());
        let times = all(&[at(4.0, 2)], 1, u64::MAX, bursts(3));
        let ms: Vec<_> = times.iter().map(|ns| ns / 1_000_000).collect();
        assert_eq!(ms, [0, 0, 0, 750, 750, 750, 1_500, 1_500]);
        // What is left of one goes with the next stage that sends.
        let times = all(
            &[at(2.0, 1), at(0.0, 1), at(4.0, 1)],
            1,
            u64::MAX,
            bursts(3),
        );
        let ms: Vec<_> = times.iter().map(|ns| ns / 1_000_000).collect();
        assert_eq!(ms, [0, 0, 2_000, 2_250, 2_250, 2_250]);
        assert_eq!(all(&[at(10.0, 3)], 1, 7, bursts(4)).len(), 7);
    }

    #[test]
    fn what_is_not_sent_in_time_is_overdue() {
        let mut schedule = Schedule::new(&[at(1e3, 10)], 0, 1, u64::MAX, Gaps::Even);
        schedule.advance();
        assert_eq!(schedule.overdue(0), 0);
        assert_eq!(schedule.overdue(1_000_000_000), 1_000);
        assert_eq!(schedule.overdue(u64::MAX), 9_999);
    }

    #[test]
    fn random_gaps_have_the_mean_and_the_spread_of_a_poisson_process() {
        let times = all(&[at(1e3, 100)], 4, u64::MAX, Gaps::Random(7));
        let count = times.len() as f64;
        // Five standard deviations.
        assert!((count - 1e5).abs() < 5.0 * 1e5_f64.sqrt(), "{count}");
        let gaps: Vec<f64> = times
            .windows(2)
            .map(|it| (it[1] - it[0]) as f64 / 1e6)
            .collect();
        let mean = gaps.iter().sum::<f64>() / count;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / count;
        assert!(
            (mean - 1.0).abs() < 0.02 && (variance - 1.0).abs() < 0.05,
            "{mean} {variance}"
        );
        assert_eq!(times, all(&[at(1e3, 100)], 4, u64::MAX, Gaps::Random(7)));
    }

    #[test]
    fn the_mean_rate_is_that_of_all_stages() {
        let stages = [at(1e3, 2), at(4e3, 1)];
        let seconds = Duration::from_secs;
        let rates = [0, 1, 2, 3].map(|it| rate_at(&stages, seconds(it)));
        assert!(
            rates
                .iter()
                .zip([1e3, 1e3, 4e3, 0.0])
                .all(|(rate, it)| (rate - it).abs() < 1e-9)
        );
        for (from, to, mean) in [(0, 3, 2e3), (1, 3, 2.5e3), (2, 3, 4e3), (2, 2, 4e3)] {
            assert!((mean_rate(&stages, seconds(from), seconds(to)) - mean).abs() < 1e-9);
        }
    }

    #[test]
    fn stages_are_read_strictly() {
        let read = stages("10s@1k,500ms@2.5k,1m@0").unwrap();
        assert_eq!(
            read[1],
            Stage {
                length: Duration::from_millis(500),
                rate: 2500.0
            }
        );
        assert_eq!(read.len(), 3);
        for text in [
            "", "10s", "10s@", "@1k", "10@1k", "10s@2M", "0s@1k", "10s@1k,", "10s@-1",
        ] {
            assert!(stages(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn workers_together_send_what_one_would(
            stages in prop::collection::vec((1_u64..4, 0_u32..300), 1..5),
            workers in 1_usize..5,
            burst in 1_u32..9,
        ) {
            let gaps = Gaps::Bursts(NonZero::new(burst).unwrap());
            let stages: Vec<_> = stages.iter().map(|&(s, rate)| at(rate.into(), s)).collect();
            let alone = all(&stages, 1, u64::MAX, gaps);
            prop_assert_eq!(&all(&stages, workers, u64::MAX, gaps), &alone);
            let sum: f64 = stages.iter().map(|it| it.rate * it.length.as_secs_f64()).sum();
            prop_assert!((alone.len() as f64 - sum).abs() < 1e-6, "{} {sum}", alone.len());
        }
    }
}
