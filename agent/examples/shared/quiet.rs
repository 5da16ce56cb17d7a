//! A machine that does something else measures that too: waiting until it does not, and telling runs that were disturbed.

use std::{
    fmt,
    time::{Duration, Instant},
};

use super::{machine, waiting::Waiting};

/// How long it has to be quiet before a run.
const SPELL: Duration = Duration::from_millis(500);

/// Runs until one that was not disturbed.
const TRIES: u32 = 3;

/// Lets runs through when the machine does little else, as long as its patience lasts.
#[derive(Debug)]
pub(crate) struct QuietGate {
    /// CPUs that others may keep busy.
    most: f64,
    patience: Duration,
    /// Runs that count, and those that do not since others were busy.
    kept: u32,
    dropped: u32,
}

impl QuietGate {
    pub(crate) fn new(most: f64, patience: Duration) -> Self {
        Self {
            most,
            patience,
            kept: 0,
            dropped: 0,
        }
    }

    /// What a run tells that was not disturbed, if there is one. It tells also how many CPUs were busy for others.
    pub(crate) fn undisturbed<T>(
        &mut self,
        waiting: &Waiting,
        mut run: impl FnMut() -> anyhow::Result<(T, f64)>,
    ) -> anyhow::Result<Option<T>> {
        for _ in 0..TRIES {
            self.wait(waiting)?;
            let start = Instant::now();
            let (told, foreign) = run()?;
            if foreign <= self.most {
                self.kept += 1;
                return Ok(Some(told));
            }
            self.dropped += 1;
            self.patience = self.patience.saturating_sub(start.elapsed());
            if self.patience.is_zero() {
                break;
            }
        }
        Ok(None)
    }

    /// The first quiet spell costs no patience.
    fn wait(&mut self, waiting: &Waiting) -> anyhow::Result<()> {
        loop {
            let (start, before) = (Instant::now(), machine::busy()?);
            waiting.pause(SPELL)?;
            let busy = machine::busy()?.saturating_sub(before).as_secs_f64();
            if busy <= self.most * start.elapsed().as_secs_f64() || self.patience.is_zero() {
                return Ok(());
            }
            self.patience = self.patience.saturating_sub(start.elapsed());
        }
    }
}

/// How many runs count.
impl fmt::Display for QuietGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} runs count, {} were dropped: others kept more than {} CPUs busy",
            self.kept, self.dropped, self.most
        )
    }
}
