//! The only place where the benchmark waits: a wish to stop ends every wait, and with it the benchmark, cleanly.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigSet, Signal},
        signalfd::{SfdFlags, SignalFd},
    },
};
use std::os::fd::AsFd as _;

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// The exit code of a program that Ctrl-C ended.
const STOPPED: u8 = 130;

/// An end was asked for.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("stopped")]
pub(crate) struct Stopped;

/// How a benchmark ends, with a word on standard error unless all went well.
pub(crate) fn exit_code(done: anyhow::Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Stopped>() => {
            eprintln!("stopped; all that was started is taken away");
            ExitCode::from(STOPPED)
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Takes the signals that ask for an end. They stay blocked in what is started later, too, until it unblocks them.
#[derive(Debug)]
pub(crate) struct Waiting {
    signals: SignalFd,
}

impl Waiting {
    /// To be called before there is a second thread.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let mut wishes = SigSet::empty();
        for wish in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            wishes.add(wish);
        }
        wishes.thread_block().context("cannot block signals")?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let signals = SignalFd::with_flags(&wishes, flags).context("cannot watch signals")?;
        Ok(Self { signals })
    }

    /// Returns after `duration`; fails when an end is asked for.
    pub(crate) fn pause(&self, duration: Duration) -> anyhow::Result<()> {
        let end = Instant::now() + duration;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            // Rounded up, so that the last look is not too early.
            let left_ms = left.as_nanos().div_ceil(1_000_000);
            let timeout = PollTimeout::try_from(left_ms).unwrap_or(PollTimeout::MAX);
            let mut watched = [PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
            if poll(&mut watched, timeout).context("cannot wait")? > 0 {
                return Err(Stopped.into());
            }
            if left.is_zero() {
                return Ok(());
            }
        }
    }

    /// Fails when an end was asked for.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.pause(Duration::ZERO)
    }

    /// Returns what `look` finds, or fails after `patience` naming `what`.
    pub(crate) fn until<T>(
        &self,
        what: &str,
        patience: Duration,
        mut look: impl FnMut() -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let end = Instant::now() + patience;
        loop {
            if let Some(found) = look()? {
                return Ok(found);
            }
            if Instant::now() > end {
                bail!("{what} did not happen within {} s", patience.as_secs());
            }
            self.pause(LOOK)?;
        }
    }
}
