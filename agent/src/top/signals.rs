//! Signals: what a person or the system asks of the view by them.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::TopError;

/// The signals that concern a terminal.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    stop: Signal,
    go_on: Signal,
}

/// What a signal asks for.
pub(super) enum Caught {
    End,
    Stop,
    Continue,
}

impl Signals {
    /// From now on none of them ends or stops the process.
    pub(super) fn catch() -> Result<Self, TopError> {
        let on = |kind| signal(kind).map_err(TopError::Signals);
        Ok(Self {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
            hangup: on(SignalKind::hangup())?,
            stop: on(SignalKind::from_raw(libc::SIGTSTP))?,
            go_on: on(SignalKind::from_raw(libc::SIGCONT))?,
        })
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Caught {
        tokio::select! {
            _ = self.terminate.recv() => Caught::End,
            _ = self.interrupt.recv() => Caught::End,
            _ = self.hangup.recv() => Caught::End,
            _ = self.stop.recv() => Caught::Stop,
            _ = self.go_on.recv() => Caught::Continue,
        }
    }
}
