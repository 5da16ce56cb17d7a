//! Latencies of block I/O: what a histogram, a number of operations and a total time say of the same requests.

use serde::Deserialize;

use super::batch::Entry;

/// Times by length.
#[derive(Debug, Deserialize)]
struct Latencies {
    /// The upper bound of each count but the last.
    bounds_ns: Vec<u64>,
    counts: Vec<u64>,
    sum_ns: u64,
}

impl Entry {
    /// How many reads and how many writes on this device each of the four histograms has. Panics unless it has as many
    /// as there were operations and their total time, and each is in the bucket that it belongs to, as far as the sum
    /// can tell.
    #[track_caller]
    pub(crate) fn latencies(&self, device: &str) -> [u64; 2] {
        ["read", "write"].map(|kind| {
            let operations = self.io(device, &format!("{kind}s")).unwrap_or_default();
            for which in ["", "_device"] {
                let total_ns = self.io(device, &format!("{kind}{which}_ns"));
                let latencies = self.io_value(device, &format!("{kind}{which}_latency"));
                let latencies = latencies.and_then(|it| Latencies::deserialize(it).ok());
                let facts = format!(
                    "{}: {kind}{which}: operations={operations} total_ns={total_ns:?} {latencies:?}",
                    self.name
                );
                let Some(latencies) = latencies else {
                    assert_eq!(total_ns, None, "{facts}");
                    continue;
                };
                let count: u64 = latencies.counts.iter().sum();
                let at_least = weighed(&latencies.counts[1..], &latencies.bounds_ns);
                let at_most = weighed(&latencies.counts, &latencies.bounds_ns);
                let sum_ns = latencies.sum_ns;
                println!(
                    "{}: {kind}{which}: operations={operations} count={count} total_ns={total_ns:?} sum_ns={sum_ns} \
                     buckets={at_least}..{at_most}",
                    self.name
                );
                assert_eq!(count, operations, "{facts}");
                assert_eq!(Some(sum_ns), total_ns, "{facts}");
                let has_unbounded = latencies.counts.last().is_some_and(|count| *count > 0);
                assert!(at_least <= sum_ns, "{facts}");
                assert!(sum_ns <= at_most || has_unbounded, "{facts}");
            }
            operations
        })
    }
}

/// The sum if each had the time at its place.
fn weighed(counts: &[u64], times_ns: &[u64]) -> u64 {
    let pairs = counts.iter().zip(times_ns);
    pairs.map(|(count, ns)| count * ns).sum()
}
