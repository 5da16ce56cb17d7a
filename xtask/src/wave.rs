//! A cgroup with a varying load, so that the page moves where no container runs.
//!
//! Needs root. It lives as long as the value; dropped, it takes processes and cgroups away.

use std::{
    convert::Infallible,
    f64::consts::TAU,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use nix::sys::{prctl, signal::Signal};

use crate::cgroup::Group;

/// The cgroup's name, which says to whoever sees it what it is.
const NAME: &str = "cgflux-wave";

/// From idle to busy and back.
const PERIOD: Duration = Duration::from_secs(20);

/// One stretch of work and rest; short, so that no second looks different from its neighbours.
const SLICE: Duration = Duration::from_millis(20);

/// A running load.
#[derive(Debug)]
pub(crate) struct Wave {
    load: Child,
    group: Group,
}

impl Wave {
    /// Starts the load, by `xtask`'s hidden verb, in a cgroup of its own.
    pub(crate) fn start(xtask: &Path) -> Result<Self> {
        let group = Group::at(NAME)?;
        let load = Command::new(xtask)
            .arg("wave")
            .stdin(Stdio::null())
            .spawn()
            .context("cannot start the load")?;
        // From here on dropping it takes everything back.
        let wave = Self { load, group };
        wave.group.make()?;
        wave.group.take(wave.load.id())?;
        Ok(wave)
    }
}

impl Drop for Wave {
    fn drop(&mut self) {
        // An error means that it has ended already.
        drop(self.load.kill());
        drop(self.load.wait());
        self.group.remove();
    }
}

/// The load itself: busy for a share of each slice that follows a slow wave. Ends with its parent.
#[expect(clippy::infinite_loop, reason = "it is ended from outside")]
pub(crate) fn load() -> Result<Infallible> {
    prctl::set_pdeathsig(Signal::SIGKILL).context("cannot tie the load to its parent")?;
    let start = Instant::now();
    loop {
        let begin = Instant::now();
        let busy = SLICE.mul_f64(busy_share(begin - start));
        while begin.elapsed() < busy {
            std::hint::spin_loop();
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "resting is what is asked of the load"
        )]
        std::thread::sleep(SLICE.saturating_sub(begin.elapsed()));
    }
}

/// Between 0.1 and 0.9 of one CPU.
fn busy_share(elapsed: Duration) -> f64 {
    let phase = elapsed.as_secs_f64() / PERIOD.as_secs_f64() * TAU;
    0.5 - 0.4 * phase.cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_swings_between_a_tenth_and_nine_tenths() {
        let close = |elapsed, share: f64| (busy_share(elapsed) - share).abs() < 1e-9;
        assert!(close(Duration::ZERO, 0.1));
        assert!(close(PERIOD / 2, 0.9));
        assert!(close(PERIOD, 0.1));
    }
}
