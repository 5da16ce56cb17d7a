//! How the counter stands, as of one second: from what was counted to numbers that people and programs read.

use std::{collections::VecDeque, time::Duration};

use hdrhistogram::Histogram;
use serde::Serialize;

use super::stats::Window;

/// Seconds over which latencies are told.
const LATENCY_S: usize = 10;

/// Seconds over which the longest rate is told.
const RATE_S: usize = 60;

/// What was counted, by second.
#[derive(Debug)]
pub(crate) struct History {
    /// Of the last seconds, the newest last.
    windows: VecDeque<Window>,
    hits: VecDeque<u64>,
    all: Window,
}

/// How long hits took, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[expect(clippy::struct_field_names, reason = "a field carries its unit")]
pub(crate) struct Latency {
    pub(crate) p50_us: u64,
    pub(crate) p90_us: u64,
    pub(crate) p99_us: u64,
    pub(crate) p999_us: u64,
    pub(crate) max_us: u64,
}

/// What the process takes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cost {
    /// CPU time since it was started, in nanoseconds.
    pub(crate) cpu_ns: u64,
    /// Resident memory in bytes.
    pub(crate) rss_bytes: u64,
    /// Requests so far.
    pub(crate) requests: u64,
}

/// Hits by second: the last one, and on average over ten and sixty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Rates {
    #[serde(rename = "1s")]
    pub(crate) last: f64,
    #[serde(rename = "10s")]
    pub(crate) ten: f64,
    #[serde(rename = "60s")]
    pub(crate) sixty: f64,
}

impl History {
    pub(crate) fn new() -> Self {
        Self {
            windows: VecDeque::new(),
            hits: VecDeque::new(),
            all: Window::empty(),
        }
    }

    /// Takes in what was counted in one more second.
    pub(crate) fn push(&mut self, window: Window) {
        self.all.add(&window);
        self.hits.push_back(window.hits);
        self.windows.push_back(window);
        if self.windows.len() > LATENCY_S {
            self.windows.pop_front();
        }
        if self.hits.len() > RATE_S {
            self.hits.pop_front();
        }
    }

    /// All that was ever counted.
    pub(crate) fn all(&self) -> &Window {
        &self.all
    }

    /// The last ten seconds.
    pub(crate) fn recent(&self) -> Window {
        let mut sum = Window::empty();
        for window in &self.windows {
            sum.add(window);
        }
        sum
    }

    /// Hits a second. Before so many seconds have passed, over those that have.
    pub(crate) fn rates(&self) -> Rates {
        let over = |seconds: usize| {
            let newest = self.hits.iter().rev().take(seconds);
            let count = newest.len();
            if count == 0 {
                return 0.0;
            }
            newest.sum::<u64>() as f64 / count as f64
        };
        Rates {
            last: over(1),
            ten: over(10),
            sixty: over(RATE_S),
        }
    }
}

impl Latency {
    pub(crate) fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile);
        Self {
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: histogram.max(),
        }
    }
}

impl Cost {
    /// CPU time for each request since `before`, in microseconds; `None` without one.
    pub(crate) fn cpu_us_per_request(&self, before: &Self) -> Option<f64> {
        let requests = self.requests.saturating_sub(before.requests);
        let cpu = Duration::from_nanos(self.cpu_ns.saturating_sub(before.cpu_ns));
        (requests > 0).then(|| cpu.as_secs_f64() * 1e6 / requests as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(hits: u64, took_us: u64) -> Window {
        let mut window = Window::empty();
        window.hits = hits;
        window.batches = 1;
        for _ in 0..hits {
            window.latency_us.saturating_record(took_us);
        }
        window
    }

    #[test]
    fn rates_are_over_the_seconds_there_are() {
        let mut history = History::new();
        assert_eq!(history.rates(), Rates::default());
        for second in 0..70 {
            history.push(window(if second < 60 { 10 } else { 20 }, 5));
        }
        let rates = history.rates();
        assert!((rates.last - 20.0).abs() < 1e-9 && (rates.ten - 20.0).abs() < 1e-9);
        assert!((rates.sixty - (50.0 * 10.0 + 10.0 * 20.0) / 60.0).abs() < 1e-9);
        assert_eq!(history.all().hits, 800);
        assert_eq!(history.recent().hits, 200);
    }

    #[test]
    fn percentiles_are_within_a_hundredth() {
        let mut fast_then_slow = window(99, 100);
        fast_then_slow.add(&window(1, 10_000));
        let latency = Latency::of(&fast_then_slow.latency_us);
        assert_eq!((latency.p50_us, latency.p90_us), (100, 100));
        assert!(latency.max_us.abs_diff(10_000) <= 100, "{latency:?}");
    }

    #[test]
    fn cost_is_that_of_the_time_between() {
        let before = Cost {
            cpu_ns: 1_000_000,
            requests: 10,
            ..Cost::default()
        };
        let after = Cost {
            cpu_ns: 2_000_000,
            requests: 110,
            ..Cost::default()
        };
        assert!((after.cpu_us_per_request(&before).unwrap() - 10.0).abs() < 1e-9);
        assert_eq!(before.cpu_us_per_request(&before), None);
    }
}
