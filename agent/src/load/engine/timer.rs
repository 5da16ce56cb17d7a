//! Wakes a worker at the time of its next request, to the microsecond; epoll's own timeout knows milliseconds.

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _},
    time::Duration,
};

use mio::{Interest, Registry, Token, unix::SourceFd};
use nix::sys::{
    time::{TimeSpec, TimeValLike as _},
    timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
};

/// Requests that are due within this time of one another share a wake-up.
const TOGETHER: Duration = Duration::from_micros(50);

/// The same where more than 5,000 a second are due on one thread.
const TOGETHER_DENSE: Duration = Duration::from_micros(150);

/// A timer on the boot clock that is one of the events of a poll.
#[derive(Debug)]
pub(super) struct Timer {
    descriptor: TimerFd,
    armed_ns: u64,
}

impl Timer {
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let descriptor = TimerFd::new(ClockId::CLOCK_BOOTTIME, flags)?;
        // Its event comes once for each time that it is set (mio registers with EPOLLET), so that nobody needs to read it.
        let raw = descriptor.as_fd().as_raw_fd();
        registry.register(&mut SourceFd(&raw), token, Interest::READABLE)?;
        Ok(Self {
            descriptor,
            armed_ns: 0,
        })
    }

    /// Wakes at `due_ns`, or a little later if that is very soon and others may be due by then.
    pub(super) fn wake(&mut self, due_ns: u64, now_ns: u64, is_dense: bool) -> nix::Result<()> {
        let together = if is_dense { TOGETHER_DENSE } else { TOGETHER };
        let latest_ns = due_ns.max(now_ns + u64::try_from(together.as_nanos()).unwrap_or(0));
        if (now_ns + 1..=latest_ns).contains(&self.armed_ns) {
            return Ok(());
        }
        self.armed_ns = latest_ns;
        let at = TimeSpec::nanoseconds(latest_ns.try_into().unwrap_or(i64::MAX));
        self.descriptor.set(
            Expiration::OneShot(at),
            TimerSetTimeFlags::TFD_TIMER_ABSTIME,
        )
    }
}
