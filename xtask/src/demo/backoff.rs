//! How long to wait before a service that died is started again. Pure.

use std::time::Duration;

const SHORTEST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// A service that ran for so long had got over what it died of before.
const RECOVERED: Duration = Duration::from_mins(1);

/// Doubles with each death, up to a bound.
#[derive(Clone, Debug, Default)]
pub(super) struct Backoff {
    deaths: u32,
}

impl Backoff {
    /// The wait after a death, having run for that long.
    pub(super) fn after_running(&mut self, ran: Duration) -> Duration {
        if ran >= RECOVERED {
            self.deaths = 0;
        }
        let factor = 1_u32.checked_shl(self.deaths).unwrap_or(u32::MAX);
        self.deaths = self.deaths.saturating_add(1);
        SHORTEST.saturating_mul(factor).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_a_bound_and_never_beyond() {
        let mut backoff = Backoff::default();
        let mut waits = || backoff.after_running(Duration::ZERO).as_millis();
        assert_eq!([waits(), waits(), waits()], [500, 1_000, 2_000]);
        for _ in 0..100 {
            waits();
        }
        assert_eq!(waits(), 30_000);
    }

    #[test]
    fn a_service_that_ran_well_begins_anew() {
        let mut backoff = Backoff::default();
        for _ in 0..5 {
            backoff.after_running(Duration::ZERO);
        }
        assert_eq!(backoff.after_running(RECOVERED), SHORTEST);
    }
}
