//! The two clocks, read together.

use nix::time::{ClockId, clock_gettime};

use crate::snapshot::Timestamp;

/// Gives the ticks their timestamps.
#[derive(Debug, Default)]
pub struct Clock {
    last_wall_ns: i64,
}

impl Clock {
    /// Now, on both clocks. The wall clock's part is later than any before it: where that clock was set back, points
    /// would otherwise overwrite older ones.
    pub fn now(&mut self) -> Timestamp {
        let now = now();
        self.last_wall_ns = now.wall_ns.max(self.last_wall_ns + 1);
        Timestamp {
            wall_ns: self.last_wall_ns,
            ..now
        }
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
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_does_not_repeat_a_timestamp() {
        let ahead = i64::MAX - 10;
        let mut clock = Clock {
            last_wall_ns: ahead,
        };
        assert_eq!(clock.now().wall_ns, ahead + 1);
        assert_eq!(clock.now().wall_ns, ahead + 2);
    }
}
