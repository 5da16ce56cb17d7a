//! How many bytes a second are taken from all clients together.

/// What a request counts as at least, so that empty ones are bounded too.
const LEAST_BYTES: u64 = 1024;

/// How long nothing must come until as much as possible may come at once.
const BURST_SECONDS: u64 = 4;

/// A bucket that fills with time, and from which requests are taken whole or not at all.
#[derive(Debug)]
pub(super) struct Pace {
    bytes_per_second: u64,
    /// Left, in bytes times nanoseconds a second; so nothing is lost to rounding.
    left: u128,
    seen_ns: u64,
}

const NS: u128 = 1_000_000_000;

impl Pace {
    pub(super) fn new(bytes_per_second: u64) -> Self {
        Self {
            bytes_per_second,
            left: u128::from(bytes_per_second * BURST_SECONDS) * NS,
            seen_ns: 0,
        }
    }

    /// Whether a request of so many bytes may pass now; it is counted then.
    pub(super) fn allows(&mut self, bytes: u64, boot_ns: u64) -> bool {
        let most = u128::from(self.bytes_per_second * BURST_SECONDS) * NS;
        let passed_ns = u128::from(boot_ns.saturating_sub(self.seen_ns));
        self.seen_ns = self.seen_ns.max(boot_ns);
        self.left = (self.left + passed_ns * u128::from(self.bytes_per_second)).min(most);
        let wanted = u128::from(bytes.max(LEAST_BYTES)) * NS;
        let is_enough = self.left >= wanted;
        if is_enough {
            self.left -= wanted;
        }
        is_enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_burst_passes_and_then_as_much_as_time_allows() {
        let mut pace = Pace::new(2048);
        assert!(pace.allows(8192, SECOND) && !pace.allows(1, SECOND));
        assert!(!pace.allows(2048, 2 * SECOND - 1) && pace.allows(2048, 2 * SECOND));
        assert!(pace.allows(8192, 1000 * SECOND) && !pace.allows(1, 1000 * SECOND));
    }

    #[test]
    fn small_requests_count_as_a_thousand_bytes_and_a_clock_that_stands_gives_nothing() {
        let mut pace = Pace::new(1024);
        let passed = (0..100).filter(|_| pace.allows(0, SECOND)).count();
        assert_eq!(passed, 4);
        assert!(!pace.allows(0, 0));
    }
}
