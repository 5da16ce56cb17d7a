//! The two clocks, read together.

use nix::time::{ClockId, clock_gettime};

use crate::snapshot::Timestamp;

/// By how much the wall clock may be off before that is a step. `adjtimex` slews what is less (`MAXPHASE` in
/// include/linux/timex.h, Linux 6.1).
const STEP_NS: i64 = 500_000_000;

/// A smaller difference is followed by one part in so many of the time that passes: twice as fast as the kernel slews.
const SLEW: i64 = 1_000;

/// 2026-01-01, before which this program was not built: a wall clock that says less is not set.
const BUILT_NS: i64 = 1_767_225_600 * 1_000_000_000;

/// Gives the ticks their timestamps.
///
/// Between two ticks as much time passes as on the boot clock, but for what the wall clock drifts. When that clock is
/// set, timestamps follow it ahead at once; set back, they stand still, a nanosecond a tick, until it has caught up,
/// since points would otherwise overwrite older ones.
#[derive(Debug, Default)]
pub struct Clock {
    /// The wall clock's lead over the boot clock, and when it was looked at.
    anchor: Option<(i64, u64)>,
    last_wall_ns: i64,
    steps: u64,
    last_step_ns: Option<i64>,
}

impl Clock {
    /// Now, on both clocks. The wall clock's part is later than any before it.
    pub fn now(&mut self) -> Timestamp {
        let steps = self.steps;
        let taken = self.at(boot_ns(), read(ClockId::CLOCK_REALTIME));
        if self.steps != steps {
            tracing::warn!(step_ns = self.last_step_ns, "the wall clock was set");
        }
        taken
    }

    /// The same where the clocks say this.
    fn at(&mut self, boot_ns: u64, wall_ns: i64) -> Timestamp {
        let lead_ns = wall_ns.saturating_sub_unsigned(boot_ns);
        let lead_ns = match self.anchor {
            None => lead_ns,
            Some((anchored_ns, then_ns)) => {
                let off_ns = lead_ns.saturating_sub(anchored_ns);
                if off_ns.unsigned_abs() > STEP_NS.unsigned_abs() {
                    self.steps += 1;
                    self.last_step_ns = Some(off_ns);
                    lead_ns
                } else {
                    let passed_ns = i64::try_from(boot_ns.saturating_sub(then_ns));
                    let most_ns = passed_ns.unwrap_or(i64::MAX) / SLEW;
                    anchored_ns.saturating_add(off_ns.clamp(-most_ns, most_ns))
                }
            }
        };
        self.anchor = Some((lead_ns, boot_ns));
        let wall_ns = lead_ns.saturating_add_unsigned(boot_ns);
        self.last_wall_ns = wall_ns.max(self.last_wall_ns.saturating_add(1));
        Timestamp {
            boot_ns,
            wall_ns: self.last_wall_ns,
        }
    }

    /// Whether the wall clock was ever set: before, its time is no point's.
    pub fn is_set(&self) -> bool {
        self.last_wall_ns >= BUILT_NS
    }

    /// How often the wall clock was set by more than half a second.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// By how much it was set last, in nanoseconds; less than nothing when it was set back.
    pub fn last_step_ns(&self) -> Option<i64> {
        self.last_step_ns
    }
}

/// Now, on both clocks, as they are.
pub fn now() -> Timestamp {
    Timestamp {
        boot_ns: boot_ns(),
        wall_ns: read(ClockId::CLOCK_REALTIME),
    }
}

/// `CLOCK_BOOTTIME`, in nanoseconds.
pub fn boot_ns() -> u64 {
    u64::try_from(read(ClockId::CLOCK_BOOTTIME)).unwrap_or_default()
}

fn read(clock: ClockId) -> i64 {
    // Neither clock can fail: both exist on every kernel this runs on.
    clock_gettime(clock).map_or(0, |time| time.tv_sec() * 1_000_000_000 + time.tv_nsec())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: i64 = 1_000_000_000;
    const HOUR: i64 = 3_600 * SECOND;
    const NOW: i64 = BUILT_NS + HOUR;

    /// What is given out, relative to the first, when both clocks are at these times after the first reading.
    fn given(clock: &mut Clock, first_wall_ns: i64, at: (i64, i64)) -> i64 {
        let (boot, wall) = at;
        let taken = clock.at(u64::try_from(HOUR + boot).unwrap(), first_wall_ns + wall);
        taken.wall_ns - first_wall_ns
    }

    #[test]
    fn a_step_is_followed_ahead_held_back_and_told() {
        for (what, boot, wall, expected, step) in [
            ("none", SECOND, SECOND, SECOND, None),
            (
                "an hour ahead",
                SECOND,
                SECOND + HOUR,
                SECOND + HOUR,
                Some(HOUR),
            ),
            ("an hour back", SECOND, SECOND - HOUR, 1, Some(-HOUR)),
            ("a leap second", SECOND, 0, 1, Some(-SECOND)),
            ("suspended", 8 * HOUR, 8 * HOUR, 8 * HOUR, None),
            ("drift", SECOND, SECOND + 400, SECOND + 400, None),
            (
                "slewed",
                SECOND,
                SECOND + SECOND / 4,
                SECOND + SECOND / SLEW,
                None,
            ),
        ] {
            let mut clock = Clock::default();
            assert_eq!(given(&mut clock, NOW, (0, 0)), 0);
            assert_eq!(given(&mut clock, NOW, (boot, wall)), expected, "{what}");
            assert_eq!(clock.last_step_ns(), step, "{what}");
            assert_eq!(clock.steps(), u64::from(step.is_some()), "{what}");
        }
    }

    #[test]
    fn a_clock_is_set_once_it_says_a_time_since_the_build() {
        let mut clock = Clock::default();
        given(&mut clock, 0, (0, 0));
        assert!(!clock.is_set());
        given(&mut clock, 0, (SECOND, NOW));
        assert!(clock.is_set());
        given(&mut clock, 0, (2 * SECOND, SECOND));
        assert!(clock.is_set(), "times do not go back, so they are good");
        assert_eq!(clock.steps(), 2);
    }

    proptest! {
        /// However the wall clock jumps, no time is given out twice.
        #[test]
        fn times_always_increase(walls in prop::collection::vec(any::<i64>(), 1..50)) {
            let mut clock = Clock::default();
            let mut last_ns = 0;
            for (boot_ns, wall_ns) in (0_u64..).step_by(1_000_000_000).zip(walls) {
                let taken = clock.at(boot_ns, wall_ns / 4);
                prop_assert!(taken.wall_ns > last_ns);
                last_ns = taken.wall_ns;
            }
        }
    }
}
