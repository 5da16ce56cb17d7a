//! What the agent says of itself: late ticks, lost events, dropped points, failed writes.
//!
//! Counters are plain atomics that any part may raise; nothing reads them back but the tick that publishes them.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use crate::metrics::{Metric, Sample, Value, catalog};

/// A counter that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `count`.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// What has been added so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one sink did.
#[derive(Debug)]
pub struct SinkStats {
    /// The sink's name in the configuration.
    pub name: String,
    /// Points the other side acknowledged.
    pub points_sent: Counter,
    /// Points lost: the queue was full, or the other side refused them for good.
    pub points_dropped: Counter,
    /// Writes that failed and were tried again.
    pub write_errors: Counter,
    /// Bytes of the bodies sent, failed attempts included.
    pub bytes_sent: Counter,
    /// When the last write was acknowledged, in nanoseconds since the Unix epoch; 0 before the first.
    pub last_ack_wall_ns: AtomicI64,
}

impl SinkStats {
    /// Stats of a sink that has done nothing yet.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            points_sent: Counter::default(),
            points_dropped: Counter::default(),
            write_errors: Counter::default(),
            bytes_sent: Counter::default(),
            last_ack_wall_ns: AtomicI64::new(0),
        }
    }
}

/// What all parts did.
#[derive(Debug, Default)]
pub struct SelfStats {
    /// Collections left out because the one before was late.
    pub ticks_skipped: Counter,
    /// Each sink's counters; locked to add a sink and to read all.
    sinks: Mutex<Vec<Arc<SinkStats>>>,
}

impl SelfStats {
    /// Registers a sink and returns its counters.
    pub fn sink(&self, name: &str) -> Arc<SinkStats> {
        let stats = Arc::new(SinkStats::new(name));
        self.sinks().push(Arc::clone(&stats));
        stats
    }

    /// All counters as samples.
    pub fn samples(&self) -> Vec<Sample> {
        let mut samples = vec![integer(
            &catalog::AGENT_TICKS_SKIPPED,
            self.ticks_skipped.get(),
        )];
        for sink in self.sinks().iter() {
            for (metric, counter) in [
                (&catalog::SINK_SENT, &sink.points_sent),
                (&catalog::SINK_DROPPED, &sink.points_dropped),
                (&catalog::SINK_ERRORS, &sink.write_errors),
                (&catalog::SINK_BYTES, &sink.bytes_sent),
            ] {
                samples.push(integer(metric, counter.get()).labelled("sink", sink.name.clone()));
            }
            if let Ok(ack @ 1..) = u64::try_from(sink.last_ack_wall_ns.load(Ordering::Relaxed)) {
                samples.push(
                    integer(&catalog::SINK_LAST_ACK, ack).labelled("sink", sink.name.clone()),
                );
            }
        }
        samples
    }

    fn sinks(&self) -> MutexGuard<'_, Vec<Arc<SinkStats>>> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn integer(metric: &'static Metric, value: u64) -> Sample {
    Sample::new(metric, Value::Integer(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sink_tells_its_own_counts_and_no_acknowledgement_before_the_first() {
        let stats = SelfStats::default();
        stats.ticks_skipped.add(3);
        let db = stats.sink("db");
        db.points_sent.add(5);
        db.points_sent.add(2);
        db.last_ack_wall_ns.store(9, Ordering::Relaxed);
        stats.sink("file").points_dropped.add(1);
        let told: Vec<String> = stats
            .samples()
            .iter()
            .map(|it| {
                let labels = it.labels.iter().map(|(_, value)| value.as_ref());
                let labels = labels.collect::<String>();
                format!("{} {labels} {:?}", it.metric.field, it.value)
            })
            .collect();
        assert_eq!(
            told,
            [
                "ticks_skipped  Integer(3)",
                "points_sent db Integer(7)",
                "points_dropped db Integer(0)",
                "write_errors db Integer(0)",
                "bytes_sent db Integer(0)",
                "last_ack_ns db Integer(9)",
                "points_sent file Integer(0)",
                "points_dropped file Integer(1)",
                "write_errors file Integer(0)",
                "bytes_sent file Integer(0)",
            ]
        );
    }
}
