//! How long to wait before a write is tried again.
//!
//! Full jitter: many agents whose server comes back do not all return at the same moment.

use std::time::{Duration, SystemTime};

/// Longest wait that a server may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_mins(15);

/// Waits that grow with each failure in a row, without a limit of attempts.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    /// Longest first wait; doubles with each failure.
    first: Duration,
    /// Longest wait of all.
    longest: Duration,
    failures: u32,
}

impl Backoff {
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            failures: 0,
        }
    }

    /// The wait after one more failure: `roll` (0 to 1) of the longest wait after so many.
    pub(super) fn wait(&mut self, roll: f64) -> Duration {
        let doubled = 2_u32.saturating_pow(self.failures);
        self.failures = self.failures.saturating_add(1);
        let longest = self.first.saturating_mul(doubled).min(self.longest);
        longest.mul_f64(roll.clamp(0.0, 1.0))
    }

    /// A write went well.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// The wait a `Retry-After` header asks for, in seconds or as a date (RFC 9110, 10.2.3), within a quarter of an hour.
pub(super) fn retry_after(header: &str, now: SystemTime) -> Option<Duration> {
    let header = header.trim();
    let wait = if let Ok(seconds) = header.parse() {
        Duration::from_secs(seconds)
    } else {
        let date = httpdate::parse_http_date(header).ok()?;
        date.duration_since(now).unwrap_or_default()
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_start_anew_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_mins(1));
        let waits: Vec<u128> = (0..40).map(|_| backoff.wait(1.0).as_millis()).collect();
        assert_eq!(waits[..4], [250, 500, 1000, 2000]);
        assert!(
            waits[8..].iter().all(|wait| *wait == 60_000),
            "waits={waits:?}"
        );
        assert_eq!(backoff.wait(0.0), Duration::ZERO);
        backoff.reset();
        assert_eq!(backoff.wait(0.5), Duration::from_millis(125));
    }

    #[test]
    fn retry_after_is_read_in_both_forms_and_capped() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (header, seconds) in [
            ("0", Some(0)),
            (" 7 ", Some(7)),
            ("99999999999", Some(900)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sun, 06 Nov 1994 08:49:27 GMT", Some(0)),
            ("Mon, 06 Nov 2090 08:49:27 GMT", Some(900)),
            ("-1", None),
            ("soon", None),
            ("99999999999999999999999", None),
        ] {
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(retry_after(header, now), expected, "header={header}");
        }
    }
}
