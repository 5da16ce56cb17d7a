//! What the counter did: counted as it happens, taken once a second.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;

use super::{counter::Waiter, refusal::Refusal, store::Outcome};
use crate::self_stats::Counter;

/// Times longer than a minute count as a minute; deadlines are far below.
const MAX_US: u64 = 60_000_000;

/// Decimal digits that are told apart: a hundredth.
const DIGITS: u8 = 2;

/// What the counter did. All parts of the program add to it.
#[derive(Debug)]
pub(crate) struct Stats {
    /// HTTP requests at the counter's port, whatever they asked for.
    pub(crate) requests: Counter,
    refused: [Counter; Refusal::WORDS.len()],
    /// When Redis answered last, in milliseconds since `start`, plus one; 0 before it ever did.
    answered_ms: AtomicU64,
    start: Instant,
    window: Mutex<Window>,
    links: Mutex<Links>,
}

/// What was counted in some time.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    /// Numbers given.
    pub(crate) hits: u64,
    /// Batches that were sent.
    pub(crate) batches: u64,
    /// Hits of the largest.
    pub(crate) batch_max: u64,
    /// From a hit's coming to its number, in microseconds.
    pub(crate) latency_us: Histogram<u64>,
}

/// The connections.
#[derive(Debug, Default)]
struct Links {
    open: usize,
    /// Since when none is open, once that was told.
    away: Option<Instant>,
    made: u64,
    changes: Vec<Change>,
}

/// Redis came or went.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Change {
    /// It is back after so long.
    Up(Duration),
    /// It is gone, and why.
    Down(String),
}

impl Stats {
    pub(crate) fn new() -> Self {
        Self {
            requests: Counter::default(),
            refused: Default::default(),
            answered_ms: AtomicU64::new(0),
            start: Instant::now(),
            window: Mutex::new(Window::empty()),
            links: Mutex::default(),
        }
    }

    /// A hit got no number.
    pub(crate) fn refused(&self, refusal: &Refusal) {
        let at = Refusal::WORDS.iter().position(|it| *it == refusal.word());
        if let Some(at) = at {
            self.refused[at].add(1);
        }
    }

    /// Hits without a number, by why.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.refused.iter().map(Counter::get);
        Refusal::WORDS.into_iter().zip(counts)
    }

    /// Redis answered.
    pub(crate) fn answered(&self) {
        let ms = self.start.elapsed().as_millis();
        let ms = u64::try_from(ms).unwrap_or(u64::MAX - 1);
        self.answered_ms.store(ms + 1, Ordering::Relaxed);
    }

    /// How long ago Redis answered; `None` before it ever did.
    pub(crate) fn answer_age(&self) -> Option<Duration> {
        let ms = self.answered_ms.load(Ordering::Relaxed).checked_sub(1)?;
        Some(
            self.start
                .elapsed()
                .saturating_sub(Duration::from_millis(ms)),
        )
    }

    /// How long the program has run.
    pub(crate) fn uptime(&self) -> Duration {
        self.start.elapsed()
    }

    /// A batch came to this.
    pub(super) fn counted(&self, batch: &[Waiter], outcomes: &[Outcome]) {
        let now = Instant::now();
        let size = batch.len() as u64;
        let mut window = self.window();
        window.batches += 1;
        window.batch_max = window.batch_max.max(size);
        for (waiter, outcome) in batch.iter().zip(outcomes) {
            if outcome.is_ok() {
                let took = now.saturating_duration_since(waiter.since).as_micros();
                window.hits += 1;
                window
                    .latency_us
                    .saturating_record(u64::try_from(took).unwrap_or(MAX_US));
            }
        }
    }

    /// What was counted since the last call.
    pub(crate) fn take(&self) -> Window {
        std::mem::replace(&mut self.window(), Window::empty())
    }

    /// A connection is open.
    pub(super) fn connected(&self) {
        let mut links = self.links();
        links.open += 1;
        links.made += 1;
        if let Some(since) = links.away.take() {
            let away = since.elapsed();
            tracing::info!(
                away_ms = u64::try_from(away.as_millis()).ok(),
                "redis is back"
            );
            links.changes.push(Change::Up(away));
        }
        drop(links);
        self.answered();
    }

    /// A connection that was open is lost.
    pub(super) fn disconnected(&self, reason: &str) {
        self.links().open -= 1;
        self.unconnected(reason);
    }

    /// There is no connection where there should be one.
    pub(super) fn unconnected(&self, reason: &str) {
        let mut links = self.links();
        if links.open == 0 && links.away.is_none() {
            links.away = Some(Instant::now());
            tracing::warn!(
                reason,
                "redis is away: hits are answered 503 until it is back"
            );
            links.changes.push(Change::Down(reason.to_owned()));
        }
    }

    /// Connections that are open, and all that ever were.
    pub(crate) fn connections(&self) -> (usize, u64) {
        let links = self.links();
        (links.open, links.made)
    }

    /// What changed since the last call.
    pub(crate) fn changes(&self) -> Vec<Change> {
        std::mem::take(&mut self.links().changes)
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn links(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Window {
    /// One in which nothing happened.
    pub(crate) fn empty() -> Self {
        let latency_us = Histogram::new_with_max(MAX_US, DIGITS);
        Self {
            hits: 0,
            batches: 0,
            batch_max: 0,
            latency_us: latency_us.expect("these bounds are possible"),
        }
    }

    /// Takes in what was counted beside it.
    pub(crate) fn add(&mut self, other: &Self) {
        self.hits += other.hits;
        self.batches += other.batches;
        self.batch_max = self.batch_max.max(other.batch_max);
        let added = self.latency_us.add(&other.latency_us);
        debug_assert!(added.is_ok(), "both have the same bounds");
    }

    /// Hits of a batch on average; 0 without any.
    pub(crate) fn batch_mean(&self) -> f64 {
        if self.batches == 0 {
            return 0.0;
        }
        self.hits as f64 / self.batches as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_once_and_so_is_its_end() {
        let stats = Stats::new();
        for _ in 0..3 {
            stats.unconnected("refused");
        }
        assert_eq!(stats.changes(), [Change::Down("refused".to_owned())]);
        stats.connected();
        stats.connected();
        assert!(matches!(stats.changes()[..], [Change::Up(_)]));
        stats.disconnected("one of two");
        assert_eq!((stats.changes(), stats.connections()), (vec![], (1, 2)));
        stats.disconnected("both");
        assert_eq!(stats.changes(), [Change::Down("both".to_owned())]);
    }

    #[test]
    fn windows_add_up() {
        let mut sum = Window::empty();
        for hits in [2, 4] {
            let mut window = Window::empty();
            window.hits = hits;
            window.batches = 1;
            window.batch_max = hits;
            window.latency_us.saturating_record(hits * 100);
            sum.add(&window);
        }
        assert_eq!((sum.hits, sum.batch_max), (6, 4));
        assert!((sum.batch_mean() - 3.0).abs() < 1e-9);
        assert_eq!(sum.latency_us.len(), 2);
        assert!((Window::empty().batch_mean()).abs() < 1e-9);
    }
}
